"""Depth of a long clip by overlapping windows of frames, brought to one scale.

Every window but the first sees 10 frames of the one before it: two early key frames, by which its
scale and shift are found, and the last 8, over which both are blended. The first of the clip's
frames is a key frame of every window, so that the scale does not drift.

Source: Video Depth Anything (Chen et al., CVPR 2025, section 3.3) and its code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmark.modalities.depth.dinov2 import PATCH

if TYPE_CHECKING:
    from torch import Tensor

Frame: TypeAlias = NDArray[np.uint8]
FloatArray: TypeAlias = NDArray[np.float32]

WINDOW = 32
"""Frames that the network sees at once."""
KEY_FRAMES = (0, 12, *range(24, 32))
"""Places in a window whose frames are the first ones of the next window."""
BLEND = 8
"""Frames over which a window goes over into the next."""
WIDEST = 1.78
"""Long side / short side, above which the short side is made shorter, for the memory's sake."""

_ALIGNED = len(KEY_FRAMES) - BLEND
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_STD = np.array([0.229, 0.224, 0.225], np.float32)


class NetworkSize(NamedTuple):
    """Of the network's input, in pixels."""

    height: int
    width: int


def network_size(height: int, width: int, input_size: int) -> NetworkSize:
    """Choose the size at which the network sees frames of `height` x `width`.

    The short side becomes `input_size`, less for frames longer than 16:9; the other follows.
    `input_size` is a multiple of 14.
    """
    ratio = max(height, width) / min(height, width)
    if ratio > WIDEST:
        shorter = int(input_size * 1.777 / ratio)
        input_size = max(round(shorter / PATCH), 1) * PATCH
    scale = input_size / min(height, width)
    sides = [max(round(side * scale / PATCH) * PATCH, input_size) for side in (height, width)]
    return NetworkSize(*sides)


def network_input(frame: Frame, size: NetworkSize) -> Tensor:
    """Make the network's input, float32 (3, *size), of a frame, uint8 (H, W, 3) RGB."""
    x = frame.astype(np.float32) / 255
    x = cv2.resize(x, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
    x = np.ascontiguousarray(((x - _MEAN) / _STD).transpose(2, 0, 1))
    return torch.from_numpy(x)


def checked_shape(frame: Frame, first: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the shape of a frame; `first` is that of the clip's first one, () before it.

    Raises:
        ValueError: The frame is not like the first, or no picture.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
        raise ValueError(f"no picture: {frame.shape}")
    if frame.shape != (first or frame.shape) or frame.dtype != np.uint8:
        raise ValueError(f"a frame of {frame.dtype} {frame.shape} after {first}")
    height, width, channels = frame.shape
    return height, width, channels


class DepthWindows:
    """Takes the frames of one clip and gives each one's depth as soon as its windows are done.

    What it holds does not grow with the clip: one window of inputs and one of depth.

    `network` maps float32 (1, 32, 3, h, w), normalized, to relative inverse depth (1, 32, h, w),
    >= 0; on a GPU it runs in half precision where that is safe. It must lie on `device`.
    """

    def __init__(
        self, network: Callable[[Tensor], Tensor], input_size: int, device: torch.device
    ) -> None:
        self._network, self._input_size = network, input_size
        self._device = device
        self._shape: tuple[int, ...] = ()
        self._size = NetworkSize(0, 0)
        self._inputs = torch.empty(0)
        self._filled = 0
        self._owed = 0
        self._references: list[FloatArray] = []
        self._unblended: FloatArray | None = None

    def add(self, frame: Frame) -> list[FloatArray]:
        """Take the next frame, uint8 (H, W, 3) RGB; the depth that is done by it, often none.

        Maps are float32 (H, W), >= 0, relative inverse depth, in the order of the frames.

        Raises:
            ValueError: The frame is not like the first, or no picture.
        """
        shape = checked_shape(frame, self._shape)
        if not self._shape:
            self._size = network_size(*shape[:2], self._input_size)
            self._inputs = torch.empty(WINDOW, 3, *self._size)
        self._shape = shape
        self._inputs[self._filled] = network_input(frame, self._size)
        self._filled += 1
        self._owed += 1
        return self._step() if self._filled == WINDOW else []

    def finish(self) -> list[FloatArray]:
        """Return the depth of the frames still owed; afterwards a new clip may begin.

        Windows are filled up with the last frame, until nothing is left to be blended.
        """
        done: list[FloatArray] = []
        if self._owed:
            last = self._inputs[self._filled - 1].clone()
            while self._owed:
                self._inputs[self._filled :] = last
                done += self._step()
        self._shape, self._filled = (), 0
        self._references, self._unblended = [], None
        return done

    def _step(self) -> list[FloatArray]:
        """Run the full window and begin the next; the depth that no later window changes."""
        depth = self._next_window()
        self._unblended = depth[-BLEND:].copy()
        self._inputs[: len(KEY_FRAMES)] = self._inputs[list(KEY_FRAMES)]
        self._filled = len(KEY_FRAMES)
        done = list(depth[:-BLEND][: self._owed])
        self._owed -= len(done)
        return done

    def _next_window(self) -> FloatArray:
        """Compute the depth of the window, aligned and blended, from the first owed frame on."""
        depth = self._infer()
        if self._unblended is None:
            self._references = list(depth[list(KEY_FRAMES[:_ALIGNED])].copy())
            return depth
        scale, shift = scale_and_shift(depth[:_ALIGNED], np.stack(self._references))
        depth *= np.float32(scale)
        depth += np.float32(shift)
        np.maximum(depth, 0, out=depth)
        later = np.linspace(0, 1, BLEND, dtype=np.float32)[:, None, None]
        mixed = depth[_ALIGNED : len(KEY_FRAMES)]
        mixed += (1 - later) * (self._unblended - mixed)
        self._references[1:] = depth[list(KEY_FRAMES[1:_ALIGNED])].copy()
        return depth[_ALIGNED:]

    @torch.no_grad()
    def _infer(self) -> FloatArray:
        """Run the network over the window: float32 (32, H, W) at the frames' size."""
        half = self._device.type == "cuda"
        with torch.autocast(self._device.type, torch.float16 if half else None, enabled=half):
            depth = self._network(self._inputs[None].to(self._device))
        depth = functional.interpolate(
            depth.float(), size=self._shape[:2], mode="bilinear", align_corners=True
        )[0]
        if not depth.isfinite().all():  # would spread over the rest of the clip
            raise FloatingPointError("the network's depth is not finite")
        return depth.cpu().numpy()


def scale_and_shift(depth: FloatArray, target: FloatArray) -> tuple[float, float]:
    """Scale a and shift b for which a * depth + b is nearest to `target`, in least squares.

    Flat depth tells nothing of its scale and keeps it: (1, 0), as upstream.
    """
    x, y = depth.astype(np.float64).ravel(), target.astype(np.float64).ravel()
    mean = x.mean()
    x -= mean
    spread = float(x @ x)
    if spread == 0:
        return 1.0, 0.0
    scale = float(x @ y) / spread
    return scale, float(y.mean() - scale * mean)
