"""The data report: a page that needs no other file, a table, and a sheet of sample frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from benchmark.core.files import csv_text, replacing_folder, write_text
from benchmark.core.html import jpeg_uri, render_template
from benchmark.data_report.findings import findings
from benchmark.editions.splits import SPLITS
from benchmark.plots.figures import BLUE, GREEN, ORANGE, plain, save, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmark.contracts.clips import Clips
    from benchmark.contracts.skeletons import Layout
    from benchmark.core.findings import Finding
    from benchmark.data_report.scan import ArchiveScan, SampleFrame

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
        save(samples_figure(scan), work / SHEET)
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
    gaps = gaps_figure(scan)
    return render_template(
        Path(__file__).with_name(f"{PAGE}.j2"),
        edition=scan.edition, findings=found, splits=_splits(scan), tail=_tail(scan),
        columns=COLUMNS, videos=_rows(scan),
        figures={
            "tail": svg(tail_figure(scan)),
            "lengths": svg(lengths_figure(scan)),
            "gaps": gaps and svg(gaps),
        },
        samples=[
            {
                "name": scan.edition.classes[sample.clip.label or 0],
                "clip_id": sample.clip.clip_id,
                "picture": jpeg_uri(sample_picture(sample, scan.layout)),
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


COLORS = {"train": BLUE, "val": ORANGE, "test": GREEN}
HATCHES = {"train": "", "val": "////", "test": "...."}
HEIGHT_PX = 300
"""Height of a sample frame on the page."""
SURE, UNSURE = (64, 224, 120), (250, 170, 40)
"""RGB of points with a confidence of at least one half, and below."""


def tail_figure(scan: ArchiveScan) -> Figure:
    """Draw the clips per class and labeled split, largest class first, on an axis of square roots.

    There a class of one clip has a bar that one sees, and bars begin at nothing.
    """
    classes = scan.edition.classes
    counts = {split: _counts(scan.clips, split, len(classes)) for split in SPLITS}
    counts = {split: per_class for split, per_class in counts.items() if per_class.any()}
    order = np.argsort(-counts.get("train", sum(counts.values())), kind="stable")
    figure = Figure(figsize=(8.5, 1.2 + 0.24 * len(classes)), layout="constrained")
    axes = figure.add_subplot()
    height = 0.8 / max(1, len(counts))
    for k, (split, per_class) in enumerate(counts.items()):
        at = np.arange(len(order)) + height * (k - (len(counts) - 1) / 2)
        axes.barh(
            at, per_class[order], height, color=COLORS[split], hatch=HATCHES[split],
            edgecolor="white", linewidth=0.3, label=f"{split}, {int(per_class.sum())} clips",
        )  # fmt: skip
        for y, value in zip(at, per_class[order], strict=True):
            axes.annotate(str(value), (value, y), (2, 0), va="center", size=7,
                          textcoords="offset points")  # fmt: skip
    axes.set_yticks(range(len(order)), [plain(classes[k]) for k in order], size=8)
    axes.set_xscale("function", functions=(lambda x: np.sqrt(np.maximum(x, 0)), np.square))
    axes.set_xlim(left=0)
    most = max(per_class.max() for per_class in counts.values())
    steps = [0, *(k * 10**power for power in range(6) for k in (1, 3) if k * 10**power <= most)]
    axes.set_xticks(steps, [str(step) for step in steps])
    axes.margins(y=0.01)
    axes.invert_yaxis()
    axes.set_xlabel("clips, on an axis of square roots")
    axes.legend(loc="lower right", frameon=False)
    _plain(axes)
    return figure


def _counts(clips: Clips, split: str, num_classes: int) -> NDArray[np.int64]:
    labels = [c.label for c in clips if c.split == split and c.label is not None]
    return np.bincount(labels, minlength=num_classes)


def lengths_figure(scan: ArchiveScan) -> Figure:
    """Draw the lengths of each split's clips in seconds, as cumulative shares."""
    figure = Figure(figsize=(8.5, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for split in SPLITS:
        seconds = np.sort([clip.frames / clip.fps for clip in scan.clips.split(split)])
        if len(seconds):
            share = np.arange(1, len(seconds) + 1) / len(seconds)
            label = f"{split}: median {np.median(seconds):.2f} s, longest {seconds[-1]:.1f} s"
            style = {"train": "-", "val": "--", "test": ":"}[split]
            axes.step(seconds, share, where="post", color=COLORS[split], ls=style, label=label)
    axes.set(xscale="log", xlabel="length in seconds", ylabel="share of the clips", ylim=(0, 1.02))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(loc="lower right", frameon=False)
    axes.grid(alpha=0.3)
    _plain(axes)
    return figure


def gaps_figure(scan: ArchiveScan) -> Figure | None:
    """Draw how often each point is missing; None where there are no skeletons."""
    if scan.layout is None:
        return None
    unseen = scan.unseen()
    order = np.argsort(-unseen, kind="stable")
    figure = Figure(figsize=(8.5, 0.9 + 0.2 * len(unseen)), layout="constrained")
    axes = figure.add_subplot()
    bars = axes.barh(range(len(unseen)), 100 * unseen[order], color=BLUE)
    axes.bar_label(bars, fmt="%.1f", size=7.5, padding=3)
    axes.set_yticks(range(len(unseen)), [plain(scan.layout.names[k]) for k in order], size=8)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("% of the frames of clips in which the point has confidence 0")
    _plain(axes)
    return figure


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)


def sample_picture(sample: SampleFrame, layout: Layout | None) -> NDArray[np.uint8]:
    """Draw the seen limbs and points on the frame, `HEIGHT_PX` high: uint8 (H, W, 3)."""
    # Cubic where it grows: the page shows small videos large, and no network reads this picture.
    height, width = sample.frame.shape[:2]
    scale = HEIGHT_PX / height
    size = (round(width * scale), HEIGHT_PX)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    picture = np.ascontiguousarray(cv2.resize(sample.frame, size, interpolation=how), np.uint8)
    if layout is None or sample.points is None:
        return picture
    places = [(round(float(x * scale)), round(float(y * scale))) for x, y, _ in sample.points]
    seen = sample.points[:, 2] > 0
    for start, end in layout.edges:
        if seen[start] and seen[end]:
            cv2.line(picture, places[start], places[end], (90, 200, 250), 1, cv2.LINE_AA)
    for place, (_, _, confidence) in zip(places, sample.points, strict=True):
        if confidence > 0:
            color = SURE if confidence >= 0.5 else UNSURE
            cv2.circle(picture, place, 2, color, -1, cv2.LINE_AA)
    return picture


def samples_figure(scan: ArchiveScan) -> Figure:
    """Draw one frame per class with its skeleton, on one sheet."""
    samples = scan.samples()
    shapes = [sample.frame.shape for sample in samples]
    aspect = max((width / height for height, width, _ in shapes), default=1.0)
    columns = 4 if aspect > 1 else 8  # tall frames are narrow
    rows = max(1, -(-len(samples) // columns))
    width = 16 / columns
    figure = Figure(figsize=(16, rows * (width / aspect + 0.4)), layout="constrained")
    for k, sample in enumerate(samples):
        axes = figure.add_subplot(rows, columns, k + 1)
        axes.imshow(sample_picture(sample, scan.layout))
        name = scan.edition.classes[sample.clip.label or 0]
        axes.set_title(f"{plain(name)}\n{sample.clip.clip_id}", size=9, loc="left")
        axes.axis("off")
    return figure
