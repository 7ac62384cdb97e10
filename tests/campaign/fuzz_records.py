"""Fuzzing of videos, of run records and of dvc.lock."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from random import Random
from typing import Any

import av

import tiny_archive
from benchmark.core.video import probe, read_frames
from benchmark.tracking.records import read_records
from benchmark.tracking.sync import sync

from .fuzz_params import mutated_yaml, yaml_of
from .lab import Lab
from .mutations import mutated_bytes, mutated_text, mutated_tree
from .tries import Attempt, Campaign, Tried
from .verdicts import judged, unlike

CONTAINERS = {
    "mp4": "libx264",
    "mkv": "libx264",
    "avi": "mpeg4",
    "webm": "libvpx",
    "mpg": "mpeg2video",
}


def _start_videos(lab: Lab) -> Attempt:
    whole = {}
    for suffix, codec in CONTAINERS.items():
        file = lab.work / f"whole.{suffix}"
        _film(file, codec)
        whole[suffix] = (file.read_bytes(), probe(file))

    def attempt(seed: int) -> Tried:
        rng = Random(seed)
        suffix = rng.choice(sorted(whole))
        data, right = whole[suffix]
        changed, what = mutated_bytes(data, rng)
        file = lab.work / f"video.{suffix}"
        file.write_bytes(changed)
        return judged(
            f"{suffix}: {what}",
            lambda: (probe(file), sum(1 for _ in read_frames(file))),
            lambda found: _video_fault(found, right),
        )

    return attempt


def _film(file: Path, codec: str) -> None:
    with av.open(str(file), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = (
            tiny_archive.WIDTH,
            tiny_archive.HEIGHT,
            "yuv420p",
        )
        for picture in tiny_archive.frames_of("0001"):
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)


def _video_fault(found: tuple[Any, int], right: Any) -> str:
    info, frames = found
    if info.frames != frames:
        return f"another number of frames decoded than counted: {frames} and {info.frames}"
    if frames < right.frames:
        return "frames are lost without a word"
    if not (math.isfinite(info.fps) and 0 < info.fps <= 1000 and info.width and info.height):
        return f"odd properties: {info}"
    return ""


def _start_records(lab: Lab) -> Attempt:
    data = (lab.finished / "runs/train-joint.json").read_bytes()
    tree, file = json.loads(data), lab.work / "record.json"
    tree["runs"][0]["metrics"] = tree["runs"][0]["metrics"][:5]

    def attempt(seed: int) -> Tried:
        rng = Random(seed)
        if rng.random() < 0.6:
            changed, what = mutated_tree(tree, rng)
            text = (
                yaml_of(changed)
                .replace(".nan", "NaN")
                .replace("-.inf", "-Infinity")
                .replace(".inf", "Infinity")
            )
            file.write_bytes(text.encode("utf-8", "surrogatepass"))
        else:
            changed, what = mutated_text(json.dumps(tree, indent=1).encode(), rng)
            file.write_bytes(changed)
        return judged(what, lambda: read_records(file), _record_fault)

    def _record_fault(records: Any) -> str:
        raw = json.loads(file.read_bytes())["runs"]
        # A metric may be NaN on purpose: a training that diverged must be recorded.
        for run in raw:
            run.pop("metrics", None)
        return unlike(raw, records)

    return attempt


def _start_lock(lab: Lab) -> Attempt:
    root = lab.work / "locked"
    (root / "runs").mkdir(parents=True)
    shutil.copy(lab.finished / "params.yaml", root)
    shutil.copy(lab.finished / "runs/train-joint.json", root / "runs")
    lock = root / "dvc.lock"
    text = (lab.finished / "dvc.lock").read_text("utf-8")
    stages = lab.stages
    tree = {"schema": "2.0", "stages": {name: stages[name] for name in ("train@joint", "table")}}
    lock.write_text(text, "utf-8")

    def attempt(seed: int) -> Tried:
        data, what = mutated_yaml(yaml_of(tree) + "\n", tree, Random(seed))
        lock.write_bytes(data)
        return judged(what, lambda: sync(root, lock=lock), lambda report: _sync_fault(report))

    return attempt


def _sync_fault(report: Any) -> str:
    return "" if report.created + report.present == 1 else f"{report}"


CAMPAIGNS = (
    Campaign(
        "fuzz-videos",
        "mutations of videos in five containers",
        1000,
        0.5,
        _start_videos,
        forked=True,
    ),
    Campaign("fuzz-records", "mutations of run records", 1000, 0.5, _start_records, forked=True),
    Campaign("fuzz-lock", "mutations of dvc.lock, read by sync", 300, 1, _start_lock, forked=True),
)
