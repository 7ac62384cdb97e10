"""RGB: the frames of the raw videos, resized."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Literal

from benchmark.modalities.modality import FrameByFrame, VideoModality


class RgbModality(VideoModality):
    """Clips cut out of the raw videos, resized, as short closed-GOP H.264 in tar shards."""

    kind: Literal["rgb"]
    pixel_format: ClassVar = "yuv420p"

    def extractor(self, *, side: int | None = None) -> FrameByFrame:
        from benchmark.core.resize import resized

        return FrameByFrame(partial(resized, short_side=side or self.short_side))
