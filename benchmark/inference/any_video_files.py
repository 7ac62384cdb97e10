"""Writes what was recognized in a video: JSON, CSV, a timeline picture and an annotated video."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmark.core.files import csv_text, write_text
from benchmark.inference import segments
from benchmark.inference.any_video_pictures import timeline_figure, write_annotated
from benchmark.plots.figures import save

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from benchmark.inference.any_video import Recognized

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
    write_text(
        out / JSON,
        to_json(windows, video=video.name, system=system, members=members, calibrated=calibrated),
    )
    write_text(out / "recognized.csv", to_csv(windows))
    write_text(out / SEGMENTS, segments.to_csv((video.name, one) for one in found))
    write_text(out / "segments.srt", segments.to_srt(found))
    write_text(out / "segments.eaf", segments.to_eaf(found, video))
    save(timeline_figure(windows, found, video, f"{video.name}, by {system}"), out / "timeline.png")
    write_annotated(windows, video, out / ANNOTATED)
    subtitles = ("segments.srt", "segments.eaf")
    return [JSON, "recognized.csv", SEGMENTS, *subtitles, "timeline.png", ANNOTATED]
