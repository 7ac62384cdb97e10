"""Fuzzing of scores, probabilities, indexes, label files and submissions."""

from __future__ import annotations

import csv
import io
import os
import pickle
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from benchmark.contracts.predictions import Probabilities, read_probabilities

from .fuzz_tables import PROBABILITIES
from .lab import Lab
from .mutations import ODD_NUMBERS, ODD_TEXTS, mutated_bytes, mutated_text
from .tries import Attempt, Campaign, Tried
from .verdicts import judged, mgbench

SUBMISSION = Path("submissions/final/prediction.csv")
ODD_PICKLES = (
    b"c__builtin__\nprint\n(Vx\ntR.",
    b"cos\nsystem\n(Vtouch CANARY\ntR.",
    b"(lp0\n0.",
    b"\x80\x05.",
    b"N.",
    b"\x80\x04]\x94(h\x00h\x00e.",
    b"cnumpy\ndtype\n(Vf8\nI0\nI1\ntR(I3\nV<\nNNNI-1\nI-1\nI0\ntb.",
    b"cnumpy\ndtype\n(VO8\nI0\nI1\ntR(I3\nV|\nNNNI-1\nI-1\nI0\ntb.",
    b"cbuiltins\neval\n(V1\ntR.",
    b"(lp0\ng0\na.",
    b"\x80\x04" + b"]" * 10_000 + b".",
    b"I" + b"9" * 5000 + b"\n.",
    b"(dp0\n.",
)


def _wild_dtype() -> bytes:
    """Pickle an array whose type hides an object: a reader takes bytes for a pointer."""
    name = lambda module, word: f"c{module}\n{word}\n".encode()  # noqa: E731
    number = lambda value: b"I%d\n" % value  # noqa: E731
    group = lambda *parts: b"(" + b"".join(parts) + b"t"  # noqa: E731
    text = lambda word: b"X" + len(word).to_bytes(4, "little") + word.encode()  # noqa: E731
    kind = lambda word: name("numpy", "dtype") + group(text(word)) + b"R"  # noqa: E731
    fields = b"}(" + text("a") + group(kind("O"), number(0)) + b"u"
    state = group(
        number(3), text("|"), b"N", group(text("a")), fields, number(8), number(1), number(0)
    )
    wild = kind("V8") + state + b"b"
    data = (
        name("_codecs", "encode")
        + group(text("\x60\x55\x44\x33\x22\x11\0\0"), text("latin1"))
        + b"R"
    )
    array = (
        name("numpy.core.numeric", "_frombuffer")
        + group(data, wild, group(number(1)), text("C"))
        + b"R"
    )
    return b"\x80\x02](" + b"}(" + text("pred_score") + array + b"u" + b"e."


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


def _mutated_scores(
    suffix: str, files: dict[str, bytes], right: Probabilities, rng: Random
) -> tuple[bytes, str]:
    if suffix == "csv":
        return mutated_text(files[suffix], rng)
    kind = rng.random()
    if suffix == "npy" or kind < 0.5:
        return mutated_bytes(files[suffix], rng)
    if kind < 0.6:
        odd_pickles = (*ODD_PICKLES, _wild_dtype())
        place = rng.randrange(len(odd_pickles))
        return odd_pickles[place], f"odd pickle {place}"
    if kind < 0.7:
        return _bent_dtype(right, rng)
    entries = [{"pred_score": row, "gt_label": k % 32} for k, row in enumerate(right.p)]
    entry, key = rng.choice(entries), rng.choice(("pred_score", "gt_label"))
    odd: Any = rng.choice(
        (
            *ODD_NUMBERS,
            *ODD_TEXTS,
            None,
            True,
            [],
            {},
            [1, 2],
            np.zeros(5),
            np.array(None),
            np.full(32, np.nan),
            np.full(32, np.inf),
            torch.zeros(32),
            {"item": 1},
            1j,
            np.array(["a"] * 32),
            np.zeros((2, 16)),
            b"x",
            (1,),
            np.datetime64("2020"),
        )
    )
    entry[key] = odd
    return pickle.dumps(
        entries, rng.choice((2, 4, 5))
    ), f"{key} is {type(odd).__name__} {str(odd)[:20] if not isinstance(odd, int) else ''}"


def _bent_dtype(right: Probabilities, rng: Random) -> tuple[bytes, str]:
    """Mutate a pickle near a type or a shape of numpy, where a reader builds arrays."""
    data = pickle.dumps(list(right.p), 2)
    signs = (b"dtype", b"_reconstruct", b"(K", b"tb", b"f4", b"NNNJ")
    places = [place for sign in signs for place in range(len(data)) if data.startswith(sign, place)]
    start = max(0, rng.choice(places) - 8)
    changed, what = mutated_bytes(data[start : start + 48], rng)
    return data[:start] + changed + data[start + 48 :], f"near byte {start}: {what}"


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
        # As pandas writes labels beside missing ones: 3.0
        bad = [row for row in rows if not row[1].isascii() or float(row[1]) not in range(32)]
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
    Campaign(
        "fuzz-scores", "mutations of scores (.pkl, .npy, .csv)", 1000, 2, _start_scores, forked=True
    ),
    Campaign(
        "fuzz-evaluate", "mutations of a file of labels", 1000, 1, _start_evaluate, forked=True
    ),
    Campaign(
        "fuzz-submissions",
        "mutations of submissions (.csv, .zip)",
        1000,
        2,
        _start_submissions,
        forked=True,
    ),
)
