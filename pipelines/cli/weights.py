"""`mgbench weights`: the optional files of weights, and whether they are the right ones."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.findings import Finding
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
from pipelines._stage import PARAMS, USER_FAULT, mistakes_shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmark.params.params import Params
    from benchmark.weights.catalogue import PublishedWeights

WEIGHTS = Path("weights")

folder_of_weights = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def weights() -> None:
    """Look at the optional files of weights."""


@weights.command()
@click.option("--folder", type=folder_of_weights, help="Where they lie, if not in weights/.")
@click.option("--name", help="Say all about one published file.")
def check(folder: Path | None, name: str | None) -> None:
    """Check every file; exit code 2 if one is wrong, or named in params.yaml and missing."""
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
    """Print the state of each file; the levels of what was found."""
    digest = _once_a_file()
    states = [(entry, published_state(entry, folder, digest)) for entry in entries]
    named = list(_named_in(params, digest)) if params else []
    width = max(
        len(label) for label in [*(entry.name for entry in entries), *(w for w, _ in named)]
    )
    for entry, state in states:
        click.echo(Finding(state.level, state.text, entry.name).line(width))
        for line in [*(_card(entry, folder) if in_full else ()), *_to_paste(entry, folder, state)]:
            click.echo(f"      {line}")
    for where, state in named:
        click.echo(Finding(state.level, state.text, where).line(width))
    if not in_full:
        present = sum(state.sha256 is not None for _, state in states)
        click.echo(f"{present} of {len(states)} published files are in {folder}; --name says more")
    return [state.level for _, state in (*states, *named)]


def _once_a_file() -> Callable[[Path], str]:
    """SHA-256 that reads a file once in a run: some hold gigabytes and are named twice."""
    known = cache(sha256)
    return lambda path: known(path.resolve())


def _named_in(params: Params, digest: Callable[[Path], str]) -> Iterator[tuple[str, FileState]]:
    """Every file of weights that params.yaml names; MediaPipe's are not pinned there."""
    for where, file in weights_files(params):
        yield where, pinned_state(file, digest)
    for key, modality in params.modalities.items():
        if isinstance(modality, PoseModality):
            for part in ("pose", "hands", "face"):
                path = getattr(modality, part)
                if path is not None:
                    there = Path(path).is_file()
                    text = f"{path}: {'present' if there else 'missing'}"
                    yield (
                        f"modality.{key}.{part}",
                        FileState("ok" if there else "fault", text, None),
                    )


def _card(entry: PublishedWeights, folder: Path) -> list[str]:
    """All that the catalogue knows."""
    size = f"{entry.bytes:,}" if entry.bytes else "not stated"
    known = " or ".join(entry.sha256_begins or ()) or "none published: pin what you fetched"
    origin = {None: "", "file name": " (in the file's name)", "others": " (others pin it)"}
    return [
        f"file:     {entry.file}, bytes: {size}",
        f"used by:  {entry.used_by}",
        f"source:   {entry.source}",
        f"fetch:    {entry.url or 'no address known'}",
        f"licence:  {entry.licence}" + ("; for research only" if entry.research_only else ""),
        f"SHA-256 begins: {known}{origin[entry.digits_from]}",
        f"put it in {folder / entry.place}",
    ]


def _to_paste(entry: PublishedWeights, folder: Path, state: FileState) -> list[str]:
    """What pins the file in params.yaml; nothing for a wrong one."""
    if state.sha256 is None or state.level == "fault":
        return []
    if entry.used_by == "pose":  # params.yaml names it by its path alone
        return [f"SHA-256 {state.sha256}"]
    path = (folder / entry.place).as_posix()
    return [f"weights: {{path: {path},", f"          sha256: {state.sha256}}}"]
