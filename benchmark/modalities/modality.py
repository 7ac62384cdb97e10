"""What every modality is: a spec in params.yaml that makes, stores and shows its clips.

To add one: one module with its class, and the class's name in `modalities/union.py`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Self, TypeAlias

from pydantic import Field

from benchmark.core.schema import Positive, Strict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clip, Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.packing import PackingJob

    Frame: TypeAlias = NDArray[np.uint8]
    Values: TypeAlias = NDArray[Any]

NO_MOTION = 128
"""Stored value for no motion, in flow components and in signed Taylor videos."""
Content: TypeAlias = Literal["video", "keypoints", "person", "features"]
"""What a prepared folder holds: videos, keypoints, both of one person's crop, or features."""
PixelFormat: TypeAlias = Literal["yuv420p", "yuv444p"]
Crf: TypeAlias = Annotated[
    int,
    Field(ge=0, le=51, description="H.264: 0 loses nothing, 18 is hard to tell from the source."),
]


class FrameExtractor(Protocol):
    """Takes the frames of one clip, uint8 (H, W, 3) RGB, in order.

    Gives as many arrays of values (H', W', C) in the same order, some of them later: an extractor
    may look ahead.
    """

    def add(self, frame: Frame) -> Sequence[Values]:
        """Take the next frame; return the values that are finished by it."""
        ...

    def finish(self) -> Sequence[Values]:
        """Return the rest, after the last frame."""
        ...


def extract(extractor: FrameExtractor, frames: Iterable[Frame]) -> Iterator[Values]:
    """Yield the values of each frame, in order."""
    for frame in frames:
        yield from extractor.add(frame)
    yield from extractor.finish()


class FrameByFrame:
    """Extracts the values of each frame from that frame alone."""

    def __init__(self, extract: Callable[[Frame], Values]) -> None:
        self._extract = extract

    def add(self, frame: Frame) -> Sequence[Values]:
        return (self._extract(frame),)

    def finish(self) -> Sequence[Values]:
        """Return nothing: each frame was finished when it came."""
        return ()


class ModalityBase(Strict):
    """One entry of `modalities` in params.yaml."""

    content: ClassVar[Content]
    edition: str
    """Whose archive it is made of."""
    shards: Positive
    """Files that hold the clips; an interrupted `prepare` resumes at the next one."""

    @property
    def needs_points(self) -> bool:
        """Whether it is made of keypoints that come with the videos."""
        return False

    def with_own_points(self) -> Self:
        """Return the spec for an archive whose own layout has the same points."""
        return self

    @property
    def no_motion(self) -> int | None:
        """Value of no motion, where channel 0 is motion along x: a mirror changes its sign."""
        return None

    def frames_folder(self, folder: Path) -> Path:
        """Return the part of a prepared folder that holds the videos."""
        return folder

    def keypoints_folder(self, folder: Path) -> Path:
        """Return the part of a prepared folder that holds the keypoints."""
        return folder

    def prepare(
        self, raw: Path, edition: Edition, clips: Clips, out: Path, *, workers: int
    ) -> None:
        """Make the data of every clip and store them in `out`; bytes do not depend on `workers`.

        Args:
            raw: Folder of the raw archive.
            edition: Edition that the archive belongs to.
            clips: The index.
            out: Folder that takes its name when the data are whole.
            workers: Processes.

        Raises:
            ManyFaults: Every raw file that is damaged or too short.
            ArchiveError: A file of weights or of a model is missing, damaged or not the pinned one.
            MissingExtra: A package that the spec asks for is not installed.
        """
        from benchmark.modalities import shards

        work = shards.work_folder(out)
        files = self.make(raw, edition, clips, work, workers=workers, what=out.name)
        shards.finish(work, out, files)

    def make(
        self, raw: Path, edition: Edition, clips: Clips, work: Path, *, workers: int, what: str
    ) -> list[str]:
        """Make the data in `work`, where a later call goes on; return the names of their files.

        Args:
            raw: Folder of the raw archive.
            edition: Edition that the archive belongs to.
            clips: The index.
            work: Folder of the data, and of what tells a later call which of them are made.
            workers: Processes.
            what: Name of the data in the progress bar.

        Raises:
            ManyFaults: Every raw file that is damaged or too short.
            ArchiveError: A file of weights or of a model is missing, damaged or not the pinned one.
            MissingExtra: A package that the spec asks for is not installed.
        """
        from benchmark.modalities.packing import PackingJob

        config = self.model_dump_json()
        return self.pack(PackingJob(self, raw, edition, clips, what, config, workers, work))

    @abstractmethod
    def pack(self, job: PackingJob) -> list[str]:
        """Make the data in `job.work`; return the names of the files that belong there."""


class VideoModality(ModalityBase):
    """A modality that is stored as short clips of H.264, as many frames as the raw clip has."""

    content: ClassVar = "video"
    pixel_format: ClassVar[PixelFormat] = "yuv444p"
    """Halved colors (yuv420p) lose too much of channels that do not look like a photograph."""
    short_side: Positive
    """Pixels of the shorter side of the stored frames."""
    gop: Positive
    """Frames between key frames."""
    crf: Crf

    @abstractmethod
    def extractor(self, *, side: int | None = None) -> FrameExtractor:
        """Begin the extraction of one clip.

        `side` is for a single video outside of any data set: pixels of the shorter side at which
        the values are made, where the spec's own sizes are left aside.
        """

    def render(self, values: Values) -> Frame:
        """Turn values into the frame that is stored: uint8 (H, W, 3), even sides."""
        return values

    def show(self, stored: Frame) -> Frame:
        """Turn a stored frame into what people look at, in previews."""
        return stored

    def viewer(self) -> Callable[[Values], Frame]:
        """Return what turns the values of one video into frames for people, on one scale."""
        return self.render

    def pack(self, job: PackingJob) -> list[str]:
        from benchmark.modalities.packing import pack_videos

        return pack_videos(job, self._start, render=self.render)

    def _start(self, clip: Clip) -> FrameExtractor:
        return self.extractor()
