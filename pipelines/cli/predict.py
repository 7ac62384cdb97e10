"""`mgbench predict`: what a trained system sees in any video."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import ArchiveError, ParamsError
from pipelines._stage import existing, mistakes_shown, path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from benchmark.core.video import VideoInfo
    from benchmark.inference.any_video import Recognized, System
    from benchmark.modalities.one_file import Span


@click.command()
@click.argument("video", type=existing)
@click.option("--with", "name", default="convex", show_default=True, help="Fusion or experiment.")
@click.option("--out", type=path, help="Folder for JSON, CSV, timeline and annotated video.")
@click.option("--start", type=click.FloatRange(0), help="First second; else the beginning.")
@click.option("--end", type=click.FloatRange(0), help="Last second; else the end.")
@click.option("--window", type=click.FloatRange(0.1), help="Slide: seconds seen at once.")
@click.option("--step", type=click.FloatRange(0.05), help="Seconds between windows; else half one.")
@click.option("--skeleton", type=existing, help=".npy (frames, points, 3), or OpenPose's sheet.")
@click.option("--pose", type=existing, help="MediaPipe's models in its place: pose,")
@click.option("--hands", type=existing, help="hands,")
@click.option("--face", type=existing, help="and face.")
def predict(
    video: Path, name: str, out: Path | None, start: float | None, end: float | None,
    window: float | None, step: float | None, skeleton: Path | None, pose: Path | None,
    hands: Path | None, face: Path | None,
) -> None:  # fmt: skip
    """Say which gestures VIDEO shows: the whole, a part, or window by window."""
    from benchmark.core.video import probe
    from benchmark.inference.any_video import needs_points, open_system, recognize
    from benchmark.inference.any_video_files import write_all

    with mistakes_shown():
        _check_out(out, video)
        info = probe(video)
        spans = _windows(video, info, start, end, window, step)
        system = open_system(name)
        left = [key for key, metadata in system.metadata.items() if needs_points(metadata)]
        if not left and (skeleton or pose):
            raise ParamsError("--skeleton, --pose", f"no member of '{name}' looks at a skeleton")
        points = _points(video, info, skeleton, pose, hands, face)
        if points is None and left:
            whole, system = system, system.without_points()
            click.echo(
                f"no skeleton: goes without {', '.join(left)}; give --skeleton or --pose", err=True
            )
            _say_cost(whole, system)
        used = dict(zip(sorted(system.metadata), system.blend.weights.tolist(), strict=True))
        found = recognize(system, video, spans, points)
        _say(found)
        calibrated = system.worth is not None
        if not calibrated:
            click.echo("not calibrated: no probabilities of validation here", err=True)
        if not system.edition.comparable:
            click.echo(f"trained on generated data ({system.edition.name})", err=True)
        if out is not None:
            files = write_all(found, video, out, system=name, members=used, calibrated=calibrated)
            click.echo(f"wrote {out}: {', '.join(files)}")


def _say_cost(whole: System, rest: System) -> None:
    """What the members that are left are worth, where that is known."""
    if whole.worth is not None and rest.worth is not None:
        ours, all_ = 100 * rest.worth.top1, 100 * whole.worth.top1
        click.echo(f"right on validation: {ours:.1f} %, with all members {all_:.1f} %", err=True)


def _say(found: Sequence[Recognized]) -> None:
    """A window alone with its five best classes, many of them with three in a line each."""
    if len(found) == 1:
        (one,) = found
        click.echo(f"{one.start_s:.2f} to {one.end_s:.2f} s")
        for label, p in one.top(5):
            click.echo(f"  {100 * p:5.1f} %  {label}")
        return
    for one in found:
        best = ", ".join(f"{100 * p:.1f} % {label}" for label, p in one.top(3))
        click.echo(f"{one.start_s:7.2f} to {one.end_s:.2f} s  {best}")


def _check_out(out: Path | None, video: Path) -> None:
    """Before the work, not after it: the folder is new, or holds what was seen in this video."""
    from benchmark.inference.any_video_files import ANNOTATED, seen_video

    if out is None:
        return
    if out.exists() and not out.is_dir():
        raise ParamsError("--out", f"{out} is a file", expected="a folder")
    if (out / ANNOTATED).resolve() == video.resolve():
        raise ParamsError("--out", f"would replace {video}", expected="another folder")
    if (other := seen_video(out)) not in {None, video.name}:
        raise ParamsError(
            "--out", f"{out} holds what was seen in {other}", expected="another folder"
        )


def _windows(
    video: Path, info: VideoInfo, start: float | None, end: float | None, window: float | None,
    step: float | None,
) -> list[Span]:  # fmt: skip
    """In frames; the last window ends with the part."""
    from benchmark.inference.any_video import sliding
    from benchmark.modalities.one_file import Span, span_of

    given = [seconds for seconds in (start, end, window, step) if seconds is not None]
    if not all(map(math.isfinite, given)):
        raise ParamsError("--start, --end, --window, --step", "no finite numbers of seconds")
    if step is not None and window is None:
        raise ParamsError("--step", "only with --window")
    if end is not None and end <= (start or 0):
        raise ParamsError("--start, --end", "no seconds between", found=f"{start or 0:g}, {end:g}")
    last = info.frames if end is None else min(info.frames, round(end * info.fps))
    whole = span_of(video, info.frames, round((start or 0) * info.fps), last)
    if window is None:
        return [whole]
    length = max(1, round(window * info.fps))
    apart = max(1, round((step or window / 2) * info.fps))
    parts = sliding(whole.end - whole.start, length, apart)
    return [Span(whole.start + part.start, whole.start + part.end) for part in parts]


def _points(
    video: Path, info: VideoInfo, skeleton: Path | None, pose: Path | None, hands: Path | None,
    face: Path | None,
) -> NDArray[np.float32] | None:  # fmt: skip
    """Of every frame of the video: given, found by MediaPipe, or None."""
    from benchmark.inference.any_video import read_points
    from benchmark.modalities.one_file import Span, frames_of

    if skeleton is not None and pose is not None:
        raise ParamsError("--skeleton, --pose", "points have one source")
    if skeleton is not None:
        points = read_points(skeleton)
        if len(points) < info.frames or not points[: info.frames, :, 2].any():
            raise ArchiveError(
                skeleton, "not the skeleton of this video",
                expected=f"a row for each of the {info.frames} frames of {video.name}, with points",
                found=f"{len(points)} rows" + ("" if points[..., 2].any() else ", no point seen"),
            )  # fmt: skip
        if len(points) > info.frames:
            click.echo(
                f"{skeleton}: {len(points)} rows for {info.frames} frames: the first are taken",
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
