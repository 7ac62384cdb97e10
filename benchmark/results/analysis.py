"""The files of an analysis: what a system confuses, how sure it is, how its members differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmark.core.files import csv_text, write_text
from benchmark.data.readers import PackedVideos
from benchmark.evaluation.calibration import calibration
from benchmark.evaluation.diversity import Complementarity, complementarity, hardest
from benchmark.evaluation.metrics import confusion, correctness, majority
from benchmark.plots import analysis as analysis_figures
from benchmark.plots import figures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.contracts.predictions import Probabilities
    from benchmark.editions.edition import Edition
    from benchmark.results.table import GroundTruth

MOMENTS = 6
"""Frames shown of a hard clip."""


@dataclass(frozen=True)
class Analysed:
    """What is analysed on one split."""

    source: Probabilities
    """The system whose confusion and calibration are shown."""
    members: Sequence[Probabilities]
    """Experiments that are compared with each other."""
    truth: GroundTruth


@dataclass(frozen=True)
class Frames:
    """Where the frames of hard clips are."""

    folder: Path
    clips: Clips
    """The whole index."""


def write_analysis(
    found: Analysed, edition: Edition, out: Path, *, frames: Frames | None, shown: int
) -> Complementarity:
    """Write pictures and tables of one split into `out`.

    Raises:
        MismatchError: Probabilities of another edition, split or other clips.
        ClipUnreadable: The frames of a hard clip cannot be decoded.
    """
    truth = found.truth
    p = truth.joined(found.source, where=f"analysis of {found.source.source}")
    matrix = confusion(p, truth.label, len(edition.classes))
    write_text(out / "confusion.csv", confusion_csv(matrix, edition.classes))
    figures.save(figures.confusion_figure(matrix, edition.classes), out / "confusion.png")
    parts = by_group(matrix, edition.group_of())
    write_text(out / "body_parts.csv", confusion_csv(parts, tuple(edition.groups)))
    figures.save(figures.confusion_figure(parts, tuple(edition.groups)), out / "body_parts.png")
    sure = calibration(p.max(1), correctness(p, truth.label))
    title = f"{found.source.source}, {truth.split}"
    figures.save(analysis_figures.calibration_figure(sure, title), out / "calibration.png")
    names = [member.source for member in found.members]
    joined = [truth.joined(one, where=f"analysis of {one.source}") for one in found.members]
    stack = np.stack(joined).astype(np.float64)
    known = complementarity(names, stack, truth.label, majority(truth.train_label, truth.label))
    write_text(out / "complementarity.csv", _members_csv(known))
    figures.save(analysis_figures.complementarity_figure(known), out / "complementarity.png")
    rows = hardest(stack, truth.label)
    write_text(out / "hardest.csv", _hardest_csv(rows, stack, truth, edition))
    if frames is not None:
        samples = _samples(rows[:shown], stack.mean(0), truth, edition, frames)
        figures.save(figures.samples_figure(samples), out / "hardest.png")
    return known


def by_group(matrix: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """A confusion of classes (K, K) as one of body parts: int64 (G, G); `group` is int64 (K,)."""
    parts = np.zeros((group.max() + 1, group.max() + 1), np.int64)
    np.add.at(parts, (group[:, None], group[None]), matrix)
    return parts


def _members_csv(known: Complementarity) -> str:
    """One row a member: its top-1, what it adds, and its disagreement with each other one."""
    header = ["member", "top1", "shapley", "lost_without", *(f"differs_{n}" for n in known.names)]
    rows = [
        [name, known.union[row, row], known.shapley[row], known.without[row]]
        + known.disagreement[row].tolist()
        for row, name in enumerate(known.names)
    ]
    return csv_text(header, [[row[0], *(f"{value:.6f}" for value in row[1:])] for row in rows])


def _hardest_csv(
    rows: NDArray[np.int64], stack: NDArray[np.float64], truth: GroundTruth, edition: Edition
) -> str:
    """Every clip, the hardest first: members that are right, and the answer of their mean."""
    right = (stack.argmax(2) == truth.label).sum(0)
    mean = stack.mean(0)
    lines = [
        [
            truth.clip_id[row], truth.videos[row], edition.classes[truth.label[row]],
            edition.classes[mean[row].argmax()], str(right[row]),
            f"{mean[row, truth.label[row]]:.6f}",
        ]
        for row in rows
    ]  # fmt: skip
    return csv_text(["clip_id", "video", "label", "answer", "members_right", "p_label"], lines)


def _samples(
    rows: NDArray[np.int64], mean: NDArray[np.float64], truth: GroundTruth, edition: Edition,
    frames: Frames,
) -> list[figures.Sample]:  # fmt: skip
    videos = PackedVideos(frames.folder, frames.clips)
    found = []
    for row in rows:
        clip, answer = truth.clip_id[row], int(mean[row].argmax())
        places = np.linspace(0, videos.num_frames(clip) - 1, MOMENTS).round().astype(np.int64)
        found.append(
            figures.Sample(
                clip=clip,
                frames=videos.read(clip, places),
                label=edition.classes[truth.label[row]],
                answer=edition.classes[answer],
                share=float(mean[row, answer]),
                right=answer == truth.label[row],
            )
        )
    return found


def confusion_csv(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    """confusion.csv: a header of answers, then one row a label, `label,<class>,...` counts."""
    rows = zip(classes, matrix.tolist(), strict=True)
    return csv_text(["label", *classes], [[name, *row] for name, row in rows])
