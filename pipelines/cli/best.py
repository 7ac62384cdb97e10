"""`mgbench best`: the best set of streams on scores out of fold."""

from __future__ import annotations

from pipelines._stage import PARAMS, mistakes_shown, read_params

from pathlib import Path

import click


@click.command()
@click.argument("name", metavar="[EDITION]", required=False)
@click.option("--resamples", default=2000, show_default=True, help="For the intervals.")
def best(name: str | None, resamples: int) -> None:
    """Say which streams of EDITION to fuse, how sure that is, and by which commands.

    By default the edition of the table. The same section stands in RESULTS.md.

    Example: mgbench best mimic
    """
    from benchmark.contracts.clips import read_clips
    from benchmark.contracts.folds import oof_labels, read_folds
    from benchmark.core.errors import ParamsError
    from benchmark.editions.edition import read_edition
    from benchmark.results.best import read_best
    from benchmark.results.best_page import best_section
    from benchmark.results.table import Resampling

    with mistakes_shown():
        params = read_params(PARAMS)
        name = name or params.table.edition
        if name not in params.folds:
            wrong, do = f"has no folds of '{name}'", f"Run 'mgbench edition folds {name}'"
            raise ParamsError(PARAMS, wrong, do=do)
        data = Path("data", name)
        clips = read_clips(data / "clips.parquet", read_edition(name))
        folds = read_folds(data / "folds.parquet", clips)
        truth = oof_labels(clips, folds.over, folds.groups)
        draw = Resampling(resamples, params.seed)
        found = read_best(params, name, truth, Path("predictions"), draw)
    click.echo("\n".join(best_section(found, name)))
