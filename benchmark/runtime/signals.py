"""Ctrl-C and SIGTERM: the first one stops training at the next safe moment, a later one at once."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CAUGHT = (signal.SIGINT, signal.SIGTERM)
SAME_SECONDS = 1.0
"""Signals within this time count as one: a scheduler and a launcher below it both send it."""


class StopSignals:
    """Context in which a signal only sets `wanted`; the training then saves and calls `leave`."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._caught: int | None = None
        self._since = 0.0
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        """Install the handlers; Python allows that in the main thread alone."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._note) for number in CAUGHT}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._caught is None:
            self._caught, self._since = number, now
        elif now - self._since > SAME_SECONDS:
            self._raise()

    @property
    def wanted(self) -> bool:
        """Whether this process received a signal to stop."""
        return self._caught is not None

    def leave(self) -> NoReturn:
        """Exit as the signal asks, after all processes agreed to stop."""
        # Only rank 0 exits with the signal's status. If another rank failed first, torchrun would
        # kill rank 0 before it marks its MLflow run as killed.
        if not self._fabric.is_global_zero:
            raise SystemExit(0)
        self._raise()

    def _raise(self) -> NoReturn:
        if self._caught == signal.SIGINT:
            raise KeyboardInterrupt
        # A rank that got no signal itself stops because another one did: SIGTERM stands for that.
        raise SystemExit(128 + (self._caught or signal.SIGTERM))
