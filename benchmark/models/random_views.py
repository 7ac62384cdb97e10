"""Random views of the shapes that a network takes, to time, count or export it without data."""

from __future__ import annotations

from typing import assert_never

import torch
from torch import Tensor

from benchmark.data.inputs import (
    FeaturesInput,
    GraphInput,
    Input,
    RgbPoseInput,
    SkeletonInput,
    VideoInput,
)


def random_views(spec: Input, clips: int, points: int, *, test: bool = False) -> dict[str, Tensor]:
    """Draw views in the form in which the loader delivers them, in the order of the network.

    `frames` are uint8 (clips, T, H, W, 3), `keypoints` float32 (clips, T, J, 3), `features` float32
    (clips, tokens, width).

    Args:
        spec: What a network sees of a clip.
        clips: Number of views.
        points: Keypoints of the skeleton.
        test: Whether they have the test size.
    """

    def frames(length: int, size: int) -> Tensor:
        return torch.randint(0, 256, (clips, length, size, size, 3), dtype=torch.uint8)

    def keypoints(length: int, size: float) -> Tensor:
        return torch.rand(clips, length, points, 3) * torch.tensor([size, size, 1.0])

    match spec:
        case SkeletonInput():
            return {"keypoints": keypoints(spec.frames, spec.test_size if test else spec.size)}
        case VideoInput():
            return {"frames": frames(spec.frames, spec.size)}
        case RgbPoseInput():
            size = spec.test_size if test else spec.size
            maps = keypoints(spec.pose_frames, spec.map_side(size))
            return {"frames": frames(spec.rgb_frames, size), "keypoints": maps}
        case GraphInput():
            return {"keypoints": keypoints(spec.frames, 1)}
        case FeaturesInput():
            return {"features": torch.randn(clips, spec.tokens, spec.width)}
        case _:
            assert_never(spec)
