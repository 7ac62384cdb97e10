"""`mgbench edition folds`: deal the labeled clips of an edition into folds."""

from __future__ import annotations

from pipelines._stage import PARAMS, mistakes_shown

import click

from benchmark.core.errors import ParamsError


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
    from benchmark.params.params import read_params
    from benchmark.presets.edit import (
        USUAL_FOLDS,
        read_document,
        set_fold_graph,
        write_document,
    )

    with mistakes_shown():
        if not PARAMS.is_file():
            read_params(PARAMS)
        document = read_document(PARAMS)
        present = document.setdefault("folds", {})
        if name is None and (remove or any(value is not None for value in given.values())):
            raise ParamsError("EDITION", "is missing", do="Name the edition whose folds to change")
        if remove and present.pop(name, None) is None:
            raise ParamsError(PARAMS, f"no folds of '{name}'", expected=", ".join(present))
        if name is not None and not remove:
            runs = document["experiments"].items()
            usual = {**USUAL_FOLDS, "experiments": [k for k, v in runs if v["edition"] == name]}
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
