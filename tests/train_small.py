"""Small trainings in a process of their own, or in several under torchrun."""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.contracts.clips import read_clips, write_clips
from benchmark.core.errors import BenchmarkError
from benchmark.params.params import Experiment
from benchmark.params.recipes import Recipe
from benchmark.runtime.distributed import launch
from benchmark.training import epochs
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.loop import Trainer, train
from benchmark.training.monitor.meter import Meter
from benchmark.training.state import TrainResult, TrainSpec, TrainState
from benchmark.weights.model_folder import write_tensors
from conftest import REPO
from small_training import MIMIC, Prepared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class Call(NamedTuple):
    """One training that another process is to make."""

    spec: TrainSpec
    root: Path
    """For its checkpoints and for what comes of it."""
    pause: int = -1
    """Say so after this step, and wait for a line."""
    stop: tuple[int, int] = (-1, -1)
    """After this step, send SIGTERM to the process of this rank."""
    infinite: tuple[int, int] = (-1, -1)
    """At this step, measure an infinite loss in the process of this rank."""
    late: int = -1
    """The rank of the one process whose clock says, after each step, that a checkpoint is due."""
    apart: int = -1
    """The rank of the one process that looks for checkpoints on another disk."""


# ---------------------------------------------------------------- the test's side


def slim(prepared: Prepared, name: str, **recipe: object) -> TrainSpec:
    """An experiment of params.yaml with few channels, and with drop path where it can be."""
    spec = prepared.train_spec(name, **recipe)
    changes = {
        "pose_conv3d": {"base_channels": 4, "stage_blocks": (1, 1, 1)},
        "video_swin": {"embed_dims": 12, "drop_path": 0.3},
    }
    backbone = spec.experiment.backbone
    backbone = backbone.model_copy(update=changes[backbone.kind])
    return replace(spec, experiment=spec.experiment.model_copy(update={"backbone": backbone}))


def command(prepared: Prepared, *calls: Call) -> list[str]:
    """What python runs to make these trainings, one after the other."""
    write_clips(prepared.clips, prepared.root / "clips.parquet", MIMIC)
    asked = [
        call._asdict()
        | {
            "spec": [call.spec.experiment.model_dump_json(), call.spec.recipe.model_dump_json()],
            "root": str(call.root),
        }
        for call in calls
    ]
    return [__file__, str(prepared.root), json.dumps(asked)]


class Child:
    """A process in a session of its own, whose lines one can wait for."""

    def __init__(self, arguments: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *arguments], cwd=REPO, start_new_session=True, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.pid = self._process.pid
        self.said: list[str] = []

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    def wait_for(self, line: str) -> None:
        """Read until it says `line`."""
        for said in self._process.stdout:
            self.said.append(said)
            if said.strip() == line:
                return
        raise AssertionError(f"it never said {line!r}, but: {''.join(self.said)}")

    def go_on(self) -> None:
        """End its pause."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def wait(self) -> int:
        """Its exit code."""
        for said in self._process.stdout:
            self.said.append(said)
        return self._process.wait()


# ---------------------------------------------------------------- the process's side


class Ready(Prepared):
    """What the test has prepared."""

    def __init__(self, root: Path) -> None:
        self.root, self.raw = root, root / "raw"
        self.clips = read_clips(root / "clips.parquet", MIMIC)

    def train_spec_of_json(self, experiment: str, recipe: str) -> TrainSpec:
        return self.train_spec_of(
            Experiment.model_validate_json(experiment), Recipe.model_validate_json(recipe)
        )


CALL: list[Call] = []
"""The one under way."""
RANK = int(os.environ.get("RANK", "0"))
STEP, ADD, DUE = epochs.train_step, Meter.add, Trainer._due
TIMEOUT_SECONDS = 100
"""Processes that wait for each other would do so for half an hour."""


def _step(state: TrainState, number: int, batches: Iterator, meter: Meter) -> None:
    STEP(state, number, batches, meter)
    if number == CALL[-1].pause:
        print(f"after step {number}", flush=True)  # noqa: T201
        sys.stdin.readline()
    if [number, RANK] == [*CALL[-1].stop]:
        os.kill(os.getpid(), signal.SIGTERM)


def _add(self: Meter, step: int, loss: Tensor, ids: list[str], *, correct: Tensor) -> None:
    loss = loss * float("inf") if [step, RANK] == [*CALL[-1].infinite] else loss
    ADD(self, step, loss, ids, correct=correct)


def _due(self: Trainer) -> bool:
    return DUE(self) if CALL[-1].late < 0 else CALL[-1].late == RANK


def _write(trained: TrainResult, root: Path) -> None:
    """What each process says of the training."""
    folder = root / f"rank-{RANK}"
    folder.mkdir()
    write_tensors(folder / "weights.safetensors", trained.weights)
    (folder / "history.json").write_text(json.dumps(trained.progress.history), "utf-8")
    np.save(folder / "val.npy", trained.val)


def main() -> None:
    faulthandler.dump_traceback_later(TIMEOUT_SECONDS, exit=True)
    prepared = Ready(Path(sys.argv[1]))
    epochs.train_step, Meter.add, Trainer._due = _step, _add, _due
    for asked in json.loads(sys.argv[2]):
        spec = prepared.train_spec_of_json(*asked["spec"])
        call = Call(**(asked | {"spec": spec, "root": Path(asked["root"])}))
        call.root.mkdir(exist_ok=True)
        CALL.append(call)
        disk = call.root / "apart" if call.apart == RANK else call.root
        try:
            trained = train(
                spec, launch(spec.recipe), Checkpoints(disk, "x", {"seed": "1"}), lambda *_: None
            )
        except SystemExit as leave:
            said = f"left with {leave.code}"
        except BenchmarkError as error:
            said = f"failed: {error}"
        else:
            said = "trained"
            _write(trained, call.root)
        print(said, flush=True)  # noqa: T201
        with (call.root / f"said-{RANK}.txt").open("a", encoding="utf-8") as file:
            file.write(f"{said}\n")


if __name__ == "__main__":
    main()
