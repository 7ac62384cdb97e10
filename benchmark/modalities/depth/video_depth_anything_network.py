"""Video Depth Anything: frames -> relative inverse depth, consistent over a window of frames.

Tensors bear the published names, so that the published files load as they are. The weights of
Small are under Apache-2.0, those of Base and Large under CC-BY-NC-4.0: the latter are for
research only.

Source: Video Depth Anything (Chen et al., CVPR 2025, arXiv 2501.12375) and its code (Apache-2.0).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from benchmark.core.errors import ArchiveError
from benchmark.core.pinned_file import WeightsFile, verified
from benchmark.modalities.depth.dinov2 import PATCH, DinoV2
from benchmark.modalities.depth.dpt_temporal import MAX_FRAMES, TemporalDpt
from benchmark.modalities.depth.windows import DepthWindows
from benchmark.models.check_tensors import read_checkpoint, tensor_faults
from benchmark.runtime.parallel import own_device

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.modalities.depth.depth_anything import VideoDepthAnythingBackend


class Size(NamedTuple):
    """The numbers of one published network."""

    dim: int
    """Of the encoder's tokens."""
    depth: int
    num_heads: int
    layers: tuple[int, int, int, int]
    """Blocks of the encoder, from 0, whose tokens the head takes."""
    features: int
    """Channels of the head's fused maps."""
    channels: tuple[int, int, int, int]
    """Channels of the head's four maps, finest first; multiples of 32 from the third on."""


SIZES = {
    "vits": Size(384, 12, 6, (2, 5, 8, 11), 64, (48, 96, 192, 384)),
    "vitb": Size(768, 12, 12, (2, 5, 8, 11), 128, (96, 192, 384, 768)),
    "vitl": Size(1024, 24, 16, (4, 11, 17, 23), 256, (256, 512, 1024, 1024)),
}
"""Small, Base and Large, by the last part of their files' names."""

_DO = "Take video_depth_anything_vits.pth, _vitb.pth or _vitl.pth as published"


class VideoDepthAnything(nn.Module):
    """DINOv2 under a DPT head with attention between frames."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.layers = size.layers
        self.pretrained = DinoV2(dim=size.dim, depth=size.depth, num_heads=size.num_heads)
        self.head = TemporalDpt(size.dim, size.features, size.channels)

    def forward(self, frames: Tensor) -> Tensor:
        """Map normalized frames (B, T, 3, H, W) to inverse depth (B, T, H, W), float32, >= 0.

        Raises:
            ValueError: H or W is no multiple of 14, or T is not in 1..32.
        """
        batch, length, _, height, width = frames.shape
        if height % PATCH or width % PATCH or not 0 < length <= MAX_FRAMES:
            raise ValueError(f"{length} frames of {height} x {width} pixels")
        grid = height // PATCH, width // PATCH
        tokens = self.pretrained(frames.flatten(0, 1), self.layers)
        return self.head(tokens, grid, length).unflatten(0, (batch, length))


def load_weights(path: Path) -> VideoDepthAnything:
    """Load the network of a published file, ready for inference on the CPU in float32.

    Which of the three sizes it is, the file tells. A metric network has the same tensors but
    another meaning: only its name tells it apart.

    Raises:
        ArchiveError: The file is missing, damaged, or none of the three.
    """
    if path.name.startswith("metric_"):
        raise ArchiveError(path, "the network of metric depth, not of inverse depth", do=_DO)
    found = read_checkpoint(path, do=_DO).tensors
    token = found.get("pretrained.cls_token")
    dim = token.shape[-1] if token is not None and token.ndim else None
    size = next((size for size in SIZES.values() if size.dim == dim), None)
    if size is None:
        first = ", ".join(sorted(found)[:3])
        raise ArchiveError(
            path, "not the weights of Video Depth Anything", do=_DO,
            expected=f"pretrained.cls_token of {[size.dim for size in SIZES.values()]} channels",
            found=first if dim is None else f"{dim} channels",
        )  # fmt: skip
    with torch.device("meta"):  # every tensor comes from the file: nothing to initialize
        network = VideoDepthAnything(size)
    if said := tensor_faults(network.state_dict(), found):
        raise ArchiveError(path, f"tensors do not fit the network: {said}", do=_DO)
    network.load_state_dict({name: x.float() for name, x in found.items()}, assign=True)
    return network.eval().requires_grad_(False)


class VideoDepthAnythingEstimator(DepthWindows):
    """The depth of one clip with the pinned network, on this process' device.

    Raises:
        ArchiveError: The file is missing, another one than pinned, or not such weights.
    """

    def __init__(self, backend: VideoDepthAnythingBackend) -> None:
        super().__init__(_network(backend.weights), backend.input_size, own_device())


@cache
def _network(weights: WeightsFile) -> VideoDepthAnything:
    """Load the network, once per process."""
    path = verified(weights, expected="weights of Video Depth Anything")
    return load_weights(path).to(own_device())
