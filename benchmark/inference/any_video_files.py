"""Writes what was recognized in a video: JSON, CSV, a timeline picture and an annotated video."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from benchmark.core.files import csv_text, replacing, write_text
from benchmark.core.resize import rescaled
from benchmark.core.video import VideoWriter, frames_at, probe, timeline
from benchmark.plots.figures import COLORS, MARKERS, plain, save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.inference.any_video import Recognized

JSON = "recognized.json"
ANNOTATED = "annotated.mp4"
TOP = 5
"""Classes named per window."""
LINES = 6
"""Classes drawn in the timeline."""
BAR = (0, 114, 178)
MIN_HEIGHT = 240
"""Smaller videos are enlarged to this height in pixels, so that the text is legible."""


def to_json(
    windows: Sequence[Recognized], *, video: str, system: str, members: Mapping[str, float],
    calibrated: bool,
) -> str:  # fmt: skip
    """Return every window with its best classes and all probabilities (format `recognized/1`).

    Args:
        windows: From `recognize`.
        video: Name of the video.
        system: Name of the experiment or fusion.
        members: Weight of each member that took part.
        calibrated: Whether the probabilities are calibrated on validation.
    """
    return json.dumps(
        {
            "format": "recognized/1",
            "video": video,
            "system": system,
            "members": dict(members),
            "calibrated": calibrated,
            "classes": list(windows[0].classes),
            "windows": [
                {
                    "start_frame": window.span.start,
                    "end_frame": window.span.end,
                    "start_s": round(window.start_s, 3),
                    "end_s": round(window.end_s, 3),
                    "top": [{"class": n, "p": round(p, 6)} for n, p in window.top(TOP)],
                    "p": [round(float(value), 6) for value in window.p],
                }
                for window in windows
            ],
        },
        indent=1,
    ) + "\n"  # fmt: skip


def video_of_results(folder: Path) -> str | None:
    """Return the name of the video that a folder of results is about; None if it holds none."""
    file = folder / JSON
    return json.loads(file.read_text("utf-8")).get("video") if file.is_file() else None


def to_csv(windows: Sequence[Recognized]) -> str:
    """Return a row per window and rank: start_s, end_s, start_frame, end_frame, rank, class, p."""
    return csv_text(
        ["start_s", "end_s", "start_frame", "end_frame", "rank", "class", "p"],
        [
            [f"{window.start_s:.3f}", f"{window.end_s:.3f}", *window.span, rank, name, f"{p:.6f}"]
            for window in windows
            for rank, (name, p) in enumerate(window.top(TOP), 1)
        ],
    )


def timeline_figure(windows: Sequence[Recognized], title: str) -> Figure:
    """Draw probability over time for the classes that are most probable somewhere."""
    p = np.stack([window.p for window in windows])
    order = np.argsort(-p.max(0), kind="stable")[:LINES]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    axes = figure.add_subplot()
    middle = [(window.start_s + window.end_s) / 2 for window in windows]
    for place, index in enumerate(order):
        # Markers as well as colors, for readers who cannot tell the colors apart.
        color, marker = COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)]
        axes.plot(
            middle, 100 * p[:, index], color=color, marker=marker, markersize=5,
            label=plain(windows[0].classes[index]),
        )  # fmt: skip
        for window, value in zip(windows, p[:, index], strict=True):
            span_s = window.start_s, window.end_s
            axes.hlines(100 * value, *span_s, color=color, alpha=0.35, linewidth=2)
    axes.set_xlabel("seconds")
    axes.set_ylabel("probability in %")
    axes.set_ylim(0, 100)
    axes.set_xlim(windows[0].start_s, max(window.end_s for window in windows))
    axes.grid(alpha=0.3)
    axes.set_title(plain(title), loc="left", size=11)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    return figure


def write_annotated(windows: Sequence[Recognized], video: Path, out: Path) -> None:
    """Write the video from the first window's start to the last one's end, with class names.

    A frame shows the window whose middle is nearest to it.

    Raises:
        ArchiveError: The video is damaged.
    """
    height = probe(video).height
    start, end = windows[0].span.start, max(window.span.end for window in windows)
    middle = np.array([(window.span.start + window.span.end) / 2 for window in windows])
    times, scale = timeline(video).part(start, end), max(1.0, MIN_HEIGHT / height)
    bar = tqdm(total=end - start, desc=out.name, unit="frame", disable=None)
    with (
        replacing(out) as work,
        work.open("wb") as file,
        VideoWriter(
            file, times.fps, crf=20, gop=24, preset="fast", times=times.unless_steady()
        ) as writer,
    ):
        for number, frame in frames_at(video, range(start, end)):
            nearest = windows[int(np.abs(middle - number).argmin())]
            writer.add(_annotated(frame, nearest, scale))
            bar.update()
    bar.close()


def _annotated(frame: NDArray[np.uint8], window: Recognized, scale: float) -> NDArray[np.uint8]:
    """Draw the three best classes on the frame as text and bars."""
    picture = rescaled(frame, scale, cv2.INTER_AREA)
    height, width = picture.shape[:2]
    line = max(16, height // 16)
    top = window.top(3)
    box = picture[: line * len(top) + 8]
    box[:] = (0.35 * box).astype(np.uint8)
    for row, (name, p) in enumerate(top):
        low = 4 + line * (row + 1)
        cv2.rectangle(picture, (6, low - line + 3), (6 + round(0.3 * width * p), low - 2), BAR, -1)
        text = f"{100 * p:3.0f} %  {name}"
        cv2.putText(
            picture, text, (10, low - line // 4), cv2.FONT_HERSHEY_SIMPLEX, line / 30,
            (255, 255, 255), 1, cv2.LINE_AA,
        )  # fmt: skip
    return picture


def write_all(
    windows: Sequence[Recognized],
    video: Path,
    out: Path,
    *,
    system: str,
    members: Mapping[str, float],
    calibrated: bool,
) -> list[str]:
    """Write all files into the folder `out`; return their names.

    Args:
        windows: From `recognize`.
        video: The video that they are of.
        out: A folder; existing files are replaced.
        system: Name of the experiment or fusion.
        members: Weight of each member that took part.
        calibrated: Whether the probabilities are calibrated on validation.
    """
    write_text(
        out / JSON,
        to_json(windows, video=video.name, system=system, members=members, calibrated=calibrated),
    )
    write_text(out / "recognized.csv", to_csv(windows))
    save(timeline_figure(windows, f"{video.name}, by {system}"), out / "timeline.png")
    write_annotated(windows, video, out / ANNOTATED)
    return [JSON, "recognized.csv", "timeline.png", ANNOTATED]
