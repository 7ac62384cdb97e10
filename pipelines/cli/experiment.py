"""`mgbench experiment` and `mgbench profile`: what an experiment is, and how fast it trains."""

from __future__ import annotations

from pipelines._stage import PARAMS, entry, mistakes_shown, read_params

from pathlib import Path

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
    with mistakes_shown():
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

    with mistakes_shown():
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
    from benchmark.presets.edit import keep_experiments, read_document, write_document

    with mistakes_shown():
        params = read_params(PARAMS)
        for name in names:
            entry(params.experiments, "experiments", name)
        # Editing the document keeps its comments, which writing `params` would lose.
        document = read_document(PARAMS)
        kept = [name for name in params.experiments if name not in names]
        said = keep_experiments(document, params, kept)
        write_document(document, PARAMS)
    for line in said:
        click.echo(line)
    click.echo(f"removed {', '.join(names)} from {PARAMS}; left: {', '.join(kept)}")


@click.command()
@click.argument("name", metavar="EXPERIMENT")
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=20.0, show_default=True,
    help="Duration of each measurement.",
)  # fmt: skip
def profile(name: str, seconds: float) -> None:
    """Measure the training speed of EXPERIMENT here.

    Three measurements: end to end, on one batch that is ready on the device, and of the data
    loader alone.

    Example: mgbench profile joint --seconds 5
    """
    from benchmark.contracts.clips import read_clips
    from benchmark.editions.edition import read_edition

    with mistakes_shown():
        params = read_params(PARAMS)
        experiment = entry(params.experiments, "experiments", name)
        data = Path("data", experiment.edition)
        clips = read_clips(data / "clips.parquet", read_edition(experiment.edition))
        # Seconds to import: not before it is known that there are clips.
        from benchmark.training.experiment import TrainPaths, build_train_spec
        from benchmark.training.monitor.profiling import measure

        paths = TrainPaths(
            modality=data / experiment.modality, init_from=Path("models", experiment.init_from),
            out=Path(), reports=Path(), record=Path(),
        )  # fmt: skip
        speeds = measure(build_train_spec(name, params, clips, paths), seconds=seconds)
    click.echo(f"{name} on {speeds.device}, one process")
    share = speeds.end_to_end / speeds.ready
    click.echo(
        f"end to end          {speeds.end_to_end:8.2f} clips/s   {share:.2f} of a ready batch"
    )
    click.echo(f"one ready batch     {speeds.ready:8.2f} clips/s")
    click.echo(f"loader alone        {speeds.loader:8.2f} clips/s")
    click.echo(f"forward pass        {speeds.gflops_per_clip:8.2f} G multiply-adds per clip")
    click.echo(f"MFU, ready batch    {100 * speeds.mfu:8.1f} %")
    if speeds.memory_gib:
        click.echo(f"peak memory         {speeds.memory_gib:8.2f} GiB")
