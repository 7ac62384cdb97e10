"""`mgbench predict`: recognize gestures in any video with a trained system."""

from __future__ import annotations

from pipelines._stage import PARAMS, existing, mistakes_shown, path

import math
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import ArchiveError, ParamsError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from benchmark.core.video import Timeline, VideoInfo
    from benchmark.inference.any_video import Recognized, System
    from benchmark.modalities.one_file import Span


@click.command()
@click.argument("video", type=existing)
@click.option(
    "--with", "name", help="Fusion or experiment of this project, or zoo: the networks that ship."
    "  [default: convex where it is trained, else zoo]",
)  # fmt: skip
@click.option("--out", type=path, help="Folder for JSON, CSV, timeline and annotated video.")
@click.option("--start", type=click.FloatRange(0), help="First second; the beginning if not given.")
@click.option("--end", type=click.FloatRange(0), help="Last second; the end if not given.")
@click.option("--window", type=click.FloatRange(0.1), help="Slide a window of so many seconds.")
@click.option(
    "--step",
    type=click.FloatRange(0.05),
    help="Seconds between windows; half a window if not given.",
)
@click.option(
    "--skeleton",
    type=existing,
    help=".npy (frames, points, 3), or OpenPose's sheet (.xlsx) or JSON folder.",
)
@click.option("--pose", type=existing, help="Instead of --skeleton, models of MediaPipe: pose,")
@click.option("--hands", type=existing, help="hands,")
@click.option("--face", type=existing, help="and face.")
def predict(
    video: Path, name: str | None, out: Path | None, start: float | None, end: float | None,
    window: float | None, step: float | None, skeleton: Path | None, pose: Path | None,
    hands: Path | None, face: Path | None,
) -> None:  # fmt: skip
    """Say which gestures VIDEO shows: the whole, a part, or window by window.

    Example: mgbench predict talk.mp4 --window 2 --out seen
    """
    from benchmark.core.video import probe, timeline
    from benchmark.inference.any_video import ZOO_NAME, recognize
    from benchmark.inference.any_video_files import write_all

    with mistakes_shown():
        _check_out(out, video)
        info = probe(video)
        spans = _windows(timeline(video), start, end, window, step)
        system = _system(name)
        name, with_points = system.name, system.with_points
        if not with_points and (skeleton or pose):
            raise ParamsError("--skeleton, --pose", f"no member of '{name}' uses a skeleton")
        points = _points(video, info, skeleton, pose, hands, face)
        if points is None and with_points:
            whole, system = system, system.without_points()
            click.echo(
                f"no skeleton: without {', '.join(with_points)}; give --skeleton or --pose",
                err=True,
            )
            _echo_loss(whole, system)
        members = dict(zip(sorted(system.members), system.blend.weights.tolist(), strict=True))
        windows = recognize(system, video, spans, points)
        _echo_windows(windows)
        calibrated = system.val_score is not None or system.name == ZOO_NAME
        if not calibrated:
            click.echo("not calibrated: the validation probabilities are missing", err=True)
        if not system.edition.comparable:
            click.echo(
                f"'{name}' was trained on generated people ({system.edition.name}) alone: on real "
                "ones its answers are a demonstration, not a measurement", err=True,
            )  # fmt: skip
        if out is not None:
            files = write_all(
                windows, video, out, system=name, members=members, calibrated=calibrated
            )
            click.echo(f"wrote {out}: {', '.join(files)}")


def _system(name: str | None) -> System:
    """Open the system that the user names; by default that of the project, or else the zoo."""
    from benchmark.inference.any_video import ZOO_NAME, open_system, open_zoo
    from benchmark.tracking.store import find_root

    if name is None:
        weights = "predictions/fusions/convex/weights.json"
        name = "convex" if PARAMS.is_file() and (find_root() / weights).is_file() else ZOO_NAME
    return open_zoo() if name == ZOO_NAME else open_system(name)


def _echo_loss(whole: System, reduced: System) -> None:
    """Print what leaving members out costs on validation, where both scores are known."""
    if whole.val_score is not None and reduced.val_score is not None:
        without, complete = 100 * reduced.val_score.top1, 100 * whole.val_score.top1
        click.echo(
            f"top-1 on validation: {without:.1f} %, with all members {complete:.1f} %", err=True
        )


def _echo_windows(windows: Sequence[Recognized]) -> None:
    """Print a single window with its five best classes, or one line of three per window."""
    if len(windows) == 1:
        (window,) = windows
        click.echo(f"{window.start_s:.2f} to {window.end_s:.2f} s")
        for label, p in window.top(5):
            click.echo(f"  {100 * p:5.1f} %  {label}")
        return
    for window in windows:
        best = ", ".join(f"{100 * p:.1f} % {label}" for label, p in window.top(3))
        click.echo(f"{window.start_s:7.2f} to {window.end_s:.2f} s  {best}")


def _check_out(out: Path | None, video: Path) -> None:
    """Refuse, before any work, to overwrite the video or the results of another video."""
    from benchmark.inference.any_video_files import ANNOTATED, video_of_results

    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise ParamsError("--out", f"{out} is a file", expected="a folder")
    if (out / ANNOTATED).resolve() == video.resolve():
        raise ParamsError("--out", f"would replace {video}", expected="another folder")
    if (earlier := video_of_results(out)) not in {None, video.name}:
        raise ParamsError(
            "--out", f"{out} holds the results of {earlier}", expected="another folder"
        )


def _windows(
    times: Timeline, start: float | None, end: float | None, window: float | None,
    step: float | None,
) -> list[Span]:  # fmt: skip
    """Convert the options from seconds to windows in frames; the last one ends with the part.

    Args:
        times: When each frame of the video is on the screen.
        start: First second of the part, or None.
        end: Last second of the part, or None.
        window: Seconds of a window, or None for the part as one.
        step: Seconds between windows, or None for half a window.
    """
    from benchmark.inference.any_video import sliding_windows
    from benchmark.modalities.one_file import Span

    given = [seconds for seconds in (start, end, window, step) if seconds is not None]
    if not all(map(math.isfinite, given)):
        raise ParamsError("--start, --end, --window, --step", "no finite numbers of seconds")
    if step is not None and window is None:
        raise ParamsError("--step", "only with --window")
    if end is not None and end <= (start or 0):
        raise ParamsError("--start, --end", "no seconds between", found=f"{start or 0:g}, {end:g}")
    length = float(times.edges[-1])
    whole = Span(times.nearest(start or 0), times.nearest(length if end is None else end))
    if whole.start == whole.end:
        raise ParamsError(
            "--start, --end", "no frame between", expected=f"seconds within 0 to {length:.2f}",
            found=f"{start or 0:g} to " + ("the end" if end is None else f"{end:g}"),
        )  # fmt: skip
    if window is None:
        return [whole]
    return sliding_windows(times, whole, window, step or window / 2)


def _points(
    video: Path, info: VideoInfo, skeleton: Path | None, pose: Path | None, hands: Path | None,
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
