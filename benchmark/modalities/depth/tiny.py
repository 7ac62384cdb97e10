"""Estimate relative inverse depth of a seated person from one frame: a network of 0.2 M parameters.

It ships with the zoo. It knows what `tiny_training` shows it, generated people behind a desk, and
nothing else.
Legend: T frames, H W frame, h w working size.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, JsonValue
from torch import Tensor, nn
from torch.nn import functional

from benchmark.core.errors import FormatError
from benchmark.core.half_precision import SUFFIX, read_half
from benchmark.core.pinned_file import Sha256
from benchmark.core.schema import Strict, read_yaml
from benchmark.modalities.depth.tiny_spec import TinyBackend, TinyDepthSpec
from benchmark.runtime.parallel import own_device

FORMAT = "tiny-depth/2"
FRAMES_AT_ONCE = 16
"""Frames in one forward pass of `TinyDepth.depth`; bounds its memory."""


class DepthCard(Strict):
    """The card of a depth network: what builds it, and where its weights come from."""

    format: str = Field(pattern=f"^{FORMAT}$")
    spec: TinyDepthSpec
    people: dict[str, JsonValue]
    """Data set whose train people the network has seen."""
    license: str
    """Of the weights."""
    minutes: float
    """Of filming and training, on two CPU cores."""
    scores: dict[str, float]
    """Of people it has not seen (`judge`), beside those of a map that knows only the mean."""
    loss: float
    """Mean over the last tenth of the training steps."""
    sha256: Sha256
    """Of the file of weights."""


class DepthNet(nn.Module):
    """U-Net from RGB and position to relative inverse depth, at any height and width.

    Depth depends much on the place in the frame (a desk is low and near), which convolutions cannot
    see: two input channels tell it.
    """

    def __init__(self, channels: tuple[int, int, int, int]) -> None:
        super().__init__()
        a, b, c, d = channels
        self.down = nn.ModuleList(
            nn.Sequential(_conv(i, o, 2), _conv(o, o, 1)) for i, o in ((5, a), (a, b), (b, c))
        )
        self.bottom = nn.Sequential(_conv(c, d, 2), _conv(d, d, 1))
        self.up = nn.ModuleList(_conv(i, o, 1) for i, o in ((d + c, c), (c + b, b), (b + a, a)))
        self.last = nn.Sequential(nn.Conv2d(a, 4, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, frames: Tensor) -> Tensor:
        """Estimate float32 (T, h, w) of frames (T, 3, h, w) in [0, 1]; below 0 is the backdrop."""
        height, width = frames.shape[2:]
        skips = [torch.cat([frames - 0.5, _position(frames)], 1)]
        for block in self.down:
            skips.append(block(skips[-1]))
        y = self.bottom(skips[-1])
        for block, skip in zip(self.up, reversed(skips[1:]), strict=True):
            y = functional.interpolate(y, size=skip.shape[-2:], mode="nearest")
            y = block(torch.cat([y, skip], 1))
        # Odd sizes come out one pixel larger, as each level rounds up: cut that off.
        return self.last(y)[:, 0, :height, :width]


def _conv(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _position(frames: Tensor) -> Tensor:
    """Return (T, 2, h, w): -1 left to 1 right, -1 top to 1 bottom."""
    count, _, height, width = frames.shape
    x = torch.linspace(-1, 1, width, device=frames.device).expand(height, width)
    y = torch.linspace(-1, 1, height, device=frames.device)[:, None].expand(height, width)
    return torch.stack([x, y]).expand(count, 2, height, width)


class TinyDepth:
    """A trained network, ready for frames."""

    def __init__(self, spec: TinyDepthSpec, net: DepthNet) -> None:
        self.spec = spec
        # Channels-last memory is a fifth faster on a CPU.
        self._net = net.eval().to(memory_format=torch.channels_last)
        self._device = next(net.parameters()).device

    @classmethod
    def load(cls, card: Path, device: torch.device | None = None) -> Self:
        """Load the network whose card `tiny_training.train` wrote to `card`, onto a device.

        Raises:
            ParamsError: The card is missing or breaks its schema.
            FormatError: The weights are missing or damaged, or do not belong to the card.
        """
        told = read_yaml(card, DepthCard)
        net = DepthNet(told.spec.channels)
        path = card.with_suffix(SUFFIX)
        try:
            net.load_state_dict(read_half(path, told.sha256), strict=True)
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise FormatError(path, f"is not the network of its card ({reason})") from None
        return cls(told.spec, net.to(device))

    @torch.inference_mode()
    def depth(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Estimate relative inverse depth float32 (T, H, W) >= 0 of RGB frames uint8 (T, H, W, 3).

        It is about 0 at the backdrop, 1 at a sitting person's pelvis, and more in front. No frame's
        depth depends on another frame; the network sees frames at the height it was trained at.
        """
        out = np.empty(frames.shape[:3], np.float32)
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            part = slice(start, start + FRAMES_AT_ONCE)
            batch = torch.from_numpy(np.ascontiguousarray(frames[part])).to(self._device)
            out[part] = self._run(batch).cpu().numpy()
        return out

    def _run(self, frames: Tensor) -> Tensor:
        size = frames.shape[1:3]
        height = self.spec.height
        working = (height, max(16, round(height * size[1] / size[0])))
        pictures = frames.permute(0, 3, 1, 2).float() / 255
        if working != tuple(size):
            pictures = functional.interpolate(
                pictures, working, mode="bilinear", antialias=True, align_corners=False
            )
        depth = self._net(pictures).clamp(min=0)[:, None]
        return functional.interpolate(depth, size, mode="bilinear", align_corners=False)[:, 0]


class TinyDepthEstimator:
    """Estimates the depth of one clip, `FRAMES_AT_ONCE` frames at a time."""

    def __init__(self, backend: TinyBackend) -> None:
        self._network = load(backend.card)
        self._waiting: list[NDArray[np.uint8]] = []

    def add(self, frame: NDArray[np.uint8]) -> Sequence[NDArray[np.float32]]:
        self._waiting.append(frame)
        return self.finish() if len(self._waiting) == FRAMES_AT_ONCE else ()

    def finish(self) -> Sequence[NDArray[np.float32]]:
        frames, self._waiting = self._waiting, []
        return list(self._network.depth(np.stack(frames))) if frames else ()


@cache
def load(card: Path) -> TinyDepth:
    """Load one network per process, onto the process's device.

    Raises:
        ParamsError, FormatError: See `TinyDepth.load`.
    """
    return TinyDepth.load(card, own_device())
