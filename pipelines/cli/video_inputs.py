"""What `mgbench predict` reads: videos in folders, parts of them in seconds, their keypoints."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from benchmark.core.errors import ArchiveError, ParamsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.core.video import Timeline, VideoInfo
    from benchmark.modalities.one_file import Span

ENDINGS = (
    ".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".ts",
    ".mts", ".3gp", ".gif",
)  # fmt: skip
"""Endings of the files of a folder that are videos; a file that is named itself may have any."""


def videos_in(given: Sequence[Path], out: Path | None = None) -> dict[Path, Path]:
    """List the given videos, and the videos of the given folders, each once -> its name.

    The name is without ending; of a video of a folder, it is the path below that folder. Results of
    `mgbench predict` are no videos to look at: what lies in `out`, and annotated copies.

    Raises:
        ParamsError: A folder holds no video.
    """
    found: dict[Path, Path] = {}
    for path in given:
        if not path.is_dir():
            found.setdefault(path, Path(path.stem))
            continue
        files = list(_files_below(path))
        films = [file for file in files if file.suffix.lower() in ENDINGS]
        # macOS lays a `._a.mp4`, which is no video, beside an `a.mp4` on a foreign disk.
        hidden = [film for film in films if _is_hidden(film, path)]
        # Unless the results go right among the videos, nothing in their folder is one to look at.
        apart = out and out.resolve()
        if apart and path.resolve().is_relative_to(apart):
            apart = None
        passed_over = {*hidden}
        results = [film for film in films if film not in passed_over and _is_result(film, apart)]
        passed_over |= {*results}
        videos = [film for film in films if film not in passed_over]
        if not videos:
            wanted = f"files {', '.join(ENDINGS)}"
            raise ParamsError(path, "no videos in this folder", expected=wanted)
        _echo_passed_over(path, "hidden", hidden)
        _echo_passed_over(path, "a result", results)
        others = [file for file in files if file.suffix.lower() not in ENDINGS]
        _echo_passed_over(path, "no video by its ending", others)
        for video in videos:
            found.setdefault(video, video.relative_to(path).with_suffix(""))
    return found


def _files_below(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield all files below a folder in the order of their paths, and links to no file as well.

    A link to a folder is followed, unless it leads back to a folder that it is in.
    """
    here = folder.resolve()
    if here in above:
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            yield from _files_below(path, above | {here})
        elif path.is_file() or path.is_symlink():
            yield path


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _is_result(film: Path, apart: Path | None) -> bool:
    from benchmark.inference.any_video_files import ANNOTATED, JSON

    if apart is not None and film.resolve().is_relative_to(apart):
        return True
    return film.name == ANNOTATED and (film.parent / JSON).is_file()


def _echo_passed_over(folder: Path, why: str, files: Sequence[Path]) -> None:
    if files:
        named = ", ".join(str(file.relative_to(folder)) for file in files[:3])
        more = f" and {len(files) - 3} more" if files[3:] else ""
        click.echo(f"{folder}: passed over, {why}: {named}{more}", err=True)


def folders_of(videos: Mapping[Path, Path], out: Path | None) -> dict[Path, Path | None]:
    """Give each video its folder of results, by its name: `out` itself to one alone.

    Raises:
        ParamsError: Two videos of one name would share a folder.
    """
    if out is None or len(videos) == 1:
        return dict.fromkeys(videos, out)
    taken: dict[Path, Path] = {}
    for video, name in videos.items():
        if (other := taken.setdefault(name, video)) is not video:
            raise ParamsError("VIDEO", f"{other} and {video} have one name", do="Rename one")
    return {video: out / name for video, name in videos.items()}


class Part(NamedTuple):
    """What to look at, in seconds, as the options say; None where one is not given."""

    start: float | None
    end: float | None
    window: float | None
    step: float | None

    def check(self) -> None:
        """Make sure that the options fit together, before any video is read.

        Raises:
            ParamsError: They do not.
        """
        if not all(math.isfinite(seconds) for seconds in self if seconds is not None):
            raise ParamsError("--start, --end, --window, --step", "no finite numbers of seconds")
        if self.step is not None and self.window is None:
            raise ParamsError("--step", "only with --window")
        if self.end is not None and self.end <= (self.start or 0):
            found = f"{self.start or 0:g}, {self.end:g}"
            raise ParamsError("--start, --end", "no seconds between", found=found)

    def windows(self, times: Timeline) -> list[Span]:
        """Convert seconds to windows in frames; the last one ends with the part.

        Raises:
            ParamsError: The video has no frame there.
        """
        from benchmark.inference.any_video import sliding_windows
        from benchmark.modalities.one_file import Span

        start, end, length = self.start or 0, self.end, float(times.edges[-1])
        whole = Span(times.nearest(start), times.nearest(length if end is None else end))
        if whole.start == whole.end:
            raise ParamsError(
                "--start, --end", "no frame between", expected=f"seconds within 0 to {length:.2f}",
                found=f"{start:g} to " + ("the end" if end is None else f"{end:g}"),
            )  # fmt: skip
        if self.window is None:
            return [whole]
        return sliding_windows(times, whole, self.window, self.step or self.window / 2)


def check_out(out: Path | None, video: Path) -> None:
    """Refuse, before any work, to overwrite the video or the results of another video."""
    from benchmark.inference.any_video_files import ANNOTATED, video_of_results

    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise ParamsError("--out", f"{out} is a file", expected="a folder")
    try:
        str(video).encode()  # the tables name it
    except UnicodeEncodeError:
        where = ascii(str(video))
        raise ParamsError(
            where, "a name that is not UTF-8", do="Rename it, or omit --out"
        ) from None
    if (out / ANNOTATED).resolve() == video.resolve():
        raise ParamsError("--out", f"would replace {video}", expected="another folder")
    if (earlier := video_of_results(out)) not in {None, video.name}:
        raise ParamsError(
            "--out", f"{out} holds the results of {earlier}", expected="another folder"
        )


def points_of(
    video: Path, info: VideoInfo, *, skeleton: Path | None, pose: Path | None, hands: Path | None,
    face: Path | None,
) -> NDArray[np.float32] | None:  # fmt: skip
    """Read the skeleton of the video, or estimate it with MediaPipe, or return None.

    Args:
        video: The video.
        info: Its number of frames and its frame rate.
        skeleton: A file for `read_points`.
        pose: MediaPipe's model of the body; with it, instead of a file,
        hands: its model of the hands, or None,
        face: and its model of the face, or None.
    """
    from benchmark.archives.keypoints import check_points, doubt_about
    from benchmark.inference.any_video import read_points
    from benchmark.modalities.one_file import Span, frames_of

    if skeleton is not None and pose is not None:
        raise ParamsError("--skeleton, --pose", "both given", expected="one source of points")
    if skeleton is not None:
        points = read_points(skeleton)
        if len(points) < info.frames or not points[: info.frames, :, 2].any():
            raise ArchiveError(
                skeleton, "not the skeleton of this video",
                expected=f"one row per frame of {video.name}, {info.frames} in all, with points",
                found=f"{len(points)} rows" + ("" if points[..., 2].any() else ", no point seen"),
            )  # fmt: skip
        check_points(points, info[:2], where=skeleton)
        if doubt := doubt_about([points], info[:2]):
            click.echo(f"KEYPOINTS MAY NOT BE PIXELS: {skeleton}: {doubt}?", err=True)
        if len(points) > info.frames:
            click.echo(
                f"{skeleton}: {len(points)} rows for {info.frames} frames; the first rows are used",
                err=True,
            )
        return points
    if pose is None:
        if hands or face:
            raise ParamsError("--hands, --face", "only with --pose")
        return None
    from benchmark.modalities.one_file import estimated_points
    from benchmark.modalities.pose.mediapipe_points import PoseModels

    frames = frames_of(video, Span(0, info.frames))
    return estimated_points(frames, PoseModels(pose, hands, face), info.fps)
