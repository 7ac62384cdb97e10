"""SMG: sequences of a Kinect, each with skeletons, labeled intervals and perhaps its video.

Source: SMGaccessSample.py and THDutils.py of https://github.com/mikecheninoulu/SMG.
"""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Sequence as Videos
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.archives.archive import Archive
from benchmark.archives.keypoints import Sheets
from benchmark.archives.raw_files import RawFile, Tree, is_unreadable, probe_raw
from benchmark.contracts.clips import Clip, Clips
from benchmark.contracts.skeletons import KINECT25
from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.text_files import read_rows, whole_number

if TYPE_CHECKING:
    from benchmark.editions.edition import Edition
    from benchmark.editions.splits import Split

TRAINED = 35
"""The first sequences in the order of their names train; the reference code holds out the rest."""
PER_JOINT = 11
"""Numbers of a joint: x, y, z; four of its rotation; x, y in the color picture; two of depth."""
PIXELS = slice(7, 9)
PICTURE = (1920, 1080)
"""Width and height of a Kinect's color picture, for sequences without their video."""


class Sequence(NamedTuple):
    """Where the files of one sequence lie."""

    name: str
    split: Split
    data: RawFile
    labels: RawFile
    skeleton: RawFile
    movie: RawFile | None


class Smg(Archive):
    """One folder per sequence: `NAME_skeleton.csv`, `NAME_data.csv`, `NAME_finelabels.csv`."""

    dataset: ClassVar[str] = "smg"

    def index(self, *, excluded: Collection[str], workers: int) -> Clips:
        return self._index_each(_index, sequences(self.root), excluded, workers)

    def video_files(self) -> dict[str, RawFile]:
        """Map each sequence to its color video; empty where the archive is skeletons alone."""
        return {each.name: each.movie for each in sequences(self.root) if each.movie}

    def keypoints(self) -> Skeletons:
        files = {each.name: each.skeleton for each in sequences(self.root)}
        return Skeletons(files, KINECT25)

    def num_frames(self, videos: Videos[str]) -> list[int]:
        """Return the number of frames that the sequences' own files tell."""
        told = {each.name: _told(each)[0] for each in sequences(self.root)}
        return [told[video] for video in videos]


@dataclass(frozen=True)
class Skeletons(Sheets):
    """One table of 25 joints per sequence."""

    def num_rows(self, video: str) -> int:
        with self.files[video].local() as path, path.open("rb") as file:
            return sum(1 for line in file if line.strip())

    def read(self, video: str) -> NDArray[np.float32]:
        """Read all joints of a sequence: float32 (frames, 25, 3), confidence 1, or 0 if unseen.

        Raises:
            ArchiveError: The table has another width, or a cell is no number.
        """
        with self.files[video].local() as path:
            try:
                table = np.loadtxt(path, np.float64, delimiter=",", ndmin=2)
            except ValueError as error:
                wrong = str(error).partition(";")[0]
                raise ArchiveError(self.files[video], f"not a table of numbers: {wrong}") from None
        width = PER_JOINT * len(KINECT25.points)
        if table.shape[1] != width:
            raise ArchiveError(
                self.files[video], "another number of columns", found=str(table.shape[1]),
                expected=f"{width}, {PER_JOINT} of each of {len(KINECT25.points)} joints",
            )  # fmt: skip
        points = table.reshape(len(table), -1, PER_JOINT)[:, :, PIXELS]
        # The sensor writes zeros or infinities for a joint that it does not see.
        seen = np.isfinite(points).all(2) & (points != 0).any(2)
        points = np.where(seen[..., None], points, 0)
        return np.concatenate([points, seen[..., None]], axis=2).astype(np.float32)


def sequences(root: Path) -> list[Sequence]:
    """List every sequence, in the order of the names.

    Raises:
        ManyFaults: Every file that is missing; videos of some sequences only.
    """
    tree, faults = Tree(root), FaultList()
    found: list[Sequence] = []
    for place, name in enumerate(tree.folders("")):
        with faults.collected():
            kinds = ("data", "finelabels", "skeleton")
            data, labels, skeleton = (tree.file(f"{name}/{name}_{kind}.csv") for kind in kinds)
            movie = root / name / f"{name}_color.mp4"
            split: Split = "train" if place < TRAINED else "val"
            movie_file = RawFile(movie) if movie.is_file() else None
            found.append(Sequence(name, split, data, labels, skeleton, movie_file))
    with faults.collected():
        without = [each.name for each in found if each.movie is None]
        if 0 < len(without) < len(found):
            wrong = f"{len(without)} sequence(s) have no video, the first is {without[0]}"
            raise ArchiveError(root, wrong, expected="NAME_color.mp4 of all or of none")
    faults.raise_any(root)
    return found


def _told(sequence: Sequence) -> tuple[int, int]:
    """Read number of frames and frames per second."""
    with sequence.data.local() as path:
        where, row = next(read_rows(path), (str(path), []))
    numbers = [whole_number(where, "a cell", cell) for cell in row]
    if len(numbers) != 3 or min(numbers[:2]) < 1:
        expected = "frames, frames per second, largest depth"
        raise ArchiveError(where, "not the data of a sequence", expected=expected, found=str(row))
    return numbers[0], numbers[1]


def _index(sequence: Sequence, *, edition: Edition, excluded: frozenset[str]) -> list[Clip]:
    # Not at the top: PyAV loads FFmpeg, and many modules need only the names of data sets.
    from benchmark.core.video import VideoInfo

    frames, fps = _told(sequence)
    info = VideoInfo(PICTURE[0], PICTURE[1], float(fps), frames)
    if sequence.movie is not None:
        info = probe_raw(sequence.movie, excluded=sequence.name in excluded)
        # The sensor may tell of frames that the video lacks.
        frames = frames if is_unreadable(info) else min(frames, info.frames)
    clips = []
    with sequence.labels.local() as path:
        for number, (where, row) in enumerate(read_rows(path)):
            cells = [whole_number(where, "a cell", cell) for cell in row]
            inside = len(cells) == 3 and 1 <= cells[0] <= len(edition.classes)
            if not inside or not 1 <= cells[1] <= cells[2] <= frames:
                expected = f"class 1 to {len(edition.classes)}, frames within 1 to {frames}"
                raise ArchiveError(where, "not a label", expected=expected, found=",".join(row))
            clips.append(
                Clip(
                    clip_id=f"{sequence.name}_{number}", video=sequence.name, subject=sequence.name,
                    split=sequence.split, label=cells[0] - 1,
                    # The reference asks for frames 1 to N, both ends included.
                    start_frame=cells[1] - 1, end_frame=cells[2], fps=info.fps, width=info.width,
                    height=info.height, excluded=sequence.name in excluded,
                )
            )  # fmt: skip
    if not clips:
        raise ArchiveError(sequence.labels, "no rows", expected="one row per gesture")
    return clips
