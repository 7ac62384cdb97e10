"""RGB: the frames of the raw videos, resized."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from benchmark.modalities.modality import VideoModality

if TYPE_CHECKING:
    from benchmark.modalities.modality import Frame


class RgbModality(VideoModality):
    """Clips cut out of the raw videos, resized, as short closed-GOP H.264 in tar shards."""

    kind: Literal["rgb"]
    pixel_format: ClassVar = "yuv420p"

    def extractor(self, *, side: int | None = None) -> Resizer:
        return Resizer(side or self.short_side)


class Resizer:
    """Resizes each frame by itself."""

    def __init__(self, short_side: int) -> None:
        self._short_side = short_side

    def add(self, frame: Frame) -> tuple[Frame, ...]:
        """Return the frame, resized."""
        from benchmark.core.resize import resized

        return (resized(frame, self._short_side),)

    def finish(self) -> tuple[Frame, ...]:
        """Return nothing: each frame was finished when it came."""
        return ()
