"""Keypoints as archives give them, cut at the clips."""

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
    """One OpenPose sheet of 137 points a video."""

    files: dict[str, RawFile]
    """By video."""

    own_layout: Layout | None = None

    def only(self, clips: Sequence[Clip]) -> Sheets:
        """The sheets of these clips: little to send to another process."""
        return replace(self, files={clip.video: self.files[clip.video] for clip in clips})

    def stamps(self, clips: Sequence[Clip]) -> list[object]:
        """What changes when a file of these clips does."""
        return [self.files[video].stamp() for video in dict.fromkeys(c.video for c in clips)]

    def read(self, video: str) -> Keypoints:
        """The whole sheet of a video: float32 (rows, 137, 3)."""
        with self.files[video].local() as path:
            return read_openpose(path)

    def of_video(self, clips: Sequence[Clip]) -> Iterator[tuple[Clip, Keypoints]]:
        """Each clip of one video with its float32 (T, 137, 3): x px, y px, confidence.

        Raises:
            ArchiveError: The sheet is damaged or shorter than a clip.
        """
        yield from self.cut(self.read(clips[0].video), clips)

    def cut(self, sheet: Keypoints, clips: Sequence[Clip]) -> Iterator[tuple[Clip, Keypoints]]:
        """As `of_video`, of a sheet that was read already."""
        end = max(clip.end_frame for clip in clips)
        if len(sheet) < end:
            raise ArchiveError(
                self.files[clips[0].video],
                "shorter than its clips",
                expected=f"at least {end} rows, one a frame",
                found=f"{len(sheet)} rows",
            )
        for clip in clips:
            yield clip, sheet[clip.start_frame : clip.end_frame]


@dataclass(frozen=True)
class Arrays:
    """One array a clip, with a layout of the archive's own."""

    files: dict[str, RawFile]
    """By clip id."""
    own_layout: Layout

    @property
    def num_points(self) -> int:
        """J."""
        return len(self.own_layout.points)

    def only(self, clips: Sequence[Clip]) -> Arrays:
        """The arrays of these clips: little to send to another process."""
        files = {c.clip_id: self.files[c.clip_id] for c in clips if c.clip_id in self.files}
        return replace(self, files=files)

    def stamps(self, clips: Sequence[Clip]) -> list[object]:
        """What changes when a file of these clips does."""
        return [self.files[clip.clip_id].stamp() for clip in clips if clip.clip_id in self.files]

    def of_video(self, clips: Sequence[Clip]) -> Iterator[tuple[Clip, Keypoints]]:
        """Each clip of one video with its float32 (T, J, 3): x px, y px, confidence.

        Raises:
            ManyFaults: Files that are missing, no such arrays, or of another length.
        """
        faults = FaultList()
        for clip in clips:
            found = None
            with faults.collected():
                found = self._read(clip)
            if found is not None:
                yield clip, found
        faults.raise_any("skeletons")

    def _read(self, clip: Clip) -> Keypoints:
        if clip.clip_id not in self.files:
            raise ArchiveError(f"skeletons/{clip.clip_id}.npy", "no such file")
        file = self.files[clip.clip_id]
        with file.local() as path:
            try:
                found = np.load(path, allow_pickle=False)
            except (ValueError, EOFError, zipfile.BadZipFile) as error:
                raise ArchiveError(file, f"not a readable array ({error})") from None
        wanted = (clip.frames, self.num_points, 3)
        if not isinstance(found, np.ndarray):
            raise ArchiveError(file, "not a single array", found="an archive of arrays (npz)")
        if found.dtype != np.float32 or found.shape != wanted:
            raise ArchiveError(
                file,
                "not the keypoints of its clip",
                expected=f"float32 {wanted} (frames, joints, x y confidence)",
                found=f"{found.dtype} {found.shape}",
            )
        if not np.isfinite(found).all():
            frame, joint, _ = np.argwhere(~np.isfinite(found))[0]
            raise ArchiveError(file, f"frame {frame}, joint {joint} is not finite")
        if not 0 <= found[..., 2].min() <= found[..., 2].max() <= 1:
            raise ArchiveError(
                file,
                "confidences outside 0 to 1",
                expected="x px, y px, confidence in this order",
                found=f"{found[..., 2].min():g} to {found[..., 2].max():g}",
            )
        return found


RawKeypoints: TypeAlias = Sheets | Arrays
