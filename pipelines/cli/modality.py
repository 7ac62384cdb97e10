"""`mgbench modality`: modalities of a single video, and pictures of prepared clips."""

from __future__ import annotations

from pipelines._stage import PARAMS, entry, existing, path, read_params

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from benchmark.core.errors import ParamsError
from pipelines.cli.group import Group, echo_columns
from pipelines.cli.options import FiniteRange, check_ending, check_outputs

if TYPE_CHECKING:
    from benchmark.core.video import VideoInfo
    from benchmark.modalities.one_file import Span

MAPS = ("joint", "limb")


class Kind(click.ParamType):
    """A kind of the unions, which are loaded when a value is checked: help need not wait."""

    def __init__(self, name: str, kinds: Callable[[], list[str]]) -> None:
        self.name, self._kinds = name, kinds

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in (kinds := self._kinds()):
            self.fail(f"'{value}' is not one of {', '.join(kinds)}", param, ctx)
        return value

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(kind) for kind in self._kinds() if kind.startswith(incomplete)]


def _made() -> list[str]:
    from benchmark.core.schema import kinds_of
    from benchmark.modalities.modality import VideoModality
    from benchmark.modalities.union import Modality

    return [*MAPS, *kinds_of(Modality, VideoModality)]


def _backends() -> list[str]:
    from benchmark.core.schema import kinds_of
    from benchmark.modalities.backends import DepthBackend, FlowBackend

    return [*kinds_of(FlowBackend), *kinds_of(DepthBackend)]


class Source(NamedTuple):
    """The part of a video to work on."""

    video: Path
    info: VideoInfo
    span: Span


class Made(NamedTuple):
    """A modality of one video."""

    values: Iterable[Any]
    """Array of each frame, in order."""
    picture: Callable[[Any], Any]
    """Turns one array into an RGB picture."""
    config: str
    """Parameters that the values depend on, as JSON."""


@click.group(cls=Group)
def modality() -> None:
    """List modalities, make those of single videos, draw prepared clips."""


@modality.command("list")
def list_() -> None:
    """List the modalities of params.yaml, and the experiments that learn from each.

    Example: mgbench modality list
    """
    params = read_params(PARAMS)
    rows = []
    for name, spec in params.modalities.items():
        users = [key for key, run in params.experiments.items() if run.modality == name]
        rows.append((name, spec.kind, spec.edition, ", ".join(users) or "-"))
    echo_columns([("modality", "kind", "edition", "experiments"), *rows])


@modality.command()
@click.argument("kind", metavar="KIND", type=Kind("kind", _made))
@click.argument("video", type=existing)
@click.option(
    "--out", type=path, required=True, help="File to write: .npz for arrays, .mp4 for a video."
)
@click.option("--modality", help="Entry of section modalities; default: the first of KIND.")
@click.option(
    "--variant", type=click.Choice(["paper", "mm_gesture", "signed"]), help="Variant of taylor."
)
@click.option("--backend", type=Kind("backend", _backends), help="Backend of flow or depth.")
@click.option(
    "--short-side", type=click.IntRange(8), default=256, show_default=True,
    help="Largest shorter side in pixels; videos are never enlarged.",
)  # fmt: skip
@click.option("--start", type=click.IntRange(0), default=0, help="First frame; default: 0.")
@click.option(
    "--end", type=click.IntRange(1), help="Frame after the last one; default: all frames."
)
@click.option(
    "--keypoints", type=existing,
    help="OpenPose's sheet or JSON folder of the video, for joint and limb.",
)  # fmt: skip
@click.option("--pose", type=existing, help="Instead of --keypoints: MediaPipe's pose model.")
@click.option("--hands", type=existing, help="MediaPipe's hand model.")
@click.option("--face", type=existing, help="MediaPipe's face model.")
@click.option(
    "--map-size", type=click.IntRange(8), default=56, show_default=True,
    help="Height and width of the heat maps in pixels.",
)  # fmt: skip
@click.option(
    "--sigma", type=FiniteRange(0.1), default=0.6, show_default=True,
    help="Standard deviation of a joint's Gaussian in heat-map pixels.",
)  # fmt: skip
def make(kind: str, video: Path, out: Path, start: int, end: int | None, **config: Any) -> None:
    """Make modality KIND of VIDEO, as arrays or as a video to look at.

    KIND is joint, limb, rgb, taylor, flow, depth, or another one that you have added.

    Example: mgbench modality make flow talk.mp4 --out flow.npz
    """
    # Imported here, as in all commands: torch and OpenCV take seconds, and --help must not.
    from benchmark.core.video import probe, timeline
    from benchmark.modalities.one_file import span_of, write_arrays, write_pictures

    check_ending(out, ".npz", ".mp4")
    check_outputs({"--out": out}, (video, config["keypoints"]))
    info = probe(video)
    source = Source(video, info, span_of(video, info.frames, start, end))
    made = (_maps if kind in MAPS else _frames)(kind, source, config)
    if out.suffix == ".npz":
        write_arrays(out, made.values, source.span, made.config)
    else:
        write_pictures(out, map(made.picture, made.values), timeline(video).part(*source.span))
    first, end = source.span
    click.echo(f"wrote {out}: {kind} of frames {first} to {end - 1} of {video}")


def _frames(kind: str, source: Source, config: dict[str, Any]) -> Made:
    from benchmark.modalities.modality import extract
    from benchmark.modalities.one_file import frames_of, spec_of

    _refuse(kind, config, "keypoints", "pose", "hands", "face")
    entries = read_params(PARAMS).modalities
    spec = spec_of(kind, entries, name=config["modality"], backend=config["backend"])
    # Enlarging a video would add pixels but no detail.
    side = min(config["short_side"], source.info.width, source.info.height)
    changes: dict[str, Any] = {"short_side": side}
    if "variant" not in type(spec).model_fields:
        _refuse(kind, config, "variant")
    elif config["variant"]:
        changes["variant"] = config["variant"]
    spec = spec.model_copy(update=changes)
    values = extract(spec.extractor(side=side), frames_of(source.video, source.span))
    return Made(values, spec.viewer(), spec.model_dump_json())


def _maps(kind: str, source: Source, config: dict[str, Any]) -> Made:
    from benchmark.archives.keypoints import check_points
    from benchmark.modalities.one_file import Maps, estimated_points, frames_of, sheet_points
    from benchmark.modalities.pose.mediapipe_points import PoseModels

    _refuse(kind, config, "modality", "variant", "backend")
    keypoints, pose = config["keypoints"], config["pose"]
    if (keypoints is None) == (pose is None):
        raise ParamsError(
            kind, "needs one source of keypoints", expected="--keypoints SHEET or --pose MODEL",
            found="both" if pose else "neither", do="See docs/skeletons-from-video.md",
        )  # fmt: skip
    video, info, span = source
    if keypoints is not None:
        points = sheet_points(keypoints, span)
        check_points(points, (info.width, info.height), where=keypoints)
    else:
        models = PoseModels(pose, config["hands"], config["face"])
        points = estimated_points(frames_of(video, span), models, info.fps)
    size, sigma = config["map_size"], config["sigma"]
    stream = "joint" if kind == "joint" else "limb"
    maps = Maps(stream, points, (info.width, info.height), size=size, sigma=sigma)
    return Made(maps, maps.picture, json.dumps({"kind": kind, "size": size, "sigma": sigma}))


def _refuse(kind: str, config: dict[str, Any], *options: str) -> None:
    for option in options:
        if config[option] is not None:
            raise ParamsError(f"--{option}", f"is not an option of kind {kind}")


@modality.command()
@click.argument("clip_id")
@click.option("--previews", "name", help="Entry of section previews; default: the first.")
@click.option("--out", type=path, required=True, help="Picture to write (.png).")
def preview(clip_id: str, name: str | None, out: Path) -> None:
    """Draw CLIP_ID in all prepared modalities below each other.

    Example: mgbench modality preview 0001_3 --previews mimic --out clip.png
    """
    from benchmark.contracts.clips import read_clips
    from benchmark.data_report.previews import PreviewSource, clip_figure
    from benchmark.editions.edition import read_edition
    from benchmark.plots.figures import save

    check_ending(out, ".png")
    params = read_params(PARAMS)
    spec = entry(params.previews, "previews", name or next(iter(params.previews), ""))
    edition = read_edition(spec.edition)
    folder = Path("data") / spec.edition
    clips = read_clips(folder / "clips.parquet", edition)
    clip = next((clip for clip in clips if clip.clip_id == clip_id), None)
    if clip is None:
        raise ParamsError("CLIP_ID", f"edition {edition.name} has no clip '{clip_id}'")
    source = PreviewSource(spec, folder, params.modalities, clips)
    save(clip_figure(source, edition, clip), out)
    click.echo(f"wrote {out}")
