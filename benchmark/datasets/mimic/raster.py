"""Numba kernels: skin and light the vertices, fill triangles into a z-buffer, resolve to a frame.

Screen buffers are `SUPERSAMPLE` times the frame in each direction and averaged down.
Legend: V vertices, F triangles, B bones, A face actions, H W frame, S supersampled size.
"""

from __future__ import annotations

import numba
import numpy as np

SUPERSAMPLE = 2
FAR = np.float32(1e9)


@numba.njit(cache=True, fastmath=True)
def place_vertices(
    rest, normals, bone_idx, bone_w, matrices, actions, action_span, action_vertex, action_offset,
    camera, lights, point, light, work,
):  # fmt: skip
    """Pose, project and light all vertices.

    matrices (B, 3, 4); actions (A,) weights; camera (15,): 3x3 rows right, down, forward, then
    position, focal px, centre x, centre y; lights (3, 7): direction or 0, wrap, colour.
    Writes point (V, 3): x px, y px, depth m; light (V, 3).
    """
    for v in range(rest.shape[0]):
        for k in range(3):
            work[v, k] = rest[v, k]
    for a in range(actions.shape[0]):
        weight = actions[a]
        if abs(weight) > 0.004:
            for i in range(action_span[a], action_span[a + 1]):
                v = action_vertex[i]
                for k in range(3):
                    work[v, k] += weight * action_offset[i, k]
    for v in range(rest.shape[0]):
        x, y, z = work[v, 0], work[v, 1], work[v, 2]
        nx, ny, nz = normals[v, 0], normals[v, 1], normals[v, 2]
        wx = wy = wz = mx = my = mz = np.float32(0)
        for j in range(4):
            w = bone_w[v, j]
            if w > 0:
                m = matrices[bone_idx[v, j]]
                wx += w * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
                wy += w * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
                wz += w * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
                mx += w * (m[0, 0] * nx + m[0, 1] * ny + m[0, 2] * nz)
                my += w * (m[1, 0] * nx + m[1, 1] * ny + m[1, 2] * nz)
                mz += w * (m[2, 0] * nx + m[2, 1] * ny + m[2, 2] * nz)
        wx -= camera[9]
        wy -= camera[10]
        wz -= camera[11]
        depth = camera[6] * wx + camera[7] * wy + camera[8] * wz
        scale = camera[12] / depth
        point[v, 0] = camera[13] + scale * (camera[0] * wx + camera[1] * wy + camera[2] * wz)
        point[v, 1] = camera[14] + scale * (camera[3] * wx + camera[4] * wy + camera[5] * wz)
        point[v, 2] = depth
        r = g = b = np.float32(0)
        for i in range(lights.shape[0]):
            wrap = lights[i, 3]
            cosine = mx * lights[i, 0] + my * lights[i, 1] + mz * lights[i, 2]
            cosine = (cosine + wrap) / (1 + wrap)
            if cosine > 0:
                r += cosine * lights[i, 4]
                g += cosine * lights[i, 5]
                b += cosine * lights[i, 6]
        light[v, 0], light[v, 1], light[v, 2] = r, g, b


@numba.njit(cache=True, fastmath=True)
def fill_triangles(point, light, faces, face_uv, group, hidden, texture, rgb, depth):
    """Z-buffered, lit, textured triangles; faces whose `group` is in `hidden` flags are left out.

    face_uv (F, 3, 2) texels; texture (h, w, 3) uint8; rgb (S, S', 3) float32; depth (S, S').
    """
    height, width = depth.shape
    for f in range(faces.shape[0]):
        if hidden[group[f]]:
            continue
        i0, i1, i2 = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, y0 = point[i0, 0], point[i0, 1]
        x1, y1 = point[i1, 0], point[i1, 1]
        x2, y2 = point[i2, 0], point[i2, 1]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area >= -1e-6:  # y grows downwards: front faces turn clockwise
            continue
        left = max(0, int(np.ceil(min(x0, x1, x2) - 0.5)))
        right = min(width - 1, int(np.floor(max(x0, x1, x2) - 0.5)))
        top = max(0, int(np.ceil(min(y0, y1, y2) - 0.5)))
        bottom = min(height - 1, int(np.floor(max(y0, y1, y2) - 0.5)))
        if left > right or top > bottom:
            continue
        inverse = np.float32(1.0) / area
        z0, z1, z2 = point[i0, 2], point[i1, 2], point[i2, 2]
        for py in range(top, bottom + 1):
            cy = np.float32(py + 0.5)
            for px in range(left, right + 1):
                cx = np.float32(px + 0.5)
                w0 = ((x1 - cx) * (y2 - cy) - (x2 - cx) * (y1 - cy)) * inverse
                w1 = ((x2 - cx) * (y0 - cy) - (x0 - cx) * (y2 - cy)) * inverse
                w2 = np.float32(1.0) - w0 - w1
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * z0 + w1 * z1 + w2 * z2
                if z >= depth[py, px]:
                    continue
                depth[py, px] = z
                u = w0 * face_uv[f, 0, 0] + w1 * face_uv[f, 1, 0] + w2 * face_uv[f, 2, 0]
                v = w0 * face_uv[f, 0, 1] + w1 * face_uv[f, 1, 1] + w2 * face_uv[f, 2, 1]
                texel = texture[int(v), int(u)]
                for k in range(3):
                    shade = w0 * light[i0, k] + w1 * light[i1, k] + w2 * light[i2, k]
                    rgb[py, px, k] = shade * texel[k]


@numba.njit(cache=True, fastmath=True)
def resolve(rgb, depth, backdrop, view, shadow, noise, noise_at, gain, out, out_depth):
    """Average the supersamples over the backdrop, darken where something near casts a shadow.

    backdrop (h, w, 3) uint8 seen through view: zoom, x, y; shadow: x, y in samples, strength;
    noise (n, H, W) float32 used from row offset noise_at; out (H, W, 3) uint8, out_depth (H, W).
    """
    height, width = out_depth.shape
    size_y, size_x = depth.shape
    bh, bw = backdrop.shape[:2]
    sx, sy = int(shadow[0]), int(shadow[1])
    pixel = np.zeros(3, np.float32)
    n = noise_at
    total = noise.shape[0]
    for y in range(height):
        for x in range(width):
            bx = min(max((x - width * 0.5) * view[0] + view[1] + bw * 0.5, 0.0), bw - 1.001)
            by = min(max((y - height * 0.5) * view[0] + view[2] + bh * 0.5, 0.0), bh - 1.001)
            ix, iy = int(bx), int(by)
            fx, fy = np.float32(bx - ix), np.float32(by - iy)
            pixel[:] = 0
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
                    dark = np.float32(0)
                    for tap in range(1, 4):
                        qy, qx = py - sy * tap, px - sx * tap
                        if 0 <= qy < size_y and 0 <= qx < size_x:
                            gap = z - depth[qy, qx]
                            excess = gap - np.float32(0.004) - np.float32(0.013) * tap
                            if excess > 0 and gap < 0.3:
                                ramp = min(excess * np.float32(60.0), np.float32(1.0))
                                dark += ramp * (np.float32(1.0) - gap * np.float32(3.0))
                    keep = np.float32(1.0) - shadow[2] * dark * np.float32(0.333)
                    for k in range(3):
                        pixel[k] += rgb[py, px, k] * keep
            if empty > 0:
                for k in range(3):
                    upper = backdrop[iy, ix, k] * (1 - fx) + backdrop[iy, ix + 1, k] * fx
                    lower = backdrop[iy + 1, ix, k] * (1 - fx) + backdrop[iy + 1, ix + 1, k] * fx
                    pixel[k] += empty * (upper * (1 - fy) + lower * fy)
            grain = noise[n]
            n += 1
            if n == total:
                n = 0
            for k in range(3):
                value = pixel[k] * gain[k] / (SUPERSAMPLE * SUPERSAMPLE)
                if value > 180:  # a film's shoulder: highlights keep their shape
                    value = 180 + 70 * (1 - np.exp((180 - value) / 70))
                value += grain * gain[3] + noise[(n + 977 * (k + 1)) % total] * gain[4]
                out[y, x, k] = np.uint8(min(max(value, 0.0), 255.0))
            out_depth[y, x] = nearest
