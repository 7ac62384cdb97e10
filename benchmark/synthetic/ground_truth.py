"""Ground truth that only a generated video has: exact depth and optical flow of every frame.

Estimators of either are trained and judged on it. None of it goes into the archive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.synthetic.assets import read_rig
from benchmark.synthetic.correspondence import find_triangles, follow, follow_backdrop
from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.raster import SUPERSAMPLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmark.synthetic.plan import Video
    from benchmark.synthetic.spec import GesturesSpec


class GroundTruth(NamedTuple):
    """One frame with its depth and flow.

    A pixel at a silhouette mixes its samples in `rgb`; `depth` and `flow` take its nearest sample.
    """

    rgb: NDArray[np.uint8]
    """(H, W, 3) exactly as filmed, before any encoding."""
    depth: NDArray[np.float32]
    """(H, W) meters along the optical axis to the visible surface; inf on the backdrop, which is a
    picture at no distance."""
    flow: NDArray[np.float32]
    """(H, W, 2) px, right and down, from a pixel's visible point to the same point in the next
    frame, seen there or not, camera and backdrop included. NaN in the last frame."""
    valid: NDArray[np.bool_]
    """(H, W) whether the next frame shows that point too. False in the last frame."""


class _Drawn(NamedTuple):
    """Copies of a frame's arrays, which the renderer overwrites with the next frame."""

    rgb: NDArray[np.uint8]
    points: NDArray[np.float32]
    face: NDArray[np.int32]
    nearness: NDArray[np.float64]


def exact_frames(spec: GesturesSpec, video: Video) -> Iterator[GroundTruth]:
    """Film a video; yield every frame in order. The caller may keep and change the arrays."""
    return follow_film(VideoFilm(spec, video))


def follow_film(film: VideoFilm, start: int = 0, stop: int | None = None) -> Iterator[GroundTruth]:
    """Yield frames `start` to `stop` (by default all) of a film; fill its exact points on the way.

    Frame `stop`, where there is one, is drawn too: only the video's last frame is without flow.
    """
    num_frames = len(film.exact)
    stop = num_frames if stop is None else stop
    drawn = _draw(film, start)
    for frame in range(start, stop):
        if frame + 1 == num_frames:
            yield _last(drawn)
            return
        later = _draw(film, frame + 1)
        yield _ground_truth(film, frame, drawn, later)
        drawn = later


def person_mask(film: VideoFilm, frame: int) -> NDArray[np.bool_]:
    """Mark (H, W) where the body is seen: not hair pieces, cap, pen, desk or backdrop."""
    # The body's triangles are the mesh's first ones; one sample of each pixel speaks for it.
    face = _draw(film, frame).face[::SUPERSAMPLE, ::SUPERSAMPLE]
    return (face >= 0) & (face < len(read_rig().faces))


def _draw(film: VideoFilm, frame: int) -> _Drawn:
    rgb = film.draw(frame).rgb.copy()
    points, mesh = film.renderer.points.copy(), film.renderer.mesh
    size = (rgb.shape[0] * SUPERSAMPLE, rgb.shape[1] * SUPERSAMPLE)
    face, nearness = np.empty(size, np.int32), np.empty(size, np.float64)
    hidden = film.shot(frame).hidden
    find_triangles(points, mesh.faces, mesh.group, hidden, face, nearness)
    return _Drawn(rgb, points, face, nearness)


def _ground_truth(film: VideoFilm, frame: int, drawn: _Drawn, later: _Drawn) -> GroundTruth:
    height, width = drawn.rgb.shape[:2]
    flow, valid = np.empty((height, width, 2), np.float32), np.empty((height, width), np.bool_)
    mesh, view = film.renderer.mesh, film.camera.view
    follow(
        drawn.points, later.points, mesh.faces, mesh.group, film.shot(frame + 1).hidden,
        drawn.face, drawn.nearness, later.nearness, flow, valid,
    )  # fmt: skip
    follow_backdrop(view[frame], view[frame + 1], drawn.nearness, later.nearness, flow, valid)
    return GroundTruth(drawn.rgb, _depth(drawn.nearness), flow, valid)


def _last(drawn: _Drawn) -> GroundTruth:
    height, width = drawn.rgb.shape[:2]
    flow = np.full((height, width, 2), np.nan, np.float32)
    return GroundTruth(drawn.rgb, _depth(drawn.nearness), flow, np.zeros((height, width), np.bool_))


def _depth(nearness: NDArray[np.float64]) -> NDArray[np.float32]:
    """Compute (H, W) meters of each pixel's nearest sample."""
    s = SUPERSAMPLE
    height, width = nearness.shape[0] // s, nearness.shape[1] // s
    nearest = nearness.reshape(height, s, width, s).max((1, 3))
    with np.errstate(divide="ignore"):  # 1 / 0 is the backdrop's inf
        return (1 / nearest).astype(np.float32)
