"""The results table: a row a system and split, and the pages that show it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from benchmark.editions import Split
from benchmark.errors import MismatchError
from benchmark.evaluation.bootstrap import Interval, interval, paired_interval
from benchmark.evaluation.figures import Bar
from benchmark.evaluation.metrics import Metrics, correctness, majority, score
from benchmark.evaluation.significance import McNemar, mcnemar
from benchmark.fusion_params import FusionRule
from benchmark.schema import Strict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from benchmark.clips import Clips
    from benchmark.editions import Edition
    from benchmark.predictions import Probabilities

SIGNIFICANT = 0.05
"""A p-value below this, with an interval without 0, counts as distinguishable from noise."""


class Versus(Strict):
    """A fusion against the best single stream of its table, on the same clips."""

    name: str
    """The row with the best top-1 among the single streams of this split."""
    difference: Annotated[float, Field(ge=-1, le=1)]
    """Top-1 of the fusion minus that of the single stream."""
    interval: Interval
    """Of the difference, both scored on the same resampled videos."""
    test: McNemar
    """`first` is the fusion, `second` the single stream."""

    def distinguishable(self) -> bool:
        """Whether both the clip-wise test and the video-wise interval tell the two apart."""
        return self.test.p_value < SIGNIFICANT and self.interval.excludes_zero()


class ResultRow(Strict):
    """One system on one split."""

    index: Annotated[int, Field(gt=0)]
    """Place in the table, from 1."""
    name: str
    source: str
    """The experiment or fusion that is scored."""
    split: Split
    members: tuple[str, ...]
    """Experiments of a fusion; empty for a single stream."""
    rule: FusionRule | None
    weights: dict[str, float] | None
    """Member -> weight; null for a single stream."""
    metrics: Metrics
    interval: Interval
    """Of top-1."""
    num_videos: Annotated[int, Field(gt=0)]
    majority: Annotated[float, Field(ge=0, le=1)]
    """Top-1 of always answering the largest class of the training split."""
    versus: Versus | None
    """Null for a single stream, and where the table has none for this split."""


@dataclass(frozen=True)
class Answers:
    """What is true of the clips of one labelled split; row i belongs to `clip_id[i]`."""

    edition: str
    split: Split
    clip_id: tuple[str, ...]
    videos: tuple[str, ...]
    label: NDArray[np.int64]
    """Class index, int64 (N,)."""
    train_label: NDArray[np.int64]
    """Class index of each training clip: for the majority baseline only."""

    @classmethod
    def of(cls, clips: Clips, split: Split, labels: NDArray[np.int64] | None = None) -> Answers:
        """The answers to `split`: those of the index, or `labels` where it withholds them.

        `clips` is the whole index; `labels` int64 (N,) is in the order of `clips.split(split)`.

        Raises:
            FormatError: The edition withholds the labels of `split`, and `labels` is not given.
            MismatchError: `labels` are not as many as the clips of the split.
        """
        part = clips.split(split)
        label = part.labels() if labels is None else labels
        if len(label) != len(part):
            raise MismatchError(
                f"answers of {split}",
                "not one label a clip",
                expected=str(len(part)),
                found=str(len(label)),
            )
        train_label = clips.split("train").labels()
        return cls(clips.edition, split, tuple(part.ids), tuple(part.videos), label, train_label)


@dataclass(frozen=True)
class Entry:
    """One system that asks for a row."""

    name: str
    probabilities: Probabilities
    rule: FusionRule | None = None
    """Null for a single stream."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Member -> weight; empty for a single stream."""


@dataclass(frozen=True)
class Resampling:
    """How the intervals are drawn: `resamples` bootstrap samples of videos from `seed`."""

    resamples: int
    seed: int


def score_rows(
    entries: Sequence[Entry], answers: Answers, resampling: Resampling
) -> list[ResultRow]:
    """Rows of one split, in the order of `entries`; probabilities are joined by clip id.

    Raises:
        MismatchError: An entry is of another edition or split, or of other clips.
    """
    p = [_joined(entry, answers) for entry in entries]
    correct = [correctness(each, answers.label) for each in p]
    singles = [index for index, entry in enumerate(entries) if entry.rule is None]
    best = max(singles, key=lambda index: correct[index].sum()) if singles else None
    rows = []
    for index, entry in enumerate(entries):
        versus = None
        if entry.rule is not None and best is not None:
            pair = (correct[index], correct[best])
            versus = _versus(entries[best].name, pair, answers, resampling)
        rows.append(
            ResultRow(
                index=index + 1,
                name=entry.name,
                source=entry.probabilities.source,
                split=answers.split,
                members=tuple(sorted(entry.weights)),
                rule=entry.rule,
                weights=dict(entry.weights) or None,
                metrics=score(p[index], answers.label),
                interval=interval(
                    correct[index],
                    answers.videos,
                    resamples=resampling.resamples,
                    seed=resampling.seed,
                ),
                num_videos=len(set(answers.videos)),
                majority=majority(answers.train_label, answers.label),
                versus=versus,
            )
        )
    return rows


def bars(rows: Sequence[ResultRow]) -> list[Bar]:
    """What `figures.results_figure` draws of each row."""
    return [
        Bar(
            name=f"{row.index:02d} {row.name}",
            top1=row.metrics.top1,
            low=row.interval.low,
            high=row.interval.high,
            fusion=row.rule is not None,
        )
        for row in rows
    ]


def to_csv(rows: Sequence[ResultRow]) -> str:
    """results.csv: fractions with 6 decimals, empty where a row has no such value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for place, row in enumerate(rows):
        cells = _cells(row)
        if place == 0:
            writer.writerow(cells)
        writer.writerow(
            f"{cell:.6f}" if isinstance(cell, float) else cell for cell in cells.values()
        )
    return text.getvalue()


def to_markdown(rows: Sequence[ResultRow], edition: Edition, resampling: Resampling) -> str:
    """RESULTS.md: a block for validation and one for test, each with its comparisons in words."""
    lines = [f"# Results: {edition.title}", ""]
    if not edition.comparable:
        lines += [
            "> **Generated data.** Every clip behind these numbers was made by a program. They say"
            " that the software works and are",
            "> never comparable with results on iMiGUE, neither ours nor published ones.",
            "",
        ]
    lines += [f"Edition `{edition.name}`, version {edition.version}. Written by `dvc repro`.", ""]
    val = [row for row in rows if row.split == "val"]
    test = [row for row in rows if row.split == "test"]
    lines += ["## Validation", "", *_block(val)]
    if val:
        lines += [
            "Fusion weights are fitted on these clips, and a recipe may keep the epoch that is best"
            " on them, so these numbers flatter.",
            "",
        ]
    lines += ["## Test", "", *_block(test), "## How to read this", "", *_notes(resampling)]
    return "\n".join(lines) + "\n"


def _joined(entry: Entry, answers: Answers) -> NDArray[np.float32]:
    """Probabilities (N, K) in the order of the answers."""
    probabilities = entry.probabilities
    for key in ("edition", "split"):
        found, expected = getattr(probabilities, key), getattr(answers, key)
        if found != expected:
            raise MismatchError(
                f"row '{entry.name}'", f"another {key}", expected=expected, found=found
            )
    return probabilities.aligned(answers.clip_id).p


def _versus(
    name: str,
    pair: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    answers: Answers,
    resampling: Resampling,
) -> Versus:
    fusion, single = pair
    bounds = paired_interval(
        fusion, single, answers.videos, resamples=resampling.resamples, seed=resampling.seed
    )
    return Versus(
        name=name,
        difference=(int(fusion.sum()) - int(single.sum())) / len(fusion),
        interval=bounds,
        test=mcnemar(fusion, single),
    )


def _cells(row: ResultRow) -> dict[str, object]:
    versus = row.versus
    return {
        "index": row.index,
        "name": row.name,
        "source": row.source,
        "split": row.split,
        "rule": row.rule.kind if row.rule else None,
        "members": "+".join(row.members),
        "weights": " ".join(
            f"{key}={value:.6f}" for key, value in sorted((row.weights or {}).items())
        ),
        **row.metrics.model_dump(),
        "top1_low": row.interval.low,
        "top1_high": row.interval.high,
        "num_videos": row.num_videos,
        "majority": row.majority,
        "versus": versus.name if versus else None,
        "difference": versus.difference if versus else None,
        "difference_low": versus.interval.low if versus else None,
        "difference_high": versus.interval.high if versus else None,
        "only_fusion": versus.test.only_first if versus else None,
        "only_single": versus.test.only_second if versus else None,
        "p_value": versus.test.p_value if versus else None,
    }


def _block(rows: Sequence[ResultRow]) -> list[str]:
    if not rows:
        return [
            "No answers here: a split that the edition withholds is scored by its leaderboard.",
            "",
        ]
    first = rows[0]
    lines = [
        f"{first.metrics.n} clips of {first.num_videos} videos. Always answering the largest class"
        f" of the training split gives {_percent(first.majority)} % top-1.",
        "",
        "| # | system | top-1 % | 95 % interval | top-5 % | macro-F1 % | mean acc. % | log-loss"
        " | ECE % |",
        "|--:|---|--:|:-:|--:|--:|--:|--:|--:|",
        *(_table_row(row) for row in rows),
        "",
    ]
    sentences = [f"- {_sentence(row, row.versus)}" for row in rows if row.versus]
    return [*lines, *sentences, ""] if sentences else lines


def _table_row(row: ResultRow) -> str:
    m = row.metrics
    cells = [
        f"{row.index:02d}",
        row.name.replace("|", "\\|"),
        _percent(m.top1),
        f"{_percent(row.interval.low)} to {_percent(row.interval.high)}",
        _percent(m.top5),
        _percent(m.macro_f1),
        _percent(m.mean_acc),
        f"{m.log_loss:.3f}",
        _percent(m.ece),
    ]
    return "| " + " | ".join(cells) + " |"


def _sentence(row: ResultRow, versus: Versus) -> str:
    """Says in words whether the fusion beats the best single stream."""
    weights = ", ".join(f"{key} {value:.3f}" for key, value in sorted((row.weights or {}).items()))
    points = f"{abs(100 * versus.difference):.2f} points"
    compared = f"{points} above" if versus.difference > 0 else f"{points} below"
    if versus.difference == 0:
        compared = "level with"
    verdict = "distinguishable" if versus.distinguishable() else "**not** distinguishable"
    return (
        f"**{row.name}** ({weights}) is {compared} the best single stream, {versus.name}: the"
        f" difference is {verdict} from noise (95 % interval {100 * versus.interval.low:+.2f} to"
        f" {100 * versus.interval.high:+.2f} points; clips right in the fusion only:"
        f" {versus.test.only_first}, in the single stream only: {versus.test.only_second}; exact"
        f" McNemar p = {versus.test.p_value:.3f})."
    )


def _notes(resampling: Resampling) -> list[str]:
    return [
        f"- Intervals: percentile bootstrap, {resampling.resamples} resamples of whole videos, seed"
        f" {resampling.seed}. Clips of one video share a person,",
        "  so resampling clips would give intervals that are too narrow.",
        f"- A difference counts as distinguishable from noise only where McNemar's p is below"
        f" {SIGNIFICANT} and the interval of the difference",
        "  leaves out 0. The best single stream is the best on the same clips, which favours it."
        " Clips of one video are not independent, so p alone is too hopeful.",
        "- Macro-F1 and mean accuracy run over the classes that occur in the split's labels.",
        "- Log-loss in nats (probabilities at least 1e-7); ECE over 15 bins of equal width.",
    ]


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f}"
