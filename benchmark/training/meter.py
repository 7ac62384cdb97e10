"""What one epoch measures of itself, without making the device wait."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    from benchmark.training.loader import TrainBatch


class Seen(NamedTuple):
    """One forward pass, to be looked at when its numbers have arrived."""

    step: int
    loss: Tensor
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
        self._last.append(Seen(step, *_on_its_way(loss), ids))

    def not_finite(self, *, keep: int = 1) -> Seen | None:
        """The oldest noted pass whose loss is not finite; the newest `keep` are not looked at yet.

        The loss of the step before has mostly arrived, while the device is at the next one.
        """
        while len(self._last) > keep:
            seen = self._last.pop(0)
            if seen.arrived is not None:
                seen.arrived.synchronize()
            if not torch.isfinite(seen.loss):
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


def _on_its_way(loss: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """A copy on the CPU, and what says that it is there: asking the tensor waits for all work."""
    if not loss.is_cuda:
        return loss, None
    copy, arrived = loss.to("cpu", non_blocking=True), torch.cuda.Event()
    arrived.record()
    return copy, arrived
