"""`mgbench recipe` and `mgbench profile`: what an experiment is, and how fast it trains."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
from ruamel.yaml import YAML

from benchmark.params.params import read_params
from pipelines._stage import PARAMS, entry, mistakes_shown


@click.group()
def recipe() -> None:
    """Look at recipes, and choose between the sets of them."""


@recipe.command()
@click.argument("name")
def show(name: str) -> None:
    """Print experiment NAME with its recipe, and where it differs from the paper's."""
    from benchmark.presets.preset import differences, paper, resolved

    with mistakes_shown():
        params = read_params(PARAMS)
        entry(params.experiments, "experiments", name)
        ours = resolved(params, name)
        yaml = YAML()
        yaml.indent(mapping=2, sequence=4, offset=2)
        yaml.dump({name: ours}, sys.stdout)
        if name not in paper().experiments:
            click.echo(f"\nThe paper has no experiment '{name}'.")
            return
        rows = differences(ours, resolved(paper(), name))
    if not rows:
        click.echo("\nThe same as the paper's.")
        return
    click.echo(f"\n{len(rows)} differences from the paper's (here -> paper):")
    width = max(len(key) for key, _, _ in rows)
    for key, here, there in rows:
        click.echo(f"  {key:<{width}}  {here} -> {there}")


@recipe.command()
@click.argument("profile")
def use(profile: str) -> None:
    """Make PROFILE the project's params.yaml; the present one is kept beside it.

    PROFILE is default, paper, or one of your own: 'mgbench edition new' writes params.PROFILE.yaml.
    """
    from benchmark.presets.preset import file_of, kept

    with mistakes_shown():
        present, source = read_params(PARAMS).preset, file_of(profile, PARAMS)
        if source == PARAMS:
            click.echo(f"{PARAMS} is of profile '{profile}' already")
            return
        edition = read_params(source).table.edition
        shutil.copyfile(PARAMS, kept(present, PARAMS))
        shutil.copyfile(source, PARAMS)
        # Empty where nobody knows the answers of test; DVC wants the folder.
        Path("data/test_labels", edition).mkdir(parents=True, exist_ok=True)
    beside = kept(present, PARAMS)
    click.echo(f"{PARAMS} is now profile '{profile}'; '{present}' is kept in {beside}")


@recipe.command()
@click.argument("names", metavar="EXPERIMENT...", nargs=-1, required=True)
def drop(names: tuple[str, ...]) -> None:
    """Take EXPERIMENTs out of params.yaml, with all that names them: members, rows, merges."""
    from benchmark.presets.edit import keep_experiments, read_document, write_document

    with mistakes_shown():
        params = read_params(PARAMS)
        for name in names:
            entry(params.experiments, "experiments", name)
        document = read_document(PARAMS)
        kept = [name for name in params.experiments if name not in names]
        keep_experiments(document, params, kept)
        write_document(document, PARAMS)
    click.echo(f"{PARAMS} is without {', '.join(names)}; left: {', '.join(kept)}")


@click.command()
@click.argument("name", metavar="EXPERIMENT")
@click.option(
    "--seconds", type=click.FloatRange(0.1), default=20.0, show_default=True, help="For each speed."
)
def profile(name: str, seconds: float) -> None:
    """Measure how fast EXPERIMENT trains here: end to end, on ready tensors, reading alone."""
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
    share = speeds.end_to_end / speeds.synthetic
    click.echo(f"end to end          {speeds.end_to_end:8.2f} clips/s   {share:.2f} of synthetic")
    click.echo(f"synthetic           {speeds.synthetic:8.2f} clips/s   on one ready batch")
    click.echo(f"loader alone        {speeds.loader:8.2f} clips/s")
    click.echo(f"forward pass        {speeds.gflops_per_clip:8.2f} G multiply-adds a clip")
    click.echo(f"MFU of synthetic    {100 * speeds.mfu:8.1f} %")
    if speeds.memory_gib:
        click.echo(f"memory at its peak  {speeds.memory_gib:8.2f} GiB")
