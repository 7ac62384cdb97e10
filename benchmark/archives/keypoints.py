"""The keypoints that archives contain, cut at the clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark.archives.openpose import NUM_POINTS, read_openpose
from benchmark.archives.sheet import count_rows
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.foreign_file import load_array, what_is

if TYPE_CHECKING:
    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clip
    from benchmark.contracts.skeletons import Layout

    Keypoints: TypeAlias = NDArray[np.float32]

HIGHEST_CONFIDENCE = 2
"""OpenPose writes confidences of up to about 1.4 (its issue 615); they are kept as they are."""
FARTHEST_PX = 1e6
"""A person may reach out of the picture, but not a thousand pictures far."""
TINY_PX = 16
"""In a smaller picture, coordinates of about 1 may be pixels."""


def check_points(points: Keypoints, size: tuple[float, float], *, where: object) -> None:
    """Raise unless (T, J, 3) can be x px, y px and confidence in a picture of `size` (w, h).

    Raises:
        ArchiveError: A value is not finite, a confidence is none, a point lies far outside, or all
            seen points lie within 1.5 pixels of the corner: shares of the picture, -1 to 1 or
            0 to 1.
    """
    if not np.isfinite(points).all():
        frame, point, _ = np.argwhere(~np.isfinite(points))[0]
        raise ArchiveError(where, f"frame {frame}, point {point} is not finite")
    confidence = points[..., 2]
    if points.size and not 0 <= confidence.min() <= confidence.max() <= HIGHEST_CONFIDENCE:
        raise ArchiveError(
            where, "no confidences in the third column",
            expected=f"x px, y px, confidence in this order, the last from 0 to 1 (OpenPose: "
            f"somewhat above), at most {HIGHEST_CONFIDENCE}",
            found=f"{confidence.min():g} to {confidence.max():g}",
        )  # fmt: skip
    seen = points[confidence > 0][:, :2]
    if seen.size and np.abs(seen).max() > FARTHEST_PX:
        raise ArchiveError(
            where, "a point lies far outside of any picture", found=f"{np.abs(seen).max():g}",
            expected="x px, y px of {:.0f} x {:.0f}".format(*size),
        )  # fmt: skip
    if len(seen) > 1 and min(size) >= TINY_PX and np.abs(seen).max() <= 1.5 and np.ptp(seen) > 0:
        raise ArchiveError(
            where, "the keypoints are no pixels", expected="x to {:.0f}, y to {:.0f}".format(*size),
            found="x {:.2g} to {:.2g}, y {:.2g} to {:.2g}".format(
                *(limit for axis in seen.T for limit in (axis.min(), axis.max()))
            ),
            do="Multiply them by the size of the picture",
        )  # fmt: skip


def doubt_about(clips: Sequence[Keypoints], size: tuple[float, float]) -> str:
    """Say why points (T, J, 3) may not be pixels of a picture of `size` (w, h), or nothing."""
    points = np.concatenate([np.zeros((0, 3), np.float32), *(p.reshape(-1, 3) for p in clips)])
    seen = points[points[:, 2] > 0][:, :2]
    if len(seen) == 0 or min(size) < TINY_PX:
        return ""

    def outside(order: list[int]) -> float:
        lie = (seen[:, order] < -1) | (seen[:, order] > np.add(size, 1))
        return float(lie.any(1).mean())

    if outside([0, 1]) > 0.2:
        # Those who exchanged x and y see the points inside once they are exchanged back.
        why = "x and y exchanged" if outside([1, 0]) < 0.02 else "pixels of a larger picture"
        return f"{100 * outside([0, 1]):.0f} % of the seen points lie outside of the picture: {why}"
    if (seen.max(0) < np.multiply(size, 0.55)).all() and seen.min() > -1:
        return "all seen points lie in the upper left quarter: pixels of a smaller picture"
    return ""


@dataclass(frozen=True)
class Sheets:
    """One OpenPose sheet of 137 points per video."""

    files: dict[str, RawFile]
    """By video."""

    own_layout: Layout | None = None

    def only(self, clips: Sequence[Clip]) -> Sheets:
        """Keep the sheets of these clips: less to send to another process."""
        return replace(self, files={clip.video: self.files[clip.video] for clip in clips})

    def stamps(self, clips: Sequence[Clip]) -> list[object]:
        """Return what changes when a file of these clips does."""
        return [self.files[video].stamp() for video in dict.fromkeys(c.video for c in clips)]

    def read(self, video: str) -> Keypoints:
        """Read the whole sheet of a video: float32 (rows, 137, 3)."""
        with self.files[video].local() as path:
            return read_openpose(path)

    def num_rows(self, video: str) -> int:
        """Return the number of rows of a video's sheet; it is read where its tags do not tell."""
        with self.files[video].local() as path:
            return count_rows(path) or len(read_openpose(path))

    def of_video(self, clips: Sequence[Clip]) -> Iterator[tuple[Clip, Keypoints]]:
        """Yield each clip of one video with its float32 (T, 137, 3): x px, y px, confidence.

        Raises:
            ArchiveError: The sheet is damaged or shorter than a clip.
        """
        yield from self.cut(self.read(clips[0].video), clips)

    def cut(self, sheet: Keypoints, clips: Sequence[Clip]) -> Iterator[tuple[Clip, Keypoints]]:
        """Yield as `of_video`, from a sheet (rows, 137, 3) that is read already.

        Raises:
            ArchiveError: The sheet is shorter than a clip, or holds no keypoints of this video.
        """
        # Row k is frame k. A sheet may be longer or shorter than its video, which the data report
        # notes: only one that ends before its last clip is of no use.
        end = max(clip.end_frame for clip in clips)
        if len(sheet) < end:
            raise ArchiveError(
                self.files[clips[0].video], "shorter than its clips",
                expected=f"at least {end} rows, one per frame", found=f"{len(sheet)} rows",
            )  # fmt: skip
        check_points(sheet, (clips[0].width, clips[0].height), where=self.files[clips[0].video])
        for clip in clips:
            yield clip, sheet[clip.start_frame : clip.end_frame]


@dataclass(frozen=True)
class Arrays:
    """One array per clip."""

    files: dict[str, RawFile]
    """By clip id."""
    own_layout: Layout | None
    """None for OpenPose's 137 points."""

    def only(self, clips: Sequence[Clip]) -> Arrays:
        files = {c.clip_id: self.files[c.clip_id] for c in clips if c.clip_id in self.files}
        return replace(self, files=files)

    def stamps(self, clips: Sequence[Clip]) -> list[object]:
        return [self.files[clip.clip_id].stamp() for clip in clips if clip.clip_id in self.files]

    def of_video(self, clips: Sequence[Clip]) -> Iterator[tuple[Clip, Keypoints]]:
        """Yield each clip of one video with its float32 (T, J, 3): x px, y px, confidence.

        Raises:
            ManyFaults: Every file that is missing or does not hold the keypoints of its clip. It
                comes after the sound clips.
        """
        faults = FaultList()
        for clip in clips:
            points = None
            with faults.collected():
                points = self._read(clip)
            # Outside the block: `collected` would take the consumer's errors for this file's.
            if points is not None:
                yield clip, points
        faults.raise_any("skeletons")

    def _read(self, clip: Clip) -> Keypoints:
        if clip.clip_id not in self.files:
            raise ArchiveError(f"skeletons/{clip.clip_id}.npy", "no such file")
        file = self.files[clip.clip_id]
        points = read_array(file)
        joints = NUM_POINTS if self.own_layout is None else len(self.own_layout.points)
        shape = (clip.frames, joints, 3)
        if points.dtype != np.float32 or points.shape != shape:
            raise ArchiveError(
                file,
                "not the keypoints of its clip",
                expected=f"float32 {shape} (frames, joints, x y confidence)",
                found=f"{points.dtype} {points.shape}",
            )
        check_points(points, (clip.width, clip.height), where=file)
        return points


def read_array(file: RawFile, mmap_mode: Literal["r"] | None = None) -> NDArray[Any]:
    """Read an array of keypoints, or with `mmap_mode` its header.

    Raises:
        ArchiveError: The file is not a single array.
    """
    with file.local() as path:
        try:
            points = load_array(path, mmap_mode)
        except ValueError as error:
            found = what_is(path, error)
            raise ArchiveError(file, "not a readable array", found=found) from None
    if not isinstance(points, np.ndarray):
        raise ArchiveError(file, "not a single array", found="an archive of arrays (npz)")
    return points


RawKeypoints: TypeAlias = Sheets | Arrays
