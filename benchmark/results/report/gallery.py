"""Clips that the report plays: the hardest ones, and those that a fusion gets right after all."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.clips import Clip, Clips, frame_numbers
from benchmark.core.html import data_uri
from benchmark.core.resize import rescaled
from benchmark.core.video import VideoWriter, frames_at
from benchmark.evaluation.diversity import hardest

if TYPE_CHECKING:
    from benchmark.archives.raw_files import RawFile
    from benchmark.editions.edition import Edition
    from benchmark.results.entries import GroundTruth, Scoring

SHORT_SIDE = 180
"""Pixels of the shorter side of a clip that plays in the page."""
CRF = 30
"""H.264: small rather than beautiful, since the page holds dozens of clips."""
BEST = 3
"""Classes named under a clip."""

Chosen: TypeAlias = "list[tuple[int, str]]"
"""Rows of clips, each with the reason why the page shows it."""


class Shown(NamedTuple):
    """A clip of the gallery."""

    clip_id: str
    label: str
    predictions: tuple[tuple[str, float], ...]
    """The system's best classes and their probabilities."""
    note: str
    """Why it is shown."""
    video: str
    """An mp4 as a data URI."""


class Archive(NamedTuple):
    """Where the frames come from."""

    videos: Mapping[str, RawFile]
    """Name of a raw video -> its file."""
    edition: Edition
    clips: Clips
    """The whole index."""


class Gallery(NamedTuple):
    """Clips of one split that play in the page."""

    split: str
    hardest: list[Shown]
    improved: list[Shown]


class Streams(NamedTuple):
    """Probabilities of one split in the order of the labels."""

    fused: NDArray[np.float64]
    """Of the system: (N, K)."""
    members: NDArray[np.float64]
    """Of its members: (M, N, K)."""
    single: NDArray[np.float64]
    """Of the best single stream: (N, K)."""
    name: str
    """Of that stream."""


def gallery(scoring: Scoring, truth: GroundTruth, archive: Archive) -> Gallery:
    """Gather the clips of one split that `params.analysis` asks for; `truth` are its labels.

    Raises:
        FormatError: A file of probabilities is missing or breaks its schema.
        ArchiveError: A video is missing or damaged.
    """
    spec = scoring.params.analysis

    def read(name: str) -> NDArray[np.float64]:
        probabilities = scoring.read(name, truth.split, spec.scores)
        return probabilities.aligned(truth.clip_id).p.astype(np.float64)

    members = np.stack([read(name) for name in spec.members])
    best = int((members.argmax(2) == truth.label).sum(1).argmax())
    streams = Streams(read(spec.source), members, members[best], spec.members[best])
    chosen = choose(streams, truth, spec.hardest)
    videos = playable(archive, [truth.clip_id[row] for rows in chosen for row, _ in rows])
    lists = (shown(rows, streams.fused, truth, archive.edition, videos) for rows in chosen)
    return Gallery(truth.split, *lists)


def choose(streams: Streams, truth: GroundTruth, count: int) -> tuple[Chosen, Chosen]:
    """Choose the `count` hardest and the `count` most improved clips.

    A clip is improved where the fusion is right and the best single stream is wrong.
    """
    fused, members, single, name = streams
    label, rows = truth.label, np.arange(len(truth.label))
    correct = (members.argmax(2) == label).sum(0)
    hard = [
        (int(row), f"{correct[row]} of {len(members)} members are right")
        for row in hardest(members, label)[:count]
    ]
    before, after = single[rows, label], fused[rows, label]
    improved = rows[(fused.argmax(1) == label) & (single.argmax(1) != label)]
    # How much probability of the label the fusion adds: the clearest cases come first.
    best = improved[np.argsort((before - after)[improved], kind="stable")][:count]
    what = "probability of the label"
    better = [
        (int(row), f"{what} {100 * before[row]:.0f} -> {100 * after[row]:.0f} % against {name}")
        for row in best
    ]
    return hard, better


def shown(
    chosen: Chosen, p: NDArray[np.float64], truth: GroundTruth, edition: Edition,
    videos: Mapping[str, str],
) -> list[Shown]:  # fmt: skip
    """Describe the clips as the page shows them.

    Args:
        chosen: Their rows, with reasons.
        p: Probabilities of the system, float64 (N, K).
        truth: The labels of the split.
        edition: Names the classes.
        videos: Clip id -> data URI.
    """
    clips = []
    for row, note in chosen:
        best = np.argsort(-p[row], kind="stable")[:BEST]
        predictions = tuple((edition.classes[k], float(p[row, k])) for k in best)
        clip, label = truth.clip_id[row], edition.classes[truth.label[row]]
        clips.append(Shown(clip, label, predictions, note, videos[clip]))
    return clips


def playable(archive: Archive, ids: Sequence[str]) -> dict[str, str]:
    """Make a small mp4 of each clip: clip id -> data URI. Each video is decoded once.

    Raises:
        ArchiveError: A video is missing or damaged.
    """
    wanted = [clip for clip in archive.clips if clip.clip_id in ids]
    uris: dict[str, str] = {}
    for video in sorted({clip.video for clip in wanted}):
        with archive.videos[video].local() as path:
            uris |= _of_video(path, [clip for clip in wanted if clip.video == video])
    return uris


def _of_video(path: Path, clips: Sequence[Clip]) -> dict[str, str]:
    pictures: dict[str, list[NDArray[np.uint8]]] = {clip.clip_id: [] for clip in clips}
    for number, frame in frames_at(path, frame_numbers(clips)):
        for clip in clips:
            if clip.start_frame <= number < clip.end_frame:
                scale = min(1.0, SHORT_SIDE / min(frame.shape[:2]))
                pictures[clip.clip_id].append(rescaled(frame, scale, cv2.INTER_AREA))
    return {clip.clip_id: _uri(pictures[clip.clip_id], clip.fps) for clip in clips}


def _uri(frames: Sequence[NDArray[np.uint8]], fps: float) -> str:
    file = io.BytesIO()
    # One key frame per 250 makes clips small; a page plays them from the start and seeks little.
    with VideoWriter(file, fps, crf=CRF, gop=250) as writer:
        for frame in frames:
            writer.add(frame)
    return data_uri("video/mp4", file.getvalue())
