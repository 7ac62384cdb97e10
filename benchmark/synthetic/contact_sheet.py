"""Draw pictures to judge gestures by eye: python -m benchmark.synthetic.contact_sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np

from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.gestures.gesture import Gesture
from benchmark.synthetic.keypoints import BODY, FACE, LEFT_HAND, RIGHT_HAND
from benchmark.synthetic.plan import Performance, Video
from benchmark.synthetic.spec import NUM_BODIES, GesturesSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAD, _LENGTH, _COLUMNS, _ROWS = 8, 34, 6, 8
_WIDTH, _HEIGHT = 320, 180
_CROP = slice(62, 258)
_ZOOM = 2
_BODY_BONES = ((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (0, 15), (0, 16), (15, 17),
               (16, 18), (1, 8), (8, 9), (8, 12))  # fmt: skip


@click.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the PNGs.")
@click.option("--seed", default=0, show_default=True, help="Another seed, other people.")
@click.option("--people", default=12, show_default=True, help="People on the sheet of scenes.")
@click.option("--only", default="", help="Class indices, comma separated; all if empty.")
def contact_sheet(out: Path, seed: int, people: int, only: str) -> None:
    """Write a row of frames for each class, with and without the points, and a sheet of people."""
    out.mkdir(parents=True, exist_ok=True)
    spec = _spec(seed)
    chosen = [Gesture(int(k)) for k in only.split(",")] if only else list(Gesture)
    rows = [_gesture_row(spec, gesture) for gesture in chosen]
    for page in range(0, len(rows), _ROWS):
        for kind in (0, 1):
            sheet = np.concatenate([row[kind] for row in rows[page : page + _ROWS]])
            name = f"gestures-{page // _ROWS}-{('plain', 'points')[kind]}.png"
            _write(out / name, sheet)
    if people:
        _write(out / "people.png", _people(spec, people))
    click.echo(f"{out}: {len(rows)} classes, {people} people")


def _spec(seed: int) -> GesturesSpec:
    return GesturesSpec(
        seed=seed, train_clips=1, val_clips=1, test_clips=1, train_people=1, val_people=1,
        test_people=1, cast="everyone", width=_WIDTH, height=_HEIGHT, fps=25, crf=23,
    )  # fmt: skip


def _video(spec: GesturesSpec, number: int, gesture: Gesture) -> Video:
    """Plan a video with one performance."""
    # Steps that are prime to 64 give neighbors on a sheet bodies of different build.
    identity = (17 * number + 31 * spec.seed) % NUM_BODIES
    performance = Performance(gesture, _LEAD, _LEAD + _LENGTH - 1)
    cap = gesture is Gesture.TOUCH_HAT
    return Video(f"{number:04d}", "train", identity, cap, (performance,), _LENGTH + 2 * _LEAD)


def _gesture_row(spec: GesturesSpec, gesture: Gesture) -> tuple[NDArray, NDArray]:
    """Draw the row without and the row with points."""
    video = _video(spec, int(gesture), gesture)
    film = VideoFilm(spec, video)
    # All frames, though few are shown: a detector's errors are correlated in time.
    frames = [rgb.copy() for rgb in film.frames()]
    points = film.detections()
    at = np.linspace(_LEAD + 2, _LEAD + _LENGTH - 5, _COLUMNS).astype(int)
    plain = [_enlarged(frames[t]) for t in at]
    drawn = [_with_points(picture.copy(), points[t]) for picture, t in zip(plain, at, strict=True)]
    return _labeled(plain, gesture), _labeled(drawn, gesture)


def _enlarged(rgb: NDArray) -> NDArray:
    crop = rgb[:, _CROP]
    size = (crop.shape[1] * _ZOOM, crop.shape[0] * _ZOOM)
    return cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC)


def _labeled(pictures: list[NDArray], gesture: Gesture) -> NDArray:
    row = np.concatenate(pictures, 1)
    name = f"{int(gesture)} {gesture.name.lower().replace('_', ' ')}"
    cv2.putText(row, name, (7, 21), 0, 0.65, (0, 0, 0), 4, cv2.LINE_AA)
    cv2.putText(row, name, (7, 21), 0, 0.65, (255, 255, 0), 2, cv2.LINE_AA)
    return row


def _with_points(picture: NDArray, points: NDArray) -> NDArray:
    """Draw the body's bones, and dots elsewhere: brighter where more confident, none where lost."""
    xy = (points[:, :2] - [_CROP.start, 0]) * _ZOOM
    detected = points[:, 2] > 0
    for a, b in _BODY_BONES:
        if detected[a] and detected[b]:
            _segment(picture, xy[a], xy[b], (0, 220, 0))
    for part, color in ((FACE, (255, 255, 255)), (LEFT_HAND, (80, 200, 255)),
                         (RIGHT_HAND, (255, 120, 60)), (BODY, (255, 0, 0))):  # fmt: skip
        for k in range(part.start, part.stop):
            if detected[k]:
                shade = tuple(int(c * (0.25 + 0.75 * points[k, 2])) for c in color)
                center = (round(float(xy[k, 0])), round(float(xy[k, 1])))
                cv2.circle(picture, center, 1 if part is not BODY else 2, shade, -1)
    return picture


def _segment(picture: NDArray, a: NDArray, b: NDArray, color: tuple[int, int, int]) -> None:
    ends = [(round(float(p[0])), round(float(p[1]))) for p in (a, b)]
    cv2.line(picture, ends[0], ends[1], color, 1, cv2.LINE_AA)


def _people(spec: GesturesSpec, people: int) -> NDArray:
    pictures = []
    for k in range(people):
        video = _video(spec, 100 + k, Gesture.PRESS_LIPS)
        if k % 5 == 4:  # some wear a cap
            video = Video(**{**vars(video), "cap": True})
        rgb = VideoFilm(spec, video).draw(0).rgb
        pictures.append(cv2.resize(rgb, (640, 360), interpolation=cv2.INTER_CUBIC))
    pictures += [np.zeros_like(pictures[0])] * (-people % 3)
    rows = [np.concatenate(pictures[k : k + 3], 1) for k in range(0, len(pictures), 3)]
    return np.concatenate(rows)


def _write(path: Path, rgb: NDArray) -> None:
    # OpenCV writes BGR, and wants it contiguous.
    cv2.imwrite(str(path), np.ascontiguousarray(rgb[:, :, ::-1]))


if __name__ == "__main__":
    contact_sheet()
