"""`mgbench data` and `mgbench edition`: from a downloaded or own folder to `dvc repro`."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from pydantic import BaseModel
from ruamel.yaml import YAML

from benchmark.core.errors import ParamsError
from benchmark.core.files import replacing
from benchmark.core.findings import has_fault
from benchmark.core.schema import read_yaml
from benchmark.editions.edition import FOLDER, read_edition
from benchmark.params.params import EditionUse, read_params
from benchmark.runtime.parallel import usable_cores
from pipelines._stage import PARAMS, USER_FAULT, existing, mistakes_shown

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition


class Uses(BaseModel):
    """The one section of params.yaml that tells of archives; faults of others do not matter."""

    editions: dict[str, EditionUse]


@click.group()
def data() -> None:
    """Look at raw archives."""


@data.command()
@click.argument("edition_name", metavar="EDITION")
@click.option("--raw", type=existing, help="The archives, if not in data/raw/EDITION.")
def check(edition_name: str, raw: Path | None) -> None:
    """Check the raw archive of EDITION from end to end; exit code 2 if something is wrong."""
    from benchmark.archives.union import open_archive
    from benchmark.data_report.findings import findings
    from benchmark.data_report.scan import scan_archive

    with mistakes_shown():
        edition = read_edition(edition_name)
        raw = raw or Path("data/raw") / edition_name
        if not raw.is_dir():
            raise ParamsError(raw, "no such folder", do="Put or link the archives there")
        uses = read_yaml(PARAMS, Uses).editions if PARAMS.is_file() else {}
        excluded = uses[edition_name].excluded if edition_name in uses else ()
        cores = usable_cores()
        clips = open_archive(raw, edition).read(excluded=excluded, workers=cores)
        found = findings(scan_archive(raw, edition, clips, workers=cores))
    for finding in found:
        click.echo(finding.line())
    if has_fault(found):
        sys.exit(USER_FAULT)


@click.group()
def edition() -> None:
    """Editions: what the classes, splits and files of a data set are."""


@edition.command()
@click.argument("name")
@click.option("--from", "source", type=existing, required=True, help="Folder of one's own clips.")
@click.option(
    "--like",
    "profile",
    default="default",
    show_default=True,
    help="Whose recipes: default for two CPU cores, paper for GPUs.",
)
def new(name: str, source: Path, profile: str) -> None:
    """Make the edition NAME of one's own clips, and the params.NAME.yaml that trains on it.

    docs/own-clips.md says what the folder holds and how to go on.
    """
    from benchmark.archives.folder import describe
    from benchmark.presets.own_clips import own_clips, write_own_params
    from benchmark.presets.preset import file_of, kept

    with mistakes_shown():
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ParamsError("NAME", "not a name", expected="small letters, digits and _")
        if name in {"default", "paper"}:
            raise ParamsError("NAME", "the name of a profile", do="Choose another one")
        base, knobs = file_of(profile, PARAMS), kept(name, PARAMS)
        path = FOLDER / f"{name}.yaml"
        made = _revised(path, describe(name, source))
        raw = Path("data/raw") / name
        _link(raw, source)
        with replacing(path) as work:
            YAML().dump(made.model_dump(mode="json"), work)
        Path("data/test_labels", name).mkdir(parents=True, exist_ok=True)
        click.echo(f"wrote {path}: {len(made.classes)} classes; the clips are in {raw}")
        if not knobs.is_file() and read_params(PARAMS).preset != name:
            streams = write_own_params(base, own_clips(name, source), knobs)
            click.echo(f"wrote {knobs}: {', '.join(streams)}")
        else:
            click.echo(f"the knobs of profile '{name}' stay as they are")
    click.echo(f"now 'mgbench data check {name}', then 'mgbench recipe use {name}' and 'dvc repro'")


def _revised(path: Path, made: Edition) -> Edition:
    """What was written before by hand is kept; a change raises the version."""
    if not path.is_file():
        return made
    known = read_edition(made.name)
    if known.dataset != made.dataset:
        raise ParamsError(path, "is a published edition", do="Choose another name")
    kept = {"title": known.title, "version": known.version}
    if known.classes == made.classes:
        kept["groups"] = known.groups
    made = made.model_copy(update=kept)
    return made if made == known else made.model_copy(update={"version": known.version + 1})


def _link(raw: Path, source: Path) -> None:
    """Let `raw` lead to `source`; a folder of data is never replaced."""
    if raw.is_dir() and not raw.is_symlink() and raw.resolve() != source.resolve():
        raise ParamsError(
            raw, "holds other clips", expected=str(source.resolve()), do="Move it, or take it"
        )
    if raw.resolve() == source.resolve():
        return
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.unlink(missing_ok=True)
    raw.symlink_to(os.path.relpath(source.resolve(), raw.parent.resolve()))
