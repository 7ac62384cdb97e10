"""Taylor videos: the sums of a Taylor series over short blocks, three channels of motion.

Source: Wang, Yuan, Gedeon and Zheng, Taylor Videos for Action Recognition, ICML 2024 (arXiv
2402.03019), and the code that came with it; variant `mm_gesture` is that of arXiv 2507.08344.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from benchmark.core.schema import Positive
from benchmark.modalities.modality import NO_MOTION, VideoModality

if TYPE_CHECKING:
    from benchmark.modalities.modality import Frame

    Floats: TypeAlias = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32) / 255
"""ITU-R BT.601, as OpenCV's gray."""


class TaylorModality(VideoModality):
    """Taylor videos: where a clip moves, and how that changes (Wang et al., ICML 2024)."""

    kind: Literal["taylor"]
    variant: Literal["paper", "mm_gesture", "signed"]
    """How a frame becomes 8 bit. paper: negative motion to 0, each channel of each frame by its own
    maximum; mm_gesture: one maximum over the three channels; signed: one scale a clip, 128 is no
    motion, so that sign and strength survive."""
    terms: Annotated[int, Field(ge=1, le=6)]
    """Terms of the series; the paper takes 3."""
    window: Positive
    """Frames of a block, at least terms + 3."""

    @model_validator(mode="after")
    def _holds_the_differences(self) -> TaylorModality:
        if self.window < self.terms + 3:
            raise ValueError(f"window must be at least terms + 3 ({self.terms + 3})")
        return self

    def extractor(self, *, side: int | None = None) -> TaylorExtractor:
        return TaylorExtractor(self, side or self.short_side)


class TaylorExtractor:
    """Makes the Taylor frames of one clip: frame t is the block of frames t to t + window - 1.

    Blocks that reach past the end see the last frame again: nothing moves there. So the result is
    as long as the clip, and a clip shorter than a block has one too.
    """

    def __init__(self, spec: TaylorModality, short_side: int) -> None:
        self._spec, self._short_side = spec, short_side
        self._block: list[Floats] = []
        self._kept: list[Floats] = []

    def add(self, frame: Frame) -> list[Frame]:
        """Take a frame; return the frame of the block that is full now, if one is."""
        from benchmark.core.resize import resized
        from benchmark.modalities.taylor_series import taylor

        gray = resized(np.asarray(frame @ LUMA, np.float32), self._short_side)
        self._block.append(gray)
        if len(self._block) < self._spec.window:
            return []
        found = taylor(np.stack(self._block), self._spec.terms)
        del self._block[0]
        return self._take(found)

    def finish(self) -> list[Frame]:
        """Return the blocks that reach past the end, and all frames of variant `signed`."""
        from benchmark.modalities.taylor_series import taylor

        found: list[Frame] = []
        while self._block:
            missing = self._spec.window - len(self._block)
            block = np.stack(self._block + [self._block[-1]] * missing)
            found += self._take(taylor(block, self._spec.terms))
            del self._block[0]
        return [*found, *signed(self._kept)]

    def _take(self, values: Floats) -> list[Frame]:
        match self._spec.variant:
            case "paper":
                return [positive(values, axis=(0, 1))]
            case "mm_gesture":
                return [positive(values, axis=None)]
            case "signed":  # its scale is known at the end of the clip
                self._kept.append(values)
                return []


def positive(values: Floats, axis: tuple[int, int] | None) -> Frame:
    """Scale negative motion to 0 and the maximum over `axis` to 255, cut to whole numbers.

    Returns uint8 (H, W, 3); where nothing moves everything is 0. The originals cut, too.
    """
    values = np.maximum(values, 0)
    most = values.max(axis=axis, keepdims=True)
    scaled = np.divide(values * 255, most, out=np.zeros_like(values), where=most > 0)
    return scaled.astype(np.uint8)


def signed(frames: list[Floats]) -> list[Frame]:
    """Scale around `NO_MOTION`, the clip's strongest motion to 1 or 255: uint8 (H, W, 3) each."""
    most = max((float(np.abs(values).max()) for values in frames), default=0.0)
    scale = 127 / most if most > 0 else 0.0
    return [np.rint(NO_MOTION + values * scale).astype(np.uint8) for values in frames]
