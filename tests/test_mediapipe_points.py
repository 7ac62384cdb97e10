"""Points from video: the mapping to OpenPose's order, and what MediaPipe found in drawn frames."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.core.errors import ArchiveError, BenchmarkError, MissingExtra
from benchmark.modalities.person_crop import cropped
from benchmark.modalities.pose.mediapipe_points import (
    BODY,
    BODY25,
    FACE,
    FACE70,
    LEFT_HAND,
    RIGHT_HAND,
    KeypointEstimator,
    Landmarks,
    PoseModels,
    assign_hands,
    head_square,
    model_hashes,
    to_openpose137,
)
from benchmark.synthetic.gestures.gesture import Gesture
from conftest import REPO
from record_mediapipe import CLIPS, FPS, drawn, figures, mapped, swapped_hands

SMALL_TOES = {20, 23}
NO_HANDS = np.zeros((0, 21, 3), np.float32)
LIVE = os.environ.get("MGBENCH_POSE_MODEL")


def numbered(count: int, columns: int) -> np.ndarray:
    """Landmark k lies at (k, k / 2) thousandths, with confidence 0.5 where it has one."""
    rows = np.full((count, columns), 0.5, np.float32)
    rows[:, 0], rows[:, 1] = np.arange(count) / 1000, np.arange(count) / 2000
    return rows


def everything() -> np.ndarray:
    """Of a frame of 1000 x 2000 px: x and y of a point are the number of its landmark."""
    hands = numbered(21, 3)
    return to_openpose137(
        numbered(33, 4), hands, hands + np.float32([0.1, 0.05, 0]), numbered(478, 3),
        width=1000, height=2000,
    )  # fmt: skip


def somebody(left_wrist: tuple[float, float], right_wrist: tuple[float, float]) -> np.ndarray:
    pose = np.full((33, 4), 0.5, np.float32)
    pose[15, :2], pose[16, :2] = left_wrist, right_wrist
    return pose


def a_hand(x: float, y: float) -> np.ndarray:
    """A hand 0.1 long whose wrist is at x, y."""
    hand = np.zeros((21, 3), np.float32)
    hand[:, 0], hand[:, 1] = x, y - np.linspace(0, 0.1, 21)
    return hand


def hands_of(*hands: np.ndarray, right: list[bool], pose: np.ndarray | None) -> tuple:
    found = Landmarks(pose, np.stack(hands) if hands else NO_HANDS, np.array(right, bool), None)
    return assign_hands(found, 1000, 1000)


def test_every_one_of_the_137_points_is_there_but_the_small_toes():
    points = everything()
    assert points.shape == (137, 3)
    assert points.dtype == np.float32
    assert set(np.flatnonzero(points[:, 2] == 0)) == SMALL_TOES
    assert (points[sorted(SMALL_TOES)] == 0).all()


def test_body_points_are_where_their_landmark_is():
    points = everything()[BODY]
    for k, sources in enumerate(BODY25):
        if sources:
            assert points[k, :2] == pytest.approx([np.mean(sources)] * 2, abs=1e-3), k


def test_the_face_is_68_points_of_the_mesh_and_the_pupils():
    assert len(FACE70) == len(set(FACE70)) == 70
    assert FACE70[68:] == (468, 473)
    assert everything()[FACE, 0] == pytest.approx(FACE70, abs=1e-3)


def test_hands_keep_their_order():
    points = everything()
    assert points[LEFT_HAND, 0] == pytest.approx(np.arange(21), abs=1e-3)
    assert points[RIGHT_HAND, 0] == pytest.approx(100 + np.arange(21), abs=1e-3)


def test_parts_follow_each_other_without_a_gap():
    parts = (BODY, FACE, LEFT_HAND, RIGHT_HAND)
    assert [k for part in parts for k in range(part.start, part.stop)] == list(range(137))


def test_left_is_odd_and_right_is_even_in_mediapipe_s_pose():
    right, left = (2, 3, 4, 9, 10, 11, 15, 17, 22, 24), (5, 6, 7, 12, 13, 14, 16, 18, 19, 21)
    eyes = {15: 5, 16: 2}  # the only ones that are not
    for k in right:
        assert BODY25[k][0] % 2 == 0 or eyes.get(k) == BODY25[k][0], k
    for k in left:
        assert BODY25[k][0] % 2 == 1 or eyes.get(k) == BODY25[k][0], k


def test_neck_and_mid_hip_lie_between_two_points_and_are_as_sure_as_the_less_sure():
    pose = np.zeros((33, 4), np.float32)
    pose[11], pose[12] = (0.6, 0.4, 0, 0.9), (0.2, 0.5, 0, 0.7)
    pose[23], pose[24] = (0.5, 1.2, 0, 0.1), (0.3, 1.4, 0, 0.3)
    points = to_openpose137(pose, None, None, None, width=100, height=100)
    assert points[1] == pytest.approx([40, 45, 0.7], abs=1e-4)
    assert points[8] == pytest.approx([40, 130, 0.1], abs=1e-4)


def test_a_point_beyond_the_frame_stays_there():
    pose = numbered(33, 4)
    pose[25, :2] = (-0.5, 1.5)
    points = to_openpose137(pose, None, None, None, width=640, height=360)
    assert points[13] == pytest.approx([-320, 540, 0.5])


@pytest.mark.parametrize("part", [BODY, FACE, LEFT_HAND, RIGHT_HAND], ids=str)
def test_a_missing_part_is_zeros_and_only_that(part: slice):
    given = [numbered(33, 4), numbered(21, 3), numbered(21, 3), numbered(478, 3)]
    given[(BODY, LEFT_HAND, RIGHT_HAND, FACE).index(part)] = None
    points = to_openpose137(*given, width=100, height=100)
    assert (points[part] == 0).all()
    rest = set(range(137)) - set(range(part.start, part.stop)) - SMALL_TOES
    assert (points[sorted(rest), 2] > 0).all()


def test_an_empty_frame_has_no_points():
    assert not to_openpose137(None, None, None, None, width=100, height=100).any()


def test_hands_go_to_the_nearer_wrist_whatever_they_are_called():
    pose = somebody((0.7, 0.5), (0.3, 0.5))
    one, other = a_hand(0.71, 0.5), a_hand(0.29, 0.5)
    for right in ([True, False], [False, True], [True, True], [False, False]):
        left_hand, right_hand = hands_of(one, other, right=right, pose=pose)
        assert np.array_equal(left_hand, one)
        assert np.array_equal(right_hand, other)


def test_where_both_wrists_are_near_the_name_decides():
    pose = somebody((0.5, 0.5), (0.52, 0.5))
    left_hand, right_hand = hands_of(a_hand(0.5, 0.5), right=[True], pose=pose)
    assert left_hand is None
    assert right_hand is not None


def test_two_hands_are_never_the_same_side():
    pose = somebody((0.5, 0.5), (0.55, 0.5))
    left_hand, right_hand = hands_of(
        a_hand(0.5, 0.5), a_hand(0.51, 0.5), right=[False, False], pose=pose
    )
    assert left_hand[0, 0] == pytest.approx(0.5)
    assert right_hand[0, 0] == pytest.approx(0.51)


def test_a_hand_far_from_both_wrists_is_somebody_else_s():
    pose = somebody((0.7, 0.5), (0.3, 0.5))
    assert hands_of(a_hand(0.05, 0.9), right=[True], pose=pose) == (None, None)


def test_without_a_pose_or_hands_there_are_none():
    assert hands_of(a_hand(0.5, 0.5), right=[True], pose=None) == (None, None)
    assert hands_of(right=[], pose=somebody((0.7, 0.5), (0.3, 0.5))) == (None, None)


def test_the_square_around_a_head_is_cut_with_black_beyond_the_frame():
    frame = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) + 1
    cut = cropped(frame, (-1, 2, 5, 5))
    assert np.array_equal(cut[:2, 1:], frame[2:, :4])
    assert not cut[2:].any()
    assert not cut[:, 0].any()


def test_the_square_holds_the_head_with_room_and_is_none_outside_the_frame():
    pose = np.zeros((33, 4), np.float32)
    pose[:11, 0], pose[:11, 1] = np.linspace(0.4, 0.6, 11), 0.5
    left, _, side, _ = head_square(pose, 100, 100)
    assert left < 35
    assert left + side > 65
    pose[:, 0] += 2
    assert head_square(pose, 100, 100) is None


RECORD = np.load(REPO / "tests/fixtures/mediapipe_points.npz")


def recorded(k: int) -> np.ndarray:
    pose, hands, face = (RECORD[name][k] for name in ("pose", "hands", "face"))
    there = ~np.isnan(hands[:, 0, 0])
    found = Landmarks(
        None if np.isnan(pose).any() else pose, hands[there], RECORD["called_right"][k][there],
        None if np.isnan(face).any() else face,
    )  # fmt: skip
    return mapped(found)


POINTS = np.stack([recorded(k) for k in range(len(CLIPS))])


def off(points: list[int]) -> np.ndarray:
    """Distances to the truth in px of those that can be seen and were found."""
    distance = np.linalg.norm(POINTS[:, points, :2] - RECORD["truth"][:, points], axis=2)
    return distance[~RECORD["hidden"][:, points] & (POINTS[:, points, 2] > 0)]


@pytest.mark.parametrize(
    ("points", "px"),
    [
        ([0], 6), ([1], 12), ([15, 16], 6), ([17, 18], 14), ([2, 5], 22), ([3, 6], 14),
        ([4, 7], 12), (list(range(25, 95)), 3), (list(range(95, 137)), 6),
        ([99, 103, 107, 111, 115, 120, 124, 128, 132, 136], 6),
    ],
    ids=["nose", "neck", "eyes", "ears", "shoulders", "elbows", "wrists", "face", "hands", "tips"],
)  # fmt: skip
def test_points_found_in_drawn_frames_lie_near_the_truth(points: list[int], px: float):
    assert len(off(points)) >= 3
    assert np.median(off(points)) < px


def test_each_single_face_point_lies_near_the_truth():
    assert max(np.median(off([k])) for k in range(25, 95)) < 8


@pytest.mark.parametrize(("left", "right"), [(5, 2), (6, 3), (16, 15), (18, 17), (79, 73)])
def test_left_and_right_are_the_person_s_in_drawn_frames(left: int, right: int):
    def apart(one: int, other: int) -> np.ndarray:
        return np.linalg.norm(POINTS[:, one, :2] - RECORD["truth"][:, other], axis=1)

    found = (POINTS[:, [left, right], 2] > 0).all(1)
    straight, crossed = (
        apart(left, left) + apart(right, right),
        apart(left, right) + apart(right, left),
    )
    assert (straight < crossed)[found].all()


def test_hands_of_drawn_frames_are_on_the_right_side():
    wrong, count = swapped_hands(POINTS, RECORD["truth"])
    assert (wrong, count) == (0, (POINTS[:, [95, 116], 2] > 0).sum())
    assert count >= 12


def test_the_printed_figures_are_those_of_the_record():
    nose = figures(POINTS, RECORD["truth"], RECORD["hidden"])[1].split()
    assert nose[:2] == ["nose", "1.00"]
    assert float(nose[2]) == pytest.approx(np.median(off([0])), abs=0.051)


def test_without_mediapipe_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "pose.task").write_bytes(b"not looked at")
    if importlib.util.find_spec("mediapipe") is not None:
        monkeypatch.setitem(sys.modules, "mediapipe", None)
    with (
        pytest.raises(MissingExtra, match=r"pip install .*mediapipe==1\.2\.2") as caught,
        KeypointEstimator(PoseModels(tmp_path / "pose.task"), FPS),
    ):
        pass
    assert isinstance(caught.value, BenchmarkError)


@pytest.mark.parametrize("part", ["pose", "hands", "face"])
def test_a_missing_model_is_named(tmp_path: Path, part: str):
    there = tmp_path / "there.task"
    there.write_bytes(b"not looked at")
    models = PoseModels(there)._replace(**{part: tmp_path / "gone.task"})
    with (
        pytest.raises(ArchiveError, match=r"gone\.task: no such model"),
        KeypointEstimator(models, FPS),
    ):
        pass
    with pytest.raises(ArchiveError, match=r"gone\.task: no such model"):
        model_hashes(models)


def test_hashes_are_of_the_files_named(tmp_path: Path):
    for name in ("pose", "face"):
        (tmp_path / name).write_bytes(name.encode())
    models = PoseModels(tmp_path / "pose", face=tmp_path / "face")
    assert model_hashes(models) == {
        name: hashlib.sha256(name.encode()).hexdigest() for name in ("pose", "face")
    }


def test_a_finder_needs_a_sound_frame_rate():
    with pytest.raises(ValueError, match="0 frames per second"):
        KeypointEstimator(PoseModels(Path("pose.task")), 0)


live = pytest.mark.skipif(
    importlib.util.find_spec("mediapipe") is None or LIVE is None,
    reason="needs mediapipe, and MGBENCH_POSE_MODEL naming a pose landmarker .task",
)


def live_models() -> PoseModels:
    hands, face = (os.environ.get(f"MGBENCH_{part}_MODEL") for part in ("HANDS", "FACE"))
    return PoseModels(Path(LIVE), hands and Path(hands), face and Path(face))


@live
def test_live_points_lie_near_the_truth_and_are_the_same_twice():
    clip = drawn(5, Gesture.ILLUSTRATE, 12)
    runs = []
    for _ in range(2):
        with KeypointEstimator(live_models(), FPS) as estimator:
            runs.append(np.stack([estimator.points(frame) for frame in clip.frames]))
    assert runs[0].tobytes() == runs[1].tobytes()
    distance = np.linalg.norm(runs[0][..., :2] - clip.truth, axis=2)
    for points, px in (([0], 10), ([15, 16], 10), ([2, 5], 25), ([4, 7], 25)):
        assert np.median(distance[:, points]) < px
    for part, path in ((FACE, live_models().face), (LEFT_HAND, live_models().hands)):
        assert (np.median(distance[:, part]) < 10) if path else not runs[0][:, part].any()


@live
def test_live_a_damaged_model_and_a_wrong_one_are_named(tmp_path: Path):
    broken = tmp_path / "broken.task"
    broken.write_bytes(Path(LIVE).read_bytes()[:1000])
    with (
        pytest.raises(ArchiveError, match=r"broken\.task"),
        KeypointEstimator(PoseModels(broken), FPS),
    ):
        pass
    wrong = live_models()._replace(hands=Path(LIVE))
    with pytest.raises(ArchiveError, match="hand landmarker"), KeypointEstimator(wrong, FPS):
        pass
