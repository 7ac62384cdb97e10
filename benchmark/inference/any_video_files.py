"""What was recognized in a video, as JSON, CSV, a timeline picture and a video to look at."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmark.core.files import csv_text, replacing, write_text
from benchmark.core.video import VideoWriter, probe, read_frames
from benchmark.plots.figures import COLORS, MARKERS, plain, save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.inference.any_video import Recognized

JSON = "recognized.json"
ANNOTATED = "annotated.mp4"
SHOWN = 5
"""Classes named of a window."""
LINES = 6
"""Classes drawn over time."""
BAR = (0, 114, 178)
LOWEST = 240
"""Height to which small videos are drawn larger, so that text can be read."""


def to_json(
    found: Sequence[Recognized], *, video: str, system: str, members: Mapping[str, float],
    calibrated: bool,
) -> str:  # fmt: skip
    """Every window with its best classes and all probabilities (format `recognized/1`).

    `members` maps those that answered to their weights.
    """
    return json.dumps(
        {
            "format": "recognized/1",
            "video": video,
            "system": system,
            "members": dict(members),
            "calibrated": calibrated,
            "classes": list(found[0].classes),
            "windows": [
                {
                    "start_frame": one.span.start,
                    "end_frame": one.span.end,
                    "start_s": round(one.start_s, 3),
                    "end_s": round(one.end_s, 3),
                    "top": [{"class": n, "p": round(p, 6)} for n, p in one.top(SHOWN)],
                    "p": [round(float(value), 6) for value in one.p],
                }
                for one in found
            ],
        },
        indent=1,
    ) + "\n"  # fmt: skip


def seen_video(folder: Path) -> str | None:
    """The name of the video that a folder tells of; None for a folder without."""
    file = folder / JSON
    return json.loads(file.read_text("utf-8")).get("video") if file.is_file() else None


def to_csv(found: Sequence[Recognized]) -> str:
    """One row a window and rank: start_s, end_s, start_frame, end_frame, rank, class, p."""
    return csv_text(
        ["start_s", "end_s", "start_frame", "end_frame", "rank", "class", "p"],
        [
            [f"{one.start_s:.3f}", f"{one.end_s:.3f}", *one.span, rank, name, f"{p:.6f}"]
            for one in found
            for rank, (name, p) in enumerate(one.top(SHOWN), 1)
        ],
    )


def timeline_figure(found: Sequence[Recognized], title: str) -> Figure:
    """Probability over time of the classes that are strongest somewhere."""
    p = np.stack([one.p for one in found])
    order = np.argsort(-p.max(0), kind="stable")[:LINES]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.add_subplot()
    middle = [(one.start_s + one.end_s) / 2 for one in found]
    for place, index in enumerate(order):
        color, marker = COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)]
        axes.plot(
            middle, 100 * p[:, index], color=color, marker=marker, markersize=5,
            label=plain(found[0].classes[index]),
        )  # fmt: skip
        for one, value in zip(found, p[:, index], strict=True):
            axes.hlines(100 * value, one.start_s, one.end_s, color=color, alpha=0.35, linewidth=2)
    axes.set_xlabel("seconds")
    axes.set_ylabel("probability in %")
    axes.set_ylim(0, 100)
    axes.set_xlim(found[0].start_s, max(one.end_s for one in found))
    axes.grid(alpha=0.3)
    axes.set_title(plain(title), loc="left", size=11)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def write_annotated(found: Sequence[Recognized], video: Path, out: Path) -> None:
    """The video from the first window's start to the last one's end, with names in each frame.

    A frame shows the window whose middle is nearest.

    Raises:
        ArchiveError: The video is damaged.
    """
    info = probe(video)
    start, end = found[0].span.start, max(one.span.end for one in found)
    middle = np.array([(one.span.start + one.span.end) / 2 for one in found])
    scale = max(1.0, LOWEST / info.height)
    bar = tqdm(total=end - start, desc=out.name, unit="frame", disable=None)
    with (
        replacing(out) as work,
        work.open("wb") as file,
        VideoWriter(file, info.fps, crf=20, gop=24, preset="fast") as writer,
    ):
        for number, frame in zip(count(), read_frames(video), strict=False):
            if start <= number < end:
                nearest = found[int(np.abs(middle - number).argmin())]
                writer.add(_annotated(frame, nearest, scale))
                bar.update()
    bar.close()


def _annotated(frame: NDArray[np.uint8], one: Recognized, scale: float) -> NDArray[np.uint8]:
    """The frame with the three best classes as text and bars: even sides."""
    height, width = (2 * round(side * scale / 2) for side in frame.shape[:2])
    picture = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    line = max(16, height // 16)
    top = one.top(3)
    box = picture[: line * len(top) + 8]
    box[:] = (0.35 * box).astype(np.uint8)
    for row, (name, p) in enumerate(top):
        low = 4 + line * (row + 1)
        cv2.rectangle(
            picture, (6, low - line + 3), (6 + round(0.3 * width * p), low - 2), (0, 114, 178), -1
        )
        text = f"{100 * p:3.0f} %  {name}"
        cv2.putText(
            picture, text, (10, low - line // 4), cv2.FONT_HERSHEY_SIMPLEX, line / 30,
            (255, 255, 255), 1, cv2.LINE_AA,
        )  # fmt: skip
    return picture


def write_all(
    found: Sequence[Recognized],
    video: Path,
    out: Path,
    *,
    system: str,
    members: Mapping[str, float],
    calibrated: bool,
) -> list[str]:
    """Write everything into the folder `out`; the names of the files."""
    write_text(
        out / JSON,
        to_json(found, video=video.name, system=system, members=members, calibrated=calibrated),
    )
    write_text(out / "recognized.csv", to_csv(found))
    save(timeline_figure(found, f"{video.name}, by {system}"), out / "timeline.png")
    write_annotated(found, video, out / ANNOTATED)
    return [JSON, "recognized.csv", "timeline.png", ANNOTATED]
