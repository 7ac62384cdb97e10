"""The files of an analysis: what a system confuses, how sure it is, how its members differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from benchmark.core.files import csv_text, write_text
from benchmark.editions.edition import read_edition
from benchmark.evaluation.calibration import calibration
from benchmark.evaluation.diversity import complementarity, hardest
from benchmark.evaluation.metrics import confusion, correctness
from benchmark.plots import analysis as analysis_figures
from benchmark.plots import figures
from benchmark.results.entries import read_source

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.predictions import Probabilities
    from benchmark.editions.edition import Edition
    from benchmark.evaluation.diversity import Complementarity
    from benchmark.params.params import Params
    from benchmark.results.ground_truth import GroundTruth

MOMENTS = 6
"""Frames shown of a hard clip."""


@dataclass(frozen=True)
class Analyzed:
    """What an analysis of one split looks at."""

    source: Probabilities
    """The system whose confusion and calibration are shown."""
    members: Sequence[Probabilities]
    """Experiments that are compared with each other."""
    truth: GroundTruth


class Frames(Protocol):
    """Where the frames of hard clips come from; `data.readers.PackedVideos` is one."""

    def num_frames(self, clip_id: str) -> int:
        """Count the frames of a clip."""
        ...

    def read(self, clip_id: str, frames: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the frames with these numbers: uint8 (n, H, W, 3) RGB."""
        ...


def write_analyses(
    params: Params,
    truths: Sequence[GroundTruth],
    probabilities: Path,
    out: Path,
    *,
    frames: Frames | None,
) -> dict[str, Complementarity]:
    """Write the analysis that `params.analysis` asks for: one folder per split.

    Args:
        params: Name the system, its members and how many hard clips are shown.
        truths: The labels of each split.
        probabilities: Folder of all of them.
        out: Folder of the splits' folders.
        frames: The frames of hard clips; without them there is no hardest.png.

    Returns:
        Split -> how the members complement each other on it.

    Raises:
        FormatError: A file of probabilities is missing or breaks its schema.
        MismatchError: Probabilities of another edition, split or other clips.
        ClipUnreadable: The frames of a hard clip cannot be decoded.
    """
    spec, edition = params.analysis, read_edition(params.analysis.edition)
    members = {}
    for truth in truths:
        source, *others = (
            read_source(params, probabilities, name, truth.split)
            for name in (spec.source, *spec.members)
        )
        members[truth.split] = write_analysis(
            Analyzed(source, others, truth), edition, out / truth.split, frames=frames,
            shown=spec.hardest,
        )  # fmt: skip
    return members


def write_analysis(
    analyzed: Analyzed, edition: Edition, out: Path, *, frames: Frames | None, shown: int
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
    for name, counts, labels in (
        ("confusion", matrix, edition.classes), ("body_parts", parts, tuple(edition.groups)),
    ):  # fmt: skip
        write_text(out / f"{name}.csv", confusion_csv(counts, labels))
        figures.save(figures.confusion_figure(counts, labels), out / f"{name}.png")
    bins = calibration(p.max(1), correctness(p, truth.label))
    title = f"{source.source}, {truth.split}"
    figures.save(analysis_figures.calibration_figure(bins, title), out / "calibration.png")
    joined = [
        truth.joined(member, where=f"analysis of {member.source}") for member in analyzed.members
    ]
    # In float64, as fusions add: rounding in float32 could change which class a mean picks.
    stack = np.stack(joined).astype(np.float64)
    names = [member.source for member in analyzed.members]
    members = complementarity(names, stack, truth.label, truth.majority_baseline)
    write_text(out / "complementarity.csv", _members_csv(members))
    figures.save(analysis_figures.complementarity_figure(members), out / "complementarity.png")
    rows = hardest(stack, truth.label)
    write_text(out / "hardest.csv", _hardest_csv(rows, stack, truth, edition))
    if frames is not None:
        samples = _samples(rows[:shown], stack.mean(0), truth, edition, frames)
        figures.save(figures.samples_figure(samples), out / "hardest.png")
    return members


def by_group(matrix: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sum a confusion of classes (K, K) into one of groups, int64 (G, G); `group` is int64 (K,)."""
    groups = np.zeros((group.max() + 1, group.max() + 1), np.int64)
    # Many classes share a cell: `groups[...] += matrix` would keep only the last of them.
    np.add.at(groups, (group[:, None], group[None]), matrix)
    return groups


def _members_csv(members: Complementarity) -> str:
    names = members.names
    header = ["member", "top1", "shapley", "lost_without", *(f"differs_{name}" for name in names)]
    rows = []
    for row, name in enumerate(names):
        shares = [members.union[row, row], members.shapley[row], members.without[row]]
        shares += members.disagreement[row].tolist()
        rows.append([name, *(f"{share:.6f}" for share in shares)])
    return csv_text(header, rows)


def _hardest_csv(
    rows: NDArray[np.int64], stack: NDArray[np.float64], truth: GroundTruth, edition: Edition
) -> str:
    correct = (stack.argmax(2) == truth.label).sum(0)
    mean = stack.mean(0)
    lines = [
        [
            truth.clip_id[row], truth.videos[row], edition.classes[truth.label[row]],
            edition.classes[mean[row].argmax()], str(correct[row]),
            f"{mean[row, truth.label[row]]:.6f}",
        ]
        for row in rows
    ]  # fmt: skip
    header = ["clip_id", "video", "label", "prediction", "members_right", "p_label"]
    return csv_text(header, lines)


def _samples(
    rows: NDArray[np.int64], mean: NDArray[np.float64], truth: GroundTruth, edition: Edition,
    frames: Frames,
) -> list[figures.Sample]:  # fmt: skip
    samples = []
    for row in rows:
        clip, prediction = truth.clip_id[row], int(mean[row].argmax())
        places = np.linspace(0, frames.num_frames(clip) - 1, MOMENTS).round().astype(np.int64)
        samples.append(
            figures.Sample(
                clip=clip,
                frames=frames.read(clip, places),
                label=edition.classes[truth.label[row]],
                prediction=edition.classes[prediction],
                probability=float(mean[row, prediction]),
                right=prediction == truth.label[row],
            )
        )
    return samples


def confusion_csv(matrix: NDArray[np.int64], classes: Sequence[str]) -> str:
    """Format a confusion: a header of predictions, then one row per label with its counts."""
    rows = zip(classes, matrix.tolist(), strict=True)
    return csv_text(["label", *classes], [[name, *row] for name, row in rows])
