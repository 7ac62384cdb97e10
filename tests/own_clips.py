"""A small folder of own clips: five joints, three classes, videos of several frame rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmark.core.video import write_video

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = ("wave", "nod", "still")
SKELETON = """\
joints: [head, left hand, right hand, left foot, right foot]
edges: [[head, left hand], [head, right hand], [head, left foot], [head, right foot]]
pairs: [[left hand, right hand], [left foot, right foot]]
"""
FRAMES, JOINTS = 24, 5
SPLITS = {"train": 6, "val": 4, "test": 4}
"""Videos of each split, two clips each."""


def write_folder(root: Path, *, test_labels: bool = False) -> Path:
    """Write clips.csv, classes.txt, videos below `videos/`, skeletons and skeleton.yaml."""
    (root / "videos").mkdir(parents=True)
    (root / "skeletons").mkdir()
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n", "utf-8")
    (root / "skeleton.yaml").write_text(SKELETON, "utf-8")
    lines = ["clip_id,split,label,video,start_frame,end_frame,subject\n"]
    number = 0
    for split, videos in SPLITS.items():
        for k in range(videos):
            video = f"videos/{split}{k}.mp4"
            rng = np.random.default_rng(number)
            label = number % 3
            write_video(root / video, _pictures(label, rng), 15 + k, crf=18, gop=12)
            for part, (start, end) in enumerate(((0, FRAMES // 2), (FRAMES // 2, FRAMES))):
                clip = f"{split}{k}-{part}"
                np.save(root / f"skeletons/{clip}.npy", _points(label, end - start, rng))
                name = CLASSES[label] if split != "test" or test_labels else ""
                lines.append(f"{clip},{split},{name},{video},{start},{end},s{number}\n")
            number += 1
    (root / "clips.csv").write_text("".join(lines), "utf-8")
    return root


def write_skeletons(root: Path) -> Path:
    """Write the same clips as skeletons alone: no videos, and no columns that speak of frames."""
    write_folder(root)
    for video in (root / "videos").iterdir():
        video.unlink()
    (root / "videos").rmdir()
    with (root / "skeleton.yaml").open("a", encoding="utf-8") as file:
        file.write("without_videos: {fps: 15, width: 90, height: 66}\n")
    rows = [line.split(",") for line in (root / "clips.csv").read_text("utf-8").splitlines()]
    kept = [",".join([*row[:3], row[6]]) for row in rows]
    (root / "clips.csv").write_text("\n".join(kept) + "\n", "utf-8")
    return root


def _pictures(label: int, rng: np.random.Generator) -> list[np.ndarray]:
    back = rng.integers(0, 60, 3)
    pictures = []
    for t in range(FRAMES):
        picture = np.full((66, 90, 3), back, np.uint8)
        x, y = _place(label, t)
        picture[y : y + 12, x : x + 12] = 230
        pictures.append(picture)
    return pictures


def _place(label: int, t: int) -> tuple[int, int]:
    swing = round(20 * np.sin(t))
    return (40 + swing * (label == 0), 26 + swing * (label == 1))


def _points(label: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    points = np.ones((frames, JOINTS, 3), np.float32)
    points[..., :2] = rng.uniform(20, 60, (JOINTS, 2))
    for t in range(frames):
        points[t, label, :2] += 10 * np.sin(t)
    points[0, 4] = 0
    return points
