"""The complete sets of knobs that come with the harness, and how two experiments differ."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.core.errors import ParamsError
from benchmark.params.params import read_params
from benchmark.tracking.records import flatten

if TYPE_CHECKING:
    from benchmark.params.params import Params

PAPER = Path(__file__).with_name("paper.yaml")


def kept(profile: str, params: Path) -> Path:
    """Where the knobs of a profile lie while `params`, beside it, is of another one."""
    return params.with_name(f"params.{profile}.yaml")


def file_of(profile: str, params: Path) -> Path:
    """The knobs of a profile: the project's own, those kept beside it, or those that come along.

    Raises:
        ParamsError: There is no such profile.
    """
    if read_params(params).preset == profile:
        return params
    if (found := kept(profile, params)).is_file():
        return found
    if profile == "paper":
        return PAPER
    if profile == "default":
        raise ParamsError(found, "no such file", do=f"Get {params} back with Git")
    known = sorted({"default", "paper"} | {file.name.split(".")[1] for file in
                    params.parent.glob("params.*.yaml")})  # fmt: skip
    raise ParamsError("PROFILE", f"no '{profile}'", expected=f"one of {', '.join(known)}")


@cache
def paper() -> Params:
    """Every number of MM-Gesture, for iMiGUE."""
    return read_params(PAPER)


def resolved(params: Params, name: str) -> dict[str, Any]:
    """Experiment `name` with the entries that it names in their place."""
    experiment = params.experiments[name]
    recipe = params.recipes[experiment.recipe]
    found = experiment.model_dump(mode="json")
    found["modality"] = {"name": experiment.modality} | params.all_modalities[
        experiment.modality
    ].model_dump(mode="json")
    found["recipe"] = {"name": experiment.recipe} | recipe.model_dump(mode="json")
    return found | {"lr_after_scaling": recipe.lr}


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(key, ours, theirs) of every value that differs; a dash where there is none."""
    one, other = flatten(ours), flatten(theirs)
    return [
        (key, one.get(key, "-"), other.get(key, "-"))
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
    ]
