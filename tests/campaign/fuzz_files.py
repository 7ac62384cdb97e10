"""Fuzzing of what people and cameras make: own folders, sheets, label files, videos, records."""

from __future__ import annotations

import csv
import io
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import av
import own_clips
import tiny_archive

from benchmark.archives.folder import describe
from benchmark.archives.imigue import read_labels
from benchmark.archives.openpose import read_openpose
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.core.video import probe, read_frames
from benchmark.synthetic.xlsx import write_xlsx
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


def _start_own(lab: Lab) -> Attempt:
    root = own_clips.write_folder(lab.work / "own")
    texts = {
        name: (root / name).read_bytes() for name in ("clips.csv", "classes.txt", "skeleton.yaml")
    }
    arrays = {
        f"skeletons/{path.name}": path.read_bytes() for path in (root / "skeletons").iterdir()
    }

    def attempt(seed: int) -> Tried:
        rng = Random(seed)
        group = texts if rng.random() < 0.8 else arrays
        name = "clips.csv" if group is texts and rng.random() < 0.6 else rng.choice(sorted(group))
        change = mutated_text if group is texts else mutated_bytes
        data, what = change(group[name], rng)
        (root / name).write_bytes(data)
        try:
            return judged(
                f"{name}: {what}", lambda: _read_own(root), lambda clips: _own_fault(root, clips)
            )
        finally:
            (root / name).write_bytes(group[name])

    return attempt


def _read_own(root: Path) -> Clips:
    edition = describe("own", root)
    archive = open_archive(root, edition)
    clips = archive.read(excluded=(), workers=1)
    if points := archive.keypoints():
        for video in dict.fromkeys(clips.videos):
            list(points.of_video([clip for clip in clips if clip.video == video]))
    return clips


def _own_fault(root: Path, clips: Clips) -> str:
    """Compare the index with an independent look at clips.csv."""
    text = (root / "clips.csv").read_bytes().decode("utf-8-sig")
    rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    if len(rows) - 1 != len(clips):
        return f"{len(clips)} clips of {len(rows) - 1} rows"
    names = [line.strip() for line in (root / "classes.txt").read_text("utf-8-sig").splitlines()]
    names = [name for name in names if name]
    for row, clip in zip(rows[1:], clips, strict=True):
        cells = dict(zip(rows[0], row, strict=False))
        label = "" if clip.label is None else names[clip.label]
        if (cells["clip_id"], cells["split"], cells["label"].strip()) != (
            clip.clip_id,
            clip.split,
            label,
        ):
            return f"not what the row says: {clip.clip_id}, {row}"
        if not (math.isfinite(clip.fps) and clip.fps > 0 and clip.frames > 0):
            return f"a clip without frames or rate: {clip.clip_id}, {clip.fps} fps, {clip.frames} frames"
    if bad := [name for name in names if "\0" in name]:
        return f"an odd class name: {bad[0]!r}"
    return ""


def _start_sheets(lab: Lab) -> Attempt:
    file = lab.work / "sheet.xlsx"
    write_xlsx(file, tiny_archive.keypoints_of("0001"))
    right, data = read_openpose(file), file.read_bytes()
    members = _members(data)

    def attempt(seed: int) -> Tried:
        rng = Random(seed)
        if rng.random() < 0.4:
            changed, what = mutated_bytes(data, rng)
        else:
            # Inside of the zip, so that its checksum is right and the XML is what is wrong.
            name = rng.choice(sorted(members))
            inner, what = _odd_cell(members[name], rng) if rng.random() < 0.5 else mutated_bytes(members[name], rng)  # fmt: skip
            changed, what = _zipped(members | {name: inner}), f"{name}: {what}"
        file.write_bytes(changed)
        return judged(
            what, lambda: read_openpose(file), lambda points: _points_fault(points, right)
        )

    return attempt


def _points_fault(points: Any, right: Any) -> str:
    if points.shape[1:] != right.shape[1:]:
        return f"shape {points.shape}"
    return "" if abs(points[..., :2]).max() < 1e9 else "a coordinate of a thousand million pixels"


def _odd_cell(data: bytes, rng: Random) -> tuple[bytes, str]:
    """Replace a reference or a value of a sheet's XML by an extreme one."""
    places = [
        place
        for sign in (b'r="', b"<v>", b'ref="', b't="', b'count="')
        for place in _all(data, sign)
    ]
    if not places:
        return mutated_bytes(data, rng)
    start = rng.choice(places)
    end = min(k for k in (data.find(b'"', start), data.find(b"<", start), len(data)) if k > 0)
    odd = rng.choice((b"XFD1048576", b"ZZZZZZ1", b"A0", b"A99999999999", b"-1", b"1e999", b"NaN", b"", b"s",
                      b"inlineStr", b"4294967296", b"1", b"b", b"e", b"999999999999999999999"))  # fmt: skip
    return data[:start] + odd + data[end:], f"{data[start:end]!r} became {odd!r}"


def _all(data: bytes, sign: bytes) -> list[int]:
    places, at = [], data.find(sign)
    while at >= 0:
        places.append(at + len(sign))
        at = data.find(sign, at + 1)
    return places


def _members(data: bytes) -> dict[str, bytes]:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(members: dict[str, bytes]) -> bytes:
    import zipfile

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def _start_labels(lab: Lab) -> Attempt:
    file = lab.work / "labels.csv"
    data = "".join(f"{a},{b},{c}\n" for a, b, c in tiny_archive.LABELS * 3).encode()

    def fault_of(labels: list[Any]) -> str:
        text = file.read_bytes().decode("utf-8-sig")
        rows = [
            [int(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline="")) if row
        ]
        return (
            ""
            if [[*vars(label).values()] for label in labels] == rows
            else "not what the file says"
        )

    def attempt(seed: int) -> Tried:
        changed, what = mutated_text(data, Random(seed))
        file.write_bytes(changed)
        return judged(what, lambda: read_labels(file, num_classes=32), fault_of)

    return attempt


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
        return judged(f"{suffix}: {what}", lambda: (probe(file), sum(1 for _ in read_frames(file))),
                      lambda found: _video_fault(found, right))  # fmt: skip

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
            text = yaml_of(changed).replace(".nan", "NaN").replace("-.inf", "-Infinity").replace(".inf", "Infinity")  # fmt: skip
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


def _campaign(name: str, title: str, tries: int, minutes: float, start: Callable[[Lab], Attempt]) -> Campaign:  # fmt: skip
    return Campaign(name, title, tries, minutes, start, forked=True)


CAMPAIGNS = (
    _campaign("fuzz-own", "mutations of a folder of own clips", 1000, 3, _start_own),
    _campaign("fuzz-sheets", "mutations of OpenPose sheets", 1000, 2, _start_sheets),
    _campaign("fuzz-labels", "mutations of label files", 1000, 0.5, _start_labels),
    _campaign("fuzz-videos", "mutations of videos in five containers", 1000, 2, _start_videos),
    _campaign("fuzz-records", "mutations of run records", 1000, 0.5, _start_records),
    _campaign("fuzz-lock", "mutations of dvc.lock, read by sync", 300, 2, _start_lock),
)
