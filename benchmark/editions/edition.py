"""Editions: classes, body parts, splits, published sizes and metric of a data set.

One YAML file per edition, beside this module; `docs/formats.md` describes every key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchmark.core.errors import ParamsError
from benchmark.core.files import inside
from benchmark.core.schema import Line, Strict, read_yaml
from benchmark.core.text_files import read_text
from benchmark.editions.splits import Split

FOREIGN = "foreign"
"""Stands instead of an edition's name for scores that belong to none."""

SHIPPED = Path(__file__).parent
OWN = Path("editions")
"""Folder of a project for editions of its own."""
_PROJECT: ContextVar[Path] = ContextVar("project", default=Path())


class SplitCounts(Strict):
    """Published size of a split."""

    videos: int = Field(gt=0)
    clips: int = Field(gt=0)


class Edition(Strict):
    """One edition of a data set."""

    # Commands of dvc.yaml and folders contain it.
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,49}$")]
    version: int
    """Every change of the file that can move a score raises it."""
    title: Line
    source: str
    """Origin of the data."""
    comparable: bool
    """Whether pages may show its scores beside published ones (false for generated data)."""
    dataset: str
    """Which data set class of `benchmark/archives` reads the raw archive."""
    classes: tuple[Line, ...] = Field(min_length=1)
    groups: dict[str, tuple[int, ...]]
    """Body part -> class indices; every class in exactly one."""
    withheld: tuple[Split, ...]
    """Splits whose labels the archive lacks."""
    counts: dict[Split, SplitCounts] | None
    """Published sizes; null where the user chooses the size."""
    label_counts: dict[Split, tuple[int, ...]] | None
    """Published clips per class; the data report names where the archive differs."""
    ids: dict[Split, str] | None
    """Files beside this one: header `Id`, then one clip id per line in the leaderboard's order."""
    metric: Literal["top1"]
    """Score that the leaderboard ranks by."""

    @model_validator(mode="after")
    def _groups_cover_classes(self) -> Edition:
        # Each class belongs to one body part: leaderboards ask for the part of every class.
        members = sorted(index for group in self.groups.values() for index in group)
        if members != list(range(len(self.classes))):
            raise ValueError("groups must hold every class index exactly once")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have the same name")
        for split, counts in (self.label_counts or {}).items():
            if len(counts) != len(self.classes) or min(counts) < 0:
                raise ValueError(f"label_counts.{split} must have one number >= 0 per class")
        for name in (self.ids or {}).values():
            inside(SHIPPED, name)
        return self

    @property
    def stamp(self) -> str:
        """Name and version, as runs name it."""
        return f"{self.name}/{self.version}"

    def group_of(self) -> NDArray[np.int64]:
        """Return the body part of each class, (K,), as its place in `groups`."""
        group = np.empty(len(self.classes), np.int64)
        for index, members in enumerate(self.groups.values()):
            group[list(members)] = index
        return group


@contextmanager
def of_project(folder: Path) -> Iterator[None]:
    """Let editions be those of the project in `folder`, instead of the working folder's."""
    token = _PROJECT.set(folder)
    try:
        yield
    finally:
        _PROJECT.reset(token)


def read_edition(name: str) -> Edition:
    """Read the edition called `name`, of the package or of the project: see `of_project`.

    Raises:
        ParamsError: There is no such edition, or its file breaks the schema.
    """
    if (path := edition_file(name)) is None:
        names = ", ".join(edition_names())
        raise ParamsError("edition", f"no edition '{name}'", expected=f"one of {names}")
    edition = read_yaml(path, Edition)
    # Files between stages carry the name: that of a copied file would mix two editions.
    if edition.name != name:
        raise ParamsError(path, "name differs from the file's", expected=name, found=edition.name)
    return edition


def edition_file(name: str) -> Path | None:
    """Return the file of an edition; None if there is none.

    Raises:
        ParamsError: Package and project both have one: neither may hide the other.
    """
    own, shipped = _PROJECT.get() / OWN / f"{name}.yaml", SHIPPED / f"{name}.yaml"
    if own.is_file() and shipped.is_file():
        raise ParamsError(own, f"the package has an edition '{name}', too", do="Rename yours")
    return next((file for file in (own, shipped) if file.is_file()), None)


def groups_of(name: str) -> NDArray[np.int64] | None:
    """Return the body part of each class, (K,), of an edition; None for scores of no edition."""
    return read_edition(name).group_of() if name in edition_names() else None


def listed_ids(edition: Edition, split: Split) -> list[str] | None:
    """Read the clip ids in the leaderboard's order; None where nobody published them."""
    name = (edition.ids or {}).get(split)
    if name is None:
        return None
    file = edition_file(edition.name)
    path = inside(file.parent if file else SHIPPED, name)
    if not path.is_file():
        raise ParamsError(path, f"no such file, but ids.{split} of {edition.name} names it")
    # Clip ids hold no spaces, so this takes line ends of any system.
    header, *ids = read_text(path).split() or [""]
    if header != "Id" or len({*ids}) < len(ids):
        wrong = "wrong header" if header != "Id" else "a clip comes twice"
        raise ParamsError(path, wrong, expected="Id, then each clip id once", found=header[:40])
    return ids


def edition_names() -> list[str]:
    """List every edition of the package and of the project, sorted."""
    own = _PROJECT.get() / OWN
    # Not `._own.yaml`, which macOS lays beside own.yaml on a foreign disk.
    files = (*SHIPPED.glob("[!.]*.yaml"), *own.glob("[!.]*.yaml"))
    return sorted(file.stem for file in files if file.is_file())
