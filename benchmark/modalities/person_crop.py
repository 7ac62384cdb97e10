"""Person crops: frames cut to the square around the person, and keypoints in their pixels.

Source: MMCompact of PYSKL, the crop of its RGB streams; the box is that of `person_box`, over all
frames of a clip.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.schema import Positive
from benchmark.data.person_box import Box, person_box, to_box
from benchmark.modalities.modality import Crf, FrameByFrame, ModalityBase, PixelFormat

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clip
    from benchmark.contracts.skeletons import Layout
    from benchmark.data.readers import SkeletonReader
    from benchmark.modalities.modality import Frame
    from benchmark.modalities.packing import PackingJob

    Boxes = NDArray[np.int32]

VIDEO, KEYPOINTS = "video", "keypoints"
"""Folders of the result, each with a manifest of its own."""
GIVEN = "given"
"""Folder of the keypoints in pixels of the raw videos; gone when the work is finished."""
LARGEST = 4
"""How many times as large as the picture a box may be; larger ones would be almost all black."""


class PersonCropModality(ModalityBase):
    """RGB clips cut to the square around the person, and the keypoints in the same pixels.

    The square is that of PoseConv3D's compact crop, over all frames of a clip; where it leaves the
    picture it is black.
    """

    kind: Literal["person_crop"]
    content: ClassVar = "person"
    pixel_format: ClassVar[PixelFormat] = "yuv420p"
    layout: Literal["openpose36", "own"]
    """Of the keypoints, as of kind `skeleton`."""
    side: Annotated[int, Field(gt=0, multiple_of=2)]
    """Pixels of a side of the stored frames; H.264 with halved colors needs it even."""
    gop: Positive
    """Frames between key frames."""
    crf: Crf

    @property
    def needs_points(self) -> bool:
        return True

    def with_own_points(self) -> Self:
        return self.model_copy(update={"layout": "own"})

    def frames_folder(self, folder: Path) -> Path:
        return folder / VIDEO

    def keypoints_folder(self, folder: Path) -> Path:
        return folder / KEYPOINTS

    def boxes(
        self, view: NDArray[np.float32], layout: Layout, shape: tuple[float, float]
    ) -> NDArray[np.int32]:
        """Find the square that each frame of a clip is cut to: left, top, width, height (T, 4).

        `view` are its keypoints (T, J, 3) in pixels of a video of `shape`, width and height.
        """
        return np.tile(np.array(person_box(view, shape), np.int32), (len(view), 1))

    def check(self, layout: Layout) -> None:
        """Make sure that the layout has what the crop needs.

        Raises:
            ParamsError: It lacks a point that the spec names.
        """

    def pack(self, job: PackingJob) -> list[str]:
        from benchmark.contracts import skeletons
        from benchmark.data.readers import SkeletonReader
        from benchmark.modalities.keypoint_packing import given_keypoints, pack_keypoints
        from benchmark.modalities.packing import pack_videos

        source = given_keypoints(job.raw, job.edition, hint="")
        points = skeletons.choose(self.layout, source.own_layout)
        self.check(points)
        into_given = replace(job, work=job.work / GIVEN)
        pack_keypoints(into_given, points, source.of_video, source.stamps)
        given = SkeletonReader(job.work / GIVEN, job.clips)
        boxes = _boxes(given, job, self)
        videos = pack_videos(
            replace(job, work=job.work / VIDEO), partial(_crop, boxes, self.side),
            # Other keypoints give another box: the shard's key has to know.
            more_stamps=lambda some: [boxes[clip.clip_id].tolist() for clip in some],
        )  # fmt: skip
        moved = _move(given, boxes, self.side, job)
        parts = ((VIDEO, videos), (KEYPOINTS, moved))
        return [f"{folder}/{name}" for folder, names in parts for name in names]


def _boxes(given: SkeletonReader, job: PackingJob, spec: PersonCropModality) -> dict[str, Boxes]:
    from benchmark.archives.archive import advice

    found, faults = {}, FaultList()
    for clip in job.clips:
        with faults.collected():
            boxes = spec.boxes(given.read(clip.clip_id), given.layout, (clip.width, clip.height))
            if (largest := boxes[:, 2:].max()) > LARGEST * max(clip.width, clip.height):
                raise ArchiveError(
                    f"clip {clip.clip_id}", "keypoints lie far outside of the picture",
                    expected=f"pixels of {clip.width}x{clip.height}",
                    found=f"points over {largest} pixels",
                )  # fmt: skip
            found[clip.clip_id] = boxes
    faults.raise_any("keypoints", do=advice(job.edition))
    return found


def _crop(boxes: dict[str, Boxes], side: int, clip: Clip) -> FrameByFrame:
    """Begin to cut each frame of one clip to its box, resized to a square."""
    from benchmark.core.resize import squared

    of_frames = iter(boxes[clip.clip_id])
    return FrameByFrame(lambda frame: squared(cropped(frame, next(of_frames)), side))


def cropped(frame: Frame, box: Box | NDArray[np.int32]) -> Frame:
    """Cut the box out of the frame, black where the box leaves it: uint8 (h, w, 3)."""
    left, top, width, height = map(int, box)
    found = np.zeros((height, width, 3), np.uint8)
    rows = slice(max(top, 0), max(min(top + height, frame.shape[0]), 0))
    columns = slice(max(left, 0), max(min(left + width, frame.shape[1]), 0))
    part = frame[rows, columns]
    down, right = rows.start - top, columns.start - left
    found[down : down + part.shape[0], right : right + part.shape[1]] = part
    return found


def _move(given: SkeletonReader, boxes: dict[str, Boxes], side: int, job: PackingJob) -> list[str]:
    """Write the keypoints in pixels of the stored frames; return the names of the files.

    Args:
        given: Keypoints in pixels of the raw videos.
        boxes: Boxes of each clip, one per frame.
        side: Pixels of a side of the stored frames.
        job: What is packed.
    """
    from benchmark.contracts import skeletons
    from benchmark.data.manifest import FILE, read_manifest, write_manifest

    folder = job.work / KEYPOINTS
    folder.mkdir(exist_ok=True)
    found = read_manifest(job.work / GIVEN, job.clips).values()
    rows = sorted(found, key=lambda row: (row.shard, row.offset))
    names = []
    for shard, group in groupby(rows, key=lambda row: row.shard):
        parts = [
            to_box(given.read(row.clip_id), boxes[row.clip_id].astype(np.float32), side)
            for row in group
        ]
        with (folder / shard).open("wb") as file:
            np.save(file, np.concatenate(parts))
        names.append(shard)
    moved = [row._replace(height=side, width=side) for row in rows]
    write_manifest(moved, folder, job.clips, spec=job.config)
    skeletons.write_layout(given.layout, folder)
    return [FILE, skeletons.FILE, *names]
