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
    from benchmark.core.errors import ParamsError
    from benchmark.editions.edition import read_edition
    from benchmark.results.best import read_best
    from benchmark.results.best_page import best_section
    from benchmark.results.table import Resampling

    with mistakes_shown():
        params = read_params(PARAMS)
        name = name or params.table.edition
        clips = read_clips(Path("data", name, "clips.parquet"), read_edition(name))
        draw = Resampling(resamples, params.seed)
        found = read_best(params, clips, Path("predictions"), draw)
        if found is None:
            wrong = f"fewer than two experiments of '{name}' have folds"
            do = f"Run 'mgbench edition folds {name}', then 'dvc repro join_folds'"
            raise ParamsError(PARAMS, wrong, do=do)
    click.echo("\n".join(best_section(found, name)))
