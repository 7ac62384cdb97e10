"""Compute rotations and easing curves, vectorized over time.

Legend: T frames. Matrices are (T, 3, 3), quaternions (T, 4) as w, x, y, z.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]


def unit(v: ArrayLike) -> Array:
    """Scale vectors along the last axis to length 1."""
    a = np.asarray(v)
    # A zero vector stays zero instead of turning a whole video to NaN.
    return a / np.maximum(np.linalg.norm(a, axis=-1, keepdims=True), 1e-9)


def rotation(axis: ArrayLike, angle: ArrayLike) -> Array:
    """Rotate by `angle` radians about `axis`; both broadcast over frames: (T, 3, 3)."""
    angle = np.atleast_1d(np.asarray(angle, np.float64))
    u = np.broadcast_to(unit(np.asarray(axis, np.float64)), (len(angle), 3))
    c, s = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    cross = np.zeros((len(angle), 3, 3))
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = -u[:, 2], u[:, 1], -u[:, 0]
    cross -= cross.transpose(0, 2, 1).copy()
    return c * np.eye(3) + s * cross + (1 - c) * u[:, :, None] * u[:, None, :]


def frame(first: ArrayLike, second: ArrayLike) -> Array:
    """Build orthonormal frames (T, 3, 3): columns `first`, `second` made upright to it, cross."""
    a = unit(np.atleast_2d(np.asarray(first, np.float64)))
    b = np.atleast_2d(np.asarray(second, np.float64))
    b = unit(b - (b * a).sum(-1, keepdims=True) * a)
    return np.stack(np.broadcast_arrays(a, b, np.cross(a, b)), axis=-1)


def quaternion(m: Array) -> Array:
    """Convert rotation matrices (T, 3, 3) to unit quaternions (T, 4)."""
    # Each component can be the divisor; the largest one is taken (Shepperd 1978), because the usual
    # formula by w alone loses all digits near half a turn. `unit` does the dividing.
    t = np.trace(m, axis1=1, axis2=2)
    diagonal = np.stack([t, m[:, 0, 0], m[:, 1, 1], m[:, 2, 2]], 1)
    k = diagonal.argmax(1)
    q = np.empty((len(m), 4))
    w = np.stack([1 + t, m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]])
    q[:] = w.T
    for axis in range(3):
        a, b, c = axis, (axis + 1) % 3, (axis + 2) % 3
        rows = k == axis + 1
        q[rows, 0] = (m[:, c, b] - m[:, b, c])[rows]
        q[rows, 1 + a] = (1 + m[:, a, a] - m[:, b, b] - m[:, c, c])[rows]
        q[rows, 1 + b] = (m[:, b, a] + m[:, a, b])[rows]
        q[rows, 1 + c] = (m[:, c, a] + m[:, a, c])[rows]
    return unit(q)


def matrix(q: Array) -> Array:
    """Convert unit quaternions (T, 4) to rotation matrices (T, 3, 3)."""
    w, x, y, z = q.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.array(rows).transpose(2, 0, 1)


def blend(a: Array, b: Array, weight: Array) -> Array:
    """Interpolate rotations (T, 3, 3) from `a` to `b` at `weight` (T,), the short way round."""
    qa, qb = quaternion(a), quaternion(b)
    # q and -q are the same rotation; unlike signs would blend the long way round.
    qb = np.where((qa * qb).sum(1, keepdims=True) < 0, -qb, qb)
    mixed = (1 - weight)[:, None] * qa + weight[:, None] * qb
    return matrix(unit(mixed))


def limit_swing(m: Array, axis: Array, largest: float) -> tuple[Array, Array]:
    """Limit how far rotations bend `axis` to `largest` radians; return their twist (T,) too.

    A rotation splits into a twist about `axis`, which stays, and the swing that bends `axis`.
    """
    q = quaternion(m)
    along = q[:, 1:] @ axis
    twist = np.concatenate([q[:, :1], along[:, None] * axis], 1)
    # Half a turn of swing leaves no twist to be seen: take none.
    twist = unit(np.where(np.abs(twist).sum(1, keepdims=True) < 1e-6, [1.0, 0, 0, 0], twist))
    twist_matrix = matrix(twist)
    swing = quaternion(m @ twist_matrix.transpose(0, 2, 1))
    angle = 2 * np.arccos(np.clip(np.abs(swing[:, 0]), 0, 1))
    keep = np.minimum(1.0, largest / np.maximum(angle, 1e-6))
    bent = matrix(swing)
    bent = blend(np.broadcast_to(np.eye(3), bent.shape), bent, keep)
    angles = 2 * np.arctan2(along, q[:, 0])
    return bent @ twist_matrix, (angles + np.pi) % (2 * np.pi) - np.pi


def smoothstep(x: Array) -> Array:
    """Interpolate from 0 at 0 to 1 at 1, clamped outside; rest and start without a jerk."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * x * (x * (6 * x - 15) + 10)


def smooth_noise(rng: np.random.Generator, num_frames: int, period: float, columns: int) -> Array:
    """Sample slow wandering (num_frames, columns) of about unit variance.

    Args:
        rng: Random generator.
        num_frames: Rows.
        period: Frames per knot: larger is slower.
        columns: Independent tracks.
    """
    knots = rng.standard_normal((int(num_frames / period) + 4, columns))
    t = np.arange(num_frames) / period
    i = t.astype(int)
    f = (t - i)[:, None]
    # Catmull-Rom through the knots: it passes through each, and its speed has no jumps.
    p0, p1, p2, p3 = knots[i], knots[i + 1], knots[i + 2], knots[i + 3]
    return p1 + 0.5 * f * (
        p2 - p0 + f * (2 * p0 - 5 * p1 + 4 * p2 - p3 + f * (3 * (p1 - p2) + p3 - p0))
    )
