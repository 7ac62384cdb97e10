"""`mgbench predict`: recognize gestures in any video with a trained system."""

from __future__ import annotations

from pipelines._stage import PARAMS, existing, path, read_params

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import ParamsError
from benchmark.core.files import find_root, project_root, write_text
from benchmark.core.half_precision import ZOO_NAME, is_installed
from pipelines.cli.options import FiniteRange
from pipelines.cli.video_inputs import Part, check_out, folders_of, points_of, videos_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.core.video import VideoInfo
    from benchmark.inference.any_video import Recognized
    from benchmark.inference.detect import Detector
    from benchmark.inference.segments import Segment
    from benchmark.inference.systems import System

COUNTS = "gestures.csv"
"""Of all videos together: how often each person does what."""


@click.command()
@click.argument("videos", metavar="VIDEO...", type=existing, nargs=-1, required=True)
@click.option(
    "--with", "name", help="Fusion, experiment or entry of section online of this project, an"
    " installed system, or zoo: the networks that ship.  [default: convex, or the only experiment,"
    " where it is trained; else zoo]",
)  # fmt: skip
@click.option(
    "--out", type=path, help="Folder for JSON, CSV, subtitles, ELAN, timeline and annotated video."
)
@click.option("--start", type=FiniteRange(0), help="First second; the beginning if not given.")
@click.option("--end", type=FiniteRange(0), help="Last second; the end if not given.")
@click.option("--window", type=FiniteRange(0.1), help="Slide a window of so many seconds.")
@click.option(
    "--step", type=FiniteRange(0.05),
    help="Seconds between windows; half a window if not given.",
)  # fmt: skip
@click.option(
    "--threshold", type=FiniteRange(0, 1), default=0.5, show_default=True,
    help="Least probability of a segment; an entry of online has its own.",
)  # fmt: skip
@click.option(
    "--skeleton", type=existing,
    help=".npy (frames, points, 3), or OpenPose's sheet (.xlsx) or JSON folder; of one video.",
)  # fmt: skip
@click.option("--pose", type=existing, help="Instead of --skeleton, MediaPipe's model of the body.")
@click.option("--hands", type=existing, help="With --pose, MediaPipe's model of the hands.")
@click.option("--face", type=existing, help="With --pose, MediaPipe's model of the face.")
def predict(
    videos: tuple[Path, ...], name: str | None, out: Path | None, start: float | None,
    end: float | None, window: float | None, step: float | None, threshold: float,
    skeleton: Path | None, pose: Path | None, hands: Path | None, face: Path | None,
) -> None:  # fmt: skip
    """Say which gestures each VIDEO shows: the whole, a part, or window by window.

    A folder stands for all videos in it, a folder in that for a person. Examples:

    \b
      mgbench predict talk.mp4 --window 2 --out seen
      mgbench predict interviews --window 2 --step 0.5 --threshold 0.6 --out seen
    """  # noqa: D301 - click reads the sign that keeps lines apart
    files = videos_in(videos, out)
    if skeleton is not None and len(files) > 1:
        raise ParamsError("--skeleton", "is of one video", found=f"{len(files)} videos")
    places = folders_of(files, out)
    for video, place in places.items():
        check_out(place, video)
    detector = _detector(name)
    if detector is not None:
        if window is not None or step is not None:
            raise ParamsError("--window, --step", f"'{name}' has its own", do="Omit them")
        name, window, step = detector.source, detector.window, detector.step
    part = Part(start, end, window, step)
    part.check()
    system = _system(name)
    points = partial(points_of, skeleton=skeleton, pose=pose, hands=hands, face=face)
    if not system.with_points and (skeleton or pose):
        raise ParamsError("--skeleton, --pose", f"no member of '{system.name}' uses a skeleton")
    system = _usable(system, with_points=bool(skeleton or pose))
    _remove_tables(out, len(places))
    seen: dict[Path, tuple[float, list[Segment]]] = {}
    for number, (video, place) in enumerate(places.items(), start=1):
        if len(places) > 1:
            click.echo(f"{video} ({number} of {len(places)})")
        seen[video] = _one(system, video, part, points, place, detector or threshold)
    if out is not None:
        _write_tables(out, files, seen, system.edition.classes)


def _detector(name: str | None) -> Detector | None:
    """Read the detector of an entry of section online; None for any other system."""
    root = project_root()
    if name is None or name == ZOO_NAME or root is None:
        return None
    if name not in read_params(root / PARAMS).online:
        return None
    from benchmark.core.schema import read_json
    from benchmark.inference.detect import Detector

    file = root / "predictions/online" / name / "detector.json"
    return read_json(file, Detector, what="a detector", do="Run 'dvc repro detect'")


def _system(name: str | None) -> System:
    """Open the system that the user names; by default that of the project, or else the zoo."""
    installed = False
    if name is None:
        name = _trained() or ZOO_NAME
    elif name != ZOO_NAME and not (installed := is_foreign(name)):
        # Before seconds of imports: a wrong name is told at once.
        from benchmark.params.checks import check_system

        check_system(name, read_params(find_root() / PARAMS))
    from benchmark.inference.system_file import open_installed
    from benchmark.inference.systems import open_system, open_zoo

    if name == ZOO_NAME:
        return open_zoo()
    return open_installed(name) if installed else open_system(name)


def is_foreign(name: str) -> bool:
    """Tell whether a system is installed; one of the same name in the project goes before it."""
    if not is_installed(name):
        return False
    if (root := project_root()) is None:
        return True
    params = read_params(root / PARAMS)
    return name not in {**params.every_fusion, **params.experiments}


def _trained() -> str | None:
    """Name the fusion `convex`, or the only network, of this project; None if it has neither."""
    if (root := project_root()) is None:
        return None
    if (root / "predictions/fusions/convex/weights.json").is_file():
        return "convex"
    experiments = read_params(root / PARAMS).experiments
    trained = [key for key in experiments if (root / "models" / key).is_dir()]
    return trained[0] if len(experiments) == len(trained) == 1 else None


def _usable(whole: System, *, with_points: bool) -> System:
    """Leave out the members that need points where there are none, and say so; and what it is."""
    system = whole
    if not with_points and (left_out := whole.with_points):
        system = whole.without_points()
        text = f"no skeleton: without {', '.join(left_out)}; give --skeleton or --pose"
        click.echo(text, err=True)
        if whole.val_score is not None and system.val_score is not None:
            without, complete = 100 * system.val_score.top1, 100 * whole.val_score.top1
            text = f"top-1 on validation: {without:.1f} %, with all members {complete:.1f} %"
            click.echo(text, err=True)
    if not _is_calibrated(system):
        click.echo("not calibrated: the validation probabilities are missing", err=True)
    if not system.edition.comparable:
        click.echo(
            f"'{system.name}' was trained on generated people ({system.edition.name}) alone: on "
            "real ones its answers are a demonstration, not a measurement", err=True,
        )  # fmt: skip
    return system


def _is_calibrated(system: System) -> bool:
    return system.val_score is not None or system.name == ZOO_NAME


def _one(
    system: System, video: Path, part: Part,
    points: Callable[[Path, VideoInfo], NDArray[np.float32] | None], out: Path | None,
    kept: Detector | float,
) -> tuple[float, list[Segment]]:  # fmt: skip
    # Prints what one video shows, writes its files, and returns the seconds that were looked at,
    # and the segments: of at least the probability `kept`, or by that detector.
    from benchmark.core.video import probe, timeline
    from benchmark.inference.any_video import recognize
    from benchmark.inference.any_video_files import write_all
    from benchmark.inference.detect import Detector
    from benchmark.inference.segments import detected_segments, segments

    spans = part.windows(timeline(video))
    quick = isinstance(kept, Detector)
    windows = recognize(system, video, spans, points(video, probe(video)), quick=quick)
    if isinstance(kept, Detector):
        found = detected_segments(windows, kept)
    else:
        found = segments(windows, kept)
    _echo_windows(windows, found)
    if out is not None:
        members = dict(zip(sorted(system.members), system.blend.weights.tolist(), strict=True))
        files = write_all(
            windows, video, out, system=system.name, members=members,
            calibrated=_is_calibrated(system) and not quick, found=found,
        )  # fmt: skip
        click.echo(f"wrote {out}: {', '.join(files)}")
    return windows[-1].end_s - windows[0].start_s, found


def _remove_tables(out: Path | None, videos: int) -> None:
    # Stopped between two videos, new results must not stand beside tables of an earlier run.
    from benchmark.inference.any_video_files import SEGMENTS

    if out is None or videos == 1:
        return
    for table in (SEGMENTS, COUNTS):
        (out / table).unlink(missing_ok=True)


def _write_tables(
    out: Path, names: Mapping[Path, Path], seen: Mapping[Path, tuple[float, list[Segment]]],
    classes: Sequence[str],
) -> None:  # fmt: skip
    # How often each person does what, and of several videos the segments of all. The first part of
    # a video's path below what the user gave (`names`) is the person.
    from benchmark.inference.any_video_files import SEGMENTS
    from benchmark.inference.segments import to_counts, to_csv

    if len(seen) > 1:
        rows = [(str(video), one) for video, (_, found) in seen.items() for one in found]
        write_text(out / SEGMENTS, to_csv(rows))
        click.echo(f"wrote {out / SEGMENTS}: {len(rows)} segments")
    counted = [(names[video].parts[0], *each) for video, each in seen.items()]
    write_text(out / COUNTS, to_counts(counted, classes))
    click.echo(f"wrote {out / COUNTS}: how often each person does what")


def _echo_windows(windows: Sequence[Recognized], found: Sequence[Segment]) -> None:
    """Print a single window with its five best classes, or one line per segment of several."""
    if len(windows) == 1:
        (window,) = windows
        click.echo(f"{window.start_s:.2f} to {window.end_s:.2f} s")
        for label, p in window.top(5):
            click.echo(f"  {100 * p:5.1f} %  {label}")
        return
    for one in found:
        click.echo(f"{one.start_s:7.2f} to {one.end_s:.2f} s  {one.label}, {one.p:.2f}")
    if not found:
        best = max(windows, key=lambda window: window.p.max())
        label, p = best.top(1)[0]
        click.echo(
            f"no segment reaches the threshold in {len(windows)} windows; the surest is"
            f" {label}, {p:.2f}, at {best.start_s:.2f} s"
        )
