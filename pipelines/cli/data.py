"""`mgbench data` and `mgbench edition`: check raw archives, turn your own clips into an edition."""

from __future__ import annotations

from pipelines._stage import PARAMS, USER_FAULT, existing, read_params

import sys
from pathlib import Path

import click

from benchmark.core.errors import ParamsError
from benchmark.core.files import check_not_inside
from pipelines.cli.annotations import import_
from pipelines.cli.group import Group, echo_columns


@click.command()
@click.argument("name", metavar="[EDITION]", required=False)
@click.option("--number", type=int, help="Folds.  [default: 5]")
@click.option(
    "--groups", type=click.Choice(["video", "subject"]),
    help="What is never divided between two folds.  [default: video]",
)  # fmt: skip
@click.option("--seed", type=int, help="Of the draw.  [default: 0]")
@click.option("--over", help="Splits to deal into folds.  [default: train,val]")
@click.option("--experiments", help="Experiments, by comma.  [default: all of the edition]")
@click.option(
    "--lone-classes", type=click.Choice(["refuse", "keep"]),
    help="What to do about a class whose clips are all of one group.  [default: refuse]",
)  # fmt: skip
@click.option(
    "--mean", type=click.Choice(["arithmetic", "geometric"]),
    help="How test is averaged over the folds.  [default: arithmetic]",
)  # fmt: skip
@click.option("--refit/--no-refit", default=None, help="Whether to train once on all clips too.")
@click.option("--remove", is_flag=True, help="Take the folds of EDITION out again.")
def folds(name: str | None, remove: bool, **given: str | int | None) -> None:
    """Train experiments of EDITION once per fold: write folds and their entries into params.yaml.

    Options that are not given keep the value that params.yaml has. Without EDITION, only bring
    section fold_graph up to date, after a change of folds, experiments or merges.

    Example: mgbench edition folds mimic --number 5 --experiments joint,limb
    """
    from benchmark.core.schema import read_yaml
    from benchmark.presets.edit import (
        USUAL_FOLDS,
        FoldSections,
        read_document,
        set_fold_graph,
        write_document,
    )

    if not PARAMS.is_file():
        read_params(PARAMS)  # says where to run the command
    # Not the whole file: its section fold_graph may be out of date, which this command mends.
    read_yaml(PARAMS, FoldSections)
    document = read_document(PARAMS)
    present = document.setdefault("folds", {})
    if name is None and (remove or any(value is not None for value in given.values())):
        raise ParamsError("EDITION", "is missing", do="Name the edition whose folds to change")
    if remove and present.pop(name, None) is None:
        raise ParamsError(PARAMS, f"no folds of '{name}'", expected=", ".join(present))
    if name is not None and not remove:
        runs = document["experiments"].items()
        usual = {**USUAL_FOLDS, "experiments": [k for k, v in runs if v["edition"] == name]}
        if not usual["experiments"]:
            editions = ", ".join(sorted({v["edition"] for _, v in runs}))
            wrong = f"no experiment of edition '{name}'"
            raise ParamsError("EDITION", wrong, expected=f"one of {editions}")
        chosen = {
            key: str(value).split(",") if key in {"over", "experiments"} else value
            for key, value in given.items() if value is not None
        }  # fmt: skip
        present[name] = {**usual, **present.get(name, {}), **chosen}
    number = set_fold_graph(document)
    write_document(document, PARAMS)
    click.echo(f"wrote {PARAMS}: {number} trainings of folds")
    if number:
        click.echo("next: 'mgbench run join_folds' or 'dvc repro join_folds'")


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

    edition = read_edition(edition_name)
    raw = raw or Path("data/raw") / edition_name
    if not raw.is_dir():
        raise ParamsError(raw, "no such folder", do=_missing_archive(edition_name))
    uses = edition_uses(PARAMS) if PARAMS.is_file() else {}
    use = uses.get(edition_name, EditionUse(excluded=()))
    cores = usable_cores()
    clips = open_archive(raw, edition).read(excluded=use.excluded, workers=cores)
    found = findings(scan_archive(raw, edition, clips, workers=cores))
    for finding in found:
        click.echo(finding.line())
    check_subjects(clips, use.shared_subjects)
    if has_fault(found):
        sys.exit(USER_FAULT)


def _missing_archive(name: str) -> str:
    from benchmark.params.needs import page_of

    params = read_params(PARAMS) if PARAMS.is_file() else None
    made = {**params.synthetic, **params.synthetic_ma52} if params else {}
    if name in made:
        return f"It is generated: run 'dvc repro index@{name}'"
    return f"Put or link the archives there ({page_of(name)})"


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

    check_not_inside()
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

    made = make_edition(name, source, preset, PARAMS)
    click.echo(f"wrote {made.file}: {len(made.edition.classes)} classes; clips: {made.raw}")
    click.echo(made.said)
    click.echo(f"next: 'mgbench data check {name}', 'mgbench preset use {name}', 'dvc repro'")
