"""Ctrl-C and SIGTERM are taken at the next safe moment; a second one at once."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from benchmark.training.processes import summed

if TYPE_CHECKING:
    from types import FrameType

    from lightning_fabric import Fabric

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """Within: a signal is noted, and `wanted` says so."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._caught: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stopping:
        """Take over the signals, where Python lets us."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in CAUGHT}
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._caught is not None:
            self.leave()
        self._caught = number

    def wanted(self) -> bool:
        """Whether any process was told to stop; all of them agree."""
        return bool(summed(self._fabric, torch.tensor(float(self._caught is not None))))

    def leave(self) -> NoReturn:
        """Do what the signal asks for."""
        if self._caught == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + (self._caught or signal.SIGTERM))
