"""Judge estimated depth on generated people who were not trained on."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.ground_truth import person_mask
from benchmark.synthetic.plan import generator, plan
from benchmark.synthetic.raster import FAR

if TYPE_CHECKING:
    from benchmark.synthetic.spec import GesturesSpec

Values: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

NEAREST_METERS = 10.0
"""Farthest depth of a fitted guess, meters: inverse depth near 0 would make one pixel the score."""
PICTURED = 6
"""Frames on the picture."""


class UnseenFrames(NamedTuple):
    """Frames of people who were not trained on. Legend: N frames."""

    frames: NDArray[np.uint8]
    """(N, H, W, 3) RGB."""
    inverse: Values
    """(N, H, W) exact 1 / meters; on the backdrop as if it stood where the network's spec says."""
    person: Mask
    """(N, H, W) whether a pixel shows the person, not backdrop, desk or what lies on it."""


class DepthScores(NamedTuple):
    """Means over frames."""

    spearman: float
    """Rank correlation over the pixels of the person."""
    spearman_frame: float
    """Rank correlation over the whole frame."""
    error: float
    """Mean |depth error| / depth over the person; scale and shift are fitted to the frame."""
    error_frame: float
    """The same over the whole frame."""


def film_unseen(
    people: GesturesSpec, splits: Collection[str], backdrop_metres: float, per_person: int
) -> UnseenFrames:
    """Film random frames of every person of these splits, at the archive's own size.

    Args:
        people: The data set.
        splits: Splits whose people are filmed.
        backdrop_metres: Assumed distance of the backdrop behind the person.
        per_person: Frames per person.
    """
    frames, inverse, person = [], [], []
    for video in plan(people):
        if video.split not in splits:
            continue
        film = VideoFilm(people, video)
        rng = generator(0, "depth judging", video.number)
        for frame in rng.choice(video.num_frames, per_person, replace=False):
            picture = film.draw(int(frame))
            row = film.camera.rows[frame]
            # The camera's position along its own axis is minus its distance from the pelvis.
            backdrop = backdrop_metres - float(row[6:9] @ row[9:12])
            depth = np.where(picture.depth < FAR, picture.depth, backdrop)
            frames.append(picture.rgb.copy())
            inverse.append(1 / depth.astype(np.float64))
            person.append(person_mask(film, int(frame)))
    return UnseenFrames(np.stack(frames), np.stack(inverse), np.stack(person))


def judge(guesses: NDArray[np.floating], unseen: UnseenFrames) -> DepthScores:
    """Score inverse depth (N, H, W), whatever its scale and shift."""
    scores = []
    for guess, true, person in zip(
        guesses.astype(float), unseen.inverse, unseen.person, strict=True
    ):
        everywhere = np.ones_like(person)
        scores.append(
            (
                spearman(guess[person], true[person]), spearman(guess.ravel(), true.ravel()),
                relative_error(guess, true, person), relative_error(guess, true, everywhere),
            )
        )  # fmt: skip
    return DepthScores(*np.mean(scores, 0).tolist())


def spearman(guess: Values, true: Values) -> float:
    """Compute the rank correlation; 0 where a guess has only one value."""
    if np.ptp(guess) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(guess), rankdata(true))[0, 1])


def relative_error(guess: Values, true: Values, where: Mask) -> float:
    """Compute the mean |depth error| / depth over `where`.

    A least-squares fit over the whole frame first gives the guess a scale and a shift, as relative
    depth has neither.
    """
    design = np.stack([guess.ravel(), np.ones(guess.size)], 1)
    scale, shift = np.linalg.lstsq(design, true.ravel(), rcond=None)[0]
    fitted = np.maximum(scale * guess + shift, 1 / NEAREST_METERS)
    return float(np.abs(true / fitted - 1)[where].mean())


def sheet(unseen: UnseenFrames, guesses: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Draw frame, exact and estimated inverse depth, one row per person: uint8 (H', W', 3)."""
    rows = []
    for k in np.linspace(0, len(unseen.frames) - 1, PICTURED).astype(int):
        maps = [_gray(values) for values in (unseen.inverse[k], guesses[k])]
        rows.append(np.concatenate([unseen.frames[k], *maps], 1))
    return np.concatenate(rows)


def _gray(inverse: NDArray[np.floating]) -> NDArray[np.uint8]:
    # Not the maximum: one near finger would leave the person dark.
    low, high = np.quantile(inverse, [0.0, 0.995])
    gray = np.clip((inverse - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), np.uint8)
