"""Numba kernels: find which triangle a sample shows, and where that point is a frame later.

They run beside the kernels of `raster` that fill and resolve, so that asking for the ground truth
cannot change a byte of what is filmed.
Legend: V vertices, F triangles, H W frame, S S' sample grid; places are in samples.
"""
# Flat arrays by position, as in `raster`. Unlike there, double precision and no fastmath: a flow is
# the small difference of two large places, and the backdrop's depth is infinite.
# ruff: noqa: PLR0913, PLR0917

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from benchmark.synthetic.raster import SUPERSAMPLE

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Flags = NDArray[np.bool_]

COVER = 0.01
"""Meters that a surface must be in front of a point to hide it: more than a slanted surface falls
away within half a sample, less than a finger's thickness."""
_LEAST_AREA = 1e-6


@numba.njit(cache=True)
def find_triangles(
    point: Floats, faces: Ints, group: Bytes, hidden: Flags, face: Ints, nearness: Doubles
) -> None:
    """Find the triangle that each sample shows, and 1 / its depth there.

    Args:
        point: (V, 3) x and y in samples, depth in meters.
        faces: (F, 3) vertices.
        group: (F,) `mesh.Group`.
        hidden: (groups,) whether a group is left out.
        face: (S, S') is written: the triangle, -1 where there is none.
        nearness: (S, S') is written: 1 / meters, 0 where there is no triangle.
    """
    face[:] = -1
    nearness[:] = 0
    height, width = face.shape
    for f in range(faces.shape[0]):
        a, b, c = point[faces[f, 0]], point[faces[f, 1]], point[faces[f, 2]]
        if hidden[group[f]] or _area(a, b, c) >= -_LEAST_AREA:
            continue
        left = max(0, int(np.ceil(min(a[0], b[0], c[0]) - 0.5)))
        right = min(width - 1, int(np.floor(max(a[0], b[0], c[0]) - 0.5)))
        top = max(0, int(np.ceil(min(a[1], b[1], c[1]) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(a[1], b[1], c[1]) - 0.5)))
        for py in range(top, bottom + 1):
            for px in range(left, right + 1):
                wa, wb, wc = _shares(a, b, c, px + 0.5, py + 0.5)
                if wa >= 0 and wb >= 0 and wc >= 0:
                    # 1 / depth is what is linear on the screen, so this is exact.
                    near = wa / a[2] + wb / b[2] + wc / c[2]
                    if near > nearness[py, px]:
                        nearness[py, px] = near
                        face[py, px] = f


@numba.njit(cache=True)
def follow(
    point: Floats, later: Floats, faces: Ints, group: Bytes, hidden: Flags, face: Ints,
    nearness: Doubles, cover: Doubles, flow: Floats, valid: Flags,
) -> None:  # fmt: skip
    """Follow the point at each pixel's nearest sample into the later frame.

    Args:
        point: (V, 3) of the frame, as `find_triangles` takes it.
        later: (V, 3) of the later frame.
        faces: (F, 3) vertices.
        group: (F,) `mesh.Group`.
        hidden: (groups,) of the later frame.
        face: (S, S') of the frame, from `find_triangles`.
        nearness: (S, S') of the frame, from `find_triangles`.
        cover: (S, S') nearness of the later frame.
        flow: (H, W, 2) px is written where there is a surface.
        valid: (H, W) is written there: whether the later frame shows the point.
    """
    for y in range(flow.shape[0]):
        for x in range(flow.shape[1]):
            sy, sx = _nearest(nearness, y, x)
            f = face[sy, sx]
            if f < 0:
                continue
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            a, b, c = point[i], point[j], point[k]
            wa, wb, wc = _shares(a, b, c, sx + 0.5, sy + 0.5)
            near = nearness[sy, sx]
            # Shares on the screen over depth are shares on the surface, which stay with the point.
            wa, wb, wc = wa / a[2] / near, wb / b[2] / near, wc / c[2] / near
            a, b, c = later[i], later[j], later[k]
            depth = wa * a[2] + wb * b[2] + wc * c[2]
            to_x = (wa * a[2] * a[0] + wb * b[2] * b[0] + wc * c[2] * c[0]) / depth
            to_y = (wa * a[2] * a[1] + wb * b[2] * b[1] + wc * c[2] * c[1]) / depth
            flow[y, x, 0] = (to_x - sx - 0.5) / SUPERSAMPLE
            flow[y, x, 1] = (to_y - sy - 0.5) / SUPERSAMPLE
            front = not hidden[group[f]] and _area(a, b, c) < -_LEAST_AREA
            valid[y, x] = front and _is_seen(cover, to_x, to_y, depth)


@numba.njit(cache=True)
def follow_backdrop(
    view: Floats, view_later: Floats, nearness: Doubles, cover: Doubles, flow: Floats, valid: Flags
) -> None:
    """Do as `follow` for the pixels that show the backdrop.

    Args:
        view: (3,) of the frame, as `raster.resolve` takes it.
        view_later: (3,) of the later frame.
        nearness: (S, S') of the frame.
        cover: (S, S') nearness of the later frame.
        flow: (H, W, 2) px is written where there is no surface.
        valid: (H, W) is written there.
    """
    height, width = flow.shape[:2]
    for y in range(height):
        for x in range(width):
            sy, sx = _nearest(nearness, y, x)
            if nearness[sy, sx] > 0:
                continue
            fx, fy = x - width // 2, y - height // 2
            flow[y, x, 0] = (fx * view[0] + view[1] - view_later[1]) / view_later[0] - fx
            flow[y, x, 1] = (fy * view[0] + view[2] - view_later[2]) / view_later[0] - fy
            to_x = (x + 0.5 + flow[y, x, 0]) * SUPERSAMPLE
            to_y = (y + 0.5 + flow[y, x, 1]) * SUPERSAMPLE
            valid[y, x] = _is_seen(cover, to_x, to_y, np.inf)


@numba.njit(cache=True, inline="always")
def _area(a: Floats, b: Floats, c: Floats) -> float:
    """Compute twice the signed area on the screen: negative in front, as y grows downwards."""
    ab_x, ab_y = np.float64(b[0]) - a[0], np.float64(b[1]) - a[1]
    ac_x, ac_y = np.float64(c[0]) - a[0], np.float64(c[1]) - a[1]
    return ab_x * ac_y - ac_x * ab_y


@numba.njit(cache=True, inline="always")
def _shares(a: Floats, b: Floats, c: Floats, x: float, y: float) -> tuple[float, float, float]:
    """Compute the barycentric coordinates of a place on the screen; they sum to 1.

    Args:
        a: (3,) first corner.
        b: (3,) second corner.
        c: (3,) third corner.
        x: samples to the right.
        y: samples down.
    """
    area = _area(a, b, c)
    wa = ((b[0] - x) * (c[1] - y) - (c[0] - x) * (b[1] - y)) / area
    wb = ((c[0] - x) * (a[1] - y) - (a[0] - x) * (c[1] - y)) / area
    return wa, wb, 1 - wa - wb


@numba.njit(cache=True, inline="always")
def _nearest(nearness: Doubles, y: int, x: int) -> tuple[int, int]:
    """Find row and column of the nearest of a pixel's samples, which gives the frame its depth."""
    best_y, best_x = y * SUPERSAMPLE, x * SUPERSAMPLE
    for sy in range(y * SUPERSAMPLE, (y + 1) * SUPERSAMPLE):
        for sx in range(x * SUPERSAMPLE, (x + 1) * SUPERSAMPLE):
            if nearness[sy, sx] > nearness[best_y, best_x]:
                best_y, best_x = sy, sx
    return best_y, best_x


@numba.njit(cache=True, inline="always")
def _is_seen(cover: Doubles, x: float, y: float, depth: float) -> bool:
    """Tell whether a point lies in the frame with nothing in front of it.

    Args:
        cover: (S, S') nearness of the frame.
        x: samples to the right.
        y: samples down.
        depth: meters; inf on the backdrop.
    """
    height, width = cover.shape
    if not (0 <= x < width and 0 <= y < height):
        return False
    near = cover[int(y), int(x)]
    return near == 0 or depth - 1 / near < COVER
