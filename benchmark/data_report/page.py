"""The data report: one page that needs nothing beside it, a table, a sheet of samples."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmark.core.files import csv_text, replacing_folder, write_text
from benchmark.data_report.figures import (
    gaps_figure,
    lengths_figure,
    sample_picture,
    samples_figure,
    tail_figure,
)
from benchmark.data_report.findings import findings
from benchmark.editions.edition import SPLITS
from benchmark.plots.figures import save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from benchmark.data_report.findings import Finding
    from benchmark.data_report.scan import Survey

PAGE, TABLE, SHEET, SUMMARY = "report.html", "videos.csv", "samples.png", "survey.json"
FORMAT = "survey/1"
COLUMNS = (
    "video", "split", "clips", "frames", "seconds", "fps", "width", "height", "sheet rows",
    "missing points %",
)  # fmt: skip


def write_report(survey: Survey, folder: Path) -> list[Path]:
    """Write `folder` anew; the files that a run shows."""
    found = findings(survey)
    with replacing_folder(folder) as work:
        write_text(work / PAGE, _page(survey, found))
        write_text(work / TABLE, _table(survey))
        write_text(work / SUMMARY, json.dumps(summary(survey, found), indent=1) + "\n")
        save(samples_figure(survey), work / SHEET)
    return [folder / name for name in (PAGE, TABLE, SHEET)]


def summary(survey: Survey, found: Sequence[Finding]) -> dict[str, Any]:
    """What a machine wants to know of the survey."""
    return {
        "format": FORMAT,
        "edition": survey.edition.name,
        "findings": [finding._asdict() for finding in found],
        "splits": {row["split"]: row for row in _splits(survey)},
    }


def metrics(survey: Survey) -> dict[str, float]:
    """Numbers for the run."""
    clips, gaps = survey.clips, survey.gaps
    found: dict[str, float] = {
        "videos": len(survey.videos),
        "clips": len(clips),
        "excluded": len(clips.excluded),
        "hours": sum(clip.frames / clip.fps for clip in clips) / 3600,
        "faults": sum(len(video.faults) for video in survey.videos),
    }
    if gaps:
        found["missing_points"] = 100 * float(survey.unseen().mean())
    return found


def _page(survey: Survey, found: Sequence[Finding]) -> str:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    gaps = gaps_figure(survey)
    return environment.get_template(f"{PAGE}.j2").render(
        edition=survey.edition,
        findings=found,
        splits=_splits(survey),
        tail=_tail(survey),
        figures={
            "tail": _embed(tail_figure(survey)),
            "lengths": _embed(lengths_figure(survey)),
            "gaps": gaps and _embed(gaps),
        },
        samples=[
            {
                "name": survey.edition.classes[sample.clip.label or 0],
                "clip_id": sample.clip.clip_id,
                "picture": _jpeg(sample_picture(sample, survey.layout)),
            }
            for sample in survey.samples()
        ],
        columns=COLUMNS,
        videos=_rows(survey),
    )


def _splits(survey: Survey) -> list[dict[str, Any]]:
    rows = []
    for split in SPLITS:
        clips = survey.clips.split(split)
        if not len(clips):
            continue
        frames = [clip.frames for clip in clips]
        seconds = [clip.frames / clip.fps for clip in clips]
        rows.append(
            {
                "split": split,
                "videos": len({*clips.videos}),
                "clips": len(clips),
                "hours": round(sum(seconds) / 3600, 4),
                "median": round(float(np.median(seconds)), 3),
                "shortest": min(frames),
                "longest": max(frames),
            }
        )
    return rows


def _tail(survey: Survey) -> str:
    labels = survey.clips.split("train").labels()
    counts = np.bincount(labels, minlength=len(survey.edition.classes))
    share = counts[counts > 0] / counts.sum()
    classes = float(np.exp(-(share * np.log(share)).sum()))
    return (
        f"In training the largest class has {counts.max()} clips, the smallest {counts.min()}; "
        f"the entropy is that of {classes:.1f} classes of equal size. Always answering the largest "
        f"is right in {100 * counts.max() / counts.sum():.1f} % of the training clips."
    )


def _rows(survey: Survey) -> list[list[str]]:
    rows = []
    for video in survey.videos:
        info, missing = video.info, video.missing
        rows.append(
            [
                video.video,
                video.split,
                str(video.clips),
                str(info.frames),
                f"{info.frames / info.fps:.1f}" if info.fps else "",
                f"{info.fps:.5g}",
                str(info.width),
                str(info.height),
                "" if video.sheet_rows is None else str(video.sheet_rows),
                "" if missing is None else f"{100 * missing:.1f}",
            ]
        )
    return rows


def _table(survey: Survey) -> str:
    header = [column.replace(" %", "").replace(" ", "_") for column in COLUMNS]
    return csv_text(header, _rows(survey))


def _embed(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return _data("image/png", buffer.getvalue())


def _jpeg(picture: NDArray[np.uint8]) -> str:
    quality = [int(cv2.IMWRITE_JPEG_QUALITY), 85]
    ok, data = cv2.imencode(".jpg", picture[..., ::-1], quality)
    if not ok:
        raise RuntimeError("OpenCV cannot write a JPEG")
    return _data("image/jpeg", data.tobytes())


def _data(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
