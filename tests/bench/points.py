"""How generated keypoints differ from real ones: speed, reach, missing points, confidences.

    python tests/bench/points.py --edition mimic --real asl=points@30

`--real NAME=FOLDER@FPS` names a folder of .npy (T, 137, 3), as docs/skeletons-from-video.md makes
them of videos. Lengths are in widths of the shoulders, so any camera will do.
Prints the median over clips, and the quartiles.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from benchmark.archives.union import open_archive
from benchmark.editions.edition import read_edition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clip

SHOULDERS, WRISTS, NOSE, BODY = (2, 5), (4, 7), 0, slice(0, 8)
FACE, HANDS = slice(25, 95), slice(95, 137)
ROWS = (
    "seconds", "wrist: speed, widths/s", "wrist: fastest tenth, widths/s", "wrist: reach, widths",
    "nose: speed, widths/s", "body: missing", "hands: missing", "face: missing",
    "body: confidence", "hands: confidence",
)  # fmt: skip


def measure(points: NDArray[np.float32], fps: float) -> list[float]:
    """Measure one clip, (T, 137, 3): the values of ROWS; nan where nothing was seen."""
    seen = points[..., 2] > 0
    xy = np.where(seen[..., None], points[..., :2], np.nan)
    width = np.nanmedian(np.linalg.norm(xy[:, SHOULDERS[0]] - xy[:, SHOULDERS[1]], axis=-1))
    xy = xy / width
    speed = np.linalg.norm(np.diff(xy, axis=0), axis=-1) * fps
    wrists = speed[:, WRISTS]
    reach = np.nanmax(np.nanmax(xy[:, WRISTS], 0) - np.nanmin(xy[:, WRISTS], 0))
    confidence = np.where(seen, points[..., 2], np.nan)
    return [
        len(points) / fps, np.nanmedian(wrists), np.nanquantile(wrists, 0.9), reach,
        np.nanmedian(speed[:, NOSE]), *(1 - seen[:, part].mean() for part in (BODY, HANDS, FACE)),
        *(np.nanmean(confidence[:, part]) for part in (BODY, HANDS)),
    ]  # fmt: skip


def generated(edition: str, root: Path) -> Iterable[list[float]]:
    """Measure every training clip of a raw archive."""
    archive = open_archive(root, read_edition(edition))
    by_video: dict[str, list[Clip]] = {}
    for clip in archive.read(excluded=(), workers=2).split("train"):
        by_video.setdefault(clip.video, []).append(clip)
    keypoints = archive.keypoints()
    for clips in by_video.values():
        yield from (measure(points, clip.fps) for clip, points in keypoints.of_video(clips))


def real(folder: Path, fps: float) -> Iterable[list[float]]:
    """Measure every .npy of a folder."""
    return (measure(np.load(path), fps) for path in sorted(folder.glob("*.npy")))


@click.command()
@click.option("--edition", default="mimic", show_default=True)
@click.option("--root", type=click.Path(path_type=Path), help="[default: data/raw/EDITION]")
@click.option("--real", "sets", multiple=True, metavar="NAME=FOLDER@FPS")
def main(edition: str, root: Path | None, sets: tuple[str, ...]) -> None:
    """Print a table: a row per measure, a column per set."""
    warnings.filterwarnings("ignore", "(All-NaN|Mean of empty)")
    columns = {edition: generated(edition, root or Path("data/raw") / edition)}
    for text in sets:
        name, _, place = text.partition("=")
        folder, _, fps = place.rpartition("@")
        columns[name] = real(Path(folder), float(fps))
    values = {name: np.array(list(rows)) for name, rows in columns.items()}
    click.echo(" | ".join([f"{'':<32}", *(f"{n}, {len(v)} clips" for n, v in values.items())]))
    for k, row in enumerate(ROWS):
        cells = []
        for table in values.values():
            low, middle, high = np.nanquantile(table[:, k], [0.25, 0.5, 0.75])
            cells.append(f"{middle:.2f} ({low:.2f} to {high:.2f})")
        click.echo(" | ".join([f"{row:<32}", *cells]))


if __name__ == "__main__":
    main()
