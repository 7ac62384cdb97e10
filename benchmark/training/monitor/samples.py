"""Some validation clips as the network sees them, with its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmark.data.inputs import RgbPoseInput, SkeletonInput, VideoInput
from benchmark.data.loader import build_views
from benchmark.models.heatmaps import joint_volumes
from benchmark.plots.figures import Sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmark.data.inputs import Input
    from benchmark.training.task import TrainSpec

MOMENTS = 6
"""Frames shown of a clip."""
HALF = 6
"""Clips shown that were answered rightly, and as many wrongly."""


def samples(task: TrainSpec, p: NDArray[np.float32]) -> list[Sample]:
    """The surest wrong answers, then the surest right ones, of validation: p is (N, K)."""
    clips = task.clips.split("val")
    labels, answers = clips.labels(), p.argmax(1)
    surest = np.argsort(-p.max(1), kind="stable")
    right = answers == labels
    chosen = [*surest[~right[surest]][:HALF], *surest[right[surest]][:HALF]]
    views = build_views(task.experiment.input, task.modality, task.modality_folder, task.clips)
    found = []
    for row in chosen:
        arrays = [part[0] for part in views.test(clips.ids[row], quick=True).views]
        found.append(
            Sample(
                clip=clips.ids[row],
                frames=_shown(task.experiment.input, arrays),
                label=task.classes[labels[row]],
                prediction=task.classes[answers[row]],
                probability=float(p[row, answers[row]]),
                right=bool(right[row]),
            )
        )
    return found


def _shown(spec: Input, arrays: Sequence[NDArray[np.generic]]) -> NDArray[np.uint8]:
    """Frames of one view as pictures: uint8 (MOMENTS, H, W, 3)."""
    match spec:
        case VideoInput() | RgbPoseInput():
            frames = arrays[0]
        case SkeletonInput():
            points = torch.from_numpy(arrays[0])[None]
            maps = joint_volumes(points, spec.test_size, spec.sigma)[0].amax(0)
            frames = (255 * maps.clamp(0, 1)).byte().numpy()[..., None].repeat(3, -1)
    places = np.linspace(0, len(frames) - 1, MOMENTS).round().astype(int)
    return frames[places].astype(np.uint8)
