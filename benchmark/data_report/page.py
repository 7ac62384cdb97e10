"""The data report: a page that needs no other file, a table, and a sheet of sample frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.core.files import csv_text, replacing_folder, write_text
from benchmark.core.html import jpeg_uri, render_template
from benchmark.data_report import figures
from benchmark.data_report.findings import findings
from benchmark.editions.splits import SPLITS
from benchmark.plots.figures import save, svg

if TYPE_CHECKING:
    from benchmark.core.findings import Finding
    from benchmark.data_report.scan import ArchiveScan

PAGE, TABLE, SHEET, SUMMARY = "report.html", "videos.csv", "samples.png", "data_report.json"
FORMAT = "data_report/1"
COLUMNS = (
    "video", "split", "clips", "frames", "seconds", "fps", "width", "height", "sheet rows",
    "missing points %",
)  # fmt: skip


def write_report(scan: ArchiveScan, folder: Path) -> list[Path]:
    """Write `folder` anew and return the files that an MLflow run shows."""
    found = findings(scan)
    with replacing_folder(folder) as work:
        write_text(work / PAGE, _page(scan, found))
        header = [column.replace(" %", "").replace(" ", "_") for column in COLUMNS]
        write_text(work / TABLE, csv_text(header, _rows(scan)))
        # Keys unsorted: the report lists the splits in this order.
        write_text(work / SUMMARY, json.dumps(summary(scan, found), indent=1) + "\n")
        save(figures.samples_figure(scan), work / SHEET)
    return [folder / name for name in (PAGE, TABLE, SHEET)]


def summary(scan: ArchiveScan, found: Sequence[Finding]) -> dict[str, Any]:
    """Collect what another program reads of the report."""
    return {
        "format": FORMAT,
        "edition": scan.edition.name,
        "findings": [{"level": finding.level, "text": finding.text} for finding in found],
        "splits": {row["split"]: row for row in _splits(scan)},
    }


def metrics(scan: ArchiveScan) -> dict[str, float]:
    """Compute the numbers of the MLflow run."""
    return {
        "videos": len(scan.videos),
        "clips": len(scan.clips),
        "excluded": len(scan.clips.excluded),
        "hours": sum(clip.frames / clip.fps for clip in scan.clips) / 3600,
        "faults": sum(len(video.faults) for video in scan.videos),
        **({"missing_points": 100 * float(scan.unseen().mean())} if scan.gaps else {}),
    }


def _page(scan: ArchiveScan, found: Sequence[Finding]) -> str:
    gaps = figures.gaps_figure(scan)
    return render_template(
        Path(__file__).with_name(f"{PAGE}.j2"),
        edition=scan.edition, findings=found, splits=_splits(scan), tail=_tail(scan),
        columns=COLUMNS, videos=_rows(scan),
        figures={
            "tail": svg(figures.tail_figure(scan)),
            "lengths": svg(figures.lengths_figure(scan)),
            "gaps": gaps and svg(gaps),
        },
        samples=[
            {
                "name": scan.edition.classes[sample.clip.label or 0],
                "clip_id": sample.clip.clip_id,
                "picture": jpeg_uri(figures.sample_picture(sample, scan.layout)),
            }
            for sample in scan.samples()
        ],
    )  # fmt: skip


def _splits(scan: ArchiveScan) -> list[dict[str, Any]]:
    rows = []
    for clips in filter(len, map(scan.clips.split, SPLITS)):
        frames = [clip.frames for clip in clips]
        seconds = [clip.frames / clip.fps for clip in clips]
        rows.append({
            "split": next(iter(clips)).split, "videos": len({*clips.videos}), "clips": len(clips),
            "hours": round(sum(seconds) / 3600, 4), "median": round(float(np.median(seconds)), 3),
            "shortest": min(frames), "longest": max(frames),
        })  # fmt: skip
    return rows


def _tail(scan: ArchiveScan) -> str:
    labels = scan.clips.split("train").labels()
    counts = np.bincount(labels, minlength=len(scan.edition.classes))
    share = counts[counts > 0] / counts.sum()
    # The exponential of the entropy counts equally large classes of the same uncertainty.
    classes = float(np.exp(-(share * np.log(share)).sum()))
    return (
        f"In training the largest class has {counts.max()} clips, the smallest {counts.min()}; "
        f"the entropy is that of {classes:.1f} classes of equal size. Always answering the largest "
        f"is right in {100 * counts.max() / counts.sum():.1f} % of the training clips."
    )


def _rows(scan: ArchiveScan) -> list[list[str]]:
    rows = []
    for video in scan.videos:
        info, missing = video.info, video.missing
        seconds = f"{info.frames / info.fps:.1f}" if info.fps else ""
        cells = [
            video.video, video.split, video.clips, info.frames, seconds, f"{info.fps:.5g}",
            info.width, info.height, "" if video.sheet_rows is None else video.sheet_rows,
            "" if missing is None else f"{100 * missing:.1f}",
        ]  # fmt: skip
        rows.append([str(cell) for cell in cells])
    return rows
