"""A clip in all its modalities over time, as one picture: from the prepared modality."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmark.core.files import replacing_folder, write_text
from benchmark.core.html import render_template
from benchmark.data.person_box import person_box, to_box
from benchmark.data.readers import PackedVideos, SkeletonReader
from benchmark.modalities.modality import VideoModality
from benchmark.models.heatmaps import joint_volumes, limb_volumes
from benchmark.plots.figures import plain, save
from benchmark.plots.modalities import SATURATED_PX, maps_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clip, Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.union import Modality
    from benchmark.params.params import Previews

    Frames: TypeAlias = NDArray[np.uint8]

MAP_SIZE, SIGMA = 56, 0.6
"""Of the heat maps, as in the paper."""
GAP = 1.03
"""Width of a moment's place over that of the widest picture."""
PAGE = "previews.html"


class Row(NamedTuple):
    """One modality at the chosen moments."""

    name: str
    pictures: list[Frames]
    """uint8 (H, W, 3) each."""


class Source(NamedTuple):
    """Where the modalities of an edition lie."""

    spec: Previews
    folder: Path
    """Has a folder of this name for each entry of modality."""
    modality: dict[str, Modality]
    clips: Clips


def clip_rows(source: Source, clip: Clip) -> tuple[list[Row], list[int]]:
    """Every modality that the sheet has, and the frames of the clip that are shown.

    Raises:
        FormatError: Modality are missing.
    """
    count = min(source.spec.moments, clip.frames)
    frames = (np.arange(count) + 0.5) * clip.frames / count
    frames = frames.astype(np.int64)
    rows = []
    if source.spec.skeleton is not None:
        rows += _maps(source, clip, frames)
    for name in source.spec.videos:
        spec = source.modality[name]
        found = PackedVideos(source.folder / name, source.clips).read(clip.clip_id, frames)
        assert isinstance(spec, VideoModality), "params.yaml was checked"
        pictures = [spec.show(frame) for frame in found]
        rows.append(Row(name, pictures))
    return rows, frames.tolist()


def _maps(source: Source, clip: Clip, frames: NDArray[np.int64]) -> list[Row]:
    reader = SkeletonReader(source.folder / str(source.spec.skeleton), source.clips)
    points = reader.read(clip.clip_id)[frames]
    points = to_box(points, person_box(points, (clip.width, clip.height)), MAP_SIZE)
    view, edges = torch.from_numpy(points)[None], torch.tensor(reader.layout.edges)
    found = {
        "joint": joint_volumes(view, MAP_SIZE, SIGMA),
        "limb": limb_volumes(view, edges.reshape(-1, 2), MAP_SIZE, SIGMA),
    }
    return [
        Row(name, [maps_picture(maps.numpy()) for maps in volume[0].permute(1, 2, 3, 0)])
        for name, volume in found.items()
    ]


def sheet_figure(rows: Sequence[Row], frames: Sequence[int], title: str) -> Figure:
    """Modalities below each other, time to the right.

    A row is one picture: matplotlib takes a second to arrange a hundred.
    """
    figure = Figure(
        figsize=(1.5 + 1.75 * len(frames), 0.6 + 1.15 * len(rows)), layout="constrained"
    )
    figure.suptitle(title, x=0.01, ha="left", size=10)
    shapes = [picture.shape for row in rows for picture in row.pictures]
    ratio = GAP * max(width / height for height, width, _ in shapes)
    for r, row in enumerate(rows):
        axes = figure.add_subplot(len(rows), 1, r + 1)
        cells = [_framed(picture, ratio) for picture in row.pictures]
        axes.imshow(np.concatenate(cells, axis=1))
        width = cells[0].shape[1]
        middles = [width * (place + 0.5) for place in range(len(cells))]
        if r == 0:
            axes.set_xticks(middles, [f"frame {frame}" for frame in frames], size=8)
        else:
            axes.set_xticks([])
        axes.xaxis.tick_top()
        axes.set_yticks([])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_ylabel(row.name, size=9)
    return figure


def _framed(picture: Frames, ratio: float) -> Frames:
    """With white at its sides, until it is `ratio` times as wide as high."""
    missing = max(round(ratio * picture.shape[0]) - picture.shape[1], 0)
    sides = (missing // 2, missing - missing // 2)
    return np.pad(picture, ((0, 0), sides, (0, 0)), constant_values=255)


def clip_figure(source: Source, edition: Edition, clip: Clip) -> Figure:
    """The sheet of one clip."""
    rows, frames = clip_rows(source, clip)
    label = "no label" if clip.label is None else plain(edition.classes[clip.label])
    title = f"{label}   {clip.clip_id}, {clip.frames} frames, {clip.frames / clip.fps:.1f} s"
    return sheet_figure(rows, frames, title)


def one_of_each_class(clips: Clips) -> list[Clip]:
    """The first training clip of every class, in the order of the classes."""
    found: dict[int, Clip] = {}
    for clip in clips.split("train"):
        if clip.label is not None:
            found.setdefault(clip.label, clip)
    return [found[label] for label in sorted(found)]


def write_sheets(source: Source, edition: Edition, out: Path) -> list[Path]:
    """Write `out` anew: a sheet of one clip of each class, and a page of all; the files made."""
    names = []
    with replacing_folder(out) as work:
        for clip in one_of_each_class(source.clips):
            name = f"{clip.label:02d}.png"
            save(clip_figure(source, edition, clip), work / name)
            names.append((name, edition.classes[clip.label or 0], clip.clip_id))
        template = Path(__file__).with_name(f"{PAGE}.j2")
        page = render_template(template, edition=edition, sheets=names, saturated=SATURATED_PX)
        write_text(work / PAGE, page)
    return [out / PAGE, *(out / name for name, _, _ in names)]
