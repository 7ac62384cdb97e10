"""The catalogue of published weights, and the state of the files on disk (docs/weights.md)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, Field, StringConstraints, model_validator

from benchmark.core.errors import ParamsError
from benchmark.core.foreign_file import stand_in
from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.core.schema import Positive, Strict, read_yaml

if TYPE_CHECKING:
    from benchmark.core.findings import Level

NOT_PINNED = "0" * 64
"""Stands in params.yaml for the hash of a file that the user has still to choose."""
CATALOGUE = Path(__file__).with_suffix(".yaml")

Digits: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]


class PublishedWeights(Strict):
    """One published file."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    file: Text
    """Its published name."""
    folder: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")] | None
    """Its own folder below the folder of weights, where several files share a published name."""
    used_by: Literal[
        "raft", "memflow", "depth_anything", "video_depth_anything", "pose",
        "video_swin", "slow_only", "pose_conv3d", "rgbpose_conv3d", "vision_transformer",
    ]  # fmt: skip
    """A kind of backend or modality in params.yaml, or a network that can start from the file."""
    source: Text
    """Who publishes it, and where."""
    url: Annotated[str, StringConstraints(pattern=r"^https://\S+$")] | None
    """Where to download it; null if no public code spells the address out."""
    license: Text
    """Of the weights, as published."""
    research_only: bool
    bytes: Positive | None
    sha256_begins: Annotated[tuple[Digits, ...], Field(min_length=1)] | None
    """First digits of the SHA-256, one entry per published version; null if none are known."""
    digits_from: Literal["file name", "others"] | None
    """Who gave the digits: the publisher in the file's name, or projects that pin the file."""

    @property
    def place(self) -> Path:
        """Path of the file below the folder of weights."""
        return Path(self.folder or "", self.file)

    @model_validator(mode="after")
    def _digits_have_an_origin(self) -> PublishedWeights:
        if (self.sha256_begins is None) != (self.digits_from is None):
            raise ValueError("sha256_begins and digits_from are null together")
        return self


class Catalogue(Strict):
    """Every published file that the harness can use."""

    entries: tuple[PublishedWeights, ...]

    @model_validator(mode="after")
    def _is_unique(self) -> Catalogue:
        for key in ("name", "place"):
            values = [str(getattr(entry, key)) for entry in self.entries]
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{key} twice: " + ", ".join(twice))
        return self

    def of_file(self, path: Path) -> list[PublishedWeights]:
        """Return the entries of a published file, by its name and, if it has one, its folder."""
        return [
            entry
            for entry in self.entries
            if path.parts[-len(entry.place.parts) :] == entry.place.parts
        ]

    def named(self, name: str) -> PublishedWeights:
        """Return the entry called `name`.

        Raises:
            ParamsError: There is none.
        """
        by_name = {entry.name: entry for entry in self.entries}
        if name not in by_name:
            near = difflib.get_close_matches(name, by_name, n=3)
            expected = " or ".join(near) or "a name that 'mgbench weights check' prints"
            raise ParamsError("--name", f"no weights '{name}'", expected=expected)
        return by_name[name]


def read_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """Read the catalogue that comes with the harness, or another one of its form.

    Raises:
        ParamsError: The file breaks the schema.
    """
    return read_yaml(path, Catalogue)


class FileState(NamedTuple):
    """What is on disk where a file is expected."""

    level: Level
    text: str
    sha256: str | None
    """SHA-256 of the file; None if there is no file."""


def published_state(
    entry: PublishedWeights, folder: Path, digest: Callable[[Path], str] = sha256
) -> FileState:
    """Tell whether a published file is in `folder`, and with the published bytes."""
    path = folder / entry.place
    if not path.is_file():
        return FileState("note", "absent", None)
    actual, size = digest(path), f"{path.stat().st_size:,} bytes"
    if instead := stand_in(path):
        return FileState("fault", f"{size}; WRONG: {instead}", actual)
    if entry.sha256_begins is None:
        return FileState("note", f"{size}; no published hash: pin it", actual)
    if actual.startswith(entry.sha256_begins):
        return FileState("ok", f"{size}; the published file", actual)
    expected = " or ".join(digits[:8] for digits in entry.sha256_begins)
    text = f"{size}; WRONG: SHA-256 {actual}, published begins {expected}"
    return FileState("fault", text, actual)


def pinned_state(weights: WeightsFile, digest: Callable[[Path], str] = sha256) -> FileState:
    """Tell whether the file that params.yaml names has the pinned bytes."""
    path = Path(weights.path)
    if not path.is_file():
        return FileState("fault", f"{path}: missing", None)
    actual = digest(path)
    if instead := stand_in(path):
        return FileState("fault", f"{path}: WRONG: {instead}", actual)
    if weights.sha256 == NOT_PINNED:
        return FileState("fault", f"{path}: not pinned yet: 'mgbench weights pin'", actual)
    if actual != weights.sha256:
        text = f"{path}: WRONG: SHA-256 {actual}, pinned {weights.sha256}"
        return FileState("fault", text, actual)
    return FileState("ok", f"{path}: the pinned file", actual)


def weights_files(value: object, where: str = "") -> Iterator[tuple[str, WeightsFile]]:
    """Yield every `WeightsFile` below `value` with its dotted path."""
    if isinstance(value, WeightsFile):
        yield where, value
        return
    if isinstance(value, BaseModel):
        below = [(name, getattr(value, name)) for name in type(value).model_fields]
    elif isinstance(value, dict):
        below = list(value.items())
    elif isinstance(value, tuple | list):
        below = list(enumerate(value))
    else:
        return
    for name, part in below:
        yield from weights_files(part, f"{where}.{name}" if where else str(name))
