"""The tiny depth network: it learns, twice the same, and only from people it may see."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.core.errors import FormatError, ParamsError
from benchmark.core.half_precision import SUFFIX
from benchmark.modalities.depth.tiny import TinyDepth
from benchmark.modalities.depth.tiny_judging import film_unseen, judge
from benchmark.modalities.depth.tiny_spec import TinyDepthSpec
from benchmark.modalities.depth.tiny_training import (
    film_examples,
    fit,
    plan_takes,
    relative_inverse,
    train,
)
from benchmark.params.params import read_params
from benchmark.synthetic.plan import plan
from benchmark.synthetic.raster import FAR
from benchmark.synthetic.spec import GesturesSpec
from conftest import REPO

_SPEC = TinyDepthSpec(
    seed=0, height=36, width=64, channels=(8, 8, 16, 16), takes=3, frames_per_take=4, steps=25,
    batch_size=4, lr=0.01, edge_weight=0.5, backdrop_metres=1.0, threads=1,
)  # fmt: skip
_PEOPLE = GesturesSpec(
    seed=3, train_clips=3, val_clips=2, test_clips=2, train_people=3, val_people=2, test_people=2,
    width=160, height=90, fps=25, crf=28, cast="everyone",
)  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    card = tmp_path_factory.mktemp("depth") / "net.json"
    train(_SPEC, _PEOPLE, card, picture=card.parent / "people.png", report=unseen)
    return card


def unseen(step: int, values: object) -> None:
    """A report that nobody reads."""


@pytest.mark.slow
def test_a_few_steps_lower_the_loss():
    _, losses = fit(_SPEC, film_examples(_SPEC, _PEOPLE), unseen)
    assert len(losses) == _SPEC.steps
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:3])


@pytest.mark.slow
def test_two_trainings_write_the_same_weights(trained, tmp_path):
    again = tmp_path / "again.json"
    train(_SPEC, _PEOPLE, again, picture=tmp_path / "people.png", report=unseen)
    assert trained.with_suffix(SUFFIX).read_bytes() == again.with_suffix(SUFFIX).read_bytes()


def test_another_seed_gives_other_weights(trained, tmp_path):
    other, spec = tmp_path / "other.json", _SPEC.model_copy(update={"seed": 1, "steps": 1})
    train(spec, _PEOPLE, other, picture=tmp_path / "people.png", report=unseen)
    assert trained.with_suffix(SUFFIX).read_bytes() != other.with_suffix(SUFFIX).read_bytes()


@pytest.mark.parametrize("shape", [(3, 36, 64), (2, 37, 61), (1, 91, 33), (17, 20, 90), (0, 8, 9)])
def test_depth_has_the_frames_shape_and_is_not_negative(trained, shape):
    frames = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    depth = TinyDepth.load(trained).depth(frames)
    assert depth.shape == shape
    assert depth.dtype == np.float32
    assert np.isfinite(depth).all()
    assert (depth >= 0).all()


def test_a_frame_s_depth_depends_on_no_other_frame(trained):
    frames = np.random.default_rng(1).integers(0, 256, (18, 36, 64, 3), np.uint8)
    net = TinyDepth.load(trained)
    np.testing.assert_allclose(net.depth(frames)[17], net.depth(frames[17:])[0], atol=1e-5)


def test_only_train_people_are_shown_and_in_places_of_their_own():
    people = read_params(REPO / "params.yaml").synthetic["mimic"]
    videos = plan(people)
    allowed = {video.identity for video in videos if video.split == "train"}
    takes = plan_takes(_SPEC.model_copy(update={"takes": 100}), people)
    assert {take.identity for take in takes} == allowed
    assert not {take.number for take in takes} & {video.number for video in videos}
    assert len({take.number for take in takes}) == 100


def test_the_target_is_0_at_the_backdrop_and_1_at_the_pelvis():
    camera = np.zeros(15, np.float32)
    camera[6:9], camera[9:12] = [0, 1, 0], [0.3, -2.5, 0.1]
    depth = np.array([[FAR, np.inf, 2.5, 2.0, 3.5, 9.0]], np.float32)
    target = relative_inverse(depth, camera, 1.0)[0]
    np.testing.assert_allclose(target[[0, 1, 2, 4, 5]], [0, 0, 1, 0, 0], atol=1e-6)
    assert target[3] > 1.5


def test_damaged_weights_are_named(trained, tmp_path):
    data = bytearray(trained.with_suffix(SUFFIX).read_bytes())
    for name, damaged in (("cut", data[:-9]), ("changed", data[:-1] + bytes([data[-1] ^ 1]))):
        card = tmp_path / f"{name}.json"
        card.write_bytes(trained.read_bytes())
        card.with_suffix(SUFFIX).write_bytes(bytes(damaged))
        with pytest.raises(
            FormatError, match=rf"{name}\.safetensors: is damaged or does not belong"
        ):
            TinyDepth.load(card)
    card.with_suffix(SUFFIX).unlink()
    with pytest.raises(FormatError, match=r"changed\.safetensors: cannot be read"):
        TinyDepth.load(card)
    card.unlink()
    with pytest.raises(ParamsError, match=r"changed\.json: no such file"):
        TinyDepth.load(card)


def test_a_card_of_another_network_is_refused(trained, tmp_path):
    card = tmp_path / "net.json"
    told = json.loads(trained.read_text("utf-8"))
    told["spec"]["channels"] = [8, 8, 16, 24]
    card.write_text(json.dumps(told), "utf-8")
    card.with_suffix(SUFFIX).write_bytes(trained.with_suffix(SUFFIX).read_bytes())
    with pytest.raises(FormatError, match=r"net\.safetensors: is not the network of its card"):
        TinyDepth.load(card)


def test_the_run_is_told_the_loss_and_the_worth_on_people_of_val_beside_a_mean_map(tmp_path):
    told: dict[str, list[tuple[int, float]]] = {}

    def report(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            told.setdefault(name, []).append((step, value))

    train(_SPEC, _PEOPLE, tmp_path / "net.json", picture=tmp_path / "people.png", report=report)
    scores = {"spearman", "spearman_frame", "error", "error_frame"}
    assert set(told) == {"train/loss"} | {f"{m}/{s}" for m in ("val", "mean_map") for s in scores}
    assert told["train/loss"][0][0] == 25
    assert cv2.imread(str(tmp_path / "people.png")).shape == (6 * 90, 3 * 160, 3)


def test_judging_gives_full_marks_to_the_exact_depth_on_any_scale_and_none_to_a_constant():
    seen = film_unseen(_PEOPLE, {"val"}, 1.0, 2)
    assert len(seen.frames) == 2 * _PEOPLE.val_people
    perfect, blind = judge(7 * seen.inverse - 2, seen), judge(np.ones_like(seen.inverse), seen)
    assert perfect.spearman == pytest.approx(1)
    assert perfect.error_frame == pytest.approx(0, abs=1e-6)
    assert blind.spearman == 0
    assert blind.error > 0.05
    assert 0.1 < seen.person.mean() < 0.9
