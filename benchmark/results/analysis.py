"""The files of an analysis: what a system confuses, how sure it is, how its members differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.core.files import csv_text, write_text
from benchmark.editions.edition import Edition, read_edition
from benchmark.evaluation.bootstrap import f1_intervals
from benchmark.evaluation.diversity import Complementarity, complementarity, hardest
from benchmark.evaluation.metrics import class_scores, confusion, correctness
from benchmark.evaluation.scores import calibration
from benchmark.plots import analysis as analysis_figures
from benchmark.plots import figures

if TYPE_CHECKING:
    from benchmark.contracts.predictions import Probabilities
    from benchmark.data.readers import PackedVideos
    from benchmark.results.entries import GroundTruth, Scoring

MOMENTS = 6
"""Frames shown of a hard clip."""
RESAMPLES = 2000
"""Of videos, for the intervals of classes.csv."""


@dataclass(frozen=True)
class Analyzed:
    """What an analysis of one split looks at."""

    source: Probabilities
    """The system whose confusion and calibration are shown."""
    members: Sequence[Probabilities]
    """Experiments that are compared with each other."""
    truth: GroundTruth


def write_analyses(
    scoring: Scoring, out: Path, *, frames: PackedVideos | None
) -> dict[str, Complementarity]:
    """Write what `params.analysis` asks for; return how the members complement each other by split.

    `out` gets one folder per split; without the `frames` of hard clips, there is no hardest.png.

    Raises:
        FormatError: A file of probabilities is missing or breaks its schema.
        MismatchError: Probabilities of another edition, split or other clips.
        ClipUnreadable: The frames of a hard clip cannot be decoded.
    """
    spec = scoring.params.analysis
    edition, members = read_edition(spec.edition), {}
    for truth in scoring.truths({spec.scores}):
        names = (spec.source, *spec.members)
        source, *others = (scoring.read(name, truth.split, spec.scores) for name in names)
        analyzed, folder = Analyzed(source, others, truth), out / truth.split
        members[truth.split] = write_analysis(
            analyzed, edition, folder, frames=frames, shown=spec.hardest
        )
    return members


def write_analysis(
    analyzed: Analyzed, edition: Edition, out: Path, *, frames: PackedVideos | None, shown: int
) -> Complementarity:
    """Write the pictures and tables of one split, and return how the members complement each other.

    Args:
        analyzed: The system, its members and the labels.
        edition: Names the classes and the body parts.
        out: Folder of the files.
        frames: The frames of hard clips; without them there is no hardest.png.
        shown: Hard clips in hardest.png; hardest.csv lists all clips.

    Raises:
        MismatchError: Probabilities of another edition, split or other clips.
        ClipUnreadable: The frames of a hard clip cannot be decoded.
    """
    truth, source = analyzed.truth, analyzed.source
    p = truth.joined(source, where=f"analysis of {source.source}")
    matrix = confusion(p, truth.label, len(edition.classes))
    parts = by_group(matrix, edition.group_of())
    shown_as = [("confusion", matrix, edition.classes)]
    # One group alone would be one square: "all clips right".
    if len(edition.groups) > 1:
        shown_as += [("body_parts", parts, tuple(edition.groups))]
    for name, counts, labels in shown_as:
        write_text(out / f"{name}.csv", confusion_csv(counts, labels))
        figures.save(figures.confusion_figure(counts, labels), out / f"{name}.svg")
    write_text(out / "classes.csv", _classes_csv(p.argmax(1), truth, edition))
    bins = calibration(p.max(1), correctness(p, truth.label))
    title = f"{source.source}, {truth.split}"
    figures.save(analysis_figures.calibration_figure(bins, title), out / "calibration.svg")
    joined = [truth.joined(one, where=f"analysis of {one.source}") for one in analyzed.members]
    # In float64, as fusions add: rounding in float32 could change which class a mean picks.
    stack = np.stack(joined).astype(np.float64)
    names = [member.source for member in analyzed.members]
    members = complementarity(names, stack, truth.label, truth.majority_baseline)
    write_text(out / "complementarity.csv", _members_csv(members))
    if len(names) > 1:
        figures.save(analysis_figures.complementarity_figure(members), out / "complementarity.svg")
    rows = hardest(stack, truth.label)
    write_text(out / "hardest.csv", _hardest_csv(rows, stack, truth, edition))
    if frames is not None:
        samples = _samples(rows[:shown], stack.mean(0), truth, edition, frames)
        figures.save(figures.samples_figure(samples), out / "hardest.png")
    return members


def by_group(matrix: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum a confusion of classes (K, K) into one of groups, int64 (G, G); `group` is int64 (K,)."""
    is_in = np.eye(group.max() + 1, dtype=np.int64)[group]
    return is_in.T @ matrix @ is_in


def _classes_csv(predicted: NDArray[np.int64], truth: GroundTruth, edition: Edition) -> str:
    """Format what the system knows of each class, as fractions; empty where nothing counts."""
    count = len(edition.classes)
    found = class_scores(predicted, truth.label, count)
    spans = f1_intervals(
        predicted, truth.label, truth.videos, num_classes=count, resamples=RESAMPLES, seed=0
    )
    train = np.bincount(truth.train_label, minlength=count)
    numbers = np.column_stack([found.precision, found.recall, found.f1, spans])
    rows = [
        [name, train[k], found.clips[k], *("" if np.isnan(x) else f"{x:.6f}" for x in numbers[k])]
        for k, name in enumerate(edition.classes)
    ]
    header = ["class", "train", "clips", "precision", "recall", "f1", "f1_low", "f1_high"]
    return csv_text(header, rows)


def _members_csv(members: Complementarity) -> str:
    names, top1 = members.names, members.union.diagonal()
    header = ["member", "top1", "shapley", "lost_without", *(f"differs_{name}" for name in names)]
    shares = np.column_stack([top1, members.shapley, members.without, members.disagreement])
    rows = zip(names, shares, strict=True)
    return csv_text(header, [[name, *(f"{share:.6f}" for share in row)] for name, row in rows])


def _hardest_csv(
    rows: NDArray[np.int64], stack: NDArray[np.float64], truth: GroundTruth, edition: Edition
) -> str:
    correct, mean, classes = (stack.argmax(2) == truth.label).sum(0), stack.mean(0), edition.classes
    lines = [
        [truth.clip_id[row], truth.videos[row], classes[label], classes[mean[row].argmax()],
         correct[row], f"{mean[row, label]:.6f}"]
        for row, label in zip(rows, truth.label[rows], strict=True)
    ]  # fmt: skip
    header = ["clip_id", "video", "label", "prediction", "members_right", "p_label"]
    return csv_text(header, lines)


def _samples(
    rows: NDArray[np.int64], mean: NDArray[np.float64], truth: GroundTruth, edition: Edition,
    frames: PackedVideos,
) -> list[figures.Sample]:  # fmt: skip
    samples = []
    for row, label in zip(rows, truth.label[rows], strict=True):
        clip, predicted = truth.clip_id[row], int(mean[row].argmax())
        places = np.linspace(0, frames.num_frames(clip) - 1, MOMENTS).round().astype(np.int64)
        samples.append(
            figures.Sample(
                clip, frames.read(clip, places), edition.classes[label], edition.classes[predicted],
                probability=float(mean[row, predicted]), right=predicted == label,
            )
        )  # fmt: skip
    return samples


def confusion_csv(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Format a confusion: a header of predictions, then one row per label with its counts."""
    rows = zip(classes, matrix.tolist(), strict=True)
    return csv_text(["label", *classes], [[name, *row] for name, row in rows])
