"""`mgbench evaluate`, `compare` and `best`: how good scores are, and which are better."""

from __future__ import annotations

from pipelines._stage import PARAMS, existing, path, read_params

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import ParamsError
from benchmark.core.files import csv_text, write_text
from pipelines.cli.options import check_outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.contracts.labels import Labels

RESAMPLES, SEED = 2000, 0
SHOWN = 10
"""Clips that `compare` prints; --out lists all."""

VERDICTS = {
    "better": "A is significantly better",
    "worse": "B is significantly better",
    "not significant": "the difference is not significant",
    "none": "no verdict: it needs clips of at least two videos that differ",
}

labels_option = click.option(
    "--labels", type=existing,
    help="CSV with the columns clip_id, label and, for intervals, video; instead of the labels of"
    " the edition.",
)  # fmt: skip


@click.command()
@click.argument("file", type=existing)
@labels_option
@click.option("--classes", "by_class", is_flag=True, help="Also print every class.")
def evaluate(file: Path, labels: Path | None, by_class: bool) -> None:
    """Print all metrics of the probabilities in FILE.

    Example: mgbench evaluate predictions/experiments/joint/test.parquet --classes
    """
    from benchmark.contracts.predictions import read_probabilities
    from benchmark.editions.edition import groups_of
    from benchmark.evaluation.bootstrap import interval, resampled
    from benchmark.evaluation.metrics import correctness
    from benchmark.evaluation.scores import all_scores
    from benchmark.results.known_labels import labels_for

    found = read_probabilities(file)
    truth = labels_for(found, labels)
    p = truth.joined(found, where=str(file))
    scores = all_scores(p, truth.label, groups_of(found.edition))
    span = interval(correctness(p, truth.label), truth.videos, resamples=RESAMPLES, seed=SEED)
    click.echo(f"{scores.n} clips of {_videos(truth)}")
    for name, value in scores.model_dump(exclude={"n"}, exclude_none=True).items():
        shown = f"{value:.6g} nats" if name == "log_loss" else f"{100 * value:.3f} %"
        click.echo(f"{name:<10} {shown}{resampled(span) if name == 'top1' else ''}")
    if by_class:
        _echo_classes(found.classes, p.argmax(1), truth.label)


def _videos(truth: Labels) -> str:
    count = len({*truth.videos})
    return f"{count} videos" if count > 1 else "unknown videos: no interval"


def _echo_classes(
    classes: Sequence[str], predicted: NDArray[np.int64], label: NDArray[np.int64]
) -> None:
    from benchmark.evaluation.metrics import class_scores

    found = class_scores(predicted, label, len(classes))
    click.echo(f"{'precision':>9} {'recall':>7} {'F1':>7} {'clips':>6}  class")
    for name, precision, recall, f1, clips in zip(classes, *found, strict=True):
        click.echo(f"{_share(precision):>9} {_share(recall):>7} {_share(f1):>7} {clips:>6}  {name}")


def _share(value: float) -> str:
    return "-" if value != value else f"{100 * value:.1f}%"  # NaN: there is nothing to count


@click.command()
@click.argument("first", type=existing, metavar="A")
@click.argument("second", type=existing, metavar="B")
@labels_option
@click.option("--out", type=path, help="CSV to list every clip on which they differ.")
def compare(first: Path, second: Path, labels: Path | None, out: Path | None) -> None:
    """Tell whether the probabilities in A are better than those in B, on the same clips.

    Example: mgbench compare predictions/fusions/convex/val.parquet scores/mine_val.parquet
    """
    from benchmark.contracts.predictions import read_probabilities
    from benchmark.evaluation.bootstrap import resampled
    from benchmark.results.known_labels import labels_for
    from benchmark.results.table import paired

    check_outputs({"--out": out}, (first, second, labels))
    found = [read_probabilities(file) for file in (first, second)]
    truth = labels_for(found[0], labels)
    pair = paired(found[0], found[1], truth, resamples=RESAMPLES, seed=SEED)
    if out is not None:
        write_text(out, csv_text(["clip_id", "label", "A", "B"], pair.differ))
    for name, file, top1 in (("A", first, pair.first), ("B", second, pair.second)):
        click.echo(f"{name} {100 * top1:.2f} % top-1   {file}")
    click.echo(f"A - B {100 * pair.difference:+.2f} points{resampled(pair.interval, 'points')}")
    click.echo(
        f"right in A only: {pair.test.only_first} clips; in B only: {pair.test.only_second};"
        f" exact McNemar test: p = {pair.test.p_value:.3g}"
    )
    click.echo(VERDICTS[pair.verdict])
    click.echo(f"answered differently: {len(pair.differ)} of {len(truth.label)} clips")
    for clip, label, one, other in pair.differ[:SHOWN]:
        click.echo(f"  {clip}: {label}; A says {one}, B says {other}")
    if (more := len(pair.differ) - SHOWN) > 0:
        click.echo(f"  and {more} more" + ("" if out else "; --out lists them all"))


@click.command()
@click.argument("name", metavar="[EDITION]", required=False)
def best(name: str | None) -> None:
    """Say which streams of EDITION to fuse, how sure that is, and by which commands.

    By default the edition of the table. The same section stands in RESULTS.md.

    Example: mgbench best mimic
    """
    from benchmark.contracts.clips import index_file, read_clips
    from benchmark.editions.edition import read_edition
    from benchmark.results.best import read_best
    from benchmark.results.best_page import best_section

    params = read_params(PARAMS)
    name = name or params.table.edition
    clips = read_clips(index_file(name), read_edition(name))
    found = read_best(params, clips, Path("predictions"))
    if found is None:
        wrong = f"fewer than two experiments of '{name}' have folds"
        do = f"Run 'mgbench edition folds {name}', then 'dvc repro join_folds'"
        raise ParamsError(PARAMS, wrong, do=do)
    click.echo("\n".join(best_section(found, name)))
