"""Which clips each forward pass of a training sees."""

from __future__ import annotations

from collections import Counter
from itertools import chain, takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import TrainingError
from benchmark.data.loader import Key
from benchmark.params.params import read_params
from benchmark.params.recipes import ClassBalanced, Recipe, Shuffled
from benchmark.training.sampler import ClipBatchSampler
from conftest import REPO

PARAMS = read_params(REPO / "params.yaml")
SHUFFLED = Shuffled(kind="shuffled")
UNIFORM = ClassBalanced(kind="class_balanced", power=0.0)
BALANCED = ClassBalanced(kind="class_balanced", power=1.0)


def recipe(**changes: object) -> Recipe:
    sound = {
        "epochs": 4, "batch_size": 4, "micro_batch_size": 2, "repeats": 1, "sampling": SHUFFLED,
    }  # fmt: skip
    return PARAMS.recipes["pose_small"].model_copy(update=sound | changes)


def labels_of(clips: int) -> np.ndarray:
    """Long-tailed: half of the clips are of class 0, a quarter of class 1, and so on."""
    return np.array([min(int(np.log2(clips / (row + 1))), 4) for row in range(clips)][::-1])


@st.composite
def cases(draw: st.DrawFn) -> tuple[int, Recipe, int]:
    """Clips, a recipe that they are enough for, and a number of processes that share its steps."""
    world = draw(st.integers(1, 4))
    forward = draw(st.integers(1, 5))
    passes = world * draw(st.integers(1, 4))
    repeats = draw(st.integers(1, 3))
    clips = draw(st.integers(passes, 60))
    sampling = draw(st.sampled_from([SHUFFLED, UNIFORM, BALANCED]))
    one = recipe(
        batch_size=passes * forward, micro_batch_size=forward, repeats=repeats, sampling=sampling
    )
    total = clips * repeats
    while total < -(-total // one.batch_size) * passes:  # too few for the last step
        clips, total = clips + 1, total + repeats
    return clips, one, world


def epoch(sampler: ClipBatchSampler, number: int = 0, *, first_step: int = 0) -> list[list[Key]]:
    """The passes of one epoch alone."""
    sampler.epoch, sampler.first_step = number, first_step
    return list(takewhile(lambda keys: keys[0][1] == number, sampler))


@settings(max_examples=150, deadline=None)
@given(case=cases(), number=st.integers(0, 3))
def test_every_clip_comes_repeats_times_an_epoch_each_time_with_another_view(
    case: tuple[int, Recipe, int], number: int
) -> None:
    clips, one, _ = case
    one = one.model_copy(update={"sampling": SHUFFLED})
    keys = list(chain(*epoch(ClipBatchSampler(labels_of(clips), one, 3), number)))
    assert sorted(keys) == [
        (row, number, repeat) for row in range(clips) for repeat in range(one.repeats)
    ]


@settings(max_examples=150, deadline=None)
@given(case=cases())
def test_steps_and_their_passes_differ_by_one_clip_at_most(case: tuple[int, Recipe, int]) -> None:
    clips, one, _ = case
    sampler = ClipBatchSampler(labels_of(clips), one, 3)
    sizes = [len(keys) for keys in epoch(sampler)]
    assert len(sizes) == sampler.steps * one.micro_batches
    steps = [
        sizes[start : start + one.micro_batches]
        for start in range(0, len(sizes), one.micro_batches)
    ]
    assert [sum(step) for step in steps] == [
        sampler.clips_of(step) for step in range(sampler.steps)
    ]
    sums = [sum(step) for step in steps]
    assert max(sums) <= one.batch_size
    assert max(sums) - min(sums) <= 1
    for step in steps:
        assert min(step) >= 1
        assert max(step) <= one.micro_batch_size
        assert max(step) - min(step) <= 1


@settings(max_examples=150, deadline=None)
@given(case=cases(), number=st.integers(0, 3))
def test_the_passes_of_all_processes_together_are_those_of_one(
    case: tuple[int, Recipe, int], number: int
) -> None:
    clips, one, world = case
    labels = labels_of(clips)
    alone = epoch(ClipBatchSampler(labels, one, 3), number)
    shared = [ClipBatchSampler(labels, one, 3, rank=rank, world=world) for rank in range(world)]
    parts = [epoch(sampler, number) for sampler in shared]
    assert all(len(list(sampler)) == len(sampler) for sampler in shared)
    found = [keys for turn in zip(*parts, strict=True) for keys in turn]
    assert found == alone
    numbers = chain(*(sampler.own_micro_batches for sampler in shared))
    assert sorted(numbers) == list(range(one.micro_batches))


@settings(max_examples=150, deadline=None)
@given(case=cases(), number=st.integers(0, 3), data=st.data())
def test_a_later_first_step_gives_the_tail_of_the_same_epoch(
    case: tuple[int, Recipe, int], number: int, data: st.DataObject
) -> None:
    clips, one, world = case
    sampler = ClipBatchSampler(labels_of(clips), one, 3, rank=world - 1, world=world)
    whole = epoch(sampler, number)
    first = data.draw(st.integers(0, sampler.steps))
    tail = epoch(sampler, number, first_step=first)
    assert tail == whole[first * len(sampler.own_micro_batches) :]
    assert len(sampler) == len(list(sampler))


@settings(max_examples=50, deadline=None)
@given(case=cases(), number=st.integers(0, 3))
def test_each_epoch_follows_the_one_before_to_the_last(
    case: tuple[int, Recipe, int], number: int
) -> None:
    clips, one, world = case
    sampler = ClipBatchSampler(labels_of(clips), one, 3, rank=world - 1, world=world)
    later = [keys for each in range(number + 1, one.epochs) for keys in epoch(sampler, each)]
    sampler.epoch, sampler.first_step = number, sampler.steps - 1
    last_step = len(sampler.own_micro_batches)
    assert list(sampler)[last_step:] == later
    assert len(sampler) == last_step + len(later)


@pytest.mark.parametrize("sampling", [SHUFFLED, BALANCED])
def test_the_order_hangs_on_the_seed_and_the_epoch(sampling: Shuffled | ClassBalanced) -> None:
    def rows(seed: int, number: int) -> list[int]:
        sampler = ClipBatchSampler(labels_of(40), recipe(sampling=sampling), seed)
        return [row for keys in epoch(sampler, number) for row, _, _ in keys]

    assert rows(3, 0) == rows(3, 0)
    assert rows(3, 0) != rows(3, 1)
    assert rows(3, 0) != rows(4, 0)


def shares_of_classes(sampling: ClassBalanced, labels: np.ndarray) -> np.ndarray:
    """How often each class is drawn over 40 epochs."""
    sampler = ClipBatchSampler(labels, recipe(sampling=sampling, epochs=40), 3)
    rows = [row for number in range(40) for keys in epoch(sampler, number) for row, _, _ in keys]
    assert len(rows) == 40 * len(labels)
    return np.bincount(labels[rows], minlength=labels.max() + 1) / len(rows)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_a_class_of_n_clips_is_drawn_in_proportion_to_n_to_one_minus_power(power: float) -> None:
    labels = labels_of(200)
    expected = np.bincount(labels) ** (1 - power)
    sampling = ClassBalanced(kind="class_balanced", power=power)
    # 8,000 draws: the standard deviation of a share is below 0.6 %.
    np.testing.assert_allclose(
        shares_of_classes(sampling, labels), expected / expected.sum(), atol=0.025
    )


def test_draws_of_equal_power_know_no_difference_between_the_clips_of_a_class() -> None:
    sampler = ClipBatchSampler(
        np.repeat([0, 1], [30, 10]), recipe(sampling=BALANCED, epochs=400), 3
    )
    counts = Counter(row for n in range(400) for keys in epoch(sampler, n) for row, _, _ in keys)
    assert counts.total() == 400 * 40
    drawn = np.array([counts[row] for row in range(40)])
    for of_class in (drawn[:30], drawn[30:]):
        expected = of_class.mean()
        assert abs(of_class - expected).max() < 5 * np.sqrt(expected)


@settings(max_examples=50, deadline=None)
@given(case=cases())
def test_a_clip_drawn_again_in_an_epoch_gets_another_view(case: tuple[int, Recipe, int]) -> None:
    clips, one, _ = case
    one = one.model_copy(update={"sampling": BALANCED})
    keys = list(chain(*epoch(ClipBatchSampler(labels_of(clips), one, 3), 2)))
    assert len(keys) == len(set(keys)) == clips * one.repeats
    counts = Counter(row for row, _, _ in keys)
    for row, times in counts.items():
        assert [key for key in keys if key[0] == row] == [(row, 2, n) for n in range(times)]


def test_too_few_clips_for_the_passes_of_a_step_are_refused() -> None:
    with pytest.raises(
        TrainingError, match="steps of 4 micro-batches.*at least 4, .*found 3 clips"
    ):
        ClipBatchSampler(np.zeros(3, int), recipe(batch_size=8, micro_batch_size=2), 3)
    assert (
        ClipBatchSampler(np.zeros(4, int), recipe(batch_size=8, micro_batch_size=2), 3).steps == 1
    )
    # Nine clips would be two steps, of five and of four: too few for five passes.
    with pytest.raises(
        TrainingError, match="steps of 5 micro-batches.*at least 10, .*found 9 clips"
    ):
        ClipBatchSampler(np.zeros(9, int), recipe(batch_size=5, micro_batch_size=1), 3)
