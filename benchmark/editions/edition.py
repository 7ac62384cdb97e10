"""Challenge editions: what the classes, splits, metric and submission form are.

One YAML file an edition, beside this module; `docs/formats.md` describes every key.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from benchmark.core.errors import ParamsError
from benchmark.core.files import inside
from benchmark.core.schema import Strict, read_yaml

if TYPE_CHECKING:
    from numpy.typing import NDArray

Split: TypeAlias = Literal["train", "val", "test"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")
"""Every split, in the order in which pages list them."""

FOREIGN = "foreign"
"""In the place of an edition's name, for scores that belong to none."""

FOLDER = Path(__file__).parent


class SplitCounts(Strict):
    """How large a split was published to be."""

    videos: int = Field(gt=0)
    clips: int = Field(gt=0)


class SubmissionForm(Strict):
    """The file that the leaderboard takes."""

    file: str
    """Name of the CSV inside the zip."""
    header: tuple[str, ...] | None
    """Column names of the first line; null where the edition wants none."""
    label_base: int
    """What class index 0 is written as."""


class Edition(Strict):
    """One challenge edition."""

    name: str
    version: int
    """Raised whenever a change can move a score."""
    title: str
    source: str
    """Where the data come from."""
    comparable: bool
    """Whether its scores may stand beside published ones (false for generated data)."""
    dataset: str
    """Which reader of `benchmark/datasets` understands the raw archive."""
    classes: tuple[str, ...]
    groups: dict[str, tuple[int, ...]]
    """Body part -> class indices; every class in exactly one."""
    withheld: tuple[Split, ...]
    """Splits whose labels the archive does not give."""
    counts: dict[Split, SplitCounts] | None
    """Published sizes; null where the size is a parameter."""
    label_counts: dict[Split, tuple[int, ...]] | None
    """Published clips of each class; where the archive differs, one is told."""
    ids: dict[Split, str] | None
    """Files beside this one, `Id` and one clip id a line: what the leaderboard wants, in order."""
    metric: Literal["top1"]
    submission: SubmissionForm

    @model_validator(mode="after")
    def _groups_cover_classes(self) -> Edition:
        members = sorted(index for group in self.groups.values() for index in group)
        if members != list(range(len(self.classes))):
            raise ValueError("groups must hold every class index exactly once")
        if len(set(self.classes)) != len(self.classes):
            raise ValueError("two classes have the same name")
        for split, counts in (self.label_counts or {}).items():
            if len(counts) != len(self.classes):
                raise ValueError(f"label_counts.{split} must have one number a class")
        return self

    def group_of(self) -> NDArray[np.int64]:
        """Index of the body part of each class, int64 (K,); body parts in the file's order."""
        group = np.empty(len(self.classes), np.int64)
        for index, members in enumerate(self.groups.values()):
            group[list(members)] = index
        return group


def read_edition(name: str) -> Edition:
    """The edition called `name`.

    Raises:
        ParamsError: There is no such edition, or its file breaks the schema.
    """
    path = FOLDER / f"{name}.yaml"
    if not path.is_file():
        raise ParamsError(
            "edition", f"no edition '{name}'", expected="one of " + ", ".join(edition_names())
        )
    edition = read_yaml(path, Edition)
    if edition.name != name:
        raise ParamsError(path, "name differs from the file's", expected=name, found=edition.name)
    return edition


def listed_ids(edition: Edition, split: Split) -> list[str] | None:
    """The clip ids that the leaderboard wants, in its order; None where nobody published them."""
    name = (edition.ids or {}).get(split)
    if name is None:
        return None
    path = inside(FOLDER, name)
    header, *ids = path.read_text("utf-8").split()
    if header != "Id":
        raise ParamsError(path, "wrong header", expected="Id", found=header)
    return ids


def edition_names() -> list[str]:
    """Every edition that has a file, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))
