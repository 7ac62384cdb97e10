"""`mgbench modality`: any modality of any video, by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from benchmark.core.errors import ParamsError
from benchmark.core.schema import kinds_of
from benchmark.modalities.depth.backends import DepthBackend
from benchmark.modalities.flow.backends import FlowBackend
from benchmark.modalities.modality import VideoModality
from benchmark.modalities.union import Modality
from benchmark.params.params import read_params
from pipelines._stage import PARAMS, entry, existing, mistakes_shown, path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from benchmark.core.video import VideoInfo
    from benchmark.modalities.one_file import Span

MAPS = ("joint", "limb")
VIDEOS = kinds_of(Modality, VideoModality)
BACKENDS = [*kinds_of(FlowBackend), *kinds_of(DepthBackend)]


class Made(NamedTuple):
    """Values of every frame, how a person sees one, and what they hang on."""

    values: Iterable[Any]
    picture: Callable[[Any], Any]
    config: str


@click.group()
def modality() -> None:
    """Modalities of single files."""


@modality.command()
@click.argument("kind", type=click.Choice([*MAPS, *VIDEOS]))
@click.argument("video", type=existing)
@click.option("--out", type=path, required=True, help="OUT.npz for numbers, OUT.mp4 to look at.")
@click.option("--modality", "name", help="Entry of params.yaml; else the first of this kind.")
@click.option("--variant", type=click.Choice(["paper", "mm_gesture", "signed"]), help="Of taylor.")
@click.option("--backend", type=click.Choice(BACKENDS), help="Of flow or depth.")
@click.option(
    "--short-side",
    type=click.IntRange(8),
    default=256,
    show_default=True,
    help="At most; nothing is made larger than the video.",
)
@click.option("--start", type=click.IntRange(0), default=0, help="First frame.")
@click.option("--end", type=click.IntRange(1), help="Frame after the last.")
@click.option("--keypoints", type=existing, help="OpenPose's sheet of the video, for maps.")
@click.option("--pose", type=existing, help="MediaPipe's models instead: pose,")
@click.option("--hands", type=existing, help="hands,")
@click.option("--face", type=existing, help="and face.")
@click.option("--map-size", type=click.IntRange(8), default=56, show_default=True)
@click.option("--sigma", type=click.FloatRange(0.1), default=0.6, show_default=True)
def make(kind: str, video: Path, out: Path, start: int, end: int | None, **knobs: Any) -> None:
    """Make one modality (KIND) of one VIDEO: numbers, or a video to look at."""
    from benchmark.core.video import probe
    from benchmark.modalities.one_file import span_of, write_arrays, write_pictures

    with mistakes_shown():
        if out.suffix not in {".npz", ".mp4"}:
            raise ParamsError(out, "not a known ending", expected=".npz or .mp4", found=out.suffix)
        info = probe(video)
        span = span_of(video, info.frames, start, end)
        made = (_maps if kind in MAPS else _frames)(kind, video, info, span, **knobs)
        if out.suffix == ".npz":
            write_arrays(out, made.values, span, made.config)
        else:
            write_pictures(out, made.picture, made.values, info.fps)
    click.echo(f"wrote {out}: {kind} of frames {span.start} to {span.end - 1} of {video}")


def _frames(
    kind: str, video: Path, info: VideoInfo, span: Span, *, name: str | None, variant: str | None,
    backend: str | None, short_side: int, **others: Any,
) -> Made:  # fmt: skip
    from benchmark.modalities.one_file import extract, frames_of, spec_of

    _only("keypoints, pose, hands and face", "maps", [others[k] for k in _SOURCES])
    spec = spec_of(kind, read_params(PARAMS).all_modalities, name=name, backend=backend)
    changes: dict[str, Any] = {"short_side": min(short_side, info.width, info.height)}
    if "variant" not in type(spec).model_fields:
        _only("variant", "taylor", [variant])
    elif variant is not None:
        changes["variant"] = variant
    spec = spec.model_copy(update=changes)
    values = extract(spec.extractor(side=spec.short_side), frames_of(video, span))
    return Made(values, spec.viewer(), spec.model_dump_json())


_SOURCES = ("keypoints", "pose", "hands", "face")
_CHOICES = ("name", "variant", "backend")


def _maps(
    kind: str, video: Path, info: VideoInfo, span: Span, *, keypoints: Path | None,
    pose: Path | None, hands: Path | None,
    face: Path | None, map_size: int, sigma: float, **others: Any,
) -> Made:  # fmt: skip
    from benchmark.modalities.one_file import Maps, estimated_points, frames_of, sheet_points
    from benchmark.modalities.pose.mediapipe_points import PoseModels

    _only("modality, variant and backend", "videos", [others[k] for k in _CHOICES])
    if (keypoints is None) == (pose is None):
        raise ParamsError(
            kind, "points have one source", expected="--keypoints SHEET or --pose MODEL",
            found="both" if pose else "neither", do="See docs/skeletons-from-video.md",
        )  # fmt: skip
    if keypoints is not None:
        points = sheet_points(keypoints, span)
    else:
        models = PoseModels(pose or Path(), hands, face)
        points = estimated_points(frames_of(video, span), models, info.fps)
    stream = "joint" if kind == "joint" else "limb"
    maps = Maps(stream, points, (info.width, info.height), size=map_size, sigma=sigma)
    knobs = {"kind": kind, "size": map_size, "sigma": sigma}
    return Made(maps, maps.picture, json.dumps(knobs))


def _only(options: str, kinds: str, given: list[object]) -> None:
    if any(value is not None for value in given):
        raise ParamsError(f"--{options}", f"only for {kinds}")


@modality.command()
@click.argument("clip_id")
@click.option("--sheets", "name", help="Entry of params.yaml's sheets; else the first.")
@click.option("--out", type=path, required=True, help="The picture, a PNG.")
def sheet(clip_id: str, name: str | None, out: Path) -> None:
    """Show CLIP_ID in all prepared modalities side by side."""
    from benchmark.contracts.clips import read_clips
    from benchmark.data_report.previews import Source, clip_figure
    from benchmark.editions.edition import read_edition
    from benchmark.plots.figures import save

    with mistakes_shown():
        params = read_params(PARAMS)
        spec = entry(params.previews, "previews", name or next(iter(params.previews), ""))
        edition = read_edition(spec.edition)
        folder = Path("data") / spec.edition
        clips = read_clips(folder / "clips.parquet", edition)
        clip = next((clip for clip in clips if clip.clip_id == clip_id), None)
        if clip is None:
            raise ParamsError("CLIP_ID", f"no clip {clip_id} in edition {edition.name}")
        save(clip_figure(Source(spec, folder, params.all_modalities, clips), edition, clip), out)
    click.echo(f"wrote {out}")
