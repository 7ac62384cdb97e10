"""Joint and limb heat maps of one video file, from a sheet of OpenPose or by MediaPipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from benchmark.archives.openpose import read_openpose
from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import ArchiveError
from benchmark.data.person_box import person_box, to_box
from benchmark.models.heatmaps import joint_volumes, limb_volumes
from benchmark.plots.modalities import maps_picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.modalities.one_file import Span
    from benchmark.modalities.packing import Frame
    from benchmark.modalities.pose.mediapipe_points import PoseModels

    Points = NDArray[np.float32]


def sheet_points(sheet: Path, span: Span) -> Points:
    """The rows of a sheet, one a frame: float32 (T, 137, 3).

    Raises:
        ArchiveError: The sheet is damaged or too short.
    """
    points = read_openpose(sheet)
    if len(points) < span.end:
        raise ArchiveError(
            sheet, "too short", expected=f"{span.end} rows, one a frame", found=str(len(points))
        )
    return points[span.start : span.end]


def found_points(frames: Iterable[Frame], models: PoseModels, fps: float) -> Points:
    """What MediaPipe finds, tracked from the first of the frames: float32 (T, 137, 3)."""
    from benchmark.modalities.pose.mediapipe_points import PointsEstimator

    with PointsEstimator(models, fps) as estimator:
        return np.stack([estimator.points(frame) for frame in frames])


class Maps:
    """The maps of a clip, as a network in test sees them, but of every frame."""

    def __init__(
        self, stream: Literal["joint", "limb"], points: Points, shape: tuple[float, float],
        *, size: int, sigma: float,
    ) -> None:  # fmt: skip
        kept = points[:, list(OPENPOSE36.points)]
        self._points = to_box(kept, person_box(kept, shape), size)
        self._stream, self._size, self._sigma = stream, size, sigma

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        """Each frame's float32 (size, size, C), 0 to 1."""
        edges = torch.tensor(OPENPOSE36.edges)
        for row in self._points:
            view = torch.from_numpy(row)[None, None]
            if self._stream == "joint":
                volume = joint_volumes(view, self._size, self._sigma)
            else:
                volume = limb_volumes(view, edges, self._size, self._sigma)
            yield volume[0, :, 0].permute(1, 2, 0).contiguous().numpy()

    def picture(self, values: NDArray[np.float32]) -> Frame:
        """The strongest map at each pixel."""
        return maps_picture(values)
