"""The pre-training archive: Micro-Action 52's layout, people apart, and actions that move legs."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from benchmark.core.errors import ArchiveError
from benchmark.core.video import probe
from benchmark.synthetic import actions_archive, choreography
from benchmark.synthetic import plan as gestures_plan
from benchmark.synthetic.actions.action import PROGRAMS, Action, Body
from benchmark.synthetic.actions.film_clip import ClipFilm
from benchmark.synthetic.actions.plan import Clip, plan
from benchmark.synthetic.actions_archive import write_actions
from benchmark.synthetic.assets import parents, read_body, read_hand, read_rig
from benchmark.synthetic.gestures.gesture import Gesture
from benchmark.synthetic.gestures.motion import places
from benchmark.synthetic.legs import seat
from benchmark.synthetic.plan import SPLITS, Performance
from benchmark.synthetic.scene import build_camera, build_scene, project
from benchmark.synthetic.spec import BODIES, ActionsSpec

pytestmark = pytest.mark.slow

_START, _LENGTH, _FRAMES = 5, 46, 56
_APEX = 28
_SPEC = ActionsSpec(
    seed=3, train_clips=3, val_clips=1, test_clips=2, train_people=2, val_people=1, test_people=1,
    width=96, height=128, fps=12, crf=30,
)  # fmt: skip
_RECORDED_WRIST = [[0.16759, -0.28922, 0.21345], [0.04491, -0.29188, 0.1684]]
_RECORDED_CAMERA = [
    0.9977, 0.0671, 0.0015, 0.0036, -0.0311, -0.9995, -0.067, 0.9973, -0.0313, 0.1721, -3.0879,
    0.5955, 586.632, 157.5522, 90.5574,
]  # fmt: skip
_LARGE = _SPEC.model_copy(
    update={
        "train_clips": 520, "val_clips": 104, "test_clips": 130,
        "train_people": 40, "val_people": 4, "test_people": 6,
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    raw = tmp_path_factory.mktemp("actions") / "raw"
    write_actions(_SPEC, raw, workers=1)
    return raw


def _bytes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def test_layout_is_exactly_micro_action_52s(made):
    assert set(_bytes(made)) == {
        "videos_train/train0000.mp4",
        "videos_train/train0001.mp4",
        "videos_train/train0002.mp4",
        "videos_val/val0000.mp4",
        "videos_test/test0000.mp4",
        "videos_test/test0001.mp4",
        "train_list_videos.txt",
        "val_list_videos.txt",
        "test_list_videos.txt",
    }
    assert [path.name for path in made.parent.iterdir()] == ["raw"]


@pytest.mark.parametrize("split", SPLITS)
def test_lists_name_each_clip_with_its_true_label(made, split):
    text = (made / f"{split}_list_videos.txt").read_text()
    assert re.fullmatch(rf"({split}\d{{4}}\.mp4 \d{{1,2}}\n)+", text)
    clips = [clip for clip in plan(_SPEC) if clip.split == split]
    assert text.splitlines() == [f"{clip.name} {int(clip.action)}" for clip in clips]


def test_clips_have_the_size_rate_and_length_that_were_asked_for(made):
    for clip in plan(_SPEC):
        info = probe(made / f"videos_{clip.split}" / clip.name)
        assert (info.width, info.height, info.fps) == (96, 128, 12.0)
        assert info.frames == clip.num_frames


def test_bytes_do_not_depend_on_the_number_of_workers(made, tmp_path):
    write_actions(_SPEC, tmp_path / "raw", workers=2)
    assert _bytes(tmp_path / "raw") == _bytes(made)


def _stop_at(clip_number: int, monkeypatch) -> None:
    """Ctrl-C comes while a clip is being filmed."""
    frames = ClipFilm.frames
    begun = []

    def stopped(self):
        begun.append(self)
        for number, rgb in enumerate(frames(self)):
            if len(begun) == clip_number and number == 3:
                raise KeyboardInterrupt
            yield rgb

    monkeypatch.setattr(ClipFilm, "frames", stopped)


def test_a_stopped_run_goes_on_and_keeps_what_it_had_made(made, tmp_path, monkeypatch):
    raw = tmp_path / "raw"
    with monkeypatch.context() as patched:
        _stop_at(3, patched)
        with pytest.raises(KeyboardInterrupt):
            write_actions(_SPEC, raw, workers=1)
    assert not raw.exists()
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("videos_*/*.mp4")}
    assert len(kept) == 2
    write_actions(_SPEC, raw, workers=1)
    after = {path.name: path.stat().st_mtime_ns for path in raw.rglob("*.mp4")}
    assert {name: after[name] for name in kept} == kept
    assert _bytes(raw) == _bytes(made)


def test_unfinished_clips_of_another_seed_are_not_taken_over(made, tmp_path, monkeypatch):
    other = _SPEC.model_copy(update={"seed": 4})
    with monkeypatch.context() as patched:
        _stop_at(2, patched)
        with pytest.raises(KeyboardInterrupt):
            write_actions(other, tmp_path / "raw", workers=1)
    write_actions(_SPEC, tmp_path / "raw", workers=1)
    assert _bytes(tmp_path / "raw") == _bytes(made)


def test_what_is_there_already_is_not_overwritten(tmp_path):
    (tmp_path / "raw/videos_train").mkdir(parents=True)
    with pytest.raises(ArchiveError, match="the generator overwrites nothing"):
        write_actions(_SPEC, tmp_path / "raw", workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


def test_only_bodies_of_the_gestures_train_split_act_and_no_two_splits_share_one():
    people = {s: {clip.identity for clip in plan(_LARGE) if clip.split == s} for s in SPLITS}
    assert [len(people[s]) for s in SPLITS] == [40, 4, 6]
    bodies = {s: {body for one in people[s] for body in parents(one)} for s in SPLITS}
    of_train = set(gestures_plan.choose_people(9, BODIES, BODIES)["train"])
    assert set().union(*bodies.values()) <= of_train
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert not bodies[one] & bodies[other]


def test_every_action_is_in_every_large_split_and_some_are_common():
    for split, size in (("train", 520), ("val", 104), ("test", 130)):
        found = Counter(clip.action for clip in plan(_LARGE) if clip.split == split)
        assert set(found) == set(Action)
        assert found.total() == size
    train = Counter(clip.action for clip in plan(_LARGE) if clip.split == "train")
    assert max(train.values()) >= 8 * min(train.values())


def test_an_action_is_done_by_many_people():
    clips = [clip for clip in plan(_LARGE) if clip.split == "train"]
    nodding = {clip.identity for clip in clips if clip.action is Action.NODDING}
    assert nodding == {clip.identity for clip in clips}


def test_another_seed_gives_other_people_to_the_splits():
    other = _LARGE.model_copy(update={"seed": 4})
    assert [clip.identity for clip in plan(other)] != [clip.identity for clip in plan(_LARGE)]


def test_a_frame_too_narrow_for_a_person_is_refused():
    with pytest.raises(ValidationError, match="too narrow for a seated person"):
        ActionsSpec(**_SPEC.model_dump() | {"width": 64, "height": 256})


def test_the_seven_groups_are_micro_action_52s_ranges():
    groups = Counter(action.body for action in Action)
    assert [groups[body] for body in Body] == [5, 6, 13, 8, 6, 10, 4]
    assert list(Action) == list(range(52))
    assert [action.body for action in Action] == sorted(
        (action.body for action in Action), key=list(Body).index
    )
    assert Action.SCRATCHING_OR_TOUCHING_HINDBRAIN.title == "scratching or touching hindbrain"


def test_every_action_has_its_own_program():
    assert list(PROGRAMS) == list(Action)
    assert len(set(PROGRAMS.values())) == 52


def _shoot(action: Action, identity: int = 21) -> ClipFilm:
    spec = _SPEC.model_copy(update={"fps": 30})
    clip = Clip("train", int(action), identity, action, _START, _LENGTH, _FRAMES)
    return ClipFilm(spec, clip)


@pytest.fixture(scope="module")
def acted() -> dict[Action, ClipFilm]:
    """Every action by one person."""
    return {action: _shoot(action) for action in Action}


def _travel(film: ClipFilm, names: tuple[str, ...]) -> float:
    """Meters that the farthest-travelling of these bones' heads gets away from its start."""
    rig = read_rig()
    heads = [film.acting.bones.head(rig.bone(f"{n}.{m}")) for n in names for m in "LR"]
    return max(float(np.linalg.norm(head - head[0], axis=1).max()) for head in heads)


@pytest.mark.parametrize("action", [a for a in Action if a.body is Body.LOWER_LIMB])
def test_legs_move_in_lower_limb_actions_and_shoulders_do_not(acted, action):
    assert _travel(acted[action], ("lowerleg01", "foot")) > 0.05
    assert _travel(acted[action], ("shoulder01",)) < 0.10


@pytest.mark.parametrize("body", [Body.HEAD, Body.UPPER_LIMB, Body.BODY_HAND, Body.HEAD_HAND])
def test_legs_stay_where_they_are_in_actions_of_other_parts(acted, body):
    for action in Action:
        if action.body is body:
            assert _travel(acted[action], ("lowerleg01", "foot")) < 0.05, action


@pytest.mark.parametrize("action", [a for a in Action if a.body is Body.HEAD])
def test_head_actions_turn_the_head_and_leave_the_hands(acted, action):
    bones = acted[action].acting.bones
    turn = bones.turn[:, read_rig().bone("head")]
    angle = np.arccos(np.clip((np.trace(turn[0].T @ turn, axis1=1, axis2=2) - 1) / 2, -1, 1))
    assert angle.max() > 0.25
    assert _travel(acted[action], ("wrist",)) < 0.08


def _finger_gap(film: ClipFilm, vertices: list[int]) -> float:
    """Meters between any finger tip and any of these vertices while the action is held."""
    bones = film.acting.bones
    gaps = []
    for frame in range(_APEX - 5, _APEX + 6):
        now = slice(frame, frame + 1)
        tips = [
            bones.vertex(int(v), now)[0] for s in (1, -1) for v in read_hand(bones.body, s).tips
        ]
        goals = [bones.vertex(v, now)[0] for v in vertices]
        gaps += [float(np.linalg.norm(tip - goal)) for tip in tips for goal in goals]
    return min(gaps)


@pytest.mark.parametrize(
    ("action", "names"),
    [
        (Action.SCRATCHING_OR_TOUCHING_CHEST, ("breast",)),
        (Action.SCRATCHING_OR_TOUCHING_SHOULDER, ("other shoulder",)),
        (Action.SCRATCHING_OR_TOUCHING_HINDBRAIN, ("behind",)),
        (Action.SCRATCHING_OR_TOUCHING_FACE, ("cheek", "jaw")),
        (Action.TOUCHING_NOSE, ("nose",)),
        (Action.PUSHING_GLASSES, ("bridge",)),
        (Action.POINTING_ONESELF, ("breast",)),
    ],
)
def test_a_finger_reaches_the_place_that_the_action_names(acted, action, names):
    vertices = [places(side)[name].vertex for side in (1, -1) for name in names]
    assert _finger_gap(acted[action], vertices) < (0.10 if "breast" in names else 0.05)


@pytest.mark.parametrize("identity", [3, 40])
@pytest.mark.parametrize("action", [a for a in Action if a.body is Body.LEG_HAND])
def test_a_hand_reaches_a_leg_in_leg_hand_actions(action, identity):
    bones = _shoot(action, identity).acting.bones
    rig = read_rig()
    nearest = np.inf
    for mark in "LR":
        hand = bones.head(rig.bone(f"finger3-1.{mark}"))[_APEX - 5 : _APEX + 6]
        for leg in "LR":
            joints = [bones.head(rig.bone(f"{n}.{leg}"))[_APEX - 5 : _APEX + 6]
                      for n in ("upperleg01", "lowerleg01", "foot")]  # fmt: skip
            for a, b in pairwise(joints):
                for share in np.linspace(0, 1, 11):
                    gap = np.linalg.norm(a + share * (b - a) - hand, axis=1).min()
                    nearest = min(nearest, float(gap))
    assert nearest < 0.19


@pytest.mark.parametrize("action", list(Action))
def test_every_motion_is_finite_smooth_and_above_the_floor(acted, action):
    bones, rig = acted[action].acting.bones, read_rig()
    assert np.isfinite(acted[action].acting.matrices).all()
    for name in ("wrist.L", "wrist.R", "foot.L", "foot.R", "head"):
        step = np.linalg.norm(np.diff(bones.head(rig.bone(name)), axis=0), axis=1)
        assert step.max() < 0.16, name
    where = seat(21)
    for mark in "LR":
        hip, knee, foot = (bones.head(rig.bone(f"{n}.{mark}"))
                           for n in ("upperleg01", "lowerleg01", "foot"))  # fmt: skip
        assert np.ptp(np.linalg.norm(hip - knee, axis=1)) < 1e-5
        assert foot[:, 2].min() > where.floor + where.ankle - 0.03


@pytest.mark.parametrize("action", [Action.NODDING, Action.STRETCHING_FEET, Action.SPREAD_LEGS])
def test_the_camera_sees_the_person_from_head_to_feet(acted, action):
    film, rig = acted[action], read_rig()
    bones = film.acting.bones
    for name in ("head", "foot.L", "foot.R"):
        x, y, _ = project(film.camera.rows[_APEX], bones.head(rig.bone(name))[_APEX])
        assert 0 < x < 96
        assert 0 < y < 128


def test_clips_of_one_action_differ_from_frame_to_frame_and_from_each_other():
    first = [rgb.copy() for rgb in _shoot(Action.WAVING, 3).frames()]
    other = next(_shoot(Action.WAVING, 40).frames())
    assert np.abs(first[0].astype(int) - first[_APEX]).max() > 60
    assert np.abs(first[0].astype(int) - other).mean() > 5


def test_gestures_at_a_desk_move_as_recorded():
    """Of version 4 of the generator: what moves them moves every number of mimic."""
    rng = np.random.default_rng(7)
    scene = build_scene(rng, 320, 180)
    clip = (Performance(Gesture.RUB_HANDS, 10, 43),)
    acting = choreography.act(read_body(21), scene, clip, num_frames=54, fps=25, rng=rng)
    wrist = acting.bones.head(read_rig().bone("wrist.L"))
    assert len(read_rig().mean) == 10360
    assert np.allclose(wrist[[0, 26]], _RECORDED_WRIST, atol=2e-4)
    assert np.allclose(
        build_camera(rng, 30, (320, 180)).rows[20], _RECORDED_CAMERA, rtol=1e-4, atol=1e-3
    )


def test_the_archive_of_actions_imports_no_torch():
    sources = Path(actions_archive.__file__).parent.rglob("*.py")
    assert not [path for path in sources if "import torch" in path.read_text()]
