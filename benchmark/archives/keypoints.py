"""The keypoints that archives contain, cut at the clips."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from benchmark.archives.openpose import read_openpose
from benchmark.core.errors import ArchiveError, FaultList

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmark.archives.raw_files import RawFile
    from benchmark.contracts.clips import Clip
    from benchmark.contracts.skeletons import Layout

    Keypoints: TypeAlias = NDArray[np.float32]


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

    def of_video(self, clips: Sequence[Clip]) -> Iterator[tuple[Clip, Keypoints]]:
        """Yield each clip of one video with its float32 (T, 137, 3): x px, y px, confidence.

        Raises:
            ArchiveError: The sheet is damaged or shorter than a clip.
        """
        yield from self.cut(self.read(clips[0].video), clips)

    def cut(self, sheet: Keypoints, clips: Sequence[Clip]) -> Iterator[tuple[Clip, Keypoints]]:
        """Yield as `of_video`, from a sheet (rows, 137, 3) that is read already.

        Raises:
            ArchiveError: The sheet is shorter than a clip.
        """
        # Row k is frame k. A sheet may be longer or shorter than its video, which the data report
        # notes: only one that ends before its last clip is of no use.
        end = max(clip.end_frame for clip in clips)
        if len(sheet) < end:
            raise ArchiveError(
                self.files[clips[0].video],
                "shorter than its clips",
                expected=f"at least {end} rows, one per frame",
                found=f"{len(sheet)} rows",
            )
        for clip in clips:
            yield clip, sheet[clip.start_frame : clip.end_frame]


@dataclass(frozen=True)
class Arrays:
    """One array per clip, with the archive's own layout."""

    files: dict[str, RawFile]
    """By clip id."""
    own_layout: Layout

    @property
    def num_points(self) -> int:
        """Number of joints, J."""
        return len(self.own_layout.points)

    def only(self, clips: Sequence[Clip]) -> Arrays:
        """Keep the arrays of these clips: less to send to another process."""
        files = {c.clip_id: self.files[c.clip_id] for c in clips if c.clip_id in self.files}
        return replace(self, files=files)

    def stamps(self, clips: Sequence[Clip]) -> list[object]:
        """Return what changes when a file of these clips does."""
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
        with file.local() as path:
            try:
                # A pickle in the file would run its maker's code.
                points = np.load(path, allow_pickle=False)
            except (ValueError, EOFError, zipfile.BadZipFile) as error:
                raise ArchiveError(file, f"not a readable array ({error})") from None
        _check_array(points, (clip.frames, self.num_points, 3), file)
        return points


def _check_array(points: object, shape: tuple[int, ...], file: RawFile) -> None:
    if not isinstance(points, np.ndarray):
        raise ArchiveError(file, "not a single array", found="an archive of arrays (npz)")
    if points.dtype != np.float32 or points.shape != shape:
        raise ArchiveError(
            file,
            "not the keypoints of its clip",
            expected=f"float32 {shape} (frames, joints, x y confidence)",
            found=f"{points.dtype} {points.shape}",
        )
    if not np.isfinite(points).all():
        frame, joint, _ = np.argwhere(~np.isfinite(points))[0]
        raise ArchiveError(file, f"frame {frame}, joint {joint} is not finite")
    if not 0 <= points[..., 2].min() <= points[..., 2].max() <= 1:
        raise ArchiveError(
            file,
            "confidences outside 0 to 1",
            expected="x px, y px, confidence in this order",
            found=f"{points[..., 2].min():g} to {points[..., 2].max():g}",
        )


RawKeypoints: TypeAlias = Sheets | Arrays
