"""Fuzzing of scores, probabilities, indexes, label files and submissions."""

from __future__ import annotations

import csv
import io
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmark.contracts.clips import Clips, read_clips
from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.editions.edition import SPLITS, read_edition

from .lab import Lab
from .mutations import ODD_NUMBERS, ODD_TEXTS, mutated_bytes, mutated_text
from .tries import Attempt, Campaign, Tried
from .verdicts import judged, mgbench

EDITION = read_edition("mimic")
PROBABILITIES = Path("predictions/experiments/joint/val.parquet")
SUBMISSION = Path("submissions/final/prediction.csv")
ODD_PICKLES = (
    b"c__builtin__\nprint\n(Vx\ntR.", b"cos\nsystem\n(Vtouch CANARY\ntR.", b"(lp0\n0.", b"\x80\x05.", b"N.",
    b"\x80\x04]\x94(h\x00h\x00e.", b"cnumpy\ndtype\n(Vf8\nI0\nI1\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb.",
    b"cnumpy\ndtype\n(VO8\nI0\nI1\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntb.", b"cbuiltins\neval\n(V1\ntR.",
    b"(lp0\ng0\na.", b"\x80\x04" + b"]" * 10_000 + b".", b"I" + b"9" * 5000 + b"\n.", b"(dp0\n.",
)  # fmt: skip


def _home(lab: Lab) -> Path:
    """Make the copy in which commands run; the child changes into it."""
    return lab.copy("project", cache=False)


def _start_scores(lab: Lab) -> Attempt:
    root = _home(lab)
    right = read_probabilities(root / PROBABILITIES)
    files = {
        "csv": _csv(right),
        "npy": _npy(right),
        "pkl": _pickles(right)[0],
        "pickle": _pickles(right)[1],
    }

    def attempt(seed: int) -> Tried:
        os.chdir(root)
        rng = Random(seed)
        suffix = rng.choice(sorted(files))
        data, what = _mutated_scores(suffix, files, right, rng)
        file, out, labels = Path(f"scores.{suffix}"), Path("out.parquet"), Path("labels-out.csv")
        file.write_bytes(data)
        out.unlink(missing_ok=True)
        labels.unlink(missing_ok=True)
        more = (
            ["--labels-out", labels] if suffix in {"pkl", "pickle"} and rng.random() < 0.5 else []
        )
        command = (
            "scores",
            "import",
            file,
            "--edition",
            "mimic",
            "--split",
            "val",
            "--out",
            out,
            *more,
        )
        return judged(
            f"{suffix}: {what}", lambda: mgbench(*command), lambda _: _scores_fault(file, right)
        )

    return attempt


def _mutated_scores(suffix: str, files: dict[str, bytes], right: Probabilities, rng: Random) -> tuple[bytes, str]:  # fmt: skip
    if suffix == "csv":
        return mutated_text(files[suffix], rng)
    kind = rng.random()
    if suffix == "npy" or kind < 0.5:
        return mutated_bytes(files[suffix], rng)
    if kind < 0.6:
        place = rng.randrange(len(ODD_PICKLES))
        return ODD_PICKLES[place], f"odd pickle {place}"
    entries = [{"pred_score": row, "gt_label": k % 32} for k, row in enumerate(right.p)]
    entry, key = rng.choice(entries), rng.choice(("pred_score", "gt_label"))
    odd: Any = rng.choice((*ODD_NUMBERS, *ODD_TEXTS, None, True, [], {}, [1, 2], np.zeros(5), np.array(None),
                           np.full(32, np.nan), np.full(32, np.inf), torch.zeros(32), {"item": 1}, 1j,
                           np.array(["a"] * 32), np.zeros((2, 16)), b"x", (1,), np.datetime64("2020")))  # fmt: skip
    entry[key] = odd
    return pickle.dumps(
        entries, rng.choice((2, 4, 5))
    ), f"{key} is {type(odd).__name__} {str(odd)[:20] if not isinstance(odd, int) else ''}"


def _csv(right: Probabilities) -> bytes:
    rows = (
        f"{clip}," + ",".join(f"{x:.7g}" for x in row)
        for clip, row in zip(right.clip_id, right.p, strict=True)
    )
    return (
        "clip_id," + ",".join(f"c{k}" for k in range(32)) + "\n" + "\n".join(rows) + "\n"
    ).encode()


def _npy(right: Probabilities) -> bytes:
    file = io.BytesIO()
    np.save(file, right.p)
    return file.getvalue()


def _pickles(right: Probabilities) -> tuple[bytes, bytes]:
    tensors = [
        {"pred_score": torch.from_numpy(row.copy()), "gt_label": torch.tensor([3])}
        for row in right.p
    ]
    return pickle.dumps(list(right.p), 4), pickle.dumps(tensors, 2)


def _scores_fault(file: Path, right: Probabilities) -> str:
    if Path("CANARY").exists():
        return "code of the file ran"
    found = read_probabilities(Path("out.parquet"))
    if foreign := set(found.clip_id) - set(right.clip_id):
        return f"clips that the split lacks: {sorted(foreign)[:2]}"
    if missing := set(right.clip_id) - set(found.clip_id):
        return f"clips of the split are missing: {sorted(missing)[:2]}"
    labels = Path("labels-out.csv")
    if labels.is_file():
        values = [line.rsplit(",", 1)[1] for line in labels.read_text("utf-8").splitlines()[1:]]
        if any(not value.isdigit() or int(value) >= 32 for value in values):
            return f"labels outside of the classes: {values[:3]}"
    if file.suffix != ".csv":
        return ""
    rows = list(csv.reader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline="")))
    stated = {
        row[0].strip(): [float(x) for x in row[1:]]
        for row in rows
        if row and row[0].strip() in right.clip_id
    }
    for clip, row in zip(found.clip_id, found.p, strict=True):
        if clip in stated and not np.allclose(row, stated[clip], atol=2e-4):
            return f"other numbers than the file's: {clip}"
    return ""


def mutated_table(table: pa.Table, rng: Random) -> tuple[pa.Table, str]:
    """Change the type of a column, a value, a row, or the metadata of a table."""
    name = rng.choice(table.column_names)
    place = table.column_names.index(name)
    kind = rng.choice(
        (
            "cast",
            "value",
            "value",
            "null",
            "drop",
            "rename",
            "double row",
            "no row",
            "metadata",
            "order",
        )
    )
    rows = table.to_pylist()
    metadata = dict(table.schema.metadata or {})
    what = f"column {name}: {kind}"
    match kind:
        case "cast":
            to = rng.choice(
                (
                    pa.string(),
                    pa.large_string(),
                    pa.int64(),
                    pa.float64(),
                    pa.bool_(),
                    pa.binary(),
                    pa.null(),
                )
            )
            values: Any = pa.nulls(len(rows), to)
            if to in {pa.string(), pa.large_string()}:
                values = pa.array([str(row[name]) for row in rows], to)
            elif to != pa.null() and to != pa.binary():
                values = pa.array([1] * len(rows)).cast(to)
            return table.set_column(place, name, values), f"{what} to {to}"
        case "drop":
            return table.drop_columns([name]), what
        case "rename":
            return table.rename_columns([n + "x" * (n == name) for n in table.column_names]), what
        case "double row":
            return pa.concat_tables([table, table.slice(rng.randrange(len(rows)), 1)]), what
        case "no row":
            return table.slice(0, rng.choice((0, 1, len(rows) - 1))), what
        case "order":
            return table.take(rng.sample(range(len(rows)), len(rows))), what
        case "metadata" if metadata:
            key = rng.choice(sorted(metadata))
            metadata[key] = rng.choice(ODD_TEXTS).encode() + rng.choice((b"", b"\xff"))
            if rng.random() < 0.2:
                del metadata[key]
            return table.replace_schema_metadata(
                metadata
            ), f"metadata {key}: {metadata.get(key, b'')[:20]!r}"
    return _odd_row(table, rows, name, rng, null=kind == "null")


def _odd_row(
    table: pa.Table, rows: list[Any], name: str, rng: Random, *, null: bool
) -> tuple[pa.Table, str]:
    """Put an odd value of the column's own type into one row, or null."""
    row, kind = rng.choice(rows), table.schema.field(name).type
    if null:
        row[name] = None
    elif pa.types.is_string(kind):
        row[name] = rng.choice(ODD_TEXTS)
    elif pa.types.is_floating(kind):
        row[name] = rng.choice((float("nan"), float("inf"), -1.0, 0.0, 1e300))
    elif pa.types.is_integer(kind):
        row[name] = rng.choice((-1, 0, 2 ** (kind.bit_width - 1) - 1, -(2 ** (kind.bit_width - 1))))
    elif pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        row[name] = [rng.choice((float("nan"), 2.0, -1.0, 0.0))] * len(row[name])
    fields = [field.with_nullable(True) if null else field for field in table.schema]
    schema = pa.schema(fields, metadata=table.schema.metadata)
    return pa.Table.from_pylist(rows, schema=schema), f"{name} = {str(row[name])[:30]!r}"


def _start_tables(lab: Lab, source: Path, read: Callable[[Path], Any], fault_of: Callable[[Any], str]) -> Attempt:  # fmt: skip
    data, table = source.read_bytes(), pq.read_table(source)
    file = lab.work / "table.parquet"

    def attempt(seed: int) -> Tried:
        rng = Random(seed)
        if rng.random() < 0.4:
            changed, what = mutated_bytes(data, rng)
            file.write_bytes(changed)
        else:
            mutated, what = mutated_table(table, rng)
            pq.write_table(mutated, file)
        return judged(what, lambda: read(file), fault_of)

    return attempt


def _start_clips(lab: Lab) -> Attempt:
    source = lab.finished / "data/mimic/clips.parquet"
    return _start_tables(lab, source, lambda file: read_clips(file, EDITION), _clips_fault)


def _clips_fault(clips: Clips) -> str:
    for clip in clips.with_excluded:
        if not isinstance(clip.clip_id, str) or not isinstance(clip.video, str) or not clip.video:
            return f"a clip without id or video: {clip.clip_id!r}, {clip.video!r}"
        if not clip.excluded and not (0 < clip.fps < 1e6 and clip.width > 0 and clip.height > 0):
            return f"a clip without a size or a rate: {clip.clip_id}, {clip.fps} fps, {clip.width}x{clip.height}"
        if clip.split not in SPLITS or "\0" in clip.video:
            return f"an odd split or video: {clip.clip_id}, {clip.split!r}, {clip.video!r}"
    return "" if clips.with_excluded else "no clip"


def _start_probabilities(lab: Lab) -> Attempt:
    return _start_tables(
        lab, lab.finished / PROBABILITIES, read_probabilities, _probabilities_fault
    )


def _probabilities_fault(found: Probabilities) -> str:
    if not len(found):
        return "no clip"
    if not all(isinstance(clip, str) and clip and "\0" not in clip for clip in found.clip_id):
        return f"odd clip ids: {[clip for clip in found.clip_id if not clip][:3]}"
    if not all(isinstance(name, str) and name for name in found.classes):
        return f"odd classes: {found.classes[:3]}"
    if len(set(found.classes)) != len(found.classes):
        return "a class twice"
    if not np.isfinite(found.p).all() or abs(found.p.sum(1) - 1).max() > 1e-3:
        return "not probabilities"
    return "" if found.split in {*SPLITS, "any"} else f"an unknown split: {found.split!r}"


def _start_evaluate(lab: Lab) -> Attempt:
    root = _home(lab)
    ids = read_probabilities(root / PROBABILITIES).clip_id
    data = (
        "clip_id,label\n" + "".join(f"{clip},{k % 32}\n" for k, clip in enumerate(ids))
    ).encode()

    def fault_of(_: str) -> str:
        text = Path("labels.csv").read_bytes().decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
        rows = [row for row in rows if row[0] in ids]
        if len({row[0] for row in rows}) != len(rows):
            return "a clip with two labels"
        bad = [row for row in rows if not row[1].strip().isascii() or not 0 <= int(row[1]) < 32]
        return f"a label outside of the classes: {bad[0][1][:20]!r}" if bad else ""

    def attempt(seed: int) -> Tried:
        os.chdir(root)
        changed, what = mutated_text(data, Random(seed))
        Path("labels.csv").write_bytes(changed)
        return judged(
            what, lambda: mgbench("evaluate", PROBABILITIES, "--labels", "labels.csv"), fault_of
        )

    return attempt


def _start_submissions(lab: Lab) -> Attempt:
    root = _home(lab)
    data, packed = (
        (root / SUBMISSION).read_bytes(),
        (root / SUBMISSION).with_suffix(".zip").read_bytes(),
    )
    ids = [line.split(",")[0] for line in data.decode().splitlines()[1:]]

    def fault_of(file: Path) -> str:
        content = file.read_bytes()
        if file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                if archive.namelist() != ["prediction.csv"]:
                    return f"other members: {archive.namelist()[:3]}"
                content = archive.read("prediction.csv")
        lines = content.decode("ascii").replace("\r\n", "\n").split("\n")
        rows = [line.split(",") for line in lines[1:-1]]
        if lines[0] != "Id,Target" or lines[-1] or [row[0] for row in rows] != ids:
            return "other lines than the leaderboard asks for"
        bad = [
            row
            for row in rows
            if len(row) != 2 or str(int(row[1])) != row[1] or not 0 <= int(row[1]) < 32
        ]
        return f"an odd line: {bad[0]}" if bad else ""

    def attempt(seed: int) -> Tried:
        os.chdir(root)
        rng = Random(seed)
        kind = rng.random()
        changed, what = mutated_bytes(packed, rng) if kind < 0.3 else mutated_text(data, rng)
        file = Path("odd.zip" if kind < 0.5 else "odd.csv")
        if 0.3 <= kind < 0.5:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("prediction.csv", changed)
        else:
            file.write_bytes(changed)
        command = ("submit", "check", file, "--edition", "mimic")
        return judged(f"{file}: {what}", lambda: mgbench(*command), lambda _: fault_of(file))

    return attempt


CAMPAIGNS = (
    Campaign("fuzz-scores", "mutations of scores (.pkl, .npy, .csv)", 1000, 2, _start_scores, forked=True),
    Campaign("fuzz-clips", "mutations of the index", 1000, 1, _start_clips, forked=True),
    Campaign("fuzz-probabilities", "mutations of probabilities", 1000, 1, _start_probabilities, forked=True),
    Campaign("fuzz-evaluate", "mutations of a file of labels", 1000, 1, _start_evaluate, forked=True),
    Campaign("fuzz-submissions", "mutations of submissions (.csv, .zip)", 1000, 2, _start_submissions, forked=True),
)  # fmt: skip
