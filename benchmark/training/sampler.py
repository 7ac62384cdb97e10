"""Which clips each forward pass of a training sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias, assert_never

import numpy as np

from benchmark.core.errors import TrainingError
from benchmark.data.sampling import rng_for
from benchmark.params.recipes import ClassBalanced, Shuffled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmark.params.recipes import Recipe

Key: TypeAlias = tuple[int, int, int]
"""Row of the clip, epoch, repeat: all that a view hangs on besides the seed."""


class ClipBatchSampler:
    """The forward passes of one process, epoch after epoch, each a list of keys.

    A step takes `batch_size` clips, in passes of about `micro_batch_size`; the steps of an epoch differ
    by one clip at most, so that none is dropped or seen twice. The passes of a step are dealt to
    the processes in turn: which clips meet in a pass does not hang on how many there are.
    """

    def __init__(
        self, labels: NDArray[np.int64], recipe: Recipe, seed: int, *, rank: int = 0, world: int = 1
    ) -> None:
        self._labels, self._recipe, self._seed = labels, recipe, seed
        self._rank, self._world = rank, world
        self.total = len(labels) * recipe.repeats
        self.steps = math.ceil(self.total / recipe.batch_size)
        if self.total < self.steps * recipe.micro_batches:
            raise TrainingError(
                "training clips", f"a step has {recipe.micro_batches} forward passes",
                expected="at least one clip for each", found=f"{self.total} clips",
            )  # fmt: skip
        self.epoch = 0
        self.first_step = 0
        """The epoch to begin with, and the step of it; those before were done earlier."""

    def __len__(self) -> int:
        steps = (self._recipe.epochs - self.epoch) * self.steps - self.first_step
        return steps * len(self.own_micro_batches)

    @property
    def own_micro_batches(self) -> range:
        """The numbers of this process's passes within a step."""
        return range(self._rank, self._recipe.micro_batches, self._world)

    def clips_of(self, step: int) -> int:
        """Clips of a step of the epoch, over all processes."""
        return self.total // self.steps + (step < self.total % self.steps)

    def __iter__(self) -> Iterator[list[Key]]:
        first = self.first_step
        for epoch in range(self.epoch, self._recipe.epochs):
            yield from self._passes(epoch, first)
            first = 0

    def _passes(self, epoch: int, first_step: int) -> Iterator[list[Key]]:
        keys = np.array_split(self._drawn(epoch), self.steps)
        for step in range(first_step, self.steps):
            passes = np.array_split(keys[step], self._recipe.micro_batches)
            for number in self.own_micro_batches:
                yield [(int(row), epoch, int(repeat)) for row, repeat in passes[number]]

    def _drawn(self, epoch: int) -> NDArray[np.int64]:
        """(row, repeat) of every view of the epoch, in order: int64 (total, 2)."""
        rng = rng_for(self._seed, "order", epoch)
        number = len(self._labels)
        match self._recipe.sampling:
            case Shuffled():
                order = rng.permutation(self.total)
                return np.stack([order % number, order // number], 1)
            case ClassBalanced(power=power):
                counts = np.bincount(self._labels)[self._labels].astype(np.float64)
                share = counts**-power
                rows = rng.choice(number, self.total, p=share / share.sum())
                return np.stack([rows, _occurrence(rows)], 1)
            case _:
                assert_never(self._recipe.sampling)


def _occurrence(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each entry stood before it: equal clips of an epoch get different views."""
    order = np.argsort(rows, kind="stable")
    ranked = rows[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    found = np.empty(len(rows), np.int64)
    found[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return found
