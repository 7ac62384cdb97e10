"""Stage join_folds: probabilities of all folds -> out of fold for every clip; mean on test."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.folds import oof_labels, read_folds
from benchmark.contracts.predictions import write_probabilities
from benchmark.evaluation.scores import write_scores
from benchmark.params.params import Params
from benchmark.results.join_folds import join_folds
from pipelines._index import indexed


@command("EXPERIMENT", reads=("clips", "folds", "parts"), writes=("out", "reports"))
def main(
    params: Params, name: str, index: Path, folds: Path, parts: Path, out: Path, reports: Path
) -> None:
    """Join the folds of EXPERIMENT, and score it out of fold."""
    join, _, clips = indexed(params, "fold_graph.joins", name, index)
    table = read_folds(folds, clips)
    oof, test = join_folds(name, parts, table, params.folds[join.edition].mean)
    truth = oof_labels(clips, table.over, table.groups)
    aligned = oof.aligned(truth.clip_id)
    scores = write_scores(aligned, truth.label, reports)
    write_probabilities(oof, out / "oof.parquet")
    write_probabilities(test, out / "test.parquet")
    top1 = 100 * scores.top1
    click.echo(f"wrote {out}: {len(oof)} clips out of fold, top-1 {top1:.2f} %; {len(test)} test")


if __name__ == "__main__":
    main()
