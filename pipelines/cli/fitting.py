"""`mgbench plan --gpu-memory`: which micro-batches fit into a GPU, and what training then costs."""

from __future__ import annotations

from pipelines._stage import PARAMS, mistakes_shown, read_params

from typing import TYPE_CHECKING

import click

from pipelines.cli.group import echo_columns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark.training.monitor.fit import Fit


def fit_to_memory(gib: float, *, write: bool) -> None:
    """Print what fits into `gib` GiB, experiment by experiment; write it into params.yaml if told.

    Experiments of one recipe share its micro_batch_size: the smallest counts.
    """
    from tqdm import tqdm

    with mistakes_shown():
        params = read_params(PARAMS)
        from benchmark.training.monitor.fit import MARGIN, REACHED, RESERVED, fit

        fits = {
            name: fit(name, params, gib=gib)
            for name in tqdm(params.experiments, desc="counting", unit="experiment", leave=False)
        }
        smallest: dict[str, Fit] = {}
        for one in sorted(fits.values(), key=lambda one: -one.size):
            smallest[one.recipe] = one
        if write:
            _write(fits, smallest, gib)
    cards = list(next(iter(fits.values())).hours)
    rows = [(
        "experiment", "recipe", "micro_batch_size", "passes", "GiB", "recompute",
        *(f"h {card}" for card in cards), "disk GiB",
    )]  # fmt: skip
    for name, one in fits.items():
        chosen = smallest[one.recipe].size
        size = f"{one.now} -> {chosen}" if chosen != one.now else str(chosen)
        passes = params.recipes[one.recipe].batch_size // chosen
        hours = (f"{one.hours[card]:.1f}" if card in one.hours else "?" for card in cards)
        rows.append((
            name, one.recipe, size, str(passes), f"{one.gib:.1f}", "yes" if one.recompute else "no",
            *hours, f"{one.disk_gib:.2f}",
        ))  # fmt: skip
    echo_columns(rows)
    click.echo(
        f"GiB: estimated, with {100 * MARGIN:.0f} % and {RESERVED:g} GiB of the {gib:g} left free."
        f" Hours: computed, of training alone, at {REACHED:g} of the roofline."
    )
    if write:
        click.echo(f"wrote {PARAMS}: {', '.join(smallest)}")
    else:
        click.echo("--write writes these values into params.yaml, with the reasons")


def _write(fits: Mapping[str, Fit], smallest: Mapping[str, Fit], gib: float) -> None:
    from benchmark.presets.edit import read_document, write_document

    document = read_document(PARAMS)
    for recipe, one in smallest.items():
        entry = document["recipes"][recipe]
        entry["micro_batch_size"] = one.size
        entry.yaml_add_eol_comment(f"{gib:g} GiB: {one.reason}", "micro_batch_size")
    for name, one in fits.items():
        if one.recompute:
            backbone = document["experiments"][name]["backbone"]
            backbone["recompute"] = True
            backbone.yaml_add_eol_comment(f"{gib:g} GiB: without it no clip fits", "recompute")
    write_document(document, PARAMS)
