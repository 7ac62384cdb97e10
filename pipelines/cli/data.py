"""`mgbench data` and `mgbench edition`: check raw archives, turn your own clips into an edition."""

from __future__ import annotations

from pipelines._stage import PARAMS, USER_FAULT, existing, mistakes_shown

import sys
from pathlib import Path

import click

from benchmark.core.errors import ParamsError
from pipelines.cli.annotations import import_
from pipelines.cli.folds import folds
from pipelines.cli.group import Group, echo_columns


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
    from benchmark.contracts.clips import check_subjects
    from benchmark.core.findings import has_fault
    from benchmark.data_report.findings import findings
    from benchmark.data_report.scan import scan_archive
    from benchmark.editions.edition import read_edition
    from benchmark.params.params import EditionUse
    from benchmark.presets.own_edition import edition_uses
    from benchmark.runtime.parallel import usable_cores

    with mistakes_shown():
        edition = read_edition(edition_name)
        raw = raw or Path("data/raw") / edition_name
        if not raw.is_dir():
            raise ParamsError(raw, "no such folder", do="Put or link the archives there")
        uses = edition_uses(PARAMS) if PARAMS.is_file() else {}
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
edition.add_command(folds)


@edition.command("list")
def list_() -> None:
    """List the editions of the package and of this project.

    Example: mgbench edition list
    """
    from benchmark.editions.edition import SHIPPED, edition_file, edition_names, read_edition

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
    from benchmark.presets.own_edition import make_edition

    with mistakes_shown():
        made = make_edition(name, source, preset, PARAMS)
    click.echo(f"wrote {made.file}: {len(made.edition.classes)} classes; clips: {made.raw}")
    click.echo(made.said)
    click.echo(f"next: 'mgbench data check {name}', 'mgbench preset use {name}', 'dvc repro'")
