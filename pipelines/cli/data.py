"""`mgbench data` and `mgbench edition`: check raw archives, turn your own clips into an edition."""

from __future__ import annotations

from pipelines._stage import PARAMS, USER_FAULT, existing, mistakes_shown

import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel

from benchmark.challenges.challenge import FOLDER as CHALLENGES
from benchmark.contracts.clips import check_subjects
from benchmark.core.errors import ParamsError
from benchmark.core.files import write_text
from benchmark.core.findings import has_fault
from benchmark.core.schema import read_yaml
from benchmark.editions.edition import (
    FOREIGN,
    OWN,
    SHIPPED,
    edition_file,
    edition_names,
    read_edition,
)  # fmt: skip
from benchmark.params.params import EditionUse, read_params
from benchmark.runtime.parallel import usable_cores
from pipelines.cli.annotations import import_
from pipelines.cli.group import Group, echo_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.editions.edition import Edition


TAKEN = ("raw", "test_labels")
"""Other folders of data/, where each edition has its own."""


class EditionsSection(BaseModel):
    """The section `editions` of params.yaml alone, so that errors elsewhere do not matter."""

    editions: dict[str, EditionUse]


@click.group(cls=Group)
def data() -> None:
    """Check raw archives."""


@data.command()
@click.argument("edition_name", metavar="EDITION")
@click.option("--raw", type=existing, help="Folder of the archive, instead of data/raw/EDITION.")
def check(edition_name: str, raw: Path | None) -> None:
    """Check every file in the raw archive of EDITION; exit code 2 if something is wrong.

    Example: mgbench data check imigue
    """
    from benchmark.archives.union import open_archive
    from benchmark.data_report.findings import findings
    from benchmark.data_report.scan import scan_archive

    with mistakes_shown():
        edition = read_edition(edition_name)
        raw = raw or Path("data/raw") / edition_name
        if not raw.is_dir():
            raise ParamsError(raw, "no such folder", do="Put or link the archives there")
        uses = read_yaml(PARAMS, EditionsSection).editions if PARAMS.is_file() else {}
        use = uses.get(edition_name, EditionUse(excluded=()))
        cores = usable_cores()
        clips = open_archive(raw, edition).read(excluded=use.excluded, workers=cores)
        found = findings(scan_archive(raw, edition, clips, workers=cores))
    for finding in found:
        click.echo(finding.line())
    with mistakes_shown():
        check_subjects(clips, use.shared_subjects)
    if has_fault(found):
        sys.exit(USER_FAULT)


@click.group(cls=Group)
def edition() -> None:
    """List and make editions; an edition describes the classes, splits and files of a data set."""


edition.add_command(import_)


@edition.command("list")
def list_() -> None:
    """List the editions of the package and of this project.

    Example: mgbench edition list
    """
    with mistakes_shown():
        rows = []
        for name in edition_names():
            spec, file = read_edition(name), edition_file(name)
            place = "package" if file and file.parent == SHIPPED else str(file)
            rows.append((name, str(len(spec.classes)), place, spec.title))
    echo_columns([("edition", "classes", "of", "title"), *rows])


@edition.command()
@click.argument("name")
@click.option("--from", "source", type=existing, required=True, help="Folder of your clips.")
@click.option(
    "--like", "preset", default="default", show_default=True,
    help="Preset to start from: default (two CPU cores), paper (GPUs), or one of yours.",
)  # fmt: skip
def new(name: str, source: Path, preset: str) -> None:
    """Make edition NAME from your own clips, and the preset params.NAME.yaml to train on it.

    docs/own-clips.md describes the folder and the next steps.

    Example: mgbench edition new own --from ~/clips
    """
    from benchmark.archives.folder import describe
    from benchmark.presets.edit import yaml_text
    from benchmark.presets.own_clips import write_own_params
    from benchmark.presets.preset import SHIPPED as PRESETS
    from benchmark.presets.preset import (
        current_preset,
        make_test_labels_folder,
        preset_file,
        stored_path,
    )

    with mistakes_shown():
        shipped = (path.stem for folder in (CHALLENGES, SHIPPED) for path in folder.glob("*.yaml"))
        taken = {*PRESETS, FOREIGN, *TAKEN, *shipped}
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", name) or name in taken:
            wrong, do = f"'{name}' is not an edition name", "Choose another name"
            wanted = f"small letters, digits and _, other than {', '.join(sorted(taken))}"
            raise ParamsError("NAME", wrong, expected=wanted, do=do)
        current = current_preset(PARAMS)
        base, out = preset_file(preset, current, PARAMS), stored_path(name, PARAMS)
        path, raw = OWN / f"{name}.yaml", Path("data/raw") / name
        present = out if out.is_file() else PARAMS if current == name else None
        if present and name not in (used := read_yaml(present, EditionsSection).editions):
            wrong, found = f"is a preset '{name}' already", f"one of {', '.join(used)}"
            wanted, do = f"one of edition {name}", "Choose another name"
            raise ParamsError(present, wrong, expected=wanted, found=found, do=do)
        # Raises before the first file is written.
        made = _updated(path, describe(name, source))
        with _all_or_none(path, out):
            write_text(path, yaml_text(made.model_dump(mode="json")))
            told = f"preset '{name}' exists already and is not changed"
            if present is None:
                kept = write_own_params(base, read_params(base), name, source, out)
                told = f"wrote {out}: {', '.join(kept)}"
            _link(raw, source)
        make_test_labels_folder(name)
        click.echo(f"wrote {path}: {len(made.classes)} classes; clips are linked to {raw}")
        click.echo(told)
    click.echo(f"next: 'mgbench data check {name}', 'mgbench preset use {name}', 'dvc repro'")


@contextmanager
def _all_or_none(*files: Path) -> Iterator[None]:
    """Give the files back what they held before if the block fails."""
    before = {file: file.read_bytes() if file.is_file() else None for file in files}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
            else:
                file.write_bytes(content)
        raise


def _updated(path: Path, made: Edition) -> Edition:
    """Keep what somebody edited in the edition file at `path`; raise its version if it changes."""
    if not path.is_file():
        return made
    present = read_edition(made.name)
    if present.dataset != made.dataset:
        raise ParamsError(path, "is no edition of a folder of clips", do="Choose another name")
    edited = {"title": present.title, "version": present.version}
    # Groups list class numbers, which mean something else once the classes change.
    if present.classes == made.classes:
        edited["groups"] = present.groups
    made = made.model_copy(update=edited)
    return made if made == present else made.model_copy(update={"version": present.version + 1})


def _link(raw: Path, source: Path) -> None:
    """Make `raw` a symbolic link to `source`; never replace a folder of data."""
    if raw.resolve() == source.resolve():
        return
    if raw.is_dir() and not raw.is_symlink():
        wanted = f"nothing, or a link to {source.resolve()}"
        do = "Move that folder away, or choose another name"
        raise ParamsError(raw, "holds other clips", expected=wanted, do=do)
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.unlink(missing_ok=True)
    # A relative link survives a move of the tree that holds project and clips.
    raw.symlink_to(os.path.relpath(source.resolve(), raw.parent.resolve()))
