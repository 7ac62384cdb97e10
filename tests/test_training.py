"""The training loop on a tiny real archive: it learns, stops, goes on, and repeats itself."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REPO
from tiny_archive import write_archive

from benchmark.clips import Clips
from benchmark.datasets import read_archive
from benchmark.editions import read_edition
from benchmark.errors import FormatError, TrainingError
from benchmark.modalities import rgb, skeleton
from benchmark.params import Params, read_params
from benchmark.recipe_params import AdamW, Sgd
from benchmark.training.checkpoint import Checkpoints, ModelCard, load_weights, write_model
from benchmark.training.experiment import Places, _key
from benchmark.training.loader import EpochOrder
from benchmark.training.loop import Task, Trained, train
from benchmark.training.optimisation import build_optimizer, build_schedule
from benchmark.training.prediction import predict

MIMIC = read_edition("mimic")
PARAMS = read_params(REPO / "params.yaml")
EXPERIMENTS = sorted(PARAMS.experiments)


def small(params: Params, name: str, folder: Path, clips: Clips, epochs: int) -> Task:
    experiment = params.experiments[name]
    recipe = params.recipes[experiment.recipe].model_copy(
        update={
            "epochs": epochs,
            "batch_size": 5,
            "loader_workers": 0,
            "threads": 1,
            "warmup_epochs": 0.5,
        }
    )
    return Task(experiment, recipe, params.media[experiment.media], folder / experiment.media,
                clips, 32, seed=3)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    raw = write_archive(root / "raw")
    clips = read_archive(raw, MIMIC, left_out=(), workers=1)
    for name, module in (("skeleton", skeleton), ("rgb", rgb)):
        module.prepare(PARAMS.media[name], raw, MIMIC, clips, root / name, workers=1)
    return root


@pytest.fixture(scope="module")
def clips(folder: Path) -> Clips:
    return read_archive(folder / "raw", MIMIC, left_out=(), workers=1)


def run(task: Task, root: Path, stop_after: int | None = None) -> tuple[Trained, list[int]]:
    reported: list[int] = []

    def report(epoch: int, row: dict[str, float]) -> None:
        reported.append(epoch)
        if epoch == stop_after:
            raise KeyboardInterrupt

    return train(task, Checkpoints(root, "x", "key"), report), reported


def same_weights(one: Trained, other: Trained) -> bool:
    return all(torch.equal(one.weights[key], other.weights[key]) for key in one.weights)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_two_trainings_from_one_seed_have_equal_weights(
    name: str, folder: Path, clips: Clips, tmp_path: Path
) -> None:
    task = small(PARAMS, name, folder, clips, 1)
    one, other = (run(task, tmp_path / place)[0] for place in ("a", "b"))
    assert same_weights(one, other)
    third = run(replace(task, seed=4), tmp_path / "c")[0]
    assert not same_weights(one, third)


def test_a_stopped_training_goes_on_to_the_same_weights(
    folder: Path, clips: Clips, tmp_path: Path
) -> None:
    task = small(PARAMS, "joint", folder, clips, 3)
    whole, epochs = run(task, tmp_path / "whole")
    assert epochs == [1, 2, 3]
    with pytest.raises(KeyboardInterrupt):
        run(task, tmp_path / "stopped", stop_after=2)
    resumed, epochs = run(task, tmp_path / "stopped")
    assert epochs == [1, 2, 3]
    assert same_weights(whole, resumed)
    rows = [
        [{k: v for k, v in row.items() if k != "clips_s"} for row in found.progress.history]
        for found in (whole, resumed)
    ]
    assert rows[0] == rows[1]


def test_a_checkpoint_of_other_settings_is_not_taken_over(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "x", "lr 0.1").save(_progress(3), {})
    assert Checkpoints(tmp_path, "x", "lr 0.2").load() is None
    loaded = Checkpoints(tmp_path, "x", "lr 0.1").load()
    assert loaded is not None
    assert loaded[0].epoch == 3


def _progress(epoch: int) -> object:
    from benchmark.training.checkpoint import Progress

    return Progress(epoch=epoch)


def test_the_loss_falls_when_the_same_clips_are_seen_again(
    folder: Path, clips: Clips, tmp_path: Path
) -> None:
    history = run(small(PARAMS, "joint", folder, clips, 8), tmp_path)[0].progress.history
    assert history[-1]["train/loss"] < history[0]["train/loss"] - 0.3


def test_a_loss_that_is_not_finite_names_the_clips(
    folder: Path, clips: Clips, tmp_path: Path
) -> None:
    task = small(PARAMS, "joint", folder, clips, 3)
    wild = task.recipe.model_copy(
        update={
            "optimizer": Sgd(kind="sgd", lr=1e30, momentum=0.9, weight_decay=0.0),
            "grad_clip": None, "warmup_epochs": 0.0,
        }
    )  # fmt: skip
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf); clips: .*00"):
        run(replace(task, recipe=wild), tmp_path)


def test_an_epoch_sees_every_clip_as_often_as_the_recipe_says() -> None:
    order = EpochOrder(7, batch_size=4, repeats=3, seed=1)
    batches = list(order)
    assert len(batches) == len(order) == 6
    keys = [key for batch in batches for key in batch]
    assert sorted(keys) == [(clip, 0, repeat) for clip in range(7) for repeat in range(3)]
    order.epoch = 1
    assert [key[0] for batch in order for key in batch] != [key[0] for key in keys]


def test_norms_and_position_tables_are_not_decayed(folder: Path, clips: Clips) -> None:
    from benchmark.models import build

    experiment = PARAMS.experiments["rgb"]
    net = build(experiment.backbone, experiment.input, None, num_classes=32)
    recipe = PARAMS.recipes["swin_small"]
    optimizer = build_optimizer(recipe, net)
    decayed = {id(p) for g in optimizer.param_groups if g["weight_decay"] for p in g["params"]}
    for name, parameter in net.named_parameters():
        plain = parameter.ndim > 1 and "relative_position_bias_table" not in name
        assert (id(parameter) in decayed) == plain, name


def test_the_schedule_warms_up_then_falls_to_nothing() -> None:
    parameter = torch.nn.Parameter(torch.zeros(1))
    recipe = PARAMS.recipes["swin_small"].model_copy(
        update={
            "epochs": 10, "warmup_epochs": 2.0,
            "optimizer": AdamW(kind="adamw", lr=1.0, weight_decay=0.0, backbone_lr=1.0),
        }
    )  # fmt: skip
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    schedule = build_schedule(recipe, optimizer, steps_per_epoch=10)
    rates = []
    for step in range(100):
        schedule.step_update(step)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) <= 1
    assert np.argmax(rates) == 20
    assert rates[20] == 1
    assert rates[-1] < 1e-3
    assert all(np.diff(rates[:20]) > 0)
    assert all(np.diff(rates[21:]) < 0)


def model_card(name: str) -> ModelCard:
    experiment = PARAMS.experiments[name]
    return ModelCard(
        format="model/1", experiment=name, edition="mimic",
        classes=read_edition("mimic").classes, media=PARAMS.media[experiment.media],
        input=experiment.input, backbone=experiment.backbone, seed=3, epoch=1, val_top1=0.5,
    )  # fmt: skip


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_model_from_disk_predicts_probabilities_of_every_clip(
    name: str, folder: Path, clips: Clips, tmp_path: Path
) -> None:
    task = small(PARAMS, name, folder, clips, 1)
    trained, _ = run(task, tmp_path / "ckpt")
    write_model(tmp_path / "m", model_card(name), trained.weights)
    write_model(tmp_path / "again", model_card(name), trained.weights)
    for file in ("weights.safetensors", "experiment.json"):
        assert (tmp_path / "m" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    found = predict(tmp_path / "m", task.media_folder, clips, "test", task.recipe)
    assert found.clip_id == tuple(clips.split("test").ids)
    np.testing.assert_allclose(found.p.sum(1), 1, atol=1e-5)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "m", model_card("joint"), {"backbone.x": torch.zeros(1)})
    with pytest.raises(FormatError, match=r"weights\.safetensors: cannot be loaded"):
        load_weights(tmp_path / "m", torch.nn.Linear(1, 1))


@pytest.mark.parametrize("changed", ["seed", "recipe", "media file", "clips"])
def test_a_checkpoints_key_hangs_on_all_that_the_result_hangs_on(
    changed: str, folder: Path, clips: Clips, tmp_path: Path
) -> None:
    media = Path(shutil.copytree(folder / "skeleton", tmp_path / "skeleton"))
    places = Places(media, tmp_path, tmp_path, tmp_path)
    task = small(PARAMS, "joint", folder, clips, 2)
    before = _key(task, places)
    assert before == _key(task, places)
    if changed == "seed":
        task = replace(task, seed=9)
    elif changed == "recipe":
        task = replace(task, recipe=task.recipe.model_copy(update={"epochs": 3}))
    elif changed == "media file":
        os.utime(media / "keypoints-000.npy", (1, 1))
    else:
        task = replace(task, clips=Clips(clips.edition, clips.rows[1:]))
    assert _key(task, places) != before
