"""Numba kernels: pose and light the vertices, fill triangles into a z-buffer, resolve to a frame.

Screen buffers are `SUPERSAMPLE` times the frame in each direction and averaged down. Every kernel
runs on one thread: sums then have one order, so the bytes do not depend on the number of cores, and
the workers that film other videos use those.
Legend: V vertices, F triangles, B bones, A face actions, L lamps, H W frame, S S' sample grid.
"""
# Kernels take flat arrays, many of them, by position: numba calls with keywords are slower.
# ruff: noqa: PLR0913, PLR0917
# `fastmath` lets LLVM reorder sums for speed. It is safe here because no kernel meets a NaN or an
# infinity (`FAR` is a finite number for that reason); `correspondence` does, and goes without it.
# Constants are np.float32: a Python float would pull each expression up to double precision.

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
"""Meters that something must be in front of a sample to shade it, more per tap, up to the reach."""
_SHOULDER, _SHOULDER_ROOM = np.float32(180), np.float32(70)
"""Gray level above which highlights are compressed, as film does, and the levels left above it."""


@numba.njit(cache=True, fastmath=True)
def apply_actions(
    rest: Floats, actions: Floats, start: Ints, vertex: Ints, offset: Floats, out: Floats
) -> None:
    """Add the weighted offsets of all face actions to the vertices at rest.

    Args:
        rest: (V, 3) meters.
        actions: (A,) weights.
        start: (A + 1,) where each action's offsets begin.
        vertex: (n,) the vertex of each offset.
        offset: (n, 3) meters at weight 1.
        out: (V, 3) is written.
    """
    for v in range(rest.shape[0]):
        for k in range(3):
            out[v, k] = rest[v, k]
    for a in range(actions.shape[0]):
        weight = actions[a]
        # Most faces use few of the actions; below this weight no vertex moves 0.2 mm.
        if abs(weight) > 0.004:
            for i in range(start[a], start[a + 1]):
                for k in range(3):
                    out[vertex[i], k] += weight * offset[i, k]


@numba.njit(cache=True, fastmath=True)
def pose_vertices(
    rest: Floats, normals: Floats, bone_idx: Ints, bone_w: Floats, matrices: Floats,
    place: Floats, normal: Floats,
) -> None:  # fmt: skip
    """Move each vertex by the weighted mean of its four bones' maps (linear blend skinning).

    Args:
        rest: (V, 3) meters.
        normals: (V, 3) at rest.
        bone_idx: (V, 4) bones.
        bone_w: (V, 4) weights, rows sum to 1.
        matrices: (B, 3, 4) maps from rest to world.
        place: (V, 3) is written: meters.
        normal: (V, 3) is written; a bit shorter than 1 where a joint bends.
    """
    # Bones only turn and shift, so their matrices turn normals too. The blend is not brought back
    # to length 1: the light of a crease gets a little dimmer, and V square roots are saved.
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
    """Project world places (V, 3) to x px, y px and depth in meters.

    camera (15,): 3x3 rows right, down, forward, then position, focal px, center x, center y.
    """
    # No vertex is behind the camera, which stands more than 2 m away: nothing has to be clipped.
    for v in range(place.shape[0]):
        x, y, z = place[v, 0] - camera[9], place[v, 1] - camera[10], place[v, 2] - camera[11]
        depth = camera[6] * x + camera[7] * y + camera[8] * z
        scale = camera[12] / depth
        point[v, 0] = camera[13] + scale * (camera[0] * x + camera[1] * y + camera[2] * z)
        point[v, 1] = camera[14] + scale * (camera[3] * x + camera[4] * y + camera[5] * z)
        point[v, 2] = depth


@numba.njit(cache=True, fastmath=True)
def light_vertices(normal: Floats, lights: Floats, light: Floats) -> None:
    """Sum wrapped Lambert lamps: lights (L, 7) direction, wrap, color; light (V, 3) is written."""
    # "Wrap" lets light reach past 90 degrees: large studio lamps and skin have no hard terminator.
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
    """Draw lit, textured triangles into the z-buffer.

    Args:
        point: (V, 3) x and y in samples, depth in meters.
        light: (V, 3) RGB factors.
        faces: (F, 3) vertices.
        face_uv: (F, 3, 2) texels.
        group: (F,) `mesh.Group`.
        hidden: (groups,) whether to leave a group out.
        texture: (h, w, 3) atlas.
        rgb: (S, S', 3) is written where a triangle is seen.
        depth: (S, S') is written, and read as what is there already.
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
    # Samples are at pixel centers: the box runs from the first center inside to the last one.
    left = max(0, int(np.ceil(min(x0, x1, x2) - 0.5)))
    right = min(width - 1, int(np.floor(max(x0, x1, x2) - 0.5)))
    top = max(0, int(np.ceil(min(y0, y1, y2) - 0.5)))
    bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - 0.5)))
    inverse = np.float32(1.0) / area
    # x is the inner loop because rows are contiguous in memory: depth and rgb stream through the
    # cache, where an inner loop along y would miss it at every sample.
    for py in range(top, bottom + 1):
        cy = np.float32(py + 0.5)
        for px in range(left, right + 1):
            cx = np.float32(px + 0.5)
            w0 = ((x1 - cx) * (y2 - cy) - (x2 - cx) * (y1 - cy)) * inverse
            w1 = ((x2 - cx) * (y0 - cy) - (x0 - cx) * (y2 - cy)) * inverse
            w2 = np.float32(1.0) - w0 - w1
            if w0 < 0 or w1 < 0 or w2 < 0:
                continue
            # Depth and texels are interpolated on the screen, without dividing by depth: a triangle
            # is a few samples wide, so the error is far below one texel.
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

    Args:
        rgb: (S, S', 3) drawn samples.
        depth: (S, S') meters, `FAR` where a sample shows no surface.
        backdrop: (h, w, 3) picture behind everything.
        view: (3,) zoom, x, y of the camera on the backdrop.
        shadow: (3,) x, y in samples from what casts a shadow to where it falls; strength.
        noise: (n,) standard normal values.
        noise_at: where in the noise this frame begins.
        gain: (5,) tint of R, G and B, strength of gray and of colored grain.
        out: (H, W, 3) is written.
        out_depth: (H, W) is written: the nearest of a pixel's samples.
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
            # The share of empty samples is the pixel's matte: a silhouette blends into the backdrop
            # in as many steps as there are samples.
            if empty > 0:
                bx = np.float32(x - width // 2) * view[0] + view[1]
                by = np.float32(y - height // 2) * view[0] + view[2]
                _add_backdrop(backdrop, bx, by, empty, pixel)
            n = n + 1 if n + 1 < total else 0
            # n - total is negative, and negative indices wrap around: the steps of 977, which
            # decorrelate the channels, stay inside the array without a modulo.
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
    """Sum a pixel's samples into `pixel`; return its nearest depth and its number of empty samples.

    Args:
        rgb: (S, S', 3) drawn samples.
        depth: (S, S') meters.
        y: row of the pixel.
        x: column of the pixel.
        towards_y: samples down from what casts a shadow to where it falls.
        towards_x: samples to the right, likewise.
        strength: share of light that a full shadow takes away.
        pixel: (3,) is added to.
    """
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
    """Compute how much of the way to the light is a little nearer to the camera: 0..1.

    Args:
        depth: (S, S') meters.
        py: row of the sample.
        px: column of the sample.
        towards_y: samples down from what casts a shadow to where it falls.
        towards_x: samples to the right, likewise.
    """
    # A real shadow map costs a second pass over all triangles. On the screen alone, a hand near the
    # face still darkens it, which tells the eye that the two touch.
    height, width = depth.shape
    dark = np.float32(0)
    z = depth[py, px]
    needed = _SHADOW_NEAR
    for _ in range(_SHADOW_TAPS):
        py -= towards_y
        px -= towards_x
        needed += _SHADOW_SLOPE  # or a slanted surface would shade itself
        if 0 <= py < height and 0 <= px < width:
            gap = z - depth[py, px]
            # Beyond the reach, what is in front is another thing and casts its shadow elsewhere.
            if needed < gap < _SHADOW_REACH:
                ramp = min((gap - needed) * np.float32(60), np.float32(1))
                dark += ramp * (np.float32(1) - gap * _PER_REACH)
    return dark * _PER_TAP


@numba.njit(cache=True, fastmath=True, inline="always")
def _add_backdrop(backdrop: Bytes, x: np.float32, y: np.float32, times: int, pixel: Floats) -> None:
    """Add the backdrop, interpolated between its pixels, to `pixel`.

    Args:
        backdrop: (h, w, 3).
        x: px to the right of the backdrop's middle.
        y: px down from the backdrop's middle.
        times: number of samples that show it.
        pixel: (3,) is added to.
    """
    height, width = backdrop.shape[:2]
    # 1.01 keeps the right and lower neighbors inside; the camera hardly ever looks that far.
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
