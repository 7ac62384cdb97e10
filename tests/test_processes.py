"""One training shared by two processes under torchrun, on the CPU; processes that read clips."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import safetensors.torch
import torch

from benchmark.contracts.clips import Clips
from benchmark.core.errors import ClipUnreadable, TrainingError
from benchmark.data.manifest import read_manifest
from benchmark.params.recipes import AdamW, ClassBalanced, ClassWeighted, Ema, Mixup, Sgd
from benchmark.runtime import distributed
from benchmark.runtime.distributed import all_gather_rows, alone, launch
from benchmark.runtime.seeding import set_up_torch
from benchmark.training.state import TrainResult, TrainSpec
from conftest import REPO
from small_training import Prepared, run
from train_small import Call, command, slim

pytestmark = pytest.mark.slow

SHARED = {
    "batch_size": 4,
    "micro_batch_size": 2,
    "optimizer": AdamW(kind="adamw", lr=0.005, weight_decay=0.1, backbone_lr=0.5, layer_decay=0.9),
    "mixup": Mixup(alpha=0.8),
    "ema": Ema(decay=0.8),
    "loss": ClassWeighted(kind="class_weighted", power=0.5),
    "sampling": ClassBalanced(kind="class_balanced", power=0.5),
}
TORCHRUN = (
    "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d",
    "--rdzv-endpoint", "127.0.0.1:0", "--local-addr", "127.0.0.1",
)  # fmt: skip
SGD = Sgd(kind="sgd", lr=0.1, momentum=0.9, weight_decay=0.01)
STEPS = 3
TIMED = {"clips_s", "wait_share", "mfu", "gpu_gib"}


class Found(NamedTuple):
    """What one process says of a training."""

    weights: dict[str, torch.Tensor]
    history: list[dict[str, float]]
    val: np.ndarray


def found(root: Path, rank: int) -> Found:
    folder = root / f"rank-{rank}"
    rows = json.loads((folder / "history.json").read_text("utf-8"))
    weights = safetensors.torch.load_file(folder / "weights.safetensors")
    return Found(weights, rows, np.load(folder / "val.npy"))


def said(root: Path, rank: int) -> list[str]:
    """How its calls ended."""
    return (root / f"said-{rank}.txt").read_text("utf-8").splitlines()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Five validation clips: the processes see three and two of them, in two batches and in one."""
    prepared = Prepared(tmp_path_factory.mktemp("data"))
    first = prepared.clips.split("val").ids[0]
    rows = tuple(clip for clip in prepared.clips.rows if clip.clip_id != first)
    prepared.clips = Clips(prepared.clips.edition, rows)
    return prepared


@pytest.fixture(scope="module")
def joint(prepared: Prepared) -> TrainSpec:
    return slim(prepared, "joint", **SHARED)


@pytest.fixture(scope="module")
def swin(prepared: Prepared) -> TrainSpec:
    return slim(prepared, "swin_rgb", **SHARED)


@pytest.fixture(scope="module")
def shared(
    prepared: Prepared, joint: TrainSpec, swin: TrainSpec, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """All that two processes do in this file, in one start of torchrun: a folder a training."""
    root = tmp_path_factory.mktemp("shared")
    one = replace(swin, recipe=swin.recipe.model_copy(update={"epochs": 1}))
    calls = [
        Call(joint, root / "joint"),
        Call(swin, root / "swin"),
        Call(joint, root / "stopped", stop=(STEPS, 1)),
        Call(joint, root / "stopped"),
        Call(joint, root / "apart", stop=(STEPS, 1)),
        Call(joint, root / "apart", apart=1),
        Call(one, root / "late", late=1),
        Call(one, root / "infinite", infinite=(1, 1)),
    ]
    done = subprocess.run(
        [sys.executable, *TORCHRUN, *command(prepared, *calls)], cwd=REPO, capture_output=True,
        env=os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-5000:]
    return root


def assert_same(one: TrainResult, other: Found) -> None:
    """Up to the order in which numbers are added."""
    for key, value in one.weights.items():
        torch.testing.assert_close(value, other.weights[key], atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(one.val, other.val, atol=1e-5)
    for row, others in zip(one.progress.history, other.history, strict=True):
        untimed = {key: value for key, value in row.items() if key not in TIMED}
        assert untimed == pytest.approx({key: others[key] for key in untimed}, abs=1e-5)


@pytest.mark.parametrize("name", ["joint", "swin"])
def test_two_processes_come_to_the_weights_history_and_probabilities_of_one(
    name: str, shared: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    alone, _ = run(request.getfixturevalue(name), tmp_path)
    for rank in (0, 1):
        assert_same(alone, found(shared / name, rank))


def test_both_processes_hold_the_same_bits(shared: Path) -> None:
    for name in ("joint", "swin"):
        one, other = (found(shared / name, rank) for rank in (0, 1))
        assert all(torch.equal(one.weights[key], other.weights[key]) for key in one.weights)
        np.testing.assert_array_equal(one.val, other.val)


def test_a_signal_to_one_process_stops_both_and_they_go_on_to_the_same_end(shared: Path) -> None:
    # The other one leaves without a fault: a launcher kills all when one of them fails.
    assert said(shared / "stopped", 0) == ["left with 143", "trained"]
    assert said(shared / "stopped", 1) == ["left with 0", "trained"]
    for rank in (0, 1):
        whole, resumed = found(shared / "joint", rank), found(shared / "stopped", rank)
        assert all(torch.equal(whole.weights[key], resumed.weights[key]) for key in whole.weights)
        for row, other in zip(whole.history, resumed.history, strict=True):
            untimed = {key: value for key, value in row.items() if key not in TIMED}
            assert untimed == pytest.approx({key: other[key] for key in untimed}, rel=1e-12)


def test_a_checkpoint_that_is_due_by_one_clock_is_written_by_both(shared: Path) -> None:
    assert [said(shared / "late", rank) for rank in (0, 1)] == [["trained"]] * 2


def test_processes_that_find_different_checkpoints_do_not_go_on(shared: Path) -> None:
    """Nodes without a shared disk: one would go on and the other begin anew."""
    last = said(shared / "apart", 0)[-1]
    assert last.startswith("failed: checkpoint: ranks found different checkpoints")
    assert "(1, 1), None" in last
    assert said(shared / "apart", 1)[-1] == "left with 0"


def test_a_loss_that_is_not_finite_in_one_process_ends_both_and_the_first_names_the_clips(
    shared: Path, prepared: Prepared
) -> None:
    (line,) = said(shared / "infinite", 0)
    assert line.startswith("failed: step 1: the loss is inf; clips: 00")
    assert said(shared / "infinite", 1) == ["left with 0"]
    note = json.loads((shared / "infinite" / "x" / "not_finite.json").read_text("utf-8"))
    assert note["step"] == 1
    assert 1 <= len(note["clips"]) <= 2  # of its one pass
    assert set(note["clips"]) <= set(prepared.clips.split("train").ids)


def test_more_processes_than_validation_clips_leave_some_without_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = np.full((1, 32), 1 / 32, np.float32)
    others = [own, np.empty((0, 0), np.float32), np.empty((0, 0), np.float32)]
    monkeypatch.setattr(distributed, "all_gather", lambda fabric, part: others)
    three = SimpleNamespace(world_size=3)
    np.testing.assert_array_equal(all_gather_rows(three, own, 1), own)


def test_a_step_in_unequal_passes_is_the_step_over_all_its_clips(
    prepared: Prepared, tmp_path: Path
) -> None:
    plain = {"mixup": None, "ema": None, "optimizer": SGD, "epochs": 1}
    spec = slim(prepared, "swin_rgb", **(SHARED | plain))
    # Batch norms, as of a stem, see each pass alone.
    same = {"dropout": 0.0, "drop_path": 0.0, "stem": None}
    still = spec.experiment.backbone.model_copy(update=same)
    spec = replace(spec, experiment=spec.experiment.model_copy(update={"backbone": still}))
    whole = spec.recipe.model_copy(update={"micro_batch_size": 4})
    split, _ = run(spec, tmp_path / "split")  # nine clips: two clips, then one
    joined, _ = run(replace(spec, recipe=whole), tmp_path / "joined")
    for key, value in joined.weights.items():
        torch.testing.assert_close(split.weights[key], value, atol=1e-5, rtol=1e-4)


# ---------------------------------------------------------------- reading clips, precision


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_clip_is_the_same_fault_whichever_process_reads_it(
    workers: int, swin: TrainSpec, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(swin.modality_folder, tmp_path / "modality"))
    clip = swin.clips.split("train").ids[-1]
    row = read_manifest(folder, swin.clips)[clip]
    with (folder / row.shard).open("r+b") as file:
        file.seek(row.offset)
        file.write(bytes(row.size))
    recipe = swin.recipe.model_copy(update={"loader_workers": workers, "epochs": 1})
    spec = replace(swin, modality_folder=folder, recipe=recipe)
    with pytest.raises(ClipUnreadable, match=f"^clip {clip} in {row.shard}: "):
        run(spec, tmp_path)


@pytest.mark.parametrize("precision", ["bf16-mixed", "16-mixed"])
def test_half_precision_begins_inside_the_network(precision: str, joint: TrainSpec) -> None:
    class Network(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.extend((x, super().forward(x)))
            return seen[-1]

    seen: list[torch.Tensor] = []
    recipe = joint.recipe.model_copy(update={"precision": precision})
    fabric = alone(recipe)
    keypoints = torch.full((1, 4), 47.3, device=fabric.device)
    result = fabric.setup_module(Network(4, 2))(keypoints)
    assert torch.equal(seen[0], keypoints)  # bfloat16 would make 47.25 of it
    assert seen[1].dtype == (torch.bfloat16 if precision == "bf16-mixed" else torch.float16)
    assert result.dtype == torch.float32


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(("local", "world"), [("3", "3"), ("2", "8")])
def test_passes_that_the_processes_cannot_share_evenly_are_refused(
    local: str, world: str, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", local)
    monkeypatch.setenv("WORLD_SIZE", world)
    recipe = prepared.train_spec("joint", batch_size=8, micro_batch_size=2).recipe
    with pytest.raises(TrainingError, match=f"^{world} processes: a step has 4 micro-batches"):
        launch(recipe)


@pytest.mark.parametrize("version", ["2.9.0", "2.9.1+cu130"])
def test_torch_2_9_is_refused(
    version: str, prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "__version__", version)
    with pytest.raises(
        TrainingError,
        match=r"torch: 3-D convolutions of 2\.9\..* are slow and take too much memory",
    ):
        run(prepared.train_spec("joint"), tmp_path)
    monkeypatch.setattr(torch, "__version__", "2.10.0")
    set_up_torch(1, threads=1, deterministic=True)
