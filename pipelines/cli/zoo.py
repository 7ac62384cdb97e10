"""`mgbench zoo`: the small trained networks that ship with the package."""

from __future__ import annotations

from pipelines._stage import PARAMS, path, read_params

from pathlib import Path

import click

from benchmark.core.files import find_root
from pipelines.cli.group import Group
from pipelines.cli.options import check_ending


@click.group(cls=Group)
def zoo() -> None:
    """List the trained networks that ship with the package, and make them again."""


@zoo.command("list")
def list_() -> None:
    """List the networks with their scores on generated people that they have not seen.

    Example: mgbench zoo list
    """
    from benchmark.core.half_precision import shipped_names
    from benchmark.weights.cards import read_card

    for name in shipped_names():
        card = read_card(name)
        scores = ", ".join(f"{key} {value:.1f} %" for key, value in card.scores.items())
        clips, people = card.data["train_clips"], card.data["train_people"]
        learned = f"{clips} clips of {people} generated people, {card.hours:.1f} h"
        click.echo(f"{name:<14} {scores}; {learned}, {card.license}")


@zoo.command()
@click.argument("names", metavar="EXPERIMENT...", nargs=-1, required=True)
@click.option("--system", help="Fusion that predicts with all of them, for `mgbench predict`.")
def ship(names: tuple[str, ...], system: str | None) -> None:
    """Replace networks of the zoo by trained experiments of preset zoo: docs/zoo.md.

    Example: mgbench zoo ship joint limb --system convex
    """
    from benchmark.results.ship import ship as ship_all

    cards = ship_all(names, read_params(PARAMS), find_root(), system=system)
    for name, card in cards.items():
        click.echo(f"{name}: {card.scores}")
    if system is not None:
        click.echo(f"system: {system}")


@zoo.command()
@click.option("--picture", type=path, help="PNG of depth on unseen people.")
def depth(picture: Path | None) -> None:
    """Train the depth network of the zoo again, on the people of preset zoo; one MLflow run.

    Example: mgbench zoo depth
    """
    from benchmark.core.half_precision import ZOO
    from benchmark.core.schema import read_yaml
    from benchmark.modalities.depth.tiny_spec import TinyDepthSpec
    from benchmark.modalities.depth.tiny_training import train
    from benchmark.presets.preset import ZOO_DEPTH, ZOO_PRESET
    from benchmark.tracking.run import track
    from benchmark.tracking.store import TRAIN

    root, spec = find_root(), read_yaml(ZOO_DEPTH, TinyDepthSpec)
    picture = picture or root / "reports/depth/people.png"
    check_ending(picture, ".png")
    with track(
        root, experiment=TRAIN, name="depth", record=root / "runs/train-depth.json",
        artifacts=[picture], params={"depth": spec.model_dump(mode="json")},
        tags={"kind": "training", "edition": "zoo"},
    ) as run:  # fmt: skip
        people = read_params(ZOO_PRESET).synthetic["zoo"]
        card = train(spec, people, ZOO / "depth.json", picture=picture, report=run.metrics)
    click.echo(f"depth: {card.scores}, {card.minutes} minutes; {picture} shows it")
