"""RGB clips: the frames of the raw videos, resized."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from benchmark.modalities.packing import Places, pack, resized

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.packing import Frame
    from benchmark.modalities.specs import RgbModality


def prepare(
    spec: RgbModality, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Cut, resize and pack every clip into `out`; bytes do not depend on `workers`.

    Raises:
        ManyFaults: Every raw video that cannot be decoded up to the end of its last clip.
    """
    places = Places(raw, edition, clips, out, spec.model_dump_json())
    pack(spec, places, partial(Resizing, spec.short_side), workers=workers)


class Resizing:
    """The extraction of RGB: each frame for itself."""

    def __init__(self, short_side: int) -> None:
        self._short_side = short_side

    def add(self, frame: Frame) -> tuple[Frame, ...]:
        """The frame, resized."""
        return (resized(frame, self._short_side),)

    def finish(self) -> tuple[Frame, ...]:
        """Nothing is left."""
        return ()
