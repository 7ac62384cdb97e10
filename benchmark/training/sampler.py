"""Which clips each micro-batch of a training holds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, assert_never

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import TrainingError
from benchmark.data.sampling import rng_for
from benchmark.params.recipes import ClassBalanced, Optimization, Shuffled

if TYPE_CHECKING:
    from benchmark.data.loader import Key


class ClipBatchSampler:
    """Yields the micro-batches of one process to the last epoch, each as a list of keys.

    A step takes `batch_size` clips in micro-batches of up to `micro_batch_size`. The steps of an
    epoch differ by one clip at most, so that no clip is dropped or seen twice. The micro-batches of
    a step are dealt to the processes in turn: which clips share a micro-batch does not depend on
    the number of processes.
    """

    def __init__(
        self, labels: NDArray[np.int64], recipe: Optimization, seed: int, *,
        rank: int = 0, world: int = 1,
    ) -> None:  # fmt: skip
        self._labels, self._recipe, self._seed = labels, recipe, seed
        self._rank, self._world = rank, world
        self._draws = len(labels) * recipe.repeats
        self.total = self._draws * recipe.views_per_clip
        """Views of an epoch."""
        self.steps = math.ceil(self.total / recipe.batch_size)
        """Steps of an epoch."""
        if self.total < self.steps * recipe.micro_batches:
            raise TrainingError(
                "training clips", f"too few for steps of {recipe.micro_batches} micro-batches",
                expected=f"at least {self.steps * recipe.micro_batches}, one per micro-batch",
                found=f"{self.total} clips",
                do="Raise micro_batch_size in the recipe, so that a step has fewer micro-batches",
            )  # fmt: skip
        self.epoch = 0
        """The epoch to begin with."""
        self.first_step = 0
        """The step of that epoch to begin with; earlier ones were done before a stop."""

    def __len__(self) -> int:
        steps = (self._recipe.epochs - self.epoch) * self.steps - self.first_step
        return steps * len(self.own_micro_batches)

    @property
    def own_micro_batches(self) -> range:
        """The numbers of this process's micro-batches within a step."""
        return range(self._rank, self._recipe.micro_batches, self._world)

    def clips_of(self, step: int) -> int:
        """Count the views of a step of the epoch, over all processes."""
        draws = self._draws // self.steps + (step < self._draws % self.steps)
        return draws * self._recipe.views_per_clip

    def __iter__(self) -> Iterator[list[Key]]:
        first = self.first_step
        for epoch in range(self.epoch, self._recipe.epochs):
            yield from self._epoch(epoch, first)
            first = 0

    def _epoch(self, epoch: int, first_step: int) -> Iterator[list[Key]]:
        keys = np.array_split(self._draw(epoch), self.steps)
        for step in range(first_step, self.steps):
            views = _views(keys[step], self._recipe.views_per_clip)
            micro_batches = np.array_split(views, self._recipe.micro_batches)
            for number in self.own_micro_batches:
                yield [(int(row), epoch, int(repeat)) for row, repeat in micro_batches[number]]

    def _draw(self, epoch: int) -> NDArray[np.int64]:
        """Draw (row, repeat) of every clip of the epoch, in order: int64 (draws, 2)."""
        # A generator per epoch: a resumed training draws the same order without saved state.
        rng = rng_for(self._seed, "order", epoch)
        clips = len(self._labels)
        match self._recipe.sampling:
            case Shuffled():
                order = rng.permutation(self._draws)
                return np.stack([order % clips, order // clips], 1)
            case ClassBalanced(power=power):
                counts = np.bincount(self._labels)[self._labels].astype(np.float64)
                share = counts**-power
                rows = rng.choice(clips, self._draws, p=share / share.sum())
                return np.stack([rows, _earlier_equals(rows)], 1)
            case _:
                assert_never(self._recipe.sampling)


def _views(draws: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Give each drawn (row, repeat) `count` repeats of its own, one after the other."""
    views = np.repeat(draws, count, axis=0)
    views[:, 1] = views[:, 1] * count + np.tile(np.arange(count), len(draws))
    return views


def _earlier_equals(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the equal entries before each entry, so that a clip drawn again gets another view."""
    order = np.argsort(rows, kind="stable")
    ranked = rows[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    earlier = np.empty(len(rows), np.int64)
    # In sorted order each run of equal entries counts from 0; the indices undo the sorting.
    earlier[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    return earlier
