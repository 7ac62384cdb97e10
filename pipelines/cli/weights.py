"""`mgbench weights`: check and pin the optional files of weights."""

from __future__ import annotations

from pipelines._stage import PARAMS, USER_FAULT, read_params

import sys
from functools import cache
from pathlib import Path

import click

from benchmark.core.errors import ParamsError
from benchmark.core.files import check_not_inside
from pipelines.cli.group import Group

WEIGHTS = Path("weights")

folder_of_weights = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group(cls=Group)
def weights() -> None:
    """Check and pin the optional files of weights."""


@weights.command()
@click.option("--folder", type=folder_of_weights, help="Folder of the files, if not weights/.")
@click.option("--name", help="Print everything about one published file.")
@click.option("--all", "everything", is_flag=True, help="Also list what params.yaml does not name.")
def check(folder: Path | None, name: str | None, everything: bool) -> None:
    """Check the files that params.yaml names; exit with 2 if one is missing or wrong.

    Example: mgbench weights check --name raft_small_ct_v2
    """
    from benchmark.core.pinned_file import sha256
    from benchmark.weights.catalogue import read_catalogue
    from pipelines.cli.weights_shown import show_named, show_published

    check_not_inside()
    catalogue = read_catalogue()
    # Once: some files hold gigabytes, and the catalogue and params.yaml name the same file.
    cached = cache(sha256)

    def digest(path: Path) -> str:
        return cached(path.resolve())

    levels = []
    if name is None and PARAMS.is_file():
        levels += show_named(read_params(PARAMS), catalogue, digest)
    if name or everything or folder or not PARAMS.is_file():
        entries = [catalogue.named(name)] if name else catalogue.entries
        levels += show_published(entries, folder or WEIGHTS, digest, in_full=bool(name))
    if "fault" in levels:
        sys.exit(USER_FAULT)


@weights.command()
@click.argument("keys", metavar="[KEY]...", nargs=-1)
def pin(keys: tuple[str, ...]) -> None:
    """Write the SHA-256 of the files that params.yaml names into it.

    KEY is a key of params.yaml, as 'mgbench weights check' prints it; without one, every file that
    is there and not pinned yet. A file that is pinned already is pinned anew only by its KEY.

    Example: mgbench weights pin pretrained.swin_base_in1k.file
    """
    from benchmark.presets.edit import read_document, write_document
    from benchmark.weights.catalogue import NOT_PINNED, read_catalogue, weights_files
    from pipelines.cli.weights_shown import digits_of

    files, catalogue = dict(weights_files(read_params(PARAMS))), read_catalogue()
    if unknown := sorted({*keys} - files.keys()):
        named = f"one of {', '.join(files)}" if files else "a key: params.yaml names no such file"
        raise ParamsError("KEY", f"no file of weights at {unknown[0]}", expected=named)
    chosen = keys or [
        key for key, file in files.items()
        if file.sha256 == NOT_PINNED and Path(file.path).is_file()
    ]  # fmt: skip
    document = read_document(PARAMS)
    for key in chosen:
        digits = digits_of(Path(files[key].path), catalogue)
        at = document
        for part in key.split("."):
            at = at[int(part) if part.isdigit() else part]
        at["sha256"] = digits
    write_document(document, PARAMS)
    for key in chosen:
        click.echo(f"pinned {key}: {files[key].path}")
    if not chosen:
        click.echo("nothing to pin: every file that is there is pinned")
