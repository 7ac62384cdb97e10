"""Measures an epoch of one process without making the device wait."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.data.loader import TrainBatch


class Measured(NamedTuple):
    """A number that must be finite, checked after it has arrived on the CPU."""

    step: int
    name: Literal["loss", "gradient"]
    value: Tensor
    """On the CPU; valid once `arrived` has happened."""
    arrived: torch.cuda.Event | None
    clips: list[str]


NOTHING = (0.0, 0.0, 0.0, 0.0, 0.0)
"""Loss times clips, clips answered correctly, clips, seconds, seconds that the loop waited for
clips, where nothing was done yet."""


class Meter:
    """Sums of loss, correct answers and clips over an epoch, and where its time goes.

    A training that was stopped in the epoch continues its `sums`, seconds included.
    """

    def __init__(self, device: torch.device, sums: Sequence[float] = NOTHING) -> None:
        *answers, seconds, self.waited = sums
        """Seconds in which the loop waited for clips."""
        self._sums = torch.tensor(answers, dtype=torch.float64, device=device)
        self._unchecked: list[Measured] = []
        self._began = time.perf_counter() - seconds

    def timed(self, batches: Iterable[TrainBatch]) -> Iterator[TrainBatch]:
        """Yield the batches, and measure how long the loop waits for each."""
        iterator = iter(batches)
        while True:
            began = time.perf_counter()
            batch = next(iterator, None)
            self.waited += time.perf_counter() - began
            if batch is None:
                return
            yield batch

    @torch.no_grad()
    def add(
        self, step: int, loss: Tensor, ids: list[str], *, correct: Tensor | float = 0.0
    ) -> None:
        """Add a micro-batch.

        Args:
            step: Number of its step over all epochs.
            loss: Scalar, the mean over its clips.
            ids: Its clips.
            correct: How many of them the network answered correctly.
        """
        loss = loss.detach()
        # The sums stay on the device: reading them here would wait for the forward pass.
        summed = (loss * len(ids), correct, float(len(ids)))
        self._sums += torch.stack([torch.as_tensor(x).to(self._sums) for x in summed])
        self._unchecked.append(Measured(step, "loss", *_copy_to_cpu(loss), ids))

    def add_gradient(self, step: int, norm: Tensor, ids: list[str]) -> None:
        """Add the gradient norm of a step, with the clips of this process in it."""
        self._unchecked.append(Measured(step, "gradient", *_copy_to_cpu(norm.detach()), ids))

    def not_finite(self, *, before: float) -> Measured | None:
        """Return the oldest number that is not finite of the steps before `before`, if any.

        Those of the previous step have mostly arrived while the device computes the present one.
        """
        while self._unchecked and self._unchecked[0].step < before:
            measured = self._unchecked.pop(0)
            if measured.arrived is not None:
                measured.arrived.synchronize()
            if not math.isfinite(measured.value.item()):
                return measured
        return None

    @property
    def sums(self) -> list[float]:
        """Of this process: as `NOTHING` says."""
        return [*self._sums.tolist(), time.perf_counter() - self._began, self.waited]


def _copy_to_cpu(number: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """Start a copy to the CPU; return it with the event that tells when it is complete."""
    if not number.is_cuda:
        return number, None
    # `number.item()` would wait for all work queued on the device; the event waits for this copy.
    copy, arrived = number.to("cpu", non_blocking=True), torch.cuda.Event()
    arrived.record()
    return copy, arrived
