"""Exact depth and flow: of the very frames that are filmed, and true to the mesh and camera."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.gestures.gesture import Gesture
from benchmark.synthetic.ground_truth import GroundTruth, exact_frames, follow_film
from benchmark.synthetic.keypoints import FACE, LEFT_HAND, RIGHT_HAND
from benchmark.synthetic.plan import Performance, Video
from benchmark.synthetic.raster import FAR
from benchmark.synthetic.spec import GesturesSpec

pytestmark = pytest.mark.slow

_FRAMES = 46
_SPEC = GesturesSpec(
    seed=1, train_clips=1, val_clips=1, test_clips=1, train_people=1, val_people=1, test_people=1,
    width=320, height=180, fps=25, crf=23, cast="everyone",
)  # fmt: skip
_VIDEO = Video("0007", "train", 12, False, (Performance(Gesture.COVER_FACE, 6, 39),), _FRAMES)


@pytest.fixture(scope="module")
def filmed() -> tuple[VideoFilm, list[GroundTruth]]:
    """A person who covers the face."""
    film = VideoFilm(_SPEC, _VIDEO)
    return film, list(follow_film(film))


@pytest.fixture(scope="module")
def clean() -> list[GroundTruth]:
    """The same without the camera's grain."""
    film = VideoFilm(_SPEC, _VIDEO)
    film.renderer._gain[3:] = 0
    return list(follow_film(film))


def _back(later: GroundTruth, flow: np.ndarray) -> np.ndarray:
    """The later picture pulled back along a flow."""
    y, x = np.mgrid[: flow.shape[0], : flow.shape[1]].astype(np.float32)
    return cv2.remap(
        later.rgb.astype(np.float32), x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR
    )


def test_pictures_are_the_filmed_ones():
    plain = [rgb.copy() for rgb in VideoFilm(_SPEC, _VIDEO).frames()]
    ground_truths = list(exact_frames(_SPEC, _VIDEO))
    assert len(ground_truths) == _FRAMES
    assert all(np.array_equal(a, b.rgb) for a, b in zip(plain, ground_truths, strict=True))


def test_any_stretch_is_the_same_as_in_the_whole(filmed):
    some = list(follow_film(VideoFilm(_SPEC, _VIDEO), 20, 22))
    assert len(some) == 2
    for one, whole in zip(some, filmed[1][20:22], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, whole, strict=True))


def test_arrays_are_as_promised_and_the_last_frame_has_no_flow(filmed):
    for ground_truth in filmed[1]:
        assert ground_truth.depth.shape == ground_truth.valid.shape == (180, 320)
        assert ground_truth.flow.shape == (180, 320, 2)
        assert ground_truth.depth.dtype == ground_truth.flow.dtype == np.float32
    assert all(np.isfinite(ground_truth.flow).all() for ground_truth in filmed[1][:-1])
    assert np.isnan(filmed[1][-1].flow).all()
    assert not filmed[1][-1].valid.any()


def test_depth_is_the_renderers_and_inf_on_the_backdrop(filmed):
    drawn = VideoFilm(_SPEC, _VIDEO).draw(22).depth
    exact = filmed[1][22].depth
    backdrop = np.isinf(exact)
    assert 0.2 < backdrop.mean() < 0.8
    assert (backdrop != (drawn == FAR)).mean() < 2e-4
    both = ~backdrop & (drawn < FAR)
    assert (np.abs(exact - drawn)[both] < 1e-3).mean() > 0.999


def test_depth_at_visible_points_is_theirs(filmed):
    film, ground_truths = filmed
    gaps = []
    for frame, ground_truth in enumerate(ground_truths):
        x, y, z = _on_skin(film, frame)
        gaps += (ground_truth.depth[y, x] - z).tolist()
    assert len(gaps) > 1000
    assert np.median(np.abs(gaps)) < 0.003
    assert np.quantile(np.abs(gaps), 0.95) < 0.02


def _on_skin(film: VideoFilm, frame: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixel and depth of the visible face points; those of the body and hands lie inside it."""
    shown = ~film.hidden[frame, FACE]
    exact = film.exact[frame, FACE][shown]
    return (*np.floor(exact[:, :2]).astype(int).T, exact[:, 2])


def test_visible_points_move_by_the_flow(filmed):
    film, ground_truths = filmed
    error, motion = [], []
    for frame, ground_truth in enumerate(ground_truths[:-1]):
        x, y, _ = _on_skin(film, frame)
        moved = (film.exact[frame + 1] - film.exact[frame])[FACE, :2]
        moved = moved[~film.hidden[frame, FACE]]
        error += np.linalg.norm(ground_truth.flow[y, x] - moved, axis=1).tolist()
        motion += np.linalg.norm(moved, axis=1).tolist()
    assert np.median(motion) > 0.1
    assert np.median(error) < 0.02
    assert np.quantile(error, 0.95) < 0.25


def test_fast_fingertips_move_by_the_flow(filmed):
    film, ground_truths = filmed
    tips = np.r_[LEFT_HAND, RIGHT_HAND][[*range(4, 21, 4), *range(25, 42, 4)]]
    error, motion = [], []
    for frame, ground_truth in enumerate(ground_truths[:-1]):
        now, after = film.exact[frame, tips], film.exact[frame + 1, tips, :2]
        x, y = np.floor(now[:, :2]).astype(int).T
        shown = ~film.hidden[frame, tips]
        x, y, now, after = x[shown], y[shown], now[shown], after[shown]
        same = np.abs(ground_truth.depth[y, x] - now[:, 2]) < 0.01
        moved = (after - now[:, :2])[same]
        error += np.linalg.norm(ground_truth.flow[y, x][same] - moved, axis=1).tolist()
        motion += np.linalg.norm(moved, axis=1).tolist()
    fast = np.array(motion) > 2
    assert fast.sum() > 20
    assert np.median(np.array(error)[fast]) < 0.05 * np.median(np.array(motion)[fast])


def test_the_flow_undoes_the_movement_of_the_picture(clean):
    moving_error, still_error = [], []
    for ground_truth, later in itertools.pairwise(clean):
        moving = ground_truth.valid & (np.linalg.norm(ground_truth.flow, axis=2) > 1)
        picture = ground_truth.rgb.astype(np.float32)
        moving_error.append(np.abs(_back(later, ground_truth.flow) - picture)[moving].ravel())
        still_error.append(np.abs(later.rgb - picture)[moving].ravel())
    with_flow, without = np.concatenate(moving_error), np.concatenate(still_error)
    assert with_flow.size > 10_000
    assert with_flow.mean() < 0.4 * without.mean()


def test_the_backdrop_moves_with_the_camera(clean):
    ground_truth, later = clean[0], clean[20]
    film = VideoFilm(_SPEC, _VIDEO)
    film.camera.view[1], film.camera.rows[1] = (
        film.camera.view[20], film.camera.rows[20],
    )  # fmt: skip
    flow = next(follow_film(film, 0, 1)).flow
    both = np.isinf(ground_truth.depth) & np.isinf(later.depth)
    both[:12], both[-12:], both[:, :12], both[:, -12:] = False, False, False, False
    picture = ground_truth.rgb.astype(np.float32)
    with_flow = np.abs(_back(later, flow) - picture)[both].mean()
    without = np.abs(later.rgb - picture)[both].mean()
    assert with_flow < 0.3 * without


def test_the_mask_leaves_out_what_a_hand_covers_or_the_frame_cuts(clean):
    shares = [ground_truth.valid.mean() for ground_truth in clean[:-1]]
    assert min(shares) > 0.9
    assert min(shares) < 0.99
    for ground_truth, later in itertools.pairwise(clean):
        error = np.abs(_back(later, ground_truth.flow) - ground_truth.rgb).mean(2)
        surface = np.isfinite(ground_truth.depth)
        assert (
            error[surface & ~ground_truth.valid].mean()
            > 2 * error[surface & ground_truth.valid].mean()
        )
