"""The 137 points: order, exactness, and what hides them."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.gestures.gesture import Gesture
from benchmark.synthetic.keypoints import FACE, LEFT_HAND, RIGHT_HAND, detect
from benchmark.synthetic.plan import Performance, Video
from benchmark.synthetic.raster import FAR
from benchmark.synthetic.spec import GesturesSpec

_APEX = 22
_SPEC = GesturesSpec(
    seed=1, train_clips=1, val_clips=1, test_clips=1, train_people=1, val_people=1, test_people=1,
    width=320, height=180, fps=25, crf=23, cast="everyone",
)  # fmt: skip


def _shoot(gesture: Gesture, number: int = 7) -> tuple[VideoFilm, np.ndarray]:
    clip = (Performance(gesture, 6, 39),)
    film = VideoFilm(_SPEC, Video(f"{number:04d}", "train", 12, False, clip, 46))
    depth = np.stack([film.draw(frame).depth.copy() for frame in range(46)])
    return film, depth


@pytest.fixture(scope="module")
def covering() -> tuple[VideoFilm, np.ndarray]:
    """A person who covers the face."""
    return _shoot(Gesture.COVER_FACE)


def test_left_of_the_person_is_right_in_the_picture(covering):
    exact = covering[0].exact[0]
    for left, right in ((5, 2), (6, 3), (16, 15), (18, 17), (95, 116), (79, 73), (39, 27)):
        assert exact[left, 0] > exact[right, 0]


def test_the_person_is_upright_in_the_frame(covering):
    exact = covering[0].exact[0]
    brow, nose, chin, shoulders = exact[44, 1], exact[0, 1], exact[33, 1], exact[[2, 5], 1].mean()
    assert 0 < brow < nose < chin < shoulders < 180
    assert 20 < exact[33, 1] - brow < 60


def test_a_visible_point_lies_on_the_surface_that_the_depth_shows(covering):
    film, depth = covering
    x, y, z = film.exact[0, 25 + 30]
    assert abs(depth[0, int(y), int(x)] - z) < 0.02


def test_depth_is_far_where_only_the_backdrop_is_seen(covering):
    assert (covering[1][0][:8, :8] == FAR).all()


def test_a_covered_face_is_hidden_and_loses_confidence(covering):
    film, _ = covering
    found = film.detections()
    before, during = found[0, FACE, 2].mean(), found[_APEX, FACE, 2].mean()
    assert film.hidden[0, FACE].mean() < 0.25
    assert film.hidden[_APEX, FACE].mean() > 0.4
    assert during < 0.75 * before


def test_hands_behind_the_back_are_hidden():
    film, _ = _shoot(Gesture.ARMS_BEHIND)
    assert film.hidden[_APEX, LEFT_HAND].all()
    assert film.hidden[_APEX, RIGHT_HAND].all()
    found = film.detections()
    assert (found[_APEX - 3 : _APEX + 4, 95:, 2] < 0.5).all()


def test_legs_are_never_found_and_a_lost_point_is_three_zeros(covering):
    found = covering[0].detections()
    assert not found[:, [10, 11, 13, 14, 19, 20, 21, 22, 23, 24]].any()
    lost = found[..., 2] == 0
    assert lost.any()
    assert not found[lost].any()


def test_detections_stay_within_a_few_pixels_of_visible_points(covering):
    film, _ = covering
    found = film.detections()
    error = np.linalg.norm(found[..., :2] - film.exact[..., :2], axis=2)
    seen = (found[..., 2] > 0) & ~film.hidden
    assert 0.2 < np.median(error[seen]) < 0.8
    assert np.quantile(error[seen], 0.99) < 4


def test_fast_hands_are_less_certain_than_resting_ones():
    rng = np.random.default_rng(0)
    exact = np.full((60, 137, 3), 90.0)
    exact[:, LEFT_HAND, 0] += 60 * np.sin(np.arange(60) / 4)[:, None]
    found = detect(exact, np.zeros((60, 137), bool), (320, 180), rng)
    assert found[:, LEFT_HAND, 2].mean() < found[:, RIGHT_HAND, 2].mean() - 0.08


def test_pressed_lips_move_the_mouth_points_and_not_the_brows():
    film, _ = _shoot(Gesture.PRESS_LIPS, 11)
    inside = film.exact[:, 25:95, :2]
    gap = np.linalg.norm(inside[:, 51] - inside[:, 57], axis=1)
    talking = np.median(gap[:4])
    assert gap[_APEX - 4 : _APEX + 4].mean() < 0.85 * talking
