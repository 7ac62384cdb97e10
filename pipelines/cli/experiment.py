"""`mgbench experiment`: what an experiment is."""

from __future__ import annotations

from pipelines._stage import PARAMS, entry, read_params

import click

from pipelines.cli.group import Group, echo_columns


@click.group(cls=Group)
def experiment() -> None:
    """List, show and remove experiments of params.yaml."""


@experiment.command("list")
def list_() -> None:
    """List the experiments: network, modality, initial weights and recipe.

    Example: mgbench experiment list
    """
    params = read_params(PARAMS)
    columns = [
        (name, run.backbone.kind, run.modality, run.init_from, run.recipe)
        for name, run in params.experiments.items()
    ]
    echo_columns([("experiment", "network", "modality", "starts from", "recipe"), *columns])


@experiment.command()
@click.argument("name")
def show(name: str) -> None:
    """Print experiment NAME in full, and its differences from the preset 'paper'.

    Example: mgbench experiment show joint
    """
    from benchmark.presets.edit import yaml_text
    from benchmark.presets.preset import differences, paper, resolved

    params = read_params(PARAMS)
    entry(params.experiments, "experiments", name)
    ours = resolved(params, name)
    click.echo(yaml_text({name: ours}))
    if name not in paper().experiments:
        click.echo(f"Preset 'paper' has no experiment '{name}'.")
        return
    rows = differences(ours, resolved(paper(), name))
    if not rows:
        click.echo("No differences from preset 'paper'.")
        return
    click.echo(f"{len(rows)} differences from preset 'paper' (here -> paper):")
    width = max(len(key) for key, _, _ in rows)
    for key, here, there in rows:
        click.echo(f"  {key:<{width}}  {here} -> {there}")


@experiment.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def remove(names: tuple[str, ...]) -> None:
    """Remove experiments from params.yaml, with the table rows and fusion members they feed.

    Recipes, modalities and editions that only they use go too.

    Example: mgbench experiment remove swin_flow swin_depth
    """
    from benchmark.core.errors import ParamsError
    from benchmark.params.needs import starting_from
    from benchmark.presets.edit import keep_experiments, read_document, write_document

    params = read_params(PARAMS)
    for name in names:
        entry(params.experiments, "experiments", name)
    if later := starting_from(params, names):
        raise ParamsError(
            "NAME", f"{', '.join(later)} would have nothing to start from",
            do=f"Remove all: mgbench experiment remove {' '.join((*names, *later))}",
        )  # fmt: skip
    # Editing the document keeps its comments, which writing `params` would lose.
    document = read_document(PARAMS)
    kept = [name for name in params.experiments if name not in names]
    said = keep_experiments(document, params, kept)
    write_document(document, PARAMS)
    for line in said:
        click.echo(line)
    click.echo(f"removed {', '.join(names)} from {PARAMS}; left: {', '.join(kept)}")
