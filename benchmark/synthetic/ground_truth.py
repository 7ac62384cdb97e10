"""What only a generated video knows: exact depth and exact optical flow of every frame.

For training and judging estimators of either. Only what is filmed goes into the archive.
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
    """One frame and all that is known of it.

    A pixel at a silhouette is a mixture in `rgb`; in `depth` and `flow` it is its nearest sample.
    """

    rgb: NDArray[np.uint8]
    """(H, W, 3) exactly as filmed, before any encoding."""
    depth: NDArray[np.float32]
    """(H, W) meters along the optical axis to the visible surface; inf on the backdrop, which is a
    picture at no distance."""
    flow: NDArray[np.float32]
    """(H, W, 2) px, right and down, from a pixel's visible point to that point in the next frame,
    seen there or not; the camera's and the backdrop's movement included. NaN in the last frame."""
    valid: NDArray[np.bool_]
    """(H, W) whether that point is also seen in the next frame. False in the last frame."""


class _Drawn(NamedTuple):
    """What of a frame is needed when the next one is drawn."""

    rgb: NDArray[np.uint8]
    points: NDArray[np.float32]
    face: NDArray[np.int32]
    nearness: NDArray[np.float64]


def exact_frames(spec: GesturesSpec, video: Video) -> Iterator[GroundTruth]:
    """Every frame of a video in order. All arrays are the caller's."""
    return follow_film(VideoFilm(spec, video))


def follow_film(film: VideoFilm, start: int = 0, stop: int | None = None) -> Iterator[GroundTruth]:
    """Frames `start` to `stop` (by default all) of a film; also fills its exact points.

    Frame `stop` is drawn too where there is one: only the video's last frame is without flow.
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
    """(H, W) where the body is what is seen, not hair, cap, pen, desk or backdrop."""
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
    """(H, W) meters of each pixel's nearest sample."""
    s = SUPERSAMPLE
    height, width = nearness.shape[0] // s, nearness.shape[1] // s
    nearest = nearness.reshape(height, s, width, s).max((1, 3))
    with np.errstate(divide="ignore"):
        return (1 / nearest).astype(np.float32)
