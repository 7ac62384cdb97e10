"""The data report: one page that needs nothing beside it, a table, a sheet of samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.core.files import csv_text, replacing_folder, write_text
from benchmark.core.html import data_uri, jpeg_uri, render_template
from benchmark.data_report.figures import (
    gaps_figure,
    lengths_figure,
    sample_picture,
    samples_figure,
    tail_figure,
)
from benchmark.data_report.findings import findings
from benchmark.editions.edition import SPLITS
from benchmark.plots.figures import png, save

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

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
    gaps = gaps_figure(survey)
    return render_template(
        Path(__file__).with_name(f"{PAGE}.j2"),
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
                "picture": jpeg_uri(sample_picture(sample, survey.layout)),
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
    return data_uri("image/png", png(figure, dpi=110))
