"""The person of every clip: frames cut to the square around it, and keypoints in their pixels.

Source: MMCompact of PYSKL, the crop of its RGB streams; the box is that of `person_box`, over all
frames of a clip.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from benchmark.archives.archive import advice
from benchmark.contracts import skeletons as layouts
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.data import manifest
from benchmark.data.manifest import read_manifest, write_manifest
from benchmark.data.person_box import person_box, to_box
from benchmark.data.skeleton_reader import SkeletonReader
from benchmark.modalities import shards
from benchmark.modalities.keypoint_packing import given_keypoints, pack_keypoints_into
from benchmark.modalities.packing import Places, pack_into, squared

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.contracts.clips import Clip, Clips
    from benchmark.data.person_box import Box
    from benchmark.editions.edition import Edition
    from benchmark.modalities.packing import Frame
    from benchmark.modalities.specs import PersonCropModality

VIDEO, KEYPOINTS = "video", "keypoints"
"""Folders of the result, each with a table of its own."""
GIVEN = "given"
"""Folder of the keypoints in pixels of the raw videos; gone when the work is finished."""
MOST = 4
"""How many times as large as the picture a box may be; larger ones would be almost all black."""


def prepare(
    spec: PersonCropModality, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
) -> None:
    """Cut every clip to its person; `out` takes its name when frames and keypoints are whole.

    Raises:
        ArchiveError: The archive brings no keypoints.
        ManyFaults: Every file of keypoints that is damaged, too short or far from the picture; if
            there is none, every raw video that cannot be decoded up to the end of its last clip.
        ParamsError: The archive's skeletons do not have this layout.
    """
    source = given_keypoints(raw, edition, or_else="")
    points = layouts.choose(spec.layout, source.own_layout)
    places = Places(raw, edition, clips, out, spec.model_dump_json())
    work = shards.work_folder(out)
    pack_keypoints_into(
        work / GIVEN, places, points, source.of_video, source.stamps,
        number=spec.shards, workers=workers,
    )  # fmt: skip
    given = SkeletonReader(work / GIVEN, clips)
    boxes = _boxes(given, places)
    videos = pack_into(
        work / VIDEO, spec, places, partial(_crop, boxes, spec.side),
        more_stamps=lambda some: [boxes[clip.clip_id] for clip in some], workers=workers,
    )  # fmt: skip
    moved = _move(given, work, boxes, spec.side, places)
    parts = ((VIDEO, videos), (KEYPOINTS, moved))
    shards.finish(work, out, [f"{folder}/{name}" for folder, names in parts for name in names])


def _boxes(given: SkeletonReader, places: Places) -> dict[str, Box]:
    """The box of each clip."""
    found, faults = {}, FaultList()
    for clip in places.clips:
        with faults.collected():
            found[clip.clip_id] = _box(given, clip)
    faults.raise_any("keypoints", do=advice(places.edition))
    return found


def _box(given: SkeletonReader, clip: Clip) -> Box:
    box = person_box(given.read(clip.clip_id), (clip.width, clip.height))
    if max(box[2:]) > MOST * max(clip.width, clip.height):
        raise ArchiveError(
            f"clip {clip.clip_id}", "keypoints lie far outside of the picture",
            expected=f"pixels of {clip.width}x{clip.height}",
            found=f"points over {max(box[2:]):.0f} pixels",
        )  # fmt: skip
    return box


def _crop(boxes: dict[str, Box], side: int, clip: Clip) -> Cropping:
    return Cropping(boxes[clip.clip_id], side)


class Cropping:
    """The extraction of one clip: each frame cut to the same box and brought to one size."""

    def __init__(self, box: Box, side: int) -> None:
        self._box, self._side = box, side

    def add(self, frame: Frame) -> tuple[Frame, ...]:
        """The frame within the box."""
        return (squared(cropped(frame, self._box), self._side),)

    def finish(self) -> tuple[Frame, ...]:
        """Nothing is left."""
        return ()


def cropped(frame: Frame, box: Box) -> Frame:
    """The part of the frame within the box, black where the box leaves it: uint8 (h, w, 3)."""
    left, top, width, height = map(int, box)
    found = np.zeros((height, width, 3), np.uint8)
    rows = slice(max(top, 0), max(min(top + height, frame.shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + width, frame.shape[1]), 0))
    part = frame[rows, columns]
    down, right = rows.start - top, columns.start - left
    found[down : down + part.shape[0], right : right + part.shape[1]] = part
    return found


def _move(
    given: SkeletonReader, work: Path, boxes: dict[str, Box], side: int, places: Places
) -> list[str]:
    """Write the keypoints in pixels of the stored frames; the names of the files."""
    folder = work / KEYPOINTS
    folder.mkdir(exist_ok=True)
    rows = sorted(
        read_manifest(work / GIVEN, places.clips).values(), key=lambda row: (row.shard, row.offset)
    )
    names = []
    for shard, group in groupby(rows, key=lambda row: row.shard):
        parts = [to_box(given.read(row.clip_id), boxes[row.clip_id], side) for row in group]
        with (folder / shard).open("wb") as file:
            np.save(file, np.concatenate(parts))
        names.append(shard)
    modality = [row._replace(height=side, width=side) for row in rows]
    write_manifest(modality, folder, places.clips, spec=places.config)
    layouts.write_layout(given.layout, folder)
    return [manifest.FILE, layouts.FILE, *names]
