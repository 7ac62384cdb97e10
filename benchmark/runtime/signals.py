"""Ctrl-C and SIGTERM are taken at the next safe moment; a later one at once."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from types import FrameType

    from lightning_fabric import Fabric

CAUGHT = (signal.SIGINT, signal.SIGTERM)
SAME_SECONDS = 1.0
"""Signals so close together are one: a scheduler and a launcher under it both pass it on."""


class StopSignals:
    """Within: a signal is noted, and `wanted` says so."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._caught: int | None = None
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        """Take over the signals, where Python lets us."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in CAUGHT}
        return self

    def __exit__(self, *exception: object) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._caught is None:
            self._caught, self._since = number, now
        elif now - self._since > SAME_SECONDS:
            self._raise()

    @property
    def wanted(self) -> bool:
        """Whether this process was told to stop."""
        return self._caught is not None

    def leave(self) -> NoReturn:
        """Do what the signal asks for, when all processes are ready.

        The first one speaks for all: a launcher that sees another one fail would kill it before it
        has marked its run.
        """
        if not self._fabric.is_global_zero:
            raise SystemExit(0)
        self._raise()

    def _raise(self) -> NoReturn:
        if self._caught == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + (self._caught or signal.SIGTERM))
