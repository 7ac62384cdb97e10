"""How good estimated depth is on generated people who were not trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from benchmark.synthetic.film_clip import Shooting
from benchmark.synthetic.ground_truth import person_mask
from benchmark.synthetic.plan import plan
from benchmark.synthetic.raster import FAR
from benchmark.synthetic.rng import generator

if TYPE_CHECKING:
    from collections.abc import Collection

    from benchmark.params.synthetic import GesturesSpec

Values: TypeAlias = NDArray[np.float64]
Mask: TypeAlias = NDArray[np.bool_]

NEAREST_METRES = 10.0
"""Inverse depth of a fitted guess is kept above one over this, where it stays an error."""
PICTURED = 6


class Seen(NamedTuple):
    """Frames of people outside of training. Legend: N frames."""

    frames: NDArray[np.uint8]
    """(N, H, W, 3) RGB."""
    inverse: Values
    """(N, H, W) exact 1 / metres; on the backdrop as if it stood where the network's spec says."""
    figure: Mask
    """(N, H, W) whether it is the person: neither backdrop, desk nor what lies on it."""


class DepthScores(NamedTuple):
    """Means over frames."""

    spearman: float
    """Rank correlation over the pixels of the person."""
    spearman_frame: float
    """Over the whole frame."""
    error: float
    """Mean |depth error| / depth over the person, scale and shift fitted to the frame."""
    error_frame: float


def film_unseen(
    people: GesturesSpec, splits: Collection[str], backdrop_metres: float, per_person: int
) -> Seen:
    """Random frames of every person of these splits, at the archive's own size."""
    frames, inverse, figure = [], [], []
    for video in plan(people):
        if video.split not in splits:
            continue
        shooting = Shooting(people, video)
        rng = generator(0, "depth judging", video.number)
        for frame in rng.choice(video.num_frames, per_person, replace=False):
            picture = shooting.draw(int(frame))
            row = shooting.camera.rows[frame]
            backdrop = backdrop_metres - float(row[6:9] @ row[9:12])
            depth = np.where(picture.depth < FAR, picture.depth, backdrop)
            frames.append(picture.rgb.copy())
            inverse.append(1 / depth.astype(np.float64))
            figure.append(person_mask(shooting, int(frame)))
    return Seen(np.stack(frames), np.stack(inverse), np.stack(figure))


def judge(guesses: NDArray[np.floating], seen: Seen) -> DepthScores:
    """The scores of inverse depth (N, H, W), whatever its scale and shift."""
    scores = []
    for guess, true, figure in zip(guesses.astype(float), seen.inverse, seen.figure, strict=True):
        everywhere = np.ones_like(figure)
        scores.append(
            (
                spearman(guess[figure], true[figure]), spearman(guess.ravel(), true.ravel()),
                relative_error(guess, true, figure), relative_error(guess, true, everywhere),
            )
        )  # fmt: skip
    return DepthScores(*np.mean(scores, 0).tolist())


def spearman(guess: Values, true: Values) -> float:
    """Correlation of ranks; 0 where a guess has only one value."""
    if np.ptp(guess) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(guess), rankdata(true))[0, 1])


def relative_error(guess: Values, true: Values, where: Mask) -> float:
    """Mean |depth error| / depth over `where`.

    The guess is first brought to the inverse depth of the whole frame by a least-squares scale and
    shift, as relative depth has neither.
    """
    design = np.stack([guess.ravel(), np.ones(guess.size)], 1)
    scale, shift = np.linalg.lstsq(design, true.ravel(), rcond=None)[0]
    fitted = np.maximum(scale * guess + shift, 1 / NEAREST_METRES)
    return float(np.abs(true / fitted - 1)[where].mean())


def sheet(seen: Seen, guesses: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Frame, exact and found inverse depth of some people, a row each: uint8 (H', W', 3)."""
    rows = []
    for k in np.linspace(0, len(seen.frames) - 1, PICTURED).astype(int):
        maps = [_gray(values) for values in (seen.inverse[k], guesses[k])]
        rows.append(np.concatenate([seen.frames[k], *maps], 1))
    return np.concatenate(rows)


def _gray(inverse: NDArray[np.floating]) -> NDArray[np.uint8]:
    low, high = np.quantile(inverse, [0.0, 0.995])
    gray = np.clip((inverse - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), np.uint8)
