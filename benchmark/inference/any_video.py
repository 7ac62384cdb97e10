"""Recognize gestures in any video file with a trained system.

system = systems.open_system("convex")    # or systems.open_zoo()
recognized = recognize(system, Path("talk.mp4"))
print(recognized[0].top(3))
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.archives.keypoints import check_points
from benchmark.core.errors import ArchiveError, BenchmarkError, ManyFaults
from benchmark.core.foreign_file import load_array, what_is
from benchmark.core.video import Timeline, probe, timeline
from benchmark.inference.predict import predict
from benchmark.inference.systems import System, with_levels
from benchmark.inference.video_archive import VideoArchive, video_archive
from benchmark.modalities.one_file import Span
from submission.fusion.blend import apply_temperature
from submission.fusion.fuse import blended, mean_of_networks

if TYPE_CHECKING:
    from benchmark.contracts.predictions import Probabilities


class Recognized(NamedTuple):
    """Class probabilities of one window of a video."""

    span: Span
    """Frames, half-open."""
    start_s: float
    end_s: float
    p: NDArray[np.float64]
    """Probability of each class: float64 (K,), summing to 1."""
    classes: tuple[str, ...]

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes with their probabilities, best first."""
        order = np.argsort(-self.p, kind="stable")[:count]
        return [(self.classes[index], float(self.p[index])) for index in order]


def sliding_windows(times: Timeline, whole: Span, length: float, step: float) -> list[Span]:
    """Return windows of `length` seconds, `step` seconds apart, each of at least one frame.

    Args:
        times: When each frame of the video is on the screen.
        whole: The part of the video; the last window ends with it.
        length: Seconds of a window; that of a part that is shorter is the whole part.
        step: Seconds from the start of a window to that of the next.
    """
    first, last = (float(times.edges[edge]) for edge in whole)
    if length >= last - first:
        return [whole]
    starts = np.append(np.arange(first, last - length, step), last - length)
    begins = np.minimum(times.nearest_each(starts), whole.end - 1)
    ends = np.maximum(begins + 1, times.nearest_each(starts + length))
    spans = [Span(*pair) for pair in zip(begins.tolist(), ends.tolist(), strict=True)]
    # While one frame stands still, several windows are the same.
    return list(dict.fromkeys(spans))


def recognize(
    system: System, video: Path, windows: Sequence[Span] | None = None,
    points: NDArray[np.float32] | None = None, *, quick: bool = False,
) -> list[Recognized]:  # fmt: skip
    """Compute class probabilities of each window of a video.

    Args:
        system: From `open_system`.
        video: A video file.
        windows: Spans of frames; the whole video if None.
        points: A skeleton as float32 (T, J, 3) of x px, y px, confidence, with one row per frame of
            the video; J points as the networks know them, or OpenPose's 137. Without it the members
            that need a skeleton are left out.
        quick: Whether to compute what stage `predict_windows` does: of the first view alone, and
            not calibrated.

    Raises:
        ArchiveError: The video is damaged, or the points do not fit.
        ParamsError: Every member needs points, and there are none.
    """
    if points is None and system.with_points:
        system = system.without_points()
    info, edges = probe(video), timeline(video).edges.tolist()
    if points is not None:
        check_points(points, info[:2], where="points")
    spans = list(windows or [Span(0, info.frames)])
    # The code of the stages indexes, prepares and predicts the windows, so that they get the
    # probabilities that `dvc repro` would give to clips of these frames.
    with tempfile.TemporaryDirectory(prefix="mgbench-") as name, named(video, Path(name)):
        work = Path(name)
        (work / "raw").mkdir()
        archive = video_archive(
            work / "raw", video, spans, system.edition, points=points, layout=system.layout
        )
        # Modalities name the weights of extractors (depth, flow) by paths relative to the project.
        with chdir(system.root):
            p = _predict_windows(system, archive, work, quick=quick)
    if system.val_score is not None and not quick:
        p = apply_temperature(p, system.val_score.temperature)
    return [
        Recognized(span, edges[span.start], edges[span.end], row, system.edition.classes)
        for span, row in zip(spans, p, strict=True)
    ]


@contextmanager
def named(video: Path, work: Path) -> Iterator[None]:
    """Let errors of the archive in `work`, which the user never sees, name the video."""
    try:
        yield
    except BenchmarkError as error:
        for path in (work / "raw").iterdir():
            error.rename(str(path), str(video) if path.is_symlink() else path.name)
        if isinstance(error, ManyFaults):
            # Without the advice about params.yaml: the video has no entry there.
            lines = [line.removeprefix(f"{video}: ") for line in error.lines]
            raise ArchiveError(video, "; ".join(lines)) from None
        raise


def _predict_windows(
    system: System, archive: VideoArchive, work: Path, *, quick: bool
) -> NDArray[np.float64]:
    """Compute the fused probabilities of each window: float64 (W, K).

    Args:
        system: The networks.
        archive: The windows, as clips.
        work: Folder for their prepared data.
        quick: Whether the first view of a window is enough.
    """
    # Members with the same modality share one folder of prepared data.
    folders: dict[str, Path] = {}
    predictions: list[Probabilities] = []
    for name, member in system.members.items():
        spec = with_levels(member.metadata.modality, member.prepared)
        key = spec.model_dump_json()
        if key not in folders:
            folders[key] = archive.modality(spec, work / f"modality{len(folders)}")
        found = [
            predict(one, folders[key], archive.clips, "test", member.recipe, quick=quick)
            for one in member.networks
        ]
        if len(found) > 1:
            found = [mean_of_networks(found, member.mean, source=name)]
        predictions.append(replace(found[0], source=name))
    ids = archive.clips.split("test").ids
    fused = blended(predictions, system.blend, source=system.name)
    return fused.aligned(ids).p.astype(np.float64)


def read_points(path: Path) -> NDArray[np.float32]:
    """Read a skeleton from .npy, float32 (T, J, 3), or OpenPose's sheet (.xlsx) or folder of JSON.

    Raises:
        ArchiveError: The file has neither format, or is damaged.
    """
    if path.is_dir() or path.suffix.lower() == ".xlsx":
        from benchmark.archives.openpose import read_openpose

        return read_openpose(path)
    try:
        points = load_array(path)
    except (ValueError, OSError):
        points = None
    if not isinstance(points, np.ndarray) or points.dtype.kind not in "fiu":
        expected = ".npy of numbers, or OpenPose's .xlsx or folder of JSON"
        raise ArchiveError(path, "not a skeleton", expected=expected, found=what_is(path))
    if points.ndim != 3 or points.shape[2] != 3:
        raise ArchiveError(
            path, "not a skeleton", expected="(frames, points, 3)", found=str(points.shape)
        )
    return points.astype(np.float32)
