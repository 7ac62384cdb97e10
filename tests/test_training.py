"""Training on a tiny real archive: it learns, stops, goes on, and repeats itself."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.core.errors import FormatError, TrainingError
from benchmark.inference.predict import predict
from benchmark.inference.systems import Member
from benchmark.inference.windows import score_windows, window_clips
from benchmark.modalities import shards
from benchmark.params.recipes import Sgd
from benchmark.runtime.distributed import alone
from benchmark.training import epochs, loop
from benchmark.training.checkpoint import Checkpoints, Progress, data_key
from benchmark.training.experiment import TrainPaths, _key
from benchmark.training.monitor.meter import Meter
from benchmark.training.state import TrainSpec, TrainState
from benchmark.weights.model_folder import (
    FORMAT,
    ModelMetadata,
    Network,
    load_tensors,
    read_weights,
    write_model,
)
from small_training import MIMIC, PARAMS, Prepared, run, same_weights

pytestmark = pytest.mark.slow

EXPERIMENTS = sorted(PARAMS.experiments)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return Prepared(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("name", ["joint", "rgb", "rgb_limb", "swin_taylor"])
def test_two_trainings_from_one_seed_have_equal_weights(
    name: str, prepared: Prepared, tmp_path: Path
) -> None:
    spec = prepared.train_spec(name, epochs=1)
    one, other = (run(spec, tmp_path / place)[0] for place in ("a", "b"))
    assert same_weights(one, other)
    assert not same_weights(one, run(replace(spec, seed=4), tmp_path / "c")[0])


def test_a_stopped_training_goes_on_to_the_same_weights(prepared: Prepared, tmp_path: Path) -> None:
    spec = prepared.train_spec("joint", epochs=3)
    whole, epochs = run(spec, tmp_path / "whole")
    assert epochs == [1, 2, 3]
    with pytest.raises(KeyboardInterrupt):
        run(spec, tmp_path / "stopped", stop_after=2)
    resumed, epochs = run(spec, tmp_path / "stopped")
    assert epochs == [1, 2, 3]
    assert same_weights(whole, resumed)
    timed = {"clips_s", "wait_share", "mfu"}
    rows = [
        [{k: v for k, v in row.items() if k not in timed} for row in found.progress.history]
        for found in (whole, resumed)
    ]
    assert rows[0] == rows[1]


def test_a_checkpoint_of_other_settings_is_not_taken_over(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "x", {"recipe": "0.1"}).save(Progress(epoch=3), {})
    assert Checkpoints(tmp_path, "x", {"recipe": "0.2"}).load() is None
    loaded = Checkpoints(tmp_path, "x", {"recipe": "0.1"}).load()
    assert loaded is not None
    assert loaded[0].epoch == 3


def test_the_loss_falls_when_the_same_clips_are_seen_again(
    prepared: Prepared, tmp_path: Path
) -> None:
    spec = prepared.train_spec("joint", epochs=8)
    # The recipe's rate is for a network that knows something; this one starts from scratch.
    quick = spec.recipe.optimizer.model_copy(update={"lr": 3e-3})
    recipe = spec.recipe.model_copy(update={"optimizer": quick})
    history = run(replace(spec, recipe=recipe), tmp_path)[0].progress.history
    assert history[-1]["train/loss"] < history[0]["train/loss"] - 0.3


def test_a_loss_that_is_not_finite_stops_with_its_clips_written_down(
    prepared: Prepared, tmp_path: Path
) -> None:
    wild = Sgd(kind="sgd", lr=1e30, momentum=0.9, weight_decay=0.0)
    spec = prepared.train_spec("joint", epochs=3, optimizer=wild, grad_clip=None, warmup_epochs=0.0)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf); clips: .*00"):
        run(spec, tmp_path)
    note = (tmp_path / "x" / "not_finite.json").read_text("utf-8")
    train_ids = set(prepared.clips.split("train").ids)
    assert sum(f'"{clip}"' in note for clip in train_ids) >= 4


def test_a_gradient_that_is_not_finite_in_the_last_step_is_no_training(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its loss was finite, and no other step would notice the weights."""
    spec = prepared.train_spec("joint", epochs=1, warmup_epochs=0.0)
    plain = epochs.train_step

    def spoilt(state: TrainState, number: int, batches: Iterator, meter: Meter) -> None:
        if number == state.sampler.steps - 1:
            weight = next(state.model.parameters())
            weight.register_hook(lambda gradient: gradient * torch.inf)
        plain(state, number, batches, meter)

    monkeypatch.setattr(epochs, "train_step", spoilt)
    with pytest.raises(TrainingError, match=r"the gradient is (nan|inf); clips: .*00"):
        run(spec, tmp_path)
    note = json.loads((tmp_path / "x" / "not_finite.json").read_text("utf-8"))
    assert set(note["clips"]) <= set(prepared.clips.split("train").ids)
    assert 1 <= len(note["clips"]) <= 5, "of its one step"


def model_card(spec: TrainSpec) -> ModelMetadata:
    return ModelMetadata(
        format=FORMAT, experiment="x", edition="mimic", classes=MIMIC.classes,
        modality=spec.modality, input=spec.experiment.input, backbone=spec.experiment.backbone,
        init_from="scratch", seed=3, epoch=1, metric="top1", val_metric=0.5,
    )  # fmt: skip


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_model_from_disk_predicts_probabilities_of_every_clip(
    name: str, prepared: Prepared, tmp_path: Path
) -> None:
    spec = prepared.train_spec(name, epochs=1)
    trained, _ = run(spec, tmp_path / "ckpt")
    for place in ("m", "again"):
        write_model(tmp_path / place, model_card(spec), trained.weights)
    for file in ("weights.safetensors", "experiment.json"):
        assert (tmp_path / "m" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    clips = prepared.clips
    found = predict(Network.read(tmp_path / "m"), spec.modality_folder, clips, "test", spec.recipe)
    assert found.clip_id == tuple(clips.split("test").ids)
    np.testing.assert_allclose(found.p.sum(1), 1, atol=1e-5)
    without = Clips("mimic", tuple(
        replace(clip, split="val") if clip.split == "test" else clip for clip in clips
    ))  # fmt: skip
    none = predict(Network.read(tmp_path / "m"), spec.modality_folder, without, "test", spec.recipe)
    assert none.p.shape == (0, 32), "own clips need no test split"


def test_weights_of_another_network_are_refused(prepared: Prepared, tmp_path: Path) -> None:
    metadata, linear = model_card(prepared.train_spec("joint")), torch.nn.Linear(1, 1)
    write_model(tmp_path / "m", metadata, {"backbone.x": torch.zeros(1)})
    with pytest.raises(
        FormatError, match=r"weights\.safetensors: holds another network.s tensors; found 2 m"
    ):
        load_tensors(read_weights(tmp_path / "m"), linear, where="weights.safetensors")
    broken = {"weight": torch.tensor([[float("nan")]]), "bias": torch.zeros(1)}
    write_model(tmp_path / "n", metadata, broken)
    with pytest.raises(FormatError, match=r"weights\.safetensors: weight holds a number that is"):
        load_tensors(read_weights(tmp_path / "n"), linear, where="weights.safetensors")


def key_of(spec: TrainSpec, modality: Path, start: Path, cache: Path) -> dict[str, str]:
    paths = TrainPaths(modality, start, cache, cache, cache)
    return _key(spec, data_key((paths.modality, paths.init_from), cache / "hashes.json"))


@pytest.mark.parametrize("changed", ["seed", "recipe", "modality file", "start", "clips"])
def test_a_checkpoints_key_depends_on_all_that_the_result_depends_on(
    changed: str, prepared: Prepared, tmp_path: Path
) -> None:
    spec = prepared.train_spec("joint")
    modality = Path(shutil.copytree(spec.modality_folder, tmp_path / "skeleton"))
    start = Path(shutil.copytree(spec.init_folder, tmp_path / "scratch"))
    before = key_of(spec, modality, start, tmp_path)
    assert before == key_of(spec, modality, start, tmp_path)
    if changed == "seed":
        spec = replace(spec, seed=9)
    elif changed == "recipe":
        spec = replace(spec, recipe=spec.recipe.model_copy(update={"epochs": 3}))
    elif changed == "modality file":
        file = modality / "keypoints-000.npy"
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    elif changed == "start":
        (start / "weights.safetensors").write_bytes(b"others")
    else:
        spec = replace(spec, clips=Clips(spec.clips.edition, spec.clips.rows[1:]))
    assert key_of(spec, modality, start, tmp_path) != before


def test_a_checkpoints_key_stays_when_files_are_touched_copied_or_linked(
    prepared: Prepared, tmp_path: Path
) -> None:
    spec = prepared.train_spec("joint")
    before = key_of(spec, spec.modality_folder, spec.init_folder, tmp_path)
    copied = Path(shutil.copytree(spec.modality_folder, tmp_path / "copied"))
    for file in copied.iterdir():
        os.utime(file, (1, 1))
    linked = tmp_path / "linked"
    linked.mkdir()
    for file in copied.iterdir():
        (linked / file.name).symlink_to(file)
    for folder in (copied, linked):
        assert key_of(spec, folder, spec.init_folder, tmp_path) == before


def test_a_training_that_begins_anew_names_the_checkpoint_and_what_differs(
    prepared: Prepared, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = {"recipe": "other", "seed": "1"}
    Checkpoints(tmp_path, "x", key).save(Progress(epoch=3), {})
    (tmp_path / "x" / "old").mkdir()
    (tmp_path / "x" / "old" / "last.pt").write_bytes(b"of a release that wrote no key")
    spec = prepared.train_spec("joint", epochs=1)
    mine = Checkpoints(tmp_path, "x", {**key, "recipe": "mine"})
    loop.train(spec, alone(spec.recipe), mine, lambda epoch, row: None)
    (line,) = [record.message for record in caplog.records if "beginning anew" in record.message]
    assert "(differs in: recipe)" in line
    assert f"{tmp_path}/x/old/last.pt (differs in: unknown)" in line


def test_windows_that_were_prepared_before_a_stop_are_not_made_again(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = prepared.train_spec("swin_rgb", epochs=1)
    trained, _ = run(spec, tmp_path / "ckpt")
    write_model(tmp_path / "model", model_card(spec), trained.weights)
    source = Member((Network.read(tmp_path / "model"),), spec.modality_folder, spec.recipe)
    archive, rest = open_archive(prepared.raw, MIMIC), prepared.clips.without("train")
    windows = window_clips(archive, rest, window=1, step=0.5, points=False)
    assert len({*windows.ids}) == len(windows)
    made, plain = [], shards._make

    def counted(shard: shards.Shard, **more: object) -> bool:
        made.append(shard.name)
        return plain(shard, **more)

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(shards, "_make", counted)
    monkeypatch.setattr(shards, "map_in_processes", lambda f, items, **_: [f(x) for x in items])
    with monkeypatch.context() as patch:
        patch.setattr("benchmark.inference.windows.predict", stopped)
        with pytest.raises(KeyboardInterrupt):
            [*score_windows(source, prepared.raw, windows, MIMIC, work=tmp_path / "work")]
    assert made == ["shard-000.tar"]
    found = [*score_windows(source, prepared.raw, windows, MIMIC, work=tmp_path / "work")]
    assert made == ["shard-000.tar"]
    assert sum(len(one.video) for one in found) == len(windows)
    assert not (tmp_path / "work").exists()
