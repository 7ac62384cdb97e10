"""Rows of online recognition in the results: gestures found in whole videos, scored and shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.contracts.intervals import Intervals, labeled, read_intervals
from benchmark.evaluation.bootstrap import percent, resampled
from benchmark.evaluation.online import OnlineScores, online_scores
from benchmark.results.leaderboards import board_of, leaderboard_page
from benchmark.tracking.records import NOTE, RunRecord, new_record
from benchmark.tracking.store import TABLE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.editions.edition import Edition
    from benchmark.editions.splits import Split
    from benchmark.results.entries import Scoring
    from benchmark.results.table import Resampling

REFERENCE = "F1 of the reference"
"""Its name on pages: the score that the published ones are."""


class OnlineRow(NamedTuple):
    """One entry of section `online` on one split."""

    name: str
    split: Split
    scores: OnlineScores


class Found(NamedTuple):
    """What one entry of section `online` found in one split, beside the labels."""

    name: str
    split: Split
    truth: Intervals
    found: Intervals


def read_online(scoring: Scoring) -> list[Found]:
    """Read the gestures of each entry of section `online` of this edition, by split.

    Raises:
        FormatError: A file is missing or breaks its schema.
    """
    clips, folder = scoring.clips, scoring.probabilities / "online"
    known: dict[Split, NDArray[np.int64]] = {"val": clips.split("val").labels()}
    known |= {} if scoring.test is None else {"test": scoring.test}
    each = []
    for split, labels in known.items():
        for name, entry in scoring.params.online.items():
            if entry.edition == clips.edition:
                found = read_intervals(folder / name / f"{split}.parquet")
                truth = labeled(clips.split(split), labels, found.classes)
                each.append(Found(name, split, truth, found))
    return each


def online_rows(each: Sequence[Found], resampling: Resampling) -> list[OnlineRow]:
    """Score what was found.

    Raises:
        MismatchError: It is of other videos or classes than the labels.
    """
    return [
        OnlineRow(name, split, online_scores(truth, found, **vars(resampling)))
        for name, split, truth, found in each
    ]


def online_section(rows: Sequence[OnlineRow], edition: Edition) -> list[str]:
    """Write the part of the page with a table of both splits."""
    lines = [
        "## Online recognition",
        "",
        "Gestures found in whole videos, with their beginning and end."
        + ("" if edition.comparable else " **Generated data**, as everything on this page."),
        "",
        f"| system | split | {REFERENCE} % | 95 % interval | strict F1 % | 95 % interval"
        " | precision % | recall % | mean AP % | 95 % interval | found | labeled |",
        "|---|---|--:|:-:|--:|:-:|--:|--:|--:|:-:|--:|--:|",
    ]
    for name, split, s in rows:
        cells = [
            name, split, f"{100 * s.f1_reference:.2f}", percent(s.f1_reference_interval),
            f"{100 * s.f1_strict:.2f}", percent(s.f1_strict_interval), f"{100 * s.precision:.2f}",
            f"{100 * s.recall:.2f}", f"{100 * s.mean_ap:.2f}", percent(s.mean_ap_interval),
            str(s.predictions), str(s.gestures),
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "The reference counts every gesture that some prediction of its class overlaps by more than"
        " 0.3, so one prediction may count twice; strict",
        "F1 pairs each prediction with one gesture. Mean AP ranks all candidates, at overlaps of"
        " 0.1 to 0.9. Thresholds are fitted on validation, which flatters it.",
        "Videos without any labeled gesture are not in the index, and so not scored.",
    ]
    if board := board_of(edition.name, "F1"):
        own = {row.name: row.scores.f1_reference for row in rows if row.split == "test"}
        lines += ["", *leaderboard_page(board, own)]
    return lines


def prefix_of(split: str) -> str:
    """Begin the names of a run's scores: validation goes bare, since the UI cuts long names."""
    return "" if split == "val" else f"{split}_"


def online_records(root: Path, rows: Sequence[OnlineRow], parent: RunRecord) -> list[RunRecord]:
    """Record each entry as a run under that of the table, `parent`; scores in per cent.

    `root` is the folder of the project; rows of one name share a run.
    """
    records = []
    for name in dict.fromkeys(row.name for row in rows):
        metrics = {}
        for row in rows:
            if row.name == name:
                told, prefix = row.scores.model_dump(), prefix_of(row.split)
                shares = {key: share for key, share in told.items() if isinstance(share, float)}
                metrics |= {f"{prefix}{key}": round(100 * v, 2) for key, v in shares.items()}
        records.append(
            new_record(
                root, experiment=TABLE, name=f"online {name}",
                parent_key=parent.run_key, metrics=metrics,
                params={"online": name, "edition": parent.params["edition"]},
                tags={"kind": "row", NOTE: f"{name}: gestures found in whole videos."},
            )
        )  # fmt: skip
    return records


def scores_lines(scores: OnlineScores) -> list[str]:
    """Write the scores for a terminal, a line each."""
    s = scores
    return [
        f"{s.predictions} found, {s.gestures} labeled, in {s.videos} videos",
        f"f1_reference {100 * s.f1_reference:.3f} %{resampled(s.f1_reference_interval)}",
        f"f1_strict    {100 * s.f1_strict:.3f} %{resampled(s.f1_strict_interval)}",
        f"precision    {100 * s.precision:.3f} %",
        f"recall       {100 * s.recall:.3f} %",
        f"mean_ap      {100 * s.mean_ap:.3f} %{resampled(s.mean_ap_interval)}",
        "ap at " + ", ".join(f"{iou} {100 * ap:.1f}" for iou, ap in s.ap_at.items()) + " %",
    ]
