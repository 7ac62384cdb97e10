"""Section of the report on gestures found in whole videos."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.evaluation.online import class_scores, f1, match_counts
from benchmark.plots.analysis import overlaps_figure, timeline_figure
from benchmark.plots.figures import svg
from benchmark.results.online import online_rows, read_online
from benchmark.results.table import Resampling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.evaluation.online import ClassScores
    from benchmark.params.params import Params
    from benchmark.results.online import Found, OnlineRow


class Entry(NamedTuple):
    """One entry of section `online` on the last split whose labels are known."""

    name: str
    split: str
    classes: list[tuple[str, ClassScores]]
    """Name and scores of each class that is labeled or found."""
    video: str
    """The one in the timeline."""
    timeline: str
    """SVG."""


class OnlineView(NamedTuple):
    """What the section shows."""

    rows: list[OnlineRow]
    overlaps: str
    """SVG: average precision over overlaps."""
    entries: list[Entry]


def read_view(
    params: Params, folder: Path, clips: Clips, test: NDArray[np.int64] | None
) -> OnlineView | None:
    """Read what was found, score and draw it; None where params.yaml asks for nothing.

    Args:
        params: The whole of params.yaml.
        folder: That of all probabilities.
        clips: The whole index.
        test: The labels of test; None where they are not known.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: It is of other videos or classes than the labels.
    """
    fps = {clip.video: clip.fps for clip in clips}
    resampling = Resampling(params.table.resamples, params.seed)
    return online_view(read_online(params, folder, clips, test), resampling, fps)


def online_view(
    each: Sequence[Found], resampling: Resampling, fps: Mapping[str, float]
) -> OnlineView | None:
    """Score and draw what was found, in videos of `fps`; None where there is no entry."""
    if not each:
        return None
    rows = online_rows(each, resampling)
    curves = {f"{row.name}, {row.split}": row.scores.ap_at for row in rows}
    last = [one for one in each if one.split == each[-1].split]
    return OnlineView(rows, svg(overlaps_figure(curves)), [_entry(one, fps) for one in last])


def _entry(one: Found, fps: Mapping[str, float]) -> Entry:
    found = one.found.on(one.truth.videos)
    classes = [(found.classes[k.label], k) for k in class_scores(one.truth, found)]
    video = typical_video(one)
    picture = svg(timeline_figure(one.truth, found.sure(), video, fps[video]))
    return Entry(one.name, one.split, classes, video, picture)


def typical_video(one: Found) -> str:
    """Return the video whose strict F1 is the median: neither the best nor the worst picture."""
    found = one.found.on(one.truth.videos).sure()
    scores = f1(match_counts(one.truth, found, "strict"), "strict")
    return one.truth.videos[np.argsort(scores, kind="stable")[(len(scores) - 1) // 2]]
