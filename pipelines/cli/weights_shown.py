"""What `mgbench weights` prints of files: their state, and where to get what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import ParamsError
from benchmark.core.findings import Finding, Level
from benchmark.core.foreign_file import stand_in
from benchmark.core.pinned_file import sha256
from benchmark.modalities.pose.pose import PoseModality
from benchmark.weights.catalogue import (
    Catalogue,
    FileState,
    PublishedWeights,
    pinned_state,
    published_state,
    weights_files,
)

if TYPE_CHECKING:
    from benchmark.params.params import Params

CHECKPOINTS = (".pth", ".pt", ".ckpt", ".safetensors")
"""Endings of files that hold tensors."""


def digits_of(path: Path, catalogue: Catalogue) -> str:
    """Hash a file that holds tensors and is not known to be a wrong one.

    Raises:
        ArchiveError: It is missing, or no file of weights.
        ParamsError: Its publisher has other bytes.
    """
    from benchmark.models.check_tensors import read_checkpoint

    if not path.is_file():
        raise ParamsError(path, "no such file", do="'mgbench weights check' says where to get it")
    if path.suffix in CHECKPOINTS:
        read_checkpoint(path)
    digits = sha256(path)
    for entry in catalogue.of_file(path):
        if entry.sha256_begins and not digits.startswith(entry.sha256_begins):
            begins = " or ".join(entry.sha256_begins)
            raise ParamsError(path, "not the published file", expected=begins, found=digits)
    return digits


def show_named(params: Params, catalogue: Catalogue, digest: Callable[[Path], str]) -> list[Level]:
    """Print the files that params.yaml names, with where to get what is missing."""
    named = list(_named_in(params, digest))
    width = max((len(where) for where, _, _ in named), default=0)
    for where, path, state in named:
        click.echo(Finding(state.level, state.text, where).line(width))
        for entry in catalogue.of_file(path) if state.level == "fault" else ():
            size = f"{entry.bytes / 1e6:.0f} MB" if entry.bytes else "size not stated"
            click.echo(f"      {entry.name}: {entry.url or entry.source}, {size}, {entry.license}")
    if not named:
        click.echo("params.yaml names no file of weights; --all lists the published ones")
    return [state.level for _, _, state in named]


def show_published(
    entries: Sequence[PublishedWeights], folder: Path, digest: Callable[[Path], str],
    *, in_full: bool,
) -> list[Level]:  # fmt: skip
    """Print the published files.

    Args:
        entries: The files to look for.
        folder: Where.
        digest: Hashes a file.
        in_full: Whether to print everything that the catalogue knows.
    """
    states = [(entry, published_state(entry, folder, digest)) for entry in entries]
    width = max(len(entry.name) for entry in entries)
    for entry, state in states:
        click.echo(Finding(state.level, state.text, entry.name).line(width))
        lines = _metadata(entry, folder) if in_full else []
        for line in [*lines, *_to_paste(entry, folder, state)]:
            click.echo(f"      {line}")
    if not in_full:
        present = sum(state.sha256 is not None for _, state in states)
        click.echo(f"{present} of {len(states)} published files are in {folder}; --name says more")
    return [state.level for _, state in states]


def _named_in(
    params: Params, digest: Callable[[Path], str]
) -> Iterator[tuple[str, Path, FileState]]:
    """Yield key, path and state of every file of weights that params.yaml names."""
    for where, file in weights_files(params):
        yield where, Path(file.path), pinned_state(file, digest)
    # MediaPipe's files have a path and no hash there.
    for key, modality in params.modalities.items():
        if isinstance(modality, PoseModality):
            for part in ("pose", "hands", "face"):
                if name := getattr(modality, part):
                    path = Path(name)
                    wrong = stand_in(path) if path.is_file() else "missing"
                    level = "fault" if wrong else "ok"
                    state = FileState(level, f"{path}: {wrong or 'present'}", None)
                    yield f"modalities.{key}.{part}", path, state


def _metadata(entry: PublishedWeights, folder: Path) -> list[str]:
    size = f"{entry.bytes:,}" if entry.bytes else "not stated"
    digits = " or ".join(entry.sha256_begins or ()) or "none published: pin your download"
    origin = {None: "", "file name": " (in the file's name)", "others": " (others pin it)"}
    return [
        f"file:     {entry.file}, bytes: {size}",
        f"used by:  {entry.used_by}",
        f"source:   {entry.source}",
        f"fetch:    {entry.url or 'no address known'}",
        f"license:  {entry.license}" + ("; for research only" if entry.research_only else ""),
        f"SHA-256 begins: {digits}{origin[entry.digits_from]}",
        f"put it in {folder / entry.place}",
    ]


def _to_paste(entry: PublishedWeights, folder: Path, state: FileState) -> list[str]:
    """Write the lines that pin the file in params.yaml; none for a wrong file."""
    if state.sha256 is None or state.level == "fault":
        return []
    if entry.used_by == "pose":  # params.yaml names it by its path alone
        return [f"SHA-256 {state.sha256}"]
    path = (folder / entry.place).as_posix()
    return [f"weights: {{path: {path},", f"          sha256: {state.sha256}}}"]
