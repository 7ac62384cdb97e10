"""One modality of one video file, outside of any data set: numbers, or a video to look at.

Memory does not grow with the video, except for Taylor's variant `signed`, whose scale is the
clip's.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import ArchiveError, ParamsError
from benchmark.core.files import replacing
from benchmark.core.video import Timeline, read_frames, write_video
from benchmark.data.person_box import person_box, to_box
from benchmark.modalities.flow.flow import FlowModality
from benchmark.modalities.flow.sparse_to_dense import SparseToDenseFlow
from benchmark.modalities.modality import VideoModality
from benchmark.plots.modalities import maps_picture

if TYPE_CHECKING:
    from benchmark.modalities.modality import Frame
    from benchmark.modalities.pose.mediapipe_points import PoseModels
    from benchmark.modalities.union import Modality

    Values: TypeAlias = NDArray[Any]
    Points: TypeAlias = NDArray[np.float32]

CRF, GOP = 16, 12
"""Of the video to look at."""


class Span(NamedTuple):
    """Frames of a video, half-open."""

    start: int
    end: int


def spec_of(
    kind: str, entries: Mapping[str, Modality], *, name: str | None, backend: str | None
) -> VideoModality:
    """Choose the entry called `name`, or the first one of this kind and backend.

    Args:
        kind: Kind of the modality.
        entries: The modalities of params.yaml.
        name: Entry to take; None for the first that fits.
        backend: Kind of its backend; None for any.

    Raises:
        ParamsError: There is none, or this kind cannot be made of one video file.
    """
    if name is not None and name not in entries:
        raise ParamsError("modalities", f"no entry '{name}'", expected=", ".join(entries))
    candidates = [entries[name]] if name else list(entries.values())
    videos = [spec for spec in candidates if isinstance(spec, VideoModality)]
    of_kind = [spec for spec in videos if spec.kind == kind]
    if any(spec.kind == kind for spec in candidates) and not of_kind:
        raise ParamsError(
            f"kind {kind}", "needs the keypoints of a whole clip: no single file has them",
            expected=", ".join(dict.fromkeys(spec.kind for spec in videos)),
        )  # fmt: skip
    # It has no settings, so that it needs no entry of its own.
    if backend == "sparse_to_dense" and of_kind and isinstance(of_kind[0], FlowModality):
        return of_kind[0].model_copy(update={"backend": SparseToDenseFlow(kind=backend)})
    if backend is not None:
        found = [(spec, getattr(spec, "backend", None)) for spec in of_kind]
        of_kind = [spec for spec, its in found if its is not None and its.kind == backend]
    if not of_kind:
        what = f"kind {kind}" + (f" with backend {backend}" if backend else "")
        raise ParamsError(
            f"modalities.{name}" if name else "modalities", f"no entry of {what}",
            do="Add one to params.yaml, with the weights that it needs: docs/modalities.md",
        )  # fmt: skip
    return of_kind[0]


def span_of(video: Path, frames: int, start: int, end: int | None) -> Span:
    """Check the part asked for.

    Args:
        video: The file, for the message.
        frames: Frames that it has.
        start: First frame asked for.
        end: Frame after the last one; None for the video's end.

    Raises:
        ArchiveError: The video has no such frames.
    """
    span = Span(start, frames if end is None else end)
    if not 0 <= span.start < span.end <= frames:
        raise ArchiveError(
            video, f"no frames {span.start} to {span.end}",
            expected=f"0 <= start < end <= {frames}", found=f"{span.start}, {span.end}",
        )  # fmt: skip
    return span


def frames_of(video: Path, span: Span) -> Iterator[Frame]:
    """Yield the frames of the span, in order, with progress.

    Raises:
        ArchiveError: The video is damaged or ends early.
    """
    frames = islice(read_frames(video), *span)
    total = span.end - span.start
    yield from tqdm(frames, desc=video.name, total=total, unit="frame", disable=None)


def sheet_points(sheet: Path, span: Span) -> Points:
    """Read the rows of an OpenPose sheet, one per frame: float32 (T, 137, 3).

    Raises:
        ArchiveError: The sheet is damaged or too short.
    """
    from benchmark.archives.openpose import read_openpose

    points = read_openpose(sheet)
    if len(points) < span.end:
        raise ArchiveError(
            sheet, "too short", expected=f"{span.end} rows, one per frame", found=str(len(points))
        )
    return points[span.start : span.end]


def estimated_points(frames: Iterable[Frame], models: PoseModels, fps: float) -> Points:
    """Let MediaPipe find the points, tracked from the first of the frames: float32 (T, 137, 3)."""
    from benchmark.modalities.pose.mediapipe_points import KeypointEstimator

    with KeypointEstimator(models, fps) as estimator:
        return np.stack([estimator.points(frame) for frame in frames])


class Maps:
    """The heat maps of a clip, as a network sees them in test, but of every frame."""

    picture = staticmethod(maps_picture)

    def __init__(
        self, stream: Literal["joint", "limb"], points: Points, shape: tuple[float, float],
        *, size: int, sigma: float,
    ) -> None:  # fmt: skip
        from benchmark.models.preprocessors import HeatmapGenerator

        kept = points[:, list(OPENPOSE36.points)]
        self._points = to_box(kept, person_box(kept, shape), size)
        self._generator = HeatmapGenerator(stream, OPENPOSE36, sizes=(size, size), sigma=sigma)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        import torch

        for row in self._points:
            (volume,) = self._generator(torch.from_numpy(row)[None, None])
            yield volume[0, :, 0].permute(1, 2, 0).contiguous().numpy()


def write_arrays(out: Path, values: Iterable[Values], span: Span, config: str) -> None:
    """Write an npz: `frames` (T, H, W, C), `frame_numbers` int64 (T,) of the video, `config`.

    Args:
        out: The file.
        values: Of every frame, in order.
        span: Which frames they are.
        config: JSON of the spec that they were made with.
    """
    count, written = span.end - span.start, 0
    with replacing(out) as work, zipfile.ZipFile(work, "w") as archive:
        # Written array by array as numpy would: numpy.savez wants all frames in memory at once.
        with archive.open("frames.npy", "w", force_zip64=True) as file:
            for value in values:
                if not written:
                    header = {
                        "descr": np.lib.format.dtype_to_descr(value.dtype),
                        "fortran_order": False,
                        "shape": (count, *value.shape),
                    }
                    np.lib.format.write_array_header_2_0(file, header)
                file.write(np.ascontiguousarray(value).data)
                written += 1
        if written != count:
            raise ArchiveError(out, "not all frames", expected=str(count), found=str(written))
        for name, array in (
            ("frame_numbers", np.arange(*span, dtype=np.int64)),
            ("config", np.array(json.dumps(json.loads(config), sort_keys=True))),
        ):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def write_pictures(out: Path, pictures: Iterable[Frame], times: Timeline) -> None:
    """Write a video of frames, uint8 (H, W, 3), even sides, each on the screen when `times` say."""
    write_video(out, pictures, times, crf=CRF, gop=GOP)
