"""Preview sheets: a clip in all its prepared modalities over time, as one picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.core.files import replacing_folder, write_text
from benchmark.core.html import render_template
from benchmark.data.person_box import person_box, to_box
from benchmark.data.readers import PackedVideos, SkeletonReader
from benchmark.modalities.modality import VideoModality
from benchmark.modalities.taylor import TaylorModality
from benchmark.models.heatmaps import joint_volumes, limb_volumes
from benchmark.plots.figures import plain, save
from benchmark.plots.modalities import SATURATED_PX, maps_picture, stretched

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.union import Modality
    from benchmark.params.params import Previews

    Frame: TypeAlias = NDArray[np.uint8]
    Rows: TypeAlias = list[tuple[str, list[Frame]]]

MAP_SIZE, SIGMA = 56, 0.6
"""Side and Gaussian width of the heat maps in pixels, as in the paper."""
GAP = 1.03
"""Width of a cell divided by that of the widest picture."""
PAGE = "previews.html"


@dataclass(frozen=True)
class PreviewSource:
    """Where the prepared modalities of an edition lie."""

    spec: Previews
    folder: Path
    """Holds one folder per entry of `modalities`."""
    modalities: dict[str, Modality]
    clips: Clips

    @cached_property
    def videos(self) -> dict[str, PackedVideos]:
        """Readers of the video modalities, in the order of the sheet."""
        return {name: PackedVideos(self.folder / name, self.clips) for name in self.spec.videos}

    @cached_property
    def skeleton(self) -> SkeletonReader:
        """The reader of the keypoints, where the sheet shows some."""
        return SkeletonReader(self.folder / str(self.spec.skeleton), self.clips)


def clip_rows(source: PreviewSource, clip: Clip) -> tuple[Rows, list[int]]:
    """Read the pictures of every modality, uint8 (H, W, 3), and the numbers of the shown frames.

    Raises:
        FormatError: A prepared modality is missing.
    """
    count = min(source.spec.moments, clip.frames)
    # The middles of equal parts: the first and last frame of a clip show little of a gesture.
    frames = ((np.arange(count) + 0.5) * clip.frames / count).astype(np.int64)
    rows = [] if source.spec.skeleton is None else _maps(source, clip, frames)
    for name, reader in source.videos.items():
        spec = source.modalities[name]
        stored = reader.read(clip.clip_id, frames)
        assert isinstance(spec, VideoModality), "params.yaml was checked"
        pictures = [spec.show(frame) for frame in stored]
        if isinstance(spec, TaylorModality):
            pictures = stretched(pictures, still=128 if spec.variant == "signed" else 0)
        rows.append((name, pictures))
    return rows, frames.tolist()


def _maps(source: PreviewSource, clip: Clip, frames: NDArray[np.int64]) -> Rows:
    reader = source.skeleton
    points = reader.read(clip.clip_id)[frames]
    points = to_box(points, person_box(points, (clip.width, clip.height)), MAP_SIZE)
    view, edges = torch.from_numpy(points)[None], torch.tensor(reader.layout.edges)
    volumes = {
        "joint": joint_volumes(view, MAP_SIZE, SIGMA),
        "limb": limb_volumes(view, edges.reshape(-1, 2), MAP_SIZE, SIGMA),
    }
    return [
        (name, [maps_picture(maps.numpy()) for maps in volume[0].permute(1, 2, 3, 0)])
        for name, volume in volumes.items()
    ]


def clip_figure(source: PreviewSource, edition: Edition, clip: Clip) -> Figure:
    """Draw the sheet of one clip: modalities below each other, time to the right."""
    rows, frames = clip_rows(source, clip)
    label = "no label" if clip.label is None else plain(edition.classes[clip.label])
    title = f"{label}   {clip.clip_id}, {clip.frames} frames, {clip.frames / clip.fps:.1f} s"
    size = (1.5 + 1.75 * len(frames), 0.6 + 1.15 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", size=10)
    shapes = [picture.shape for _, pictures in rows for picture in pictures]
    ratio = GAP * max(width / height for height, width, _ in shapes)
    for place, (name, pictures) in enumerate(rows):
        axes = figure.add_subplot(len(rows), 1, place + 1)
        # One picture per row: matplotlib takes a second to arrange a hundred pictures.
        cells = [_padded(picture, ratio) for picture in pictures]
        axes.imshow(np.concatenate(cells, axis=1))
        axes.set(xticks=[], yticks=[])
        if place == 0:
            middles = cells[0].shape[1] * (np.arange(len(cells)) + 0.5)
            axes.set_xticks(middles, [f"frame {frame}" for frame in frames], size=8)
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_ylabel(name, size=9)
    return figure


def _padded(picture: Frame, ratio: float) -> Frame:
    """Add white to the left and right, until the picture is `ratio` times as wide as high."""
    missing = max(round(ratio * picture.shape[0]) - picture.shape[1], 0)
    sides = (missing // 2, missing - missing // 2)
    return np.pad(picture, ((0, 0), sides, (0, 0)), constant_values=255)


def one_of_each_class(clips: Clips) -> list[Clip]:
    """Choose the first training clip of every class, in the order of the classes."""
    first: dict[int, Clip] = {}
    for clip in clips.split("train"):
        if clip.label is not None:
            first.setdefault(clip.label, clip)
    return [first[label] for label in sorted(first)]


def write_previews(source: PreviewSource, edition: Edition, out: Path) -> list[Path]:
    """Write `out` anew: one sheet per class and a page of all sheets; return the files."""
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
