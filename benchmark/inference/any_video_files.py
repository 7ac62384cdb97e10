"""Writes what was recognized in a video: JSON, CSV, a timeline picture and an annotated video."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import cv2
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.core.errors import FormatError
from benchmark.core.files import csv_text, write_text
from benchmark.core.resize import rescaled
from benchmark.core.video import frames_at, probe, timeline, write_video
from benchmark.inference import segments
from benchmark.inference.segments import Segment, stretches
from benchmark.plots.figures import COLORS, MARKERS, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmark.inference.any_video import Recognized

LINES = 6
"""Classes drawn over time; they have a color each."""
STRIP = 5.3
"""Width of the row of thumbnails over its height: so many square ones fit into it."""
THUMBNAIL_HEIGHT = 90
"""Pixels."""
OTHER = "#999999"
"""Color of a class that is seldom probable."""
BAR, FONT = (0, 114, 178), cv2.FONT_HERSHEY_SIMPLEX
SHOWN = 3
"""Classes below each frame of the annotated video."""
MIN_HEIGHT = 240
"""Smaller videos are enlarged to this height in pixels, so that the text is legible."""


def timeline_figure(
    windows: Sequence[Recognized], found: Sequence[Segment], video: Path, title: str
) -> Figure:
    """Draw thumbnails, segments, and probabilities over time.

    Args:
        windows: From `recognize`.
        found: The segments that count as seen.
        video: The video that they are of.
        title: Of the picture.
    """
    figure = Figure(figsize=(11, 5.4), layout="constrained")
    top, strip, curves = figure.subplots(3, 1, sharex=True, height_ratios=(1.6, 0.9, 3.2))
    start, end = windows[0].start_s, max(window.end_s for window in windows)
    top.imshow(_thumbnails(windows, video), extent=(start, end, 0, 1), aspect="auto")
    top.set_title(plain(title), loc="left", size=11)
    classes = windows[0].classes
    p = np.stack([stretch.p for stretch in stretches(windows)])
    order = np.argsort(-p.max(0), kind="stable")[:LINES]
    colors = {classes[k]: COLORS[place % len(COLORS)] for place, k in enumerate(order)}
    _strip(strip, found, end - start, colors)
    _curves(curves, windows, order)
    for axes in (top, strip):
        axes.set_yticks([])
        axes.tick_params(length=0)
    curves.set_xlim(start, end)
    return figure


def _thumbnails(windows: Sequence[Recognized], video: Path) -> NDArray[np.uint8]:
    """Join frames of even distances, scaled to one height, side by side."""
    first, last = windows[0].span.start, max(window.span.end for window in windows)
    info = probe(video)
    count = min(max(2, round(STRIP * info.height / info.width)), last - first)
    numbers = np.linspace(first, last - 1, count).round().astype(int)
    frames = [frame for _, frame in frames_at(video, numbers.tolist())]
    scale = THUMBNAIL_HEIGHT / frames[0].shape[0]
    return np.concatenate([rescaled(frame, scale, cv2.INTER_AREA) for frame in frames], axis=1)


def _strip(axes: Axes, found: Sequence[Segment], length: float, colors: dict[str, str]) -> None:
    for one in found:
        color = colors.get(one.label, OTHER)
        axes.axvspan(one.start_s, one.end_s, color=color, alpha=0.25 + 0.7 * one.p, linewidth=0)
        # What fits; the curves below tell the others by their color.
        if (one.end_s - one.start_s) / length > 0.012 * len(one.label):
            middle = (one.start_s + one.end_s) / 2
            axes.text(middle, 0.5, plain(one.label), ha="center", va="center", size=8)
    axes.set_ylim(0, 1)
    axes.set_ylabel("seen", rotation=0, ha="right", va="center")


def _curves(axes: Axes, windows: Sequence[Recognized], order: NDArray[np.int64]) -> None:
    parts = stretches(windows)
    edges = [parts[0].start_s, *(part.end_s for part in parts)]
    for place, k in enumerate(order):
        # Markers as well as colors, for readers who cannot tell the colors apart.
        values = [100 * part.p[k] for part in parts]
        axes.step(
            edges, [*values, values[-1]], where="post", color=COLORS[place % len(COLORS)],
            marker=MARKERS[place % len(MARKERS)], markersize=4, label=plain(windows[0].classes[k]),
        )  # fmt: skip
    axes.set_xlabel("seconds")
    axes.set_ylabel("probability in %")
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def write_annotated(windows: Sequence[Recognized], video: Path, out: Path) -> None:
    """Write the video from the first window's start to the last one's end, with class names.

    A frame shows the window whose middle is nearest to it. The words are below the picture: they
    cover nobody's face.

    Raises:
        ArchiveError: The video is damaged.
    """
    height = probe(video).height
    start, end = windows[0].span.start, max(window.span.end for window in windows)
    middle = np.array([(window.span.start + window.span.end) / 2 for window in windows])
    whole, scale = timeline(video), max(1.0, MIN_HEIGHT / height)
    frames = frames_at(video, range(start, end))
    bar = tqdm(frames, total=end - start, desc=out.name, unit="frame", disable=None)
    pictures = (
        _annotated(
            frame, windows[int(np.abs(middle - number).argmin())], scale, float(whole.edges[number])
        )
        for number, frame in bar
    )
    write_video(out, pictures, whole.part(start, end), crf=20, gop=24)


def _annotated(
    frame: NDArray[np.uint8], window: Recognized, scale: float, second: float
) -> NDArray[np.uint8]:
    """Add the best classes as text and bars, and the time, below the frame.

    Args:
        frame: RGB, (H, W, 3).
        window: What it shows.
        scale: Factor on its size.
        second: When it is on the screen.
    """
    picture = rescaled(frame, scale, cv2.INTER_AREA)
    height, width = picture.shape[:2]
    line = max(18, height // 14)
    footer = np.zeros((line * (SHOWN + 1) + 8, width, 3), np.uint8)

    def write(text: str, low: int, color: tuple[int, int, int]) -> None:
        """Write one line, its lower end in row `low`, small enough to fit."""
        needed = cv2.getTextSize(text, FONT, line / 30, 1)[0][0]
        size = line / 30 * min(1.0, (width - 20) / needed)
        cv2.putText(footer, text, (10, low - line // 5), FONT, size, color, 1, cv2.LINE_AA)

    write(f"{second:.2f} s", line, (180, 180, 180))
    for row, (name, p) in enumerate(window.top(SHOWN), start=2):
        low = line * row
        cv2.rectangle(footer, (6, low - line + 4), (6 + round((width - 12) * p), low), BAR, -1)
        write(f"{100 * p:3.0f} %  {name}", low, (255, 255, 255))
    # x264 wants even numbers of rows.
    both = np.concatenate([picture, footer])
    return both[: len(both) // 2 * 2]


JSON = "recognized.json"
SEGMENTS = "segments.csv"
ANNOTATED = "annotated.mp4"
TOP = 5
"""Classes named per window."""


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
    """Return the name of the video that a folder of results is about; None if it holds none.

    Raises:
        FormatError: Its file of results is of another program, or damaged.
    """
    file = folder / JSON
    if not file.is_file():
        return None
    try:
        return str(json.loads(file.read_text("utf-8"))["video"])
    except (ValueError, TypeError, KeyError):
        wrong, do = "not the results of a video", "Remove it, or choose another folder"
        raise FormatError(file, wrong, expected="recognized/1", do=do) from None


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


def write_all(
    windows: Sequence[Recognized],
    video: Path,
    out: Path,
    *,
    system: str,
    members: Mapping[str, float],
    calibrated: bool,
    found: Sequence[segments.Segment],
) -> list[str]:
    """Write all files into the folder `out`; return their names.

    Args:
        windows: From `recognize`.
        video: The video that they are of.
        out: A folder; existing files are replaced.
        system: Name of the experiment or fusion.
        members: Weight of each member that took part.
        calibrated: Whether the probabilities are calibrated on validation.
        found: The segments that count as seen.
    """
    texts = {
        JSON: to_json(
            windows, video=video.name, system=system, members=members, calibrated=calibrated
        ),
        "recognized.csv": to_csv(windows),
        SEGMENTS: segments.to_csv((video.name, one) for one in found),
        "segments.srt": segments.to_srt(found),
        "segments.eaf": segments.to_eaf(found, video),
    }
    files = [*texts, "timeline.png", ANNOTATED]
    out.mkdir(parents=True, exist_ok=True)
    # A name by which a later run knows what a killed one left.
    ending = f".{os.getpid()}@{platform.node()}.part"
    # The annotated video takes long: stopped there, the folder must not mix two results.
    with TemporaryDirectory(ending, ".new", out) as folder:
        work = Path(folder)
        for name, text in texts.items():
            write_text(work / name, text)
        figure = timeline_figure(windows, found, video, f"{video.name}, by {system}")
        save(figure, work / "timeline.png")
        write_annotated(windows, video, work / ANNOTATED)
        for name in files:
            (work / name).replace(out / name)
    return files
