"""Views that are the same are computed once; frames and keypoints of a person stay together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.core.video import write_video
from benchmark.data import loader, rgb_pose_input, skeleton_input, video_input
from benchmark.data.rgb_pose_input import RgbPoseInput
from benchmark.data.sampling import IntervalSampling
from benchmark.data.video_input import VideoViews
from benchmark.data.views import distinct
from benchmark.inference.forward import probabilities
from benchmark.modalities.person_crop import PersonCropModality
from benchmark.models.network import build
from benchmark.runtime.distributed import alone
from benchmark.training.state import TrainSpec
from small_training import Prepared
from train_small import slim


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return Prepared(tmp_path_factory.mktemp("data"))


# ---------------------------------------------------------------- computed once

SHORT = {
    # Experiment -> changes to its input that make every clip (10 to 20 frames) shorter than a view.
    "swin_rgb": {
        "frames": 32, "sampling": IntervalSampling(kind="interval", interval=2), "views": 4,
        "crops": 3,
    },
    "joint": {"frames": 24, "views": 16},
    "rgb_joint": {
        "size": 48, "test_size": 48, "rgb_frames": 12, "pose_frames": 24, "views": 12,
    },
}  # fmt: skip


def task_of(prepared: Prepared, name: str, **changes: object) -> TrainSpec:
    task = prepared.train_spec(name) if name == "rgb_joint" else slim(prepared, name)
    spec = task.experiment.input.model_copy(update=changes)
    return replace(task, experiment=task.experiment.model_copy(update={"input": spec}))


def views_of(task: TrainSpec) -> loader.Views:
    return loader.build_views(
        task.experiment.input, task.modality, task.modality_folder, task.clips
    )


def every(keys: list) -> tuple[list[int], np.ndarray]:
    """In the place of `distinct`: all views, alike."""
    return list(range(len(keys))), np.full(len(keys), 1 / len(keys), np.float32)


@given(keys=st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_the_weighted_mean_over_distinct_views_is_the_mean_over_all(keys: list[int]) -> None:
    places, weight = distinct(keys)
    assert [keys[place] for place in places] == list(dict.fromkeys(keys))
    assert places == [keys.index(keys[place]) for place in places]
    values = np.random.default_rng(0).random(6)
    assert weight @ values[np.array(keys)[places]] == pytest.approx(values[keys].mean(), abs=1e-6)


def test_a_clip_that_fits_into_a_view_has_one_for_each_crop(prepared: Prepared) -> None:
    views = views_of(task_of(prepared, "swin_rgb", **SHORT["swin_rgb"]))
    for clip in prepared.clips:
        found = views.test(clip.clip_id, quick=False)
        size = task_of(prepared, "swin_rgb").experiment.input.size
        assert found.views[0].shape == (3, 32, size, size, 3)
        np.testing.assert_allclose(found.weight, 1 / 3)
        crops = [one.tobytes() for one in found.views[0]]
        assert len(set(crops)) == 3


@pytest.mark.parametrize(
    ("frames", "weight"),
    [(10, [1 / 3] * 3), (9, [1 / 12] * 3 + [2 / 12] * 3 + [1 / 12] * 3), (5, [1 / 12] * 12)],
)
def test_views_that_start_elsewhere_are_computed_and_weigh_as_often_as_they_come(
    frames: int, weight: list[float], prepared: Prepared
) -> None:
    # Four starts in a clip of 20 frames: all at 0; at 0, 1, 1, 2; at 0, 3, 7, 10.
    views = views_of(task_of(prepared, "swin_rgb", **SHORT["swin_rgb"] | {"frames": frames}))
    (clip,) = [c for c in prepared.clips.split("train") if c.frames == 20 and c.video == "0011"]
    np.testing.assert_allclose(views.test(clip.clip_id, quick=False).weight, weight, rtol=1e-6)


def answers(task: TrainSpec, ids: list[str], *, quick: bool = False) -> tuple[np.ndarray, int]:
    """What a network that tells views apart says of some clips, and over how many views."""
    torch.manual_seed(0)
    views, experiment = views_of(task), task.experiment
    model = build(experiment.backbone, experiment.input, views.layout, num_classes=32)
    for layer in model.cls_head.children():
        if isinstance(layer, torch.nn.Linear):
            torch.nn.init.normal_(layer.weight, std=0.3 if isinstance(views, VideoViews) else 2.0)
    clips = loader.TestClips(views, ids, quick=quick)
    batches = loader.test_loader(clips, batch_size=2, workers=0)
    number = sum(len(batch.weight) for batch in batches)
    return probabilities(alone(task.recipe), model, batches, views_at_once=5), number


@pytest.mark.parametrize("name", SHORT)
def test_probabilities_over_distinct_views_equal_those_over_all(
    name: str, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = task_of(prepared, name, **SHORT[name])
    ids = prepared.clips.split("train").ids[:3]
    found, computed = answers(task, ids)
    for module in (video_input, skeleton_input, rgb_pose_input):
        monkeypatch.setattr(module, "distinct", every)
    expected, number = answers(task, ids)
    spec = task.experiment.input
    sides = getattr(spec, "crops", 1) * (1 + getattr(spec, "flip_views", False))
    assert number == len(ids) * spec.views * sides
    assert computed < number
    np.testing.assert_allclose(found, expected, atol=1e-6)
    first, _ = answers(task, ids, quick=True)
    assert np.abs(first - found).max() > 1e-3, "the network does not tell views apart"


def test_the_probabilities_of_a_view_are_the_mean_over_the_heads(prepared: Prepared) -> None:
    class Network(torch.nn.Module):
        def forward(self, x: tuple[torch.Tensor, ...]) -> torch.Tensor:
            return logits.expand(len(x[0]), 2, 3)

    logits = torch.tensor([[2.0, 0.0, -1.0], [-3.0, 1.0, 1.0]])
    task = task_of(prepared, "swin_rgb")
    clips = loader.TestClips(views_of(task), prepared.clips.split("val").ids, quick=True)
    batches = loader.test_loader(clips, batch_size=4, workers=0)
    found = probabilities(alone(task.recipe), Network(), batches, views_at_once=3)
    assert found.shape == (6, 3)
    np.testing.assert_allclose(found, logits.softmax(1).mean(0).expand(6, 3), atol=1e-6)


LONG = {
    "swin_rgb": {"frames": 2, "views": 4, "crops": 3},
    "joint": {"frames": 6, "views": 4},
    "rgb_joint": {"rgb_frames": 3, "pose_frames": 6, "views": 4},
}


@pytest.mark.parametrize("inputs", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("name", SHORT)
def test_the_quick_view_is_that_of_an_input_with_one_view(
    name: str, inputs: dict[str, dict[str, object]], prepared: Prepared
) -> None:
    one = {"views": 1} | {"swin_rgb": {"crops": 1}, "joint": {"flip_views": False}}.get(name, {})
    views = views_of(task_of(prepared, name, **inputs[name]))
    alone = views_of(task_of(prepared, name, **inputs[name] | one))
    for clip in prepared.clips.split("val"):
        quick, whole = views.test(clip.clip_id, quick=True), alone.test(clip.clip_id, quick=False)
        assert quick.weight == whole.weight == 1
        for found, expected in zip(quick.views, whole.views, strict=True):
            assert len(found) == 1
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("inputs", [SHORT, LONG], ids=["short", "long"])
def test_the_quick_view_of_a_skeleton_is_the_first_of_all(
    inputs: dict[str, dict[str, object]], prepared: Prepared
) -> None:
    views = views_of(task_of(prepared, "joint", **inputs["joint"]))
    for clip in prepared.clips.split("val"):
        (quick,), (full,) = (views.test(clip.clip_id, quick=quick).views for quick in (True, False))
        assert len(full) > 2
        np.testing.assert_array_equal(quick[0], full[0])


# ---------------------------------------------------------------- frames and keypoints together

SKELETON = """\
joints: [left hand, right hand, nose, left foot, right foot]
edges: [[left hand, nose], [right hand, nose]]
pairs: [[left hand, right hand], [left foot, right foot]]
"""
JOINTS = ((40, 30), (118, 42), (82, 66), (30, 96), (120, 104))
COLOURS = ((230, 40, 40), (40, 200, 40), (60, 60, 240), (230, 220, 40), (220, 50, 220))
WIDTH, HEIGHT, FRAMES, SIDE = 160, 128, 24, 128
MAP_SCALE = 0.25


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Clips]:
    """A still person whose joints are discs of different colors: its modality and its clips."""
    root = tmp_path_factory.mktemp("own") / "own"
    (root / "skeletons").mkdir(parents=True)
    (root / "classes.txt").write_text("x\n", "utf-8")
    (root / "skeleton.yaml").write_text(SKELETON, "utf-8")
    frame = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
    for place, color in zip(JOINTS, COLOURS, strict=True):
        cv2.circle(frame, place, 6, color, -1)
    points = np.ones((FRAMES, 5, 3), np.float32)
    points[..., :2] = JOINTS
    lines = ["clip_id,split,label,video,start_frame,end_frame\n"]
    for split in ("train", "val", "test"):
        write_video(root / f"{split}.mp4", [frame] * FRAMES, 25, crf=2, gop=12)
        np.save(root / f"skeletons/{split}.npy", points)
        lines.append(f"{split},{split},x,{split}.mp4,0,{FRAMES}\n")
    (root / "clips.csv").write_text("".join(lines), "utf-8")
    edition = describe("own", root)
    clips = open_archive(root, edition).read(excluded=(), workers=1)
    PERSON.prepare(root, edition, clips, root.parent / "person", workers=1)
    return root.parent / "person", clips


PERSON = PersonCropModality(
    kind="person_crop", edition="own", layout="own", side=SIDE, gop=4, crf=2, shards=1
)


def rgb_pose(prepared: Prepared, **changes: object) -> RgbPoseInput:
    spec = prepared.train_spec("rgb_joint").experiment.input
    sound = {
        "rgb_frames": 4, "pose_frames": 8, "size": 112, "test_size": 128, "map_scale": MAP_SCALE,
        "crop_area": (0.3, 1.0),
    }  # fmt: skip
    return spec.model_copy(update=sound | changes)


def disc(frame: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    """The middle of what has this color: x, y in pixels."""
    far = np.abs(frame.astype(int) - color).sum(-1)
    y, x = np.nonzero(far < 90)
    return np.array([x.mean(), y.mean()])


def check_together(
    frame: np.ndarray, points: np.ndarray, colors: list[tuple[int, int, int]], *, radius: int
) -> int:
    """Every joint whose disc is inside lies in its middle; how many are."""
    inside = 0
    for joint, color in zip(points, colors, strict=True):
        expected = joint[:2] / MAP_SCALE
        if (expected > radius).all() and (expected < len(frame) - radius).all():
            np.testing.assert_allclose(disc(frame, color), expected, atol=2)
            inside += 1
    return inside


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_keypoints_lie_on_their_markers_after_crop_and_flip(
    flip: float, own: tuple[Path, Clips], prepared: Prepared
) -> None:
    views = rgb_pose(prepared, flip=flip).clip_views(PERSON, *own, cache_gib=0.0)
    colors = [COLOURS[k] for k in views.layout.swap] if flip else list(COLOURS)
    seen, places = 0, set()
    for seed in range(20):
        frames, points = views.train("train", np.random.default_rng(seed))
        assert frames.shape == (4, 112, 112, 3)
        assert points.shape == (8, 5, 3)
        seen += check_together(frames[0], points[0], colors, radius=12)
        places.add(tuple(points[0, 2]))
    assert len(places) == 20  # every crop is another one
    assert seen > 30


def test_keypoints_lie_on_their_markers_in_test(
    own: tuple[Path, Clips], prepared: Prepared
) -> None:
    found = rgb_pose(prepared).clip_views(PERSON, *own, cache_gib=0.0).test("test", quick=False)
    frames, points = found.views
    assert frames.shape[1:] == (4, 128, 128, 3)
    for one, other in zip(frames, points, strict=True):
        assert check_together(one[0], other[0], list(COLOURS), radius=6) == 5


def test_the_frames_of_the_two_pathways_are_sampled_apart(
    own: tuple[Path, Clips], prepared: Prepared
) -> None:
    views = rgb_pose(prepared).clip_views(PERSON, *own, cache_gib=0.0)
    apart = 0
    for seed in range(20):
        rgb, pose = views._numbers("train", np.random.default_rng(seed))
        for numbers, length in ((rgb, 4), (pose, 8)):  # one of each equal segment
            np.testing.assert_array_equal(numbers // (FRAMES // length), np.arange(length))
        apart += not set(rgb) <= set(pose)
    assert apart > 10
