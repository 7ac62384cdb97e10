"""Fuzzing of what people make: folders of own clips, OpenPose sheets and label files."""

from __future__ import annotations

import csv
import io
import math
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import openpyxl

import own_clips
import tiny_archive
from benchmark.archives.folder import describe
from benchmark.archives.imigue import read_labels
from benchmark.archives.keypoints import check_points
from benchmark.archives.openpose import read_openpose
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.synthetic.xlsx import write_xlsx

from .lab import Lab
from .mutations import mutated_bytes, mutated_text
from .tries import Attempt, Campaign, Tried
from .verdicts import judged

SHEET = "xl/worksheets/sheet1.xml"
PLACES = (
    b"XFD1048576",
    b"ZZZZZZ1",
    b"A0",
    b"A99999999999",
    b"A4294967296",
    b"",
    b"1",
    b"-1",
    b"A1:XFD1048576",
)
VALUES = (
    b"-1",
    b"1e999",
    b"NaN",
    b"",
    b"s",
    b"b",
    b"e",
    b"inlineStr",
    b"4294967296",
    b"9" * 21,
    b"1",
)
"""Of cells in the XML of a sheet."""


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
            return f"a clip without frames or rate: {clip}"
    if bad := [name for name in names if "\0" in name]:
        return f"an odd class name: {bad[0]!r}"
    return ""


def _start_sheets(lab: Lab) -> Attempt:
    file = lab.work / "sheet.xlsx"
    write_xlsx(file, tiny_archive.keypoints_of("0001"))
    right, sheets = read_openpose(file), [file.read_bytes()]
    # Another writer names the place of each cell, and shares its texts.
    book = openpyxl.Workbook()
    for row in tiny_archive.keypoints_of("0001")[:4]:
        book.worksheets[0].append(row.tolist())
    book.save(file)
    sheets.append(file.read_bytes())

    def read() -> Any:
        points = read_openpose(file)
        check_points(points, (tiny_archive.WIDTH, tiny_archive.HEIGHT), where=file)  # as stages do
        return points

    def attempt(seed: int) -> Tried:
        rng = Random(seed)
        data = rng.choice(sheets)
        members = _members(data)
        if rng.random() < 0.4:
            changed, what = mutated_bytes(data, rng)
        else:
            # Inside of the zip, so that its checksum is right and the XML is what is wrong.
            name = rng.choice(sorted(members))
            inner, what = (
                _odd_cell(members[name], rng)
                if rng.random() < 0.5
                else mutated_bytes(members[name], rng)
            )
            changed, what = _zipped(members | {name: inner}), f"{name}: {what}"
        file.write_bytes(changed)
        return judged(what, read, lambda points: _points_fault(points, right))

    return attempt


def _points_fault(points: Any, right: Any) -> str:
    if points.shape[1:] != right.shape[1:]:
        return f"shape {points.shape}"
    return "" if abs(points[..., :2]).max() < 1e9 else "a coordinate of a thousand million pixels"


def _odd_cell(data: bytes, rng: Random) -> tuple[bytes, str]:
    """Replace a place or a value in a sheet's XML by an extreme one."""
    signs = [sign for sign in (b'r="', b"<v>", b'ref="', b't="', b'count="') if sign in data]
    if not signs:
        return mutated_bytes(data, rng)
    sign = rng.choice(signs)
    start = rng.choice(_all(data, sign))
    ends = (data.find(b'"', start), data.find(b"<", start))
    end = min(place for place in (*ends, len(data)) if place >= 0)
    odd = rng.choice(PLACES if sign in {b'r="', b'ref="'} else VALUES)
    return data[:start] + odd + data[end:], f"{data[start:end]!r} became {odd!r}"


def _all(data: bytes, sign: bytes) -> list[int]:
    places, at = [], data.find(sign)
    while at >= 0:
        places.append(at + len(sign))
        at = data.find(sign, at + 1)
    return places


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(members: dict[str, bytes]) -> bytes:
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
            [float(cell) for cell in row]
            for row in csv.reader(io.StringIO(text, newline=""))
            if row
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


CAMPAIGNS = (
    Campaign("fuzz-own", "mutations of a folder of own clips", 1000, 1, _start_own, forked=True),
    Campaign("fuzz-sheets", "mutations of OpenPose sheets", 1000, 0.5, _start_sheets, forked=True),
    Campaign("fuzz-labels", "mutations of label files", 1000, 0.2, _start_labels, forked=True),
)
