"""One modality of one video file, outside of any data set: numbers, or a video to look at.

Memory does not grow with the video, but for Taylor's variant `signed`, whose scale is the clip's.
"""

from __future__ import annotations

import json
import zipfile
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, assert_never

import numpy as np
from tqdm import tqdm

from benchmark.core.errors import ArchiveError, ParamsError
from benchmark.core.files import replacing
from benchmark.core.video import VideoWriter, read_frames
from benchmark.modalities.packing import resized
from benchmark.modalities.specs import (
    DepthModality,
    FixedScale,
    FlowModality,
    PersonCropModality,
    PoseModality,
    RgbModality,
    SkeletonModality,
    SparseToDenseFlow,
    TaylorModality,
)
from benchmark.plots.modalities import SATURATED_PX, flow_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from benchmark.modalities.depth.depth import Levels
    from benchmark.modalities.packing import Frame
    from benchmark.modalities.specs import Modality, VideoModality

    Values: TypeAlias = NDArray[Any]

CRF, GOP, PRESET = 16, 12, "medium"
"""Of the video to look at."""


class Span(NamedTuple):
    """Frames of a video, half-open."""

    start: int
    end: int


class Maker(Protocol):
    """Frames uint8 (H, W, 3) in; values (H', W', C) out, in order and, in the end, as many."""

    def add(self, frame: Frame) -> Sequence[Values]:
        """Take the next frame; the values that are finished by it."""
        ...

    def finish(self) -> Sequence[Values]:
        """The rest, after the last frame."""
        ...

    def picture(self, values: Values) -> Frame:
        """What a person sees of them: uint8 (H', W', 3), even sides."""
        ...


def spec_of(
    kind: str, known: Mapping[str, Modality], *, name: str | None, backend: str | None
) -> VideoModality:
    """The entry called `name`, or the first of this kind (and backend) among the modality of params.

    Raises:
        ParamsError: There is none.
    """
    if name is not None and name not in known:
        raise ParamsError("modality", f"no entry '{name}'", expected=", ".join(known))
    if kind == "person_crop":
        raise ParamsError(
            "kind person", "needs the keypoints of a whole clip: no single file has them",
            expected="rgb, taylor, flow or depth",
        )  # fmt: skip
    entries = {name: known[name]} if name else known
    found = [spec for spec in entries.values() if spec.kind == kind]
    if (
        backend == "sparse_to_dense" and found and isinstance(found[0], FlowModality)
    ):  # has no knobs
        return found[0].model_copy(update={"backend": SparseToDenseFlow(kind=backend)})
    if backend is not None:
        found = [
            spec for spec in found
            if isinstance(spec, FlowModality | DepthModality) and spec.backend.kind == backend
        ]  # fmt: skip
    if not found or isinstance(found[0], SkeletonModality | PoseModality | PersonCropModality):
        what = f"kind {kind}" + (f" with backend {backend}" if backend else "")
        raise ParamsError(
            f"modality {name}" if name else "modality", f"no entry of {what}",
            do="Add one to params.yaml, with the weights that it needs: docs/modalities.md",
        )  # fmt: skip
    return found[0]


def maker(spec: VideoModality) -> Maker:
    """What makes the values of a modality; `short_side` is the largest size of what comes out.

    Raises:
        ArchiveError: A file of weights is missing, damaged or not the pinned one.
        MissingExtra: The package behind a backend is not installed.
    """
    match spec:
        case RgbModality() | TaylorModality():
            return _Stored(spec)
        case FlowModality():
            return _Flow(spec)
        case DepthModality():
            return _Depth(spec)
        case _:
            assert_never(spec)


class _Stored:
    """RGB and Taylor: numbers are the pictures."""

    def __init__(self, spec: RgbModality | TaylorModality) -> None:
        from benchmark.modalities.rgb import Resizing
        from benchmark.modalities.taylor import TaylorExtraction

        taylor = isinstance(spec, TaylorModality)
        self._extraction = TaylorExtraction(spec) if taylor else Resizing(spec.short_side)

    def add(self, frame: Frame) -> Sequence[Values]:
        return tuple(self._extraction.add(frame))

    def finish(self) -> Sequence[Values]:
        return tuple(self._extraction.finish())

    def picture(self, values: Values) -> Frame:
        return values


class _Flow:
    """Pixels to the next frame, float32 (H, W, 2); the last frame repeats the one before."""

    def __init__(self, spec: FlowModality) -> None:
        from benchmark.modalities.flow.estimator import flow_estimator

        self._estimator = flow_estimator(spec.backend)
        self._side = spec.short_side
        self._last: Values | None = None
        self._shape: tuple[int, ...] = ()

    def add(self, frame: Frame) -> Sequence[Values]:
        frame = resized(frame, self._side)
        self._shape = frame.shape[:2]
        return self._take(self._estimator.add(frame))

    def finish(self) -> Sequence[Values]:
        found = self._take(self._estimator.finish())
        last = np.zeros((*self._shape, 2), np.float32) if self._last is None else self._last
        return (*found, last)

    def _take(self, flows: Sequence[Values]) -> Sequence[Values]:
        self._last = flows[-1] if flows else self._last
        return flows

    def picture(self, values: Values) -> Frame:
        return flow_picture(values, SATURATED_PX)


class _Depth:
    """Relative inverse depth, float32 (H, W, 1), on the backend's own scale."""

    def __init__(self, spec: DepthModality) -> None:
        from benchmark.modalities.depth.estimator import depth_estimator

        self._estimator = depth_estimator(spec.backend)
        self._side, self._scale = spec.short_side, spec.scale
        self._levels: Levels | None = None

    def add(self, frame: Frame) -> Sequence[Values]:
        return [depth[..., None] for depth in self._estimator.add(resized(frame, self._side))]

    def finish(self) -> Sequence[Values]:
        return [depth[..., None] for depth in self._estimator.finish()]

    def picture(self, values: Values) -> Frame:
        """Gray on a fixed scale; without one, that of the first frame."""
        from benchmark.modalities.depth.depth import Levels, gray

        if self._levels is None:
            if isinstance(self._scale, FixedScale):
                self._levels = Levels(self._scale.low, self._scale.high)
            else:
                low, high = float(values.min()), float(values.max())
                self._levels = Levels(low, high if high > low else low + 1)
        return gray(values[..., 0], self._levels)


def span_of(video: Path, frames: int, start: int, end: int | None) -> Span:
    """The part asked for of a video of so many frames.

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
    """The frames of the span, in order, with progress.

    Raises:
        ArchiveError: The video is damaged or ends early.
    """
    frames = islice(read_frames(video), *span)
    total = span.end - span.start
    yield from tqdm(frames, desc=video.name, total=total, unit="frame", disable=None)


def make(making: Maker, frames: Iterable[Frame]) -> Iterator[Values]:
    """The values of each frame, in order."""
    for frame in frames:
        yield from making.add(frame)
    yield from making.finish()


def write_arrays(out: Path, values: Iterable[Values], span: Span, knobs: str) -> None:
    """`frames` (T, H, W, C), `frame_numbers` int64 (T,) of the video, `knobs` as an npz."""
    count, written = span.end - span.start, 0
    with replacing(out) as work, zipfile.ZipFile(work, "w") as archive:
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
            ("knobs", np.array(json.dumps(json.loads(knobs), sort_keys=True))),
        ):
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, array, allow_pickle=False)


def write_pictures(
    out: Path, picture: Callable[[Values], Frame], values: Iterable[Values], fps: float
) -> None:
    """A video to look at, as fast as the source."""
    with ExitStack() as stack:
        file = stack.enter_context(stack.enter_context(replacing(out)).open("wb"))
        writer = stack.enter_context(VideoWriter(file, fps, crf=CRF, gop=GOP, preset=PRESET))
        for value in values:
            writer.add(picture(value))
