"""`mgbench weights`: check the optional files of weights."""

from __future__ import annotations

from pipelines._stage import PARAMS, USER_FAULT, mistakes_shown

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.findings import Finding
from benchmark.core.foreign_file import stand_in
from benchmark.core.pinned_file import sha256
from benchmark.modalities.pose.pose import PoseModality
from benchmark.params.params import read_params
from benchmark.weights.catalogue import (
    FileState,
    pinned_state,
    published_state,
    read_catalogue,
    weights_files,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmark.params.params import Params
    from benchmark.weights.catalogue import PublishedWeights

WEIGHTS = Path("weights")

folder_of_weights = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def weights() -> None:
    """Check the optional files of weights."""


@weights.command()
@click.option("--folder", type=folder_of_weights, help="Folder of the files, if not weights/.")
@click.option("--name", help="Print everything about one published file.")
def check(folder: Path | None, name: str | None) -> None:
    """Check every file; exit with 2 if one is wrong, or named in params.yaml and missing."""
    with mistakes_shown():
        catalogue = read_catalogue()
        entries = [catalogue.named(name)] if name else catalogue.entries
        params = read_params(PARAMS) if PARAMS.is_file() and not name else None
        levels = show(entries, params, folder or WEIGHTS, in_full=bool(name))
    if "fault" in levels:
        sys.exit(USER_FAULT)


def show(
    entries: Sequence[PublishedWeights], params: Params | None, folder: Path, *, in_full: bool
) -> list[str]:
    """Print the state of each file and return the levels.

    Args:
        entries: The published files to look for.
        params: Names more files, by path; None for the published ones alone.
        folder: Folder of the published files.
        in_full: Whether to print everything that the catalogue knows.
    """
    # Once: some files hold gigabytes, and the catalogue and params.yaml name the same file.
    cached = cache(sha256)

    def digest(path: Path) -> str:
        return cached(path.resolve())

    states = [(entry, published_state(entry, folder, digest)) for entry in entries]
    named = list(_named_in(params, digest)) if params else []
    labels = [*(entry.name for entry in entries), *(where for where, _ in named)]
    width = max(map(len, labels))
    for entry, state in states:
        click.echo(Finding(state.level, state.text, entry.name).line(width))
        lines = _metadata(entry, folder) if in_full else []
        for line in [*lines, *_to_paste(entry, folder, state)]:
            click.echo(f"      {line}")
    for where, state in named:
        click.echo(Finding(state.level, state.text, where).line(width))
    if not in_full:
        present = sum(state.sha256 is not None for _, state in states)
        click.echo(f"{present} of {len(states)} published files are in {folder}; --name says more")
    return [state.level for _, state in (*states, *named)]


def _named_in(params: Params, digest: Callable[[Path], str]) -> Iterator[tuple[str, FileState]]:
    """Yield the state of every file of weights that params.yaml names."""
    for where, file in weights_files(params):
        yield where, pinned_state(file, digest)
    # MediaPipe's files have a path and no hash there.
    for key, modality in params.modalities.items():
        if isinstance(modality, PoseModality):
            for part in ("pose", "hands", "face"):
                if path := getattr(modality, part):
                    wrong = stand_in(Path(path)) if Path(path).is_file() else "missing"
                    state = FileState(
                        "fault" if wrong else "ok", f"{path}: {wrong or 'present'}", None
                    )
                    yield f"modalities.{key}.{part}", state


def _metadata(entry: PublishedWeights, folder: Path) -> list[str]:
    size = f"{entry.bytes:,}" if entry.bytes else "not stated"
    digits = " or ".join(entry.sha256_begins or ()) or "none published: pin your download"
    origin = {None: "", "file name": " (in the file's name)", "others": " (others pin it)"}
    return [
        f"file:     {entry.file}, bytes: {size}",
        f"used by:  {entry.used_by}",
        f"source:   {entry.source}",
        f"fetch:    {entry.url or 'no address known'}",
        f"licence:  {entry.licence}" + ("; for research only" if entry.research_only else ""),
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
