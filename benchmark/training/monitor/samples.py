"""Some validation clips as the network sees them, with its predictions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data.inputs import (
    FeaturesInput,
    GraphInput,
    Input,
    RgbPoseInput,
    SkeletonInput,
    VideoInput,
)
from benchmark.data.loader import build_views
from benchmark.models.heatmaps import joint_volumes
from benchmark.plots.figures import Sample

if TYPE_CHECKING:
    from benchmark.training.state import TrainSpec

MOMENTS = 6
"""Frames shown per clip."""
GRAPH_SIDE = 64
"""Height and width in pixels of the picture of a graph's points."""
HALF = 6
"""Clips shown with a right prediction, and as many with a wrong one."""


def samples(spec: TrainSpec, p: NDArray[np.float32]) -> list[Sample]:
    """Choose the most confident wrong predictions, then the most confident right ones.

    `p` holds the probabilities of the validation clips: (N, K).
    """
    clips = spec.clips.split("val")
    labels, predictions = clips.labels(), p.argmax(1)
    by_confidence = np.argsort(-p.max(1), kind="stable")
    right = predictions == labels
    chosen = [
        *by_confidence[~right[by_confidence]][:HALF], *by_confidence[right[by_confidence]][:HALF]
    ]  # fmt: skip
    views = build_views(spec.experiment.input, spec.modality, spec.modality_folder, spec.clips)
    shown = []
    for row in chosen:
        arrays = [part[0] for part in views.test(clips.ids[row], quick=True).views]
        sample = Sample(
            clip=clips.ids[row], frames=_frames(spec.experiment.input, arrays),
            label=spec.classes[labels[row]], prediction=spec.classes[predictions[row]],
            probability=float(p[row, predictions[row]]), right=bool(right[row]),
        )  # fmt: skip
        shown.append(sample)
    return shown


def _frames(spec: Input, arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.uint8]:
    """Draw some frames of one view: uint8 (MOMENTS, H, W, 3)."""
    match spec:
        case VideoInput() | RgbPoseInput():
            frames = arrays[0]
        case FeaturesInput():
            frames = _features_picture(arrays[0])
        case GraphInput():
            # Coordinates and differences of -1 to 1 become pixels around the middle.
            half = GRAPH_SIDE / 2
            points = arrays[0] * [half, half, 1] + [half, half, 0]
            frames = _points_picture(points, GRAPH_SIDE, sigma=1.0)
        case SkeletonInput():
            frames = _points_picture(arrays[0], spec.test_size, spec.sigma)
    moments = np.linspace(0, len(frames) - 1, MOMENTS).round().astype(int)
    return frames[moments].astype(np.uint8)


def _points_picture(points: NDArray[Any], side: int, sigma: float) -> NDArray[np.uint8]:
    """Draw the strongest joint at each pixel, of points (T, J, 3) in pixels."""
    maps = joint_volumes(torch.from_numpy(points)[None], side, sigma)[0].amax(0)
    return (255 * maps.clamp(0, 1)).byte().numpy()[..., None].repeat(3, -1)


def _features_picture(tokens: NDArray[Any]) -> NDArray[np.uint8]:
    """Show each token (tokens, width) as a square of gray pixels, one per channel."""
    side = math.isqrt(tokens.shape[1] - 1) + 1
    low, high = tokens.min(), tokens.max()
    gray = np.rint(255 * (tokens - low) / max(high - low, 1e-9)).astype(np.uint8)
    squares = np.pad(gray, ((0, 0), (0, side**2 - gray.shape[1]))).reshape(-1, side, side, 1)
    return np.repeat(squares, 3, axis=3)
