"""Numba kernels: pose and light the vertices, fill triangles into a z-buffer, resolve to a frame.

Screen buffers are `SUPERSAMPLE` times the frame in each direction and averaged down.
Legend: V vertices, F triangles, B bones, A face actions, H W frame, S supersampled size.
"""
# Kernels take flat arrays, many of them, by position: numba calls with keywords are slower.
# ruff: noqa: PLR0913, PLR0917

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

SUPERSAMPLE = 2
_PER_SAMPLE = np.float32(1 / SUPERSAMPLE**2)
FAR = np.float32(1e9)
"""Depth where nothing but the backdrop is seen."""

_SHADOW_TAPS = 3
_PER_TAP, _PER_REACH = np.float32(1 / 3), np.float32(1 / 0.3)
_SHADOW_NEAR, _SHADOW_SLOPE, _SHADOW_REACH = np.float32(0.004), np.float32(0.013), np.float32(0.3)
"""Meters in front of a sample from which something shades it: plus slope per tap, up to reach."""
_SHOULDER, _SHOULDER_ROOM = np.float32(180), np.float32(70)
"""Gray level above which highlights are bent, as film does, and the room left above it."""


@numba.njit(cache=True, fastmath=True)
def apply_actions(
    rest: Floats, actions: Floats, start: Ints, vertex: Ints, offset: Floats, out: Floats
) -> None:
    """Write rest (V, 3) plus the weighted sparse offsets of all face actions (A,) to `out`."""
    for v in range(rest.shape[0]):
        for k in range(3):
            out[v, k] = rest[v, k]
    for a in range(actions.shape[0]):
        weight = actions[a]
        if abs(weight) > 0.004:
            for i in range(start[a], start[a + 1]):
                for k in range(3):
                    out[vertex[i], k] += weight * offset[i, k]


@numba.njit(cache=True, fastmath=True)
def pose_vertices(
    rest: Floats, normals: Floats, bone_idx: Ints, bone_w: Floats, matrices: Floats,
    place: Floats, normal: Floats,
) -> None:  # fmt: skip
    """Skin rest points and normals (V, 3) with four weighted `matrices` (B, 3, 4) each."""
    for v in range(rest.shape[0]):
        for k in range(3):
            place[v, k] = 0
            normal[v, k] = 0
        for j in range(4):
            w = bone_w[v, j]
            if w > 0:
                m = matrices[bone_idx[v, j]]
                for k in range(3):
                    place[v, k] += w * (
                        m[k, 0] * rest[v, 0] + m[k, 1] * rest[v, 1] + m[k, 2] * rest[v, 2] + m[k, 3]
                    )
                    normal[v, k] += w * (
                        m[k, 0] * normals[v, 0] + m[k, 1] * normals[v, 1] + m[k, 2] * normals[v, 2]
                    )


@numba.njit(cache=True, fastmath=True)
def project_vertices(place: Floats, camera: Floats, point: Floats) -> None:
    """World (V, 3) to x px, y px, depth m.

    camera (15,): 3x3 rows right, down, forward, then position, focal px, center x, center y.
    """
    for v in range(place.shape[0]):
        x, y, z = place[v, 0] - camera[9], place[v, 1] - camera[10], place[v, 2] - camera[11]
        depth = camera[6] * x + camera[7] * y + camera[8] * z
        scale = camera[12] / depth
        point[v, 0] = camera[13] + scale * (camera[0] * x + camera[1] * y + camera[2] * z)
        point[v, 1] = camera[14] + scale * (camera[3] * x + camera[4] * y + camera[5] * z)
        point[v, 2] = depth


@numba.njit(cache=True, fastmath=True)
def light_vertices(normal: Floats, lights: Floats, light: Floats) -> None:
    """Sum of wrapped Lambert lamps: lights (L, 7) direction, wrap, color; light (V, 3)."""
    for v in range(normal.shape[0]):
        for k in range(3):
            light[v, k] = 0
        for i in range(lights.shape[0]):
            cosine = np.float32(0)
            for k in range(3):
                cosine += normal[v, k] * lights[i, k]
            cosine = (cosine + lights[i, 3]) / (1 + lights[i, 3])
            if cosine > 0:
                for k in range(3):
                    light[v, k] += cosine * lights[i, 4 + k]


@numba.njit(cache=True, fastmath=True)
def fill_triangles(
    point: Floats, light: Floats, faces: Ints, face_uv: Floats, group: Bytes,
    hidden: NDArray[np.bool_], texture: Bytes, rgb: Floats, depth: Floats,
) -> None:  # fmt: skip
    """Z-buffered, lit, textured triangles; faces whose group is hidden are left out.

    face_uv (F, 3, 2) texels; texture (h, w, 3); rgb (S, S', 3); depth (S, S').
    """
    for f in range(faces.shape[0]):
        if not hidden[group[f]]:
            _fill(point, light, faces[f], face_uv[f], texture, rgb, depth)


@numba.njit(cache=True, fastmath=True, inline="always")
def _fill(
    point: Floats, light: Floats, face: Ints, uv: Floats, texture: Bytes, rgb: Floats, depth: Floats
) -> None:
    height, width = depth.shape
    i0, i1, i2 = face[0], face[1], face[2]
    x0, y0 = point[i0, 0], point[i0, 1]
    x1, y1 = point[i1, 0], point[i1, 1]
    x2, y2 = point[i2, 0], point[i2, 1]
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area >= -1e-6:  # y grows downwards: front faces turn the other way
        return
    left = max(0, int(np.ceil(min(x0, x1, x2) - 0.5)))
    right = min(width - 1, int(np.floor(max(x0, x1, x2) - 0.5)))
    top = max(0, int(np.ceil(min(y0, y1, y2) - 0.5)))
    bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - 0.5)))
    inverse = np.float32(1.0) / area
    for py in range(top, bottom + 1):
        cy = np.float32(py + 0.5)
        for px in range(left, right + 1):
            cx = np.float32(px + 0.5)
            w0 = ((x1 - cx) * (y2 - cy) - (x2 - cx) * (y1 - cy)) * inverse
            w1 = ((x2 - cx) * (y0 - cy) - (x0 - cx) * (y2 - cy)) * inverse
            w2 = np.float32(1.0) - w0 - w1
            if w0 < 0 or w1 < 0 or w2 < 0:
                continue
            z = w0 * point[i0, 2] + w1 * point[i1, 2] + w2 * point[i2, 2]
            if z >= depth[py, px]:
                continue
            depth[py, px] = z
            u = int(w0 * uv[0, 0] + w1 * uv[1, 0] + w2 * uv[2, 0])
            v = int(w0 * uv[0, 1] + w1 * uv[1, 1] + w2 * uv[2, 1])
            for k in range(3):
                shade = w0 * light[i0, k] + w1 * light[i1, k] + w2 * light[i2, k]
                rgb[py, px, k] = shade * texture[v, u, k]


@numba.njit(cache=True, fastmath=True)
def resolve(
    rgb: Floats, depth: Floats, backdrop: Bytes, view: Floats, shadow: Floats, noise: Floats,
    noise_at: int, gain: Floats, out: Bytes, out_depth: Floats,
) -> None:  # fmt: skip
    """Average the samples over the backdrop, with contact shadows, tint and grain.

    backdrop (h, w, 3) seen through view: zoom, x, y; shadow: x, y in samples towards the light,
    strength; noise (n,) is read from `noise_at`; gain: tint (3), gray grain, colored grain;
    out (H, W, 3); out_depth (H, W) the nearest of the samples.
    """
    height, width = out_depth.shape
    total = noise.shape[0]
    pixel = np.zeros(3, np.float32)
    n = noise_at
    towards_x, towards_y = int(shadow[0]), int(shadow[1])
    for y in range(height):
        for x in range(width):
            pixel[:] = 0
            nearest, empty = _gather(rgb, depth, y, x, towards_y, towards_x, shadow[2], pixel)
            if empty > 0:
                bx = np.float32(x - width // 2) * view[0] + view[1]
                by = np.float32(y - height // 2) * view[0] + view[2]
                _add_backdrop(backdrop, bx, by, empty, pixel)
            n = n + 1 if n + 1 < total else 0
            colored = n - total
            for k in range(3):
                colored += 977
                value = pixel[k] * gain[k] * _PER_SAMPLE
                if value > _SHOULDER:
                    bent = np.exp((_SHOULDER - value) / _SHOULDER_ROOM)
                    value = _SHOULDER + _SHOULDER_ROOM * (np.float32(1) - bent)
                value += noise[n] * gain[3] + noise[colored] * gain[4]
                out[y, x, k] = np.uint8(min(max(value, np.float32(0)), np.float32(255)))
            out_depth[y, x] = nearest


@numba.njit(cache=True, fastmath=True, inline="always")
def _gather(
    rgb: Floats, depth: Floats, y: int, x: int, towards_y: int, towards_x: int,
    strength: np.float32, pixel: Floats,
) -> tuple[np.float32, int]:  # fmt: skip
    """Add a pixel's samples to `pixel`; nearest depth, and samples without a surface."""
    nearest = FAR
    empty = 0
    for j in range(SUPERSAMPLE):
        for i in range(SUPERSAMPLE):
            py, px = y * SUPERSAMPLE + j, x * SUPERSAMPLE + i
            z = depth[py, px]
            if z >= FAR:
                empty += 1
                continue
            nearest = min(nearest, z)
            keep = np.float32(1) - strength * _shade(depth, py, px, towards_y, towards_x)
            for k in range(3):
                pixel[k] += rgb[py, px, k] * keep
    return nearest, empty


@numba.njit(cache=True, fastmath=True, inline="always")
def _shade(depth: Floats, py: int, px: int, towards_y: int, towards_x: int) -> np.float32:
    """0..1: how much of what lies towards the light is a little nearer to the camera."""
    height, width = depth.shape
    dark = np.float32(0)
    z = depth[py, px]
    needed = _SHADOW_NEAR
    for _ in range(_SHADOW_TAPS):
        py -= towards_y
        px -= towards_x
        needed += _SHADOW_SLOPE
        if 0 <= py < height and 0 <= px < width:
            gap = z - depth[py, px]
            if needed < gap < _SHADOW_REACH:
                ramp = min((gap - needed) * np.float32(60), np.float32(1))
                dark += ramp * (np.float32(1) - gap * _PER_REACH)
    return dark * _PER_TAP


@numba.njit(cache=True, fastmath=True, inline="always")
def _add_backdrop(backdrop: Bytes, x: np.float32, y: np.float32, times: int, pixel: Floats) -> None:
    """Add the backdrop at x, y px from its middle, between its pixels, `times` over."""
    height, width = backdrop.shape[:2]
    bx = min(max(x + width // 2, np.float32(0)), np.float32(width - 1.01))
    by = min(max(y + height // 2, np.float32(0)), np.float32(height - 1.01))
    ix, iy = int(bx), int(by)
    fx, fy = np.float32(bx - ix), np.float32(by - iy)
    gx, gy = np.float32(1) - fx, (np.float32(1) - fy) * np.float32(times)
    fy *= np.float32(times)
    for k in range(3):
        upper = np.float32(backdrop[iy, ix, k]) * gx + np.float32(backdrop[iy, ix + 1, k]) * fx
        lower = (
            np.float32(backdrop[iy + 1, ix, k]) * gx + np.float32(backdrop[iy + 1, ix + 1, k]) * fx
        )
        pixel[k] += upper * gy + lower * fy
