"""A training that is stopped, in whatever way and wherever, goes on as if it had not been."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np
import pytest
import torch

from benchmark.data import loader
from benchmark.evaluation.metrics import score
from benchmark.params.recipes import (
    AdamW,
    ClassBalanced,
    Ema,
    LogitAdjusted,
    Mixup,
    SelectCheckpoint,
    Sgd,
    Steps,
)
from benchmark.runtime import signals
from benchmark.training import checkpoint, epochs
from benchmark.training.checkpoint import Checkpoints, Progress
from benchmark.training.monitor.meter import Meter
from benchmark.training.state import TrainResult, TrainSpec, TrainState
from small_training import Prepared, run, same_weights
from train_small import Call, Child, command, slim

pytestmark = pytest.mark.slow

EVERYTHING = {
    "batch_size": 4,
    "micro_batch_size": 2,
    "optimizer": AdamW(kind="adamw", lr=0.01, weight_decay=0.1, backbone_lr=0.5, layer_decay=0.9),
    "sampling": ClassBalanced(kind="class_balanced", power=0.5),
    "loss": LogitAdjusted(kind="logit_adjusted", tau=1.0),
    "label_smoothing": 0.1,
    "mixup": Mixup(alpha=0.8),
    "ema": Ema(decay=0.8),
    "select_checkpoint": SelectCheckpoint(epoch="last", metric="top1", patience=None),
}
"""What is random or carried from step to step."""
STEPS = 3
"""Of an epoch: nine clips by four."""
TIMED = {"clips_s", "wait_share", "mfu", "gpu_gib"}

Do: TypeAlias = Callable[[], None]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return Prepared(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def undisturbed(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """What `joint` with everything comes to by itself."""
    return run(slim(prepared, "joint", **EVERYTHING), tmp_path_factory.mktemp("whole"))[0]


@pytest.fixture
def after_steps(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], None]], None]:
    """Lets something happen after each step of the optimizer."""
    whole = epochs.train_step

    def install(action: Callable[[int], None]) -> None:
        def step(state: TrainState, number: int, batches: Iterator, meter: Meter) -> None:
            whole(state, number, batches, meter)
            action(number)

        monkeypatch.setattr(epochs, "train_step", step)

    return install


def kill(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def history(trained: TrainResult) -> list[dict[str, float]]:
    """But for what is measured with a clock."""
    return [
        {key: value for key, value in row.items() if key not in TIMED}
        for row in trained.progress.history
    ]


def run_with_stops(spec: TrainSpec, root: Path) -> tuple[TrainResult, int]:
    """Call the training again until it is through; how often it was stopped."""
    stops = 0
    while True:
        with suppress(SystemExit):
            return run(spec, root)[0], stops
        stops += 1


SGD = {
    "precision": "bf16-mixed",
    "optimizer": Sgd(kind="sgd", lr=0.05, momentum=0.9, weight_decay=0.01),
    "schedule": Steps(kind="steps", epochs=(1,), factor=0.1),
    "mixup": None,
    "ema": None,
    "select_checkpoint": SelectCheckpoint(epoch="best", metric="mean_acc", patience=None),
}


@pytest.mark.parametrize(
    ("name", "changes"),
    [("joint", {}), ("joint", SGD), ("swin_rgb", {"precision": "16-mixed"})],
    ids=["joint", "joint by SGD in bfloat16", "swin_rgb in float16"],
)
def test_a_training_stopped_after_every_step_ends_with_the_same_weights_and_history(
    name: str, changes: dict[str, object], prepared: Prepared, tmp_path: Path, after_steps: Callable
) -> None:
    spec = slim(prepared, name, **(EVERYTHING | changes))
    whole, _ = run(spec, tmp_path / "whole")
    after_steps(lambda number: kill())
    resumed, stops = run_with_stops(spec, tmp_path / "stopped")
    assert stops == STEPS * spec.recipe.epochs
    assert same_weights(whole, resumed)
    assert history(whole) == history(resumed)
    # The clock runs on over all sittings of an epoch, even where the last one took no step.
    assert all(row["clips_s"] > 0 for row in resumed.progress.history)
    assert all(0 < row["wait_share"] < 1 for row in resumed.progress.history)
    np.testing.assert_array_equal(whole.val, resumed.val)
    assert (whole.epoch, whole.initial_weights) == (
        resumed.epoch,
        resumed.initial_weights,
    )


def test_mean_weights_and_plain_ones_differ_and_the_mean_is_kept(
    prepared: Prepared, tmp_path: Path
) -> None:
    mean, _ = run(slim(prepared, "joint", **EVERYTHING), tmp_path / "mean")
    plain, _ = run(slim(prepared, "joint", **(EVERYTHING | {"ema": None})), tmp_path / "plain")
    _, state = Checkpoints(tmp_path / "mean", "x", {"seed": "1"}).load()
    for key, value in mean.weights.items():
        assert torch.equal(value, state["ema"][key])
        assert torch.equal(plain.weights[key], state["model"][key])
    assert not same_weights(mean, plain)


def test_a_stop_in_validation_saves_all_steps_and_validates_anew(
    prepared: Prepared, tmp_path: Path, undisturbed: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = slim(prepared, "joint", **EVERYTHING)
    read, seen = loader.TestClips.__getitem__, []

    def killing(self: loader.TestClips, row: int) -> object:
        seen.append(row)
        if len(seen) == 3:  # in the second batch of the first validation
            kill()
        return read(self, row)

    monkeypatch.setattr(loader.TestClips, "__getitem__", killing)
    with pytest.raises(SystemExit):
        run(spec, tmp_path)
    assert seen == [0, 1, 2, 3]
    progress, _ = Checkpoints(tmp_path, "x", {"seed": "1"}).load()
    assert (progress.epoch, progress.step, progress.history) == (0, STEPS, [])
    resumed, _ = run(spec, tmp_path)
    assert same_weights(undisturbed, resumed)
    assert history(undisturbed) == history(resumed)


# ---------------------------------------------------------------- signals


def test_ctrl_c_is_a_keyboard_interrupt_after_the_step_is_saved(
    prepared: Prepared, tmp_path: Path, after_steps: Callable
) -> None:
    after_steps(lambda number: kill(signal.SIGINT))
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(slim(prepared, "joint", **EVERYTHING), tmp_path)
    assert Checkpoints(tmp_path, "x", {"seed": "1"}).load()[0].step == 1
    assert signal.getsignal(signal.SIGINT) is before


def test_a_later_second_signal_stops_at_once(
    prepared: Prepared, tmp_path: Path, after_steps: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "SAME_SECONDS", 0.0)
    passed = []

    def twice(number: int) -> None:
        kill()
        time.sleep(0.01)
        kill()
        passed.append(number)

    after_steps(twice)
    with pytest.raises(SystemExit) as leave:
        run(slim(prepared, "joint", **EVERYTHING), tmp_path)
    assert leave.value.code == 128 + signal.SIGTERM
    assert passed == []
    assert Checkpoints(tmp_path, "x", {"seed": "1"}).load() is None


def test_a_signal_that_arrives_twice_is_one(
    prepared: Prepared, tmp_path: Path, after_steps: Callable
) -> None:
    def twice(number: int) -> None:
        kill()
        kill()

    after_steps(twice)
    with pytest.raises(SystemExit):
        run(slim(prepared, "joint", **EVERYTHING), tmp_path)
    assert Checkpoints(tmp_path, "x", {"seed": "1"}).load()[0].step == 1


# ---------------------------------------------------------------- being killed


def test_a_group_signal_and_a_kill_end_in_the_weights_of_an_undisturbed_training(
    prepared: Prepared, tmp_path: Path, undisturbed: TrainResult
) -> None:
    spec = slim(prepared, "joint", **EVERYTHING)
    hurried = spec.recipe.model_copy(update={"checkpoint_minutes": 1e-9})
    workers = spec.recipe.model_copy(update={"loader_workers": 2})
    root, last = tmp_path, STEPS + 1
    calls = [
        Call(replace(spec, recipe=workers), root, pause=1),
        Call(replace(spec, recipe=hurried), root, pause=last),
    ]
    with Child(command(prepared, *calls)) as child:
        child.wait_for("after step 1")
        # Ctrl-C, `timeout` and torchrun signal the whole group: loader workers stay at work.
        os.killpg(child.pid, signal.SIGTERM)
        child.go_on()
        child.wait_for("left with 143")
        progress, _ = Checkpoints(root, "x", {"seed": "1"}).load()
        assert (progress.epoch, progress.step) == (0, 2)
        child.wait_for(f"after step {last}")
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    progress, _ = Checkpoints(root, "x", {"seed": "1"}).load()
    assert (progress.epoch, progress.step) == (1, 1)  # the step that was under way is lost
    resumed, _ = run(spec, root)
    assert same_weights(undisturbed, resumed)
    assert history(undisturbed) == history(resumed)


def test_checkpoints_are_no_closer_together_than_the_recipe_says(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = []
    monkeypatch.setattr(
        Checkpoints, "save", lambda self, progress, state: saved.append(progress.step)
    )
    run(slim(prepared, "joint", **EVERYTHING, checkpoint_minutes=5.0), tmp_path)
    assert saved == [0, 0]
    saved.clear()
    run(slim(prepared, "joint", **EVERYTHING, checkpoint_minutes=1e-9), tmp_path)
    assert [step for step, _ in groupby(saved)] == [1, 2, 3, 0] * 2
    assert saved.count(STEPS) > 2 * 2, "while it validates, too"


def test_a_checkpoint_that_was_half_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, "x", {"seed": "1"})
    checkpoints.save(Progress(epoch=1), {"model": torch.ones(3)})

    def half(state: object, file: BinaryIO) -> None:
        file.write(b"half")
        raise SystemExit

    monkeypatch.setattr(checkpoint.torch, "save", half)
    with pytest.raises(SystemExit):
        checkpoints.save(Progress(epoch=2), {})
    progress, state = checkpoints.load()
    assert progress.epoch == 1
    assert torch.equal(state["model"], torch.ones(3))


# ---------------------------------------------------------------- which epoch is kept

STILL = Sgd(kind="sgd", lr=1e-30, momentum=0.0, weight_decay=0.0)


def test_training_ends_when_no_epoch_was_better_for_as_long_as_patience(
    prepared: Prepared, tmp_path: Path
) -> None:
    select = SelectCheckpoint(epoch="best", metric="top1", patience=2)
    spec = slim(prepared, "swin_rgb", optimizer=STILL, select_checkpoint=select, epochs=6)
    trained, reported = run(spec, tmp_path)
    assert reported == [1, 2, 3]
    assert trained.epoch == 1  # of equal ones the first
    again, reported = run(spec, tmp_path)  # it stays ended when called again
    assert reported == [1, 2, 3]
    assert same_weights(trained, again)


@pytest.mark.parametrize("epoch", ["best", "last"])
def test_the_kept_epoch_is_the_best_by_the_named_metric_or_the_last(
    epoch: str, prepared: Prepared, tmp_path: Path
) -> None:
    select = SelectCheckpoint(epoch=epoch, metric="macro_f1", patience=None)
    spec = slim(prepared, "joint", epochs=5, select_checkpoint=select)
    trained, _ = run(spec, tmp_path)
    rows = trained.progress.history
    found = [row["val/macro_f1"] for row in rows]
    best = found.index(max(found)) + 1
    assert best < 5, "no test of anything: choose another seed"
    assert trained.epoch == (best if epoch == "best" else 5)
    metrics = score(trained.val, prepared.clips.split("val").labels())
    assert metrics.macro_f1 == found[trained.epoch - 1]
    assert metrics.log_loss == pytest.approx(rows[trained.epoch - 1]["val/loss"], rel=1e-6)
