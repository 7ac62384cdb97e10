"""Augmentation of the pixels of a training view: equal for all its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from benchmark.core.schema import Positive, Share, Strict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frames = NDArray[np.uint8]

ERASED_AREA, ERASED_RATIO = (0.02, 0.33), (0.3, 3.3)
"""Share of the picture that random erasing covers, and its height over its width."""


class RandAugment(Strict):
    """Random shifts, shears, rotations and changes of color (Cubuk et al., 2020)."""

    operations: Positive
    """One after the other."""
    magnitude: Annotated[int, Field(ge=0, le=30)]
    """Strength of each, 0 to 30."""


class PixelAugmentation(Strict):
    """What happens to the pixels of a training view, after crop and mirror, in this order.

    All frames of a view change alike: a change between frames would be a motion that is none.
    """

    randaugment: RandAugment | None
    """RandAugment; null for none."""
    color_jitter: Share
    """Brightness, contrast and saturation vary by up to this share."""
    erasing: Share
    """Share of views in which a rectangle, the same in all frames, becomes noise."""

    def apply(self, view: Frames, rng: np.random.Generator) -> Frames:
        """Change a view uint8 (T, H, W, 3) by the draws of `rng` alone."""
        import torch
        from torchvision.transforms import v2

        steps = []
        if self.randaugment is not None:
            spec = self.randaugment
            steps.append(v2.RandAugment(spec.operations, spec.magnitude, num_magnitude_bins=31))
        if self.color_jitter:
            steps.append(v2.ColorJitter(*[self.color_jitter] * 3))
        frames = torch.from_numpy(np.ascontiguousarray(view)).permute(0, 3, 1, 2)
        # torchvision draws from torch's global generator, which other code draws from as well.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**62)))
            for step in steps:
                frames = step(frames)
        changed = np.ascontiguousarray(frames.permute(0, 2, 3, 1).numpy())
        return _erased(changed, rng) if rng.random() < self.erasing else changed


def _erased(view: Frames, rng: np.random.Generator) -> Frames:
    """Fill a random rectangle with noise: ten tries, as a rectangle may not fit.

    Source: Zhong et al., Random Erasing, AAAI 2020; the same noise in every frame, as in VideoMAE.
    """
    height, width = view.shape[1:3]
    for _ in range(10):
        area = rng.uniform(*ERASED_AREA) * height * width
        ratio = float(np.exp(rng.uniform(*np.log(ERASED_RATIO))))
        h, w = round(float(np.sqrt(area * ratio))), round(float(np.sqrt(area / ratio)))
        if 0 < h < height and 0 < w < width:
            top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
            erased = view.copy()
            noise = rng.integers(0, 256, (h, w, 3), np.uint8)
            erased[:, top : top + h, left : left + w] = noise
            return erased
    return view
