"""The true classes of the clips of one split, joined with probabilities by clip id."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.foreign_table import read_labels_and_videos
from benchmark.core.errors import FormatError, MismatchError

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.contracts.predictions import Probabilities
    from benchmark.editions.splits import Split

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labels:
    """What is true of the clips of one labeled split; row i belongs to `clip_id[i]`."""

    edition: str
    split: str
    clip_id: tuple[str, ...]
    videos: tuple[str, ...]
    """The video of each clip: clips of one video resemble each other."""
    label: NDArray[np.int64]
    """Class index, int64 (N,)."""

    def joined(self, probabilities: Probabilities, *, where: str) -> NDArray[np.float32]:
        """Return the probabilities (N, K) in the order of the labels; `where` names them in errors.

        Raises:
            MismatchError: They are of another edition or split, or of other clips.
        """
        # Editions of one data set share clip ids, so equal ids alone do not show that these fit.
        for key in ("edition", "split"):
            found, wanted = getattr(probabilities, key), getattr(self, key)
            if found != wanted:
                raise MismatchError(where, f"another {key}", expected=wanted, found=found)
        return probabilities.aligned(self.clip_id).p


def index_labels(clips: Clips, split: Split) -> Labels:
    """Take the labels of a split from the whole index.

    Raises:
        FormatError: The edition withholds them.
    """
    part = clips.split(split)
    return Labels(clips.edition, split, tuple(part.ids), tuple(part.videos), part.labels())


def listed_labels(path: Path, probabilities: Probabilities) -> Labels:
    """Read the labels of exactly these clips from a csv, and their videos if it names them.

    Raises:
        FormatError: A clip has no label, or the file breaks its form.
    """
    label_of, video_of = read_labels_and_videos(path, len(probabilities.classes))
    ids = probabilities.clip_id
    if missing := [clip for clip in ids if clip not in label_of]:
        wrong = f"{len(missing)} clip(s) have no label, the first is {missing[0]}"
        raise FormatError(path, wrong, expected=f"the clips of {probabilities.source}")
    if more := len(label_of) - len(ids):
        # A program that lost clips would otherwise be scored on those that it kept.
        log.warning("%s: %d of its clips are not in %s", path, more, probabilities.source)
    label = np.array([label_of[clip] for clip in ids], np.int64)
    videos = tuple(video_of.get(clip, "unknown") for clip in ids)
    return Labels(probabilities.edition, probabilities.split, ids, videos, label)
