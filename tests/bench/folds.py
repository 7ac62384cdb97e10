"""What folds are worth: fusion weights fitted out of fold, against weights fitted on few videos.

python tests/bench/folds.py PROJECT    # whose folds are joined: stage join_folds
python tests/bench/folds.py --best     # `mgbench best` at iMiGUE's size

In PROJECT, 20 seeds draw another split val, of as many videos as it has, and fit the weights on it.
All scores are out of fold, and all fits are applied to the same test scores, so nothing but the
clips of the fit differs. The fit on all videos is the same for every seed.
"""

from __future__ import annotations

import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import click
import numpy as np

from benchmark.contracts.clips import read_clips
from benchmark.contracts.folds import oof_labels, read_folds
from benchmark.contracts.labels import Labels
from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.contracts.test_labels import read_test_labels
from benchmark.editions.edition import read_edition
from benchmark.evaluation.metrics import score
from benchmark.params.params import read_params
from benchmark.results.best import find_best
from benchmark.results.table import Resampling
from submission.fusion.fit import fit_fusion
from submission.fusion.fuse import apply
from submission.fusion.rules.convex import Convex
from submission.fusion.rules.stacking import Stacking
from submission.fusion.rules.union import FusionRule

SEEDS = 20
Worth: TypeAlias = tuple[float, float]
"""Top-1 in percent and log-loss on test."""
CLIPS, GROUPS, CLASSES, STREAMS = 13_670, 251, 32, 12


def part(one: Probabilities, ids: set[str]) -> Probabilities:
    rows = [row for row, clip in enumerate(one.clip_id) if clip in ids]
    return replace(one, clip_id=tuple(one.clip_id[row] for row in rows), p=one.p[rows])


def compare(root: Path) -> None:
    params = read_params(root / "params.yaml")
    edition = read_edition(params.table.edition)
    data = root / "data" / edition.name
    clips = read_clips(data / "clips.parquet", edition)
    folds = read_folds(data / "folds.parquet", clips)
    labels = root / "data/test_labels" / edition.name / "test_labels.csv"
    label, test = read_test_labels(labels, clips, edition), clips.split("test")
    assert label is not None, labels
    names = params.folds[edition.name].experiments
    files = [root / "predictions/oof" / name for name in names]
    oof = [read_probabilities(file / "oof.parquet") for file in files]
    tests = [read_probabilities(file / "test.parquet") for file in files]
    truth = oof_labels(clips, folds.over, folds.groups)
    groups, few = np.unique(truth.videos), len({*clips.split("val").videos})
    click.echo(f"{edition.title}: {', '.join(names)}; {len(test)} test clips")
    for rule in (Convex(kind="convex", shrinkage=0.0), Stacking(kind="stacking", c=0.01)):

        def worth(members: list[Probabilities], labels: Labels, rule: FusionRule = rule) -> Worth:
            fused = apply(fit_fusion(rule, "none", members, labels), tests, source="f")
            scores = score(fused.aligned(test.ids).p, label)
            return 100 * scores.top1, scores.log_loss

        whole, found = worth(oof, truth), []
        for seed in range(SEEDS):
            drawn = {*np.random.default_rng(seed).choice(groups, few, replace=False)}
            kept = [row for row, video in enumerate(truth.videos) if video in drawn]
            ids = tuple(truth.clip_id[row] for row in kept)
            videos = tuple(truth.videos[row] for row in kept)
            some = Labels(truth.edition, truth.split, ids, videos, truth.label[kept])
            found.append(worth([part(one, {*ids}) for one in oof], some))
        top1, nats = np.array(found).T
        click.echo(
            f"{rule.kind:<9} all {len(groups)} videos: top-1 {whole[0]:.2f} %, log-loss"
            f" {whole[1]:.4f}\n{rule.kind:<9} {few} videos: top-1 {top1.mean():.2f} % sd"
            f" {top1.std():.2f}, log-loss {nats.mean():.4f} sd {nats.std():.4f}, worst"
            f" {nats.max():.4f}; worse than all in top-1 with {(top1 < whole[0]).sum()} of {SEEDS}"
            f" seeds, in log-loss with {(nats > whole[1]).sum()}"
        )


def best() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, CLASSES, CLIPS)
    ids = tuple(f"c{k:05d}" for k in range(CLIPS))
    videos = tuple(f"v{k % GROUPS:03d}" for k in range(CLIPS))
    shared, members = rng.normal(0, 1.2, (CLIPS, CLASSES)), []
    for number in range(STREAMS):
        logits = rng.normal(0, 1, (CLIPS, CLASSES)) + shared
        logits[np.arange(CLIPS), label] += 1 + 0.1 * number
        p = np.exp(logits)
        p = (p / p.sum(1, keepdims=True)).astype(np.float32)
        names = tuple(map(str, range(CLASSES)))
        members.append(Probabilities("made up", "oof", f"s{number:02d}", names, ids, p))
    began, used = time.perf_counter(), time.process_time()
    find_best(members, Labels("made up", "oof", ids, videos, label), Resampling(2000, 0))
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    what = f"{STREAMS} streams, {CLIPS} clips"
    click.echo(f"{what}: {seconds:.1f} s, {cpu:.1f} s of CPU, {peak:.2f} GiB")


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--best", "only_best", is_flag=True, help="Time `mgbench best` on made-up scores.")
def main(project: Path | None, only_best: bool) -> None:
    """Compare fits out of fold with fits on few videos, in a PROJECT whose folds are joined."""
    if only_best:
        best()
    elif project is not None:
        compare(project)
    else:
        raise click.UsageError("Name a project, or say --best")


if __name__ == "__main__":
    main()
