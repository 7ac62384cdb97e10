"""What one epoch measures of itself, without making the device wait."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from benchmark.data.loader import TrainBatch


class Seen(NamedTuple):
    """A number that must be finite, to be looked at when it has arrived."""

    step: int
    name: Literal["loss", "gradient"]
    value: Tensor
    """On the CPU, from `arrived` on."""
    arrived: torch.cuda.Event | None
    clips: list[str]


class Meter:
    """Sums over the passes of one process, and where its time goes."""

    def __init__(self, device: torch.device, sums: list[float]) -> None:
        self._sums = torch.tensor(sums, dtype=torch.float64, device=device)
        self._last: list[Seen] = []
        self._began = time.perf_counter()
        self._waited = 0.0
        self._clips = 0

    def waiting(self, batches: Iterable[TrainBatch]) -> Iterator[TrainBatch]:
        """The batches; how long each was waited for is noted."""
        iterator = iter(batches)
        while True:
            began = time.perf_counter()
            batch = next(iterator, None)
            self._waited += time.perf_counter() - began
            if batch is None:
                return
            yield batch

    @torch.no_grad()
    def add(self, step: int, loss: Tensor, logits: Tensor, label: Tensor, ids: list[str]) -> None:
        """Note a pass: its mean loss, logits (B, heads, K), labels (B,) and clips."""
        loss = loss.detach()
        right = (logits.float().softmax(2).mean(1).argmax(1) == label).sum()
        number = torch.full_like(loss, len(label))
        self._sums += torch.stack([loss * len(label), right, number]).double()
        self._clips += len(label)
        self._last.append(Seen(step, "loss", *_on_its_way(loss), ids))

    def add_gradient(self, step: int, norm: Tensor, ids: list[str]) -> None:
        """Note the norm of a step's gradient, and the clips of this process that it is of."""
        self._last.append(Seen(step, "gradient", *_on_its_way(norm.detach()), ids))

    def not_finite(self, *, before: float) -> Seen | None:
        """The oldest noted number that is not finite, of the steps before this one.

        Those of the step before have mostly arrived, while the device is at the next one.
        """
        while self._last and self._last[0].step < before:
            seen = self._last.pop(0)
            if seen.arrived is not None:
                seen.arrived.synchronize()
            if not math.isfinite(seen.value.item()):
                return seen
        return None

    @property
    def sums(self) -> list[float]:
        """Loss times clips, clips that were right, clips: of this process."""
        return self._sums.tolist()

    def speed(self) -> dict[str, float]:
        """Clips a second of this process, and the share of its time spent waiting for clips."""
        passed = time.perf_counter() - self._began
        return {"clips_s": self._clips / passed, "wait_share": self._waited / passed}


def _on_its_way(number: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """A copy on the CPU, and what says that it is there: asking the tensor waits for all work."""
    if not number.is_cuda:
        return number, None
    copy, arrived = number.to("cpu", non_blocking=True), torch.cuda.Event()
    arrived.record()
    return copy, arrived
