"""Window scores: class probabilities of windows that slide over whole videos."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmark.contracts.parquet import TableFormat
from benchmark.contracts.predictions import TOLERANCE
from benchmark.core.errors import FormatError, MismatchError

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition
    from benchmark.editions.splits import Split

FORMAT = TableFormat(
    "window_scores/1", "a file of window scores", keys=("edition", "split", "source", "classes")
)

DO = "Run 'dvc repro predict_windows'"


@dataclass(frozen=True)
class WindowScores:
    """The windows of all videos of one split, video after video, each from its start on."""

    edition: str
    split: str
    source: str
    """The experiment that scored them."""
    classes: tuple[str, ...]
    video: tuple[str, ...]
    """Of each window, (N,)."""
    start: NDArray[np.int64]
    """First frame, (N,)."""
    end: NDArray[np.int64]
    """The frame after the last one, (N,)."""
    p: NDArray[np.float32]
    """Class probabilities, (N, K)."""

    def by_video(self) -> Iterator[tuple[str, slice]]:
        """Yield each video with the rows of its windows."""
        begins = [k for k in range(len(self.video)) if k == 0 or self.video[k] != self.video[k - 1]]
        for begin, end in pairwise([*begins, len(self.video)]):
            yield self.video[begin], slice(begin, end)


def write_window_scores(scores: WindowScores, path: Path) -> None:
    """Write the scores as parquet; equal contents give equal bytes."""
    kind = pa.list_(pa.float32(), len(scores.classes))
    flat = pa.array(np.ascontiguousarray(scores.p, np.float32).ravel())
    table = pa.table(
        {
            "video": pa.array(scores.video, pa.string()),
            "start_frame": pa.array(scores.start, pa.int64()),
            "end_frame": pa.array(scores.end, pa.int64()),
            "p": pa.FixedSizeListArray.from_arrays(flat, type=kind),
        }
    )
    FORMAT.write(
        table, path, edition=scores.edition, split=scores.split, source=scores.source,
        classes=json.dumps(scores.classes),
    )  # fmt: skip


def read_window_scores(path: Path) -> WindowScores:
    """Read and check window scores.

    Raises:
        FormatError: The file is missing or damaged, a video's windows are not in their order, or
            scores are no probabilities.
    """
    table, told = FORMAT.read(path, do=DO)
    classes = tuple(json.loads(told["classes"]))
    flat = table["p"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    start, end = (table[name].to_numpy() for name in ("start_frame", "end_frame"))
    scores = WindowScores(
        told["edition"], told["split"], told["source"], classes,
        tuple(table["video"].to_pylist()), start, end, flat.reshape(-1, len(classes)),
    )  # fmt: skip
    videos = [video for video, _ in scores.by_video()]
    sorted_ = all((np.diff(start[rows]) > 0).all() for _, rows in scores.by_video())
    if not videos or len({*videos}) < len(videos) or not sorted_ or not (end > start).all():
        raise FormatError(path, "no windows, or windows out of their order", do=DO)
    p = scores.p
    if not (np.isfinite(p).all() and (p >= 0).all() and (abs(p.sum(1) - 1) <= TOLERANCE).all()):
        raise FormatError(path, "scores that are no probabilities", do=DO)
    return scores


def check_windows(
    scores: WindowScores, clips: Clips, edition: Edition, *, source: str, where: object
) -> None:
    """Make sure that window scores are those of a split, by one experiment.

    Args:
        scores: The window scores.
        clips: The index; each video of the split has windows.
        edition: Of the index.
        source: The experiment.
        where: What errors call the scores.

    Raises:
        MismatchError: They are of something else.
    """
    videos = {*clips.split(cast("Split", scores.split)).videos}
    pairs = {
        "edition": (scores.edition, edition.name), "experiment": (scores.source, source),
        "classes": (scores.classes, edition.classes), "videos": ({*scores.video}, videos),
    }  # fmt: skip
    for what, (found, wanted) in pairs.items():
        if found != wanted:
            raise MismatchError(where, f"window scores of other {what}", do=DO)
