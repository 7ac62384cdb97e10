"""The catalogue of published weights, and what of it lies in a folder (docs/weights.md)."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, Field, StringConstraints, model_validator

from benchmark.core.errors import ParamsError
from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.core.schema import Strict, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmark.core.findings import Level

CATALOGUE = Path(__file__).with_suffix(".yaml")

Digits: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]
Text: TypeAlias = Annotated[str, StringConstraints(min_length=1)]


class PublishedWeights(Strict):
    """One published file."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    file: Text
    """The name under which it is published."""
    folder: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")] | None
    """Its own folder beneath the folder of weights, where published names are alike."""
    used_by: Literal[
        "raft", "memflow", "depth_anything", "video_depth_anything", "pose",
        "video_swin", "slow_only", "pose_conv3d", "rgbpose_conv3d",
    ]  # fmt: skip
    """A kind of backend or modality in params.yaml, or a network that it can start from."""
    source: Text
    """Who publishes it, and where."""
    url: Annotated[str, StringConstraints(pattern=r"^https://\S+$")] | None
    """Where it can be fetched; null where no public code spells the address out."""
    licence: Text
    """Of the weights, as published."""
    research_only: bool
    bytes: Annotated[int, Field(gt=0)] | None
    sha256_begins: Annotated[tuple[Digits, ...], Field(min_length=1)] | None
    """Digits that the SHA-256 is known to begin with, one a published version; null: none known."""
    digits_from: Literal["file name", "others"] | None
    """Who gave the digits: the publisher in the file's name, or projects that pin the file."""

    @property
    def place(self) -> Path:
        """Where it lies, seen from the folder of weights."""
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
        for what in ("name", "place"):
            seen = [str(getattr(entry, what)) for entry in self.entries]
            twice = sorted({value for value in seen if seen.count(value) > 1})
            if twice:
                raise ValueError(f"{what} twice: " + ", ".join(twice))
        return self

    def named(self, name: str) -> PublishedWeights:
        """The entry called `name`.

        Raises:
            ParamsError: There is none.
        """
        known = {entry.name: entry for entry in self.entries}
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            expected = " or ".join(near) or "a name that 'mgbench weights check' prints"
            raise ParamsError("--name", f"no weights '{name}'", expected=expected)
        return known[name]


def read_catalogue(path: Path = CATALOGUE) -> Catalogue:
    """The catalogue that comes with the harness, or another one of its form.

    Raises:
        ParamsError: The file breaks the schema.
    """
    return read_yaml(path, Catalogue)


class FileState(NamedTuple):
    """What is found where a file is expected."""

    level: Level
    text: str
    sha256: str | None
    """Of the file that lies there; None where there is none."""


def published_state(
    entry: PublishedWeights, folder: Path, digest: Callable[[Path], str] = sha256
) -> FileState:
    """Whether a published file lies in `folder`, and whether it is the published one."""
    path = folder / entry.place
    if not path.is_file():
        return FileState("note", "absent", None)
    found, size = digest(path), f"{path.stat().st_size:,} bytes"
    if entry.sha256_begins is None:
        return FileState("note", f"{size}; no published hash: pin it", found)
    if found.startswith(entry.sha256_begins):
        return FileState("ok", f"{size}; the published file", found)
    known = " or ".join(digits[:8] for digits in entry.sha256_begins)
    return FileState("fault", f"{size}; WRONG: SHA-256 {found}, published begins {known}", found)


def pinned_state(weights: WeightsFile, digest: Callable[[Path], str] = sha256) -> FileState:
    """Whether the file that params.yaml names is the one that it pins."""
    path = Path(weights.path)
    if not path.is_file():
        return FileState("fault", f"{path}: missing", None)
    found = digest(path)
    if found != weights.sha256:
        return FileState("fault", f"{path}: WRONG: SHA-256 {found}, pinned {weights.sha256}", found)
    return FileState("ok", f"{path}: the pinned file", found)


def weights_files(value: object, where: str = "") -> Iterator[tuple[str, WeightsFile]]:
    """Every `WeightsFile` beneath `value`, with its dotted path."""
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
