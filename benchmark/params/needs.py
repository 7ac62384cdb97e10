"""What params.yaml needs besides itself: raw archives and optional packages."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import FaultList, MissingExtra, ParamsError

if TYPE_CHECKING:
    from benchmark.params.params import Params

NEEDS = {
    "pose": "mediapipe", "memflow": "ptlflow", "depth_anything": "transformers",
    "video_depth_anything": "transformers", "transformers": "transformers",
}  # fmt: skip
"""Kind of a modality, or of what makes it -> the optional package without which it cannot."""


def check_archives(params: Params) -> None:
    """Make sure that the archives are there: DVC would name a missing one by an error number.

    Raises:
        ManyFaults: Each one that is missing and that no stage generates.
    """
    made = {*params.synthetic, *params.synthetic_ma52}
    faults = FaultList()
    for name in params.editions:
        folder = Path("data/raw", name)
        if name in made or folder.exists():
            continue
        users = [key for key, run in params.experiments.items() if run.edition == name]
        users += starting_from(params, users)
        drop = f", or drop what needs it: 'mgbench experiment remove {' '.join(users)}'"
        # Of the edition that the table scores, next to nothing would be left.
        do = f"Put or link it there ({page_of(name)})"
        do += drop if users and name != params.table.edition else ""
        faults.errors.append(
            ParamsError(folder, f"the archive of edition '{name}' is not there", do=do)
        )
    faults.raise_any("data/raw", do="'mgbench doctor' says what else is missing")


def starting_from(params: Params, names: Collection[str]) -> list[str]:
    """List the other experiments that start from these, at any remove or through a merge."""
    found: list[str] = []
    while True:
        gone = {*names, *found}
        gone |= {key for key, merge in params.merges.items() if {merge.rgb, merge.pose} & gone}
        more = [
            key for key, one in params.experiments.items()
            if one.init_from in gone and key not in gone
        ]  # fmt: skip
        if not more:
            return found
        found += more


def check_packages(params: Params) -> None:
    """Make sure that optional packages are there before hours of other stages, not after them.

    Raises:
        MissingExtra: One that a modality of params.yaml needs is not installed.
    """
    for package, kind in missing_packages(params).items():
        do = "'mgbench doctor' says what installs it"
        raise MissingExtra(package, f"not installed; modalities with '{kind}' need it", do=do)


def missing_packages(params: Params) -> dict[str, str]:
    """Return the optional packages that a modality needs and that are not there -> its kind."""
    kinds = [
        kind for spec in params.modalities.values() for kind in _kinds(spec.model_dump(mode="json"))
    ]
    return {NEEDS[k]: k for k in kinds if k in NEEDS and find_spec(NEEDS[k]) is None}


def _kinds(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(kind := part.get("kind"), str):
            yield kind
        for inner in part.values():
            yield from _kinds(inner)


def page_of(edition: str) -> str:
    """Return the page that says where an archive comes from."""
    pages = {"imigue": "docs/imigue.md", "ma52": "docs/imigue.md", "smg": "docs/online.md"}
    return pages.get(edition, "docs/own-clips.md")
