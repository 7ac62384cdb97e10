"""Video Depth Anything: frames -> relative inverse depth, consistent over a window of frames.

Tensors bear the published names, so that the published files load as they are. The weights of
Small are under Apache-2.0, those of Base and Large under CC-BY-NC-4.0: the latter are for
research only.

Source: Video Depth Anything (Chen et al., CVPR 2025, arXiv 2501.12375) and its code (Apache-2.0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmark.core.errors import ArchiveError
from benchmark.core.pinned_file import WeightsFile, verified
from benchmark.modalities.depth.dinov2 import PATCH, DinoV2
from benchmark.modalities.depth.windows import DepthWindows
from benchmark.models.check_tensors import read_checkpoint, tensor_faults
from benchmark.runtime.parallel import own_device

if TYPE_CHECKING:
    from benchmark.modalities.depth.depth_anything import VideoDepthAnythingBackend

MAX_FRAMES = 32
"""Frames for which there are positions."""
_HEADS = 8
_FRAMES_AT_ONCE = 4
"""Where the maps are large: bounds the memory, changes no value."""


class _Positions(nn.Module):
    """Sines and cosines of the frame's number, stored with the weights."""

    pe: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        frame = torch.arange(MAX_FRAMES)[:, None]
        rate = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        waves = torch.stack([torch.sin(frame * rate), torch.cos(frame * rate)], dim=-1)
        self.register_buffer("pe", waves.flatten(1)[None])

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, C) -> (N, T, C)."""
        return x + self.pe[:, : x.shape[1]].to(x.dtype)


class _Attention(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pos_encoder = _Positions(dim)
        self.to_q, self.to_k, self.to_v = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.to_out = nn.Sequential(nn.Linear(dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, C) -> (N, T, C)."""
        x = self.pos_encoder(x)
        query, key, value = (
            layer(x).unflatten(-1, (_HEADS, -1)).transpose(1, 2)
            for layer in (self.to_q, self.to_k, self.to_v)
        )
        y = functional.scaled_dot_product_attention(query, key, value)
        return self.to_out(y.transpose(1, 2).flatten(2))


class _GatedGelu(nn.Module):
    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * inner)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) -> (..., inner)."""
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * functional.gelu(gate)


class _Block(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList([_Attention(dim), _Attention(dim)])
        self.norms = nn.ModuleList([nn.LayerNorm(dim), nn.LayerNorm(dim)])
        # The middle one, a dropout of 0, keeps the published number of the last.
        net = nn.Sequential(_GatedGelu(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))
        self.ff = nn.ModuleDict({"net": net})
        self.ff_norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, T, C) -> (N, T, C)."""
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(norm(x))
        return x + self.ff["net"](self.ff_norm(x))


class MotionModule(nn.Module):
    """Lets every place of a feature map see itself in the other frames; keeps the shape."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {
            "norm": nn.GroupNorm(32, dim, eps=1e-6),
            "proj_in": nn.Linear(dim, dim),
            "transformer_blocks": nn.Sequential(_Block(dim)),
            "proj_out": nn.Linear(dim, dim),
        }
        self.temporal_transformer = nn.ModuleDict(layers)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        """Map (B * T, C, H, W) -> (B * T, C, H, W); T is `num_frames`, at most 32."""
        (height, width), layers = x.shape[-2:], self.temporal_transformer
        y = layers["norm"](x).unflatten(0, (-1, num_frames)).permute(0, 3, 4, 1, 2)
        y = layers["transformer_blocks"](layers["proj_in"](y.flatten(0, 2)))
        y = layers["proj_out"](y).unflatten(0, (-1, height, width)).permute(0, 3, 4, 1, 2)
        return x + y.flatten(0, 1)


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return functional.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)


class _ResidualUnit(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(dim, dim, 3, padding=1)
        self.conv2 = nn.Conv2d(dim, dim, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) -> (N, C, H, W)."""
        return x + self.conv2(functional.relu(self.conv1(functional.relu(x))))


class _Fusion(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(dim, dim, 1)
        self.resConfUnit1 = _ResidualUnit(dim)
        self.resConfUnit2 = _ResidualUnit(dim)

    def forward(self, x: Tensor, finer: Tensor | None, size: Sequence[int]) -> Tensor:
        """Map (N, C, H, W), with a map of that shape or none mixed in -> (N, C, *size)."""
        if finer is not None:
            x = x + self.resConfUnit1(finer)
        return self.out_conv(_resize(self.resConfUnit2(x), size))


class TemporalDpt(nn.Module):
    """Four layers of tokens -> one map of relative inverse depth a frame."""

    def __init__(self, in_channels: int, features: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.projects = nn.ModuleList(nn.Conv2d(in_channels, c, 1) for c in channels)
        self.resize_layers = nn.ModuleList(
            [
                nn.ConvTranspose2d(channels[0], channels[0], 4, stride=4),
                nn.ConvTranspose2d(channels[1], channels[1], 2, stride=2),
                nn.Identity(),
                nn.Conv2d(channels[3], channels[3], 3, stride=2, padding=1),
            ]
        )
        scratch: dict[str, nn.Module] = {}
        for number, width in enumerate(channels, start=1):
            scratch[f"layer{number}_rn"] = nn.Conv2d(width, features, 3, padding=1, bias=False)
            # The resConfUnit1 of the fourth is stored and never used.
            scratch[f"refinenet{number}"] = _Fusion(features)
        scratch["output_conv1"] = nn.Conv2d(features, features // 2, 3, padding=1)
        scratch["output_conv2"] = nn.Sequential(
            nn.Conv2d(features // 2, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 1, 1), nn.ReLU()
        )
        self.scratch = nn.ModuleDict(scratch)
        self.motion_modules = nn.ModuleList(
            MotionModule(dim) for dim in (channels[2], channels[3], features, features)
        )

    def forward(self, layers: Sequence[Tensor], grid: tuple[int, int], num_frames: int) -> Tensor:
        """Map four times (B * T, rows * columns, D) -> float32 (B * T, 14 rows, 14 columns), >= 0.

        `grid` is (rows, columns); T is `num_frames`.
        """
        one, two, three, four = (
            resize(project(tokens.transpose(1, 2).unflatten(2, grid)))
            for tokens, project, resize in zip(
                layers, self.projects, self.resize_layers, strict=True
            )
        )
        moving, scratch = self.motion_modules, self.scratch
        one, two = scratch["layer1_rn"](one), scratch["layer2_rn"](two)
        three = scratch["layer3_rn"](moving[0](three, num_frames))
        four = scratch["layer4_rn"](moving[1](four, num_frames))
        path = moving[2](scratch["refinenet4"](four, None, three.shape[2:]), num_frames)
        path = moving[3](scratch["refinenet3"](path, three, two.shape[2:]), num_frames)
        pieces = (x.split(_FRAMES_AT_ONCE) for x in (path, two, one))
        return torch.cat([self._finish(p, b, a, grid) for p, b, a in zip(*pieces, strict=True)])

    def _finish(self, path: Tensor, two: Tensor, one: Tensor, grid: tuple[int, int]) -> Tensor:
        scratch = self.scratch
        path = scratch["refinenet2"](path, two, one.shape[2:])
        path = scratch["refinenet1"](path, one, [2 * side for side in one.shape[2:]])
        path = _resize(scratch["output_conv1"](path), [PATCH * side for side in grid])
        with torch.autocast(path.device.type, enabled=False):  # half precision shows as steps
            return scratch["output_conv2"](path.float()).squeeze(1)


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
