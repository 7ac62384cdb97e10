"""Windows: clips without labels, cut over whole videos, for pre-training."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints, field_validator

from benchmark.core.schema import Positive, Strict
from benchmark.editions.splits import SPLITS, Split

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.core.video import VideoInfo
    from benchmark.editions.edition import Edition

INDEX, FRAMES = "clips.parquet", "frames"
"""Names within the folder of an entry: the list of windows, and their prepared data."""


class Windows(Strict):
    """Clips without labels, cut at a fixed distance over whole videos."""

    edition: str
    """Edition whose videos are cut."""
    modality: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    """Entry of `modalities` whose settings prepare the windows; it stores videos."""
    length: Positive
    """Frames of a window. A video that is shorter is one window."""
    stride: Positive
    """Frames from the start of a window to the next. A last window ends with the video."""
    splits: Annotated[tuple[Split, ...], Field(min_length=1)]
    """Splits whose videos are cut, train among them. With test, every network that starts from
    these windows is transductive, and its predictions and submissions say so."""

    @field_validator("splits")
    @classmethod
    def _has_train(cls, splits: tuple[Split, ...]) -> tuple[Split, ...]:
        if "train" not in splits or len({*splits}) < len(splits):
            raise ValueError("must hold train, and no split twice")
        return splits

    @property
    def transductive(self) -> bool:
        """Whether test videos are cut."""
        return "test" in self.splits

    def cut(self, raw: Path, edition: Edition, clips: Clips, *, workers: int) -> Clips:
        """List the windows of every video that has a clip in the index and is not excluded.

        Args:
            raw: Folder of the raw archive.
            edition: Edition that the archive belongs to.
            clips: Its index, which says which split a video belongs to.
            workers: Processes.

        Raises:
            ManyFaults: Every video that cannot be opened.
        """
        from benchmark.archives.archive import advice
        from benchmark.archives.raw_files import probe_raw
        from benchmark.archives.union import open_archive
        from benchmark.contracts.clips import Clips
        from benchmark.runtime.parallel import map_in_processes

        first = {clip.video: clip for clip in reversed(clips.rows) if clip.split in self.splits}
        videos = dict(sorted(first.items()))
        files = open_archive(raw, edition).needed_video_files()
        infos: list[VideoInfo] = map_in_processes(
            partial(probe_raw, excluded=False), [files[video] for video in videos],
            what=f"probe {edition.name}", workers=workers, do=advice(edition),
        )  # fmt: skip
        rows = [
            self._window(number, clip, start, info)
            for number, (clip, info) in enumerate(zip(videos.values(), infos, strict=True))
            for start in self.starts(info.frames)
        ]
        return Clips(edition.name, tuple(rows))

    def starts(self, frames: int) -> list[int]:
        """Return the first frame of each window of a video."""
        last = max(frames - self.length, 0)
        found = list(range(0, last + 1, self.stride))
        return found if found[-1] == last else [*found, last]

    def _window(self, number: int, clip: Clip, start: int, info: VideoInfo) -> Clip:
        from benchmark.contracts.clips import SAFE_ID, Clip

        name = f"{clip.video}_f{start}"
        return Clip(
            # The name of a video may hold what no file is called.
            clip_id=name if SAFE_ID.fullmatch(name) else f"video{number}_f{start}",
            video=clip.video, subject=clip.subject, split=clip.split, label=None,
            start_frame=start, end_frame=min(start + self.length, info.frames), fps=clip.fps,
            width=clip.width, height=clip.height, excluded=False,
        )  # fmt: skip


def unlabeled(edition: Edition) -> Edition:
    """Return the edition as a list of windows needs it: it withholds every label."""
    return edition.model_copy(update={"withheld": SPLITS})
