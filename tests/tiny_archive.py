"""A real-shaped archive of seven short videos, made in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.archives.imigue import MOVIES, SKELETONS
from benchmark.core.video import write_video
from benchmark.synthetic.xlsx import write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.editions.splits import Split

WIDTH, HEIGHT, FRAMES = 96, 64, 40
VIDEOS: dict[str, Split] = {
    "0001": "val", "0002": "val",
    "0011": "train", "0012": "train", "0013": "train",
    "0101": "test", "0102": "test",
}  # fmt: skip
LABELS = ((31, 0, 11), (99, 10, 29), (8, 30, 39))
"""Of every video: raw class, first, last; the first two clips overlap."""


def frames_of(video: str) -> list[np.ndarray]:
    """Frame t carries its number: a bright block walks over a smooth background."""
    rng = np.random.default_rng(int(video))
    base = np.linspace(40, 160, WIDTH)[None, :, None] + rng.uniform(0, 60, 3)
    frames = []
    for t in range(FRAMES):
        frame = np.broadcast_to(base, (HEIGHT, WIDTH, 3)).copy()
        frame[24:40, 2 * t : 2 * t + 16] = 250
        frames.append(frame.astype(np.uint8))
    return frames


def keypoints_of(video: str) -> np.ndarray:
    """float64 (FRAMES, 411): every point walks to the right; point 3 is never seen."""
    rng = np.random.default_rng(int(video))
    points = np.zeros((FRAMES, 137, 3))
    points[..., 0] = rng.uniform(10, 60, 137) + 0.5 * np.arange(FRAMES)[:, None]
    points[..., 1] = rng.uniform(5, 60, 137)
    points[..., 2] = rng.uniform(0.2, 1, 137)
    points[:, 3] = 0
    return np.round(points, 3).reshape(FRAMES, 411)


def write_archive(root: Path) -> Path:
    """Write all seven videos in the layout of the challenge."""
    for video, split in VIDEOS.items():
        skeleton = root / SKELETONS[split].folder / SKELETONS[split].sub / video
        rgb = root / MOVIES[split].folder / MOVIES[split].sub / video
        skeleton.mkdir(parents=True)
        rgb.mkdir(parents=True)
        write_xlsx(skeleton / f"{video}_openpose.xlsx", keypoints_of(video))
        rows = [(1 if split == "test" else c, a, b) for c, a, b in LABELS]
        text = "".join(f"{c},{a},{b}\n" for c, a, b in rows)
        (skeleton / f"{video}_label.csv").write_text(text, "utf-8")
        write_video(rgb / f"{video}.mp4", frames_of(video), 25, crf=10, gop=12)
    return root
