"""Fuzzing of tables between stages: the index and probabilities."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.contracts.clips import Clips, read_clips
from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.editions.edition import read_edition
from benchmark.editions.splits import SPLITS

from .lab import Lab
from .mutations import ODD_TEXTS, mutated_bytes
from .tries import Attempt, Campaign, Tried
from .verdicts import judged

EDITION = read_edition("mimic")
PROBABILITIES = Path("predictions/experiments/joint/val.parquet")


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


def _start_tables(
    lab: Lab, source: Path, read: Callable[[Path], Any], fault_of: Callable[[Any], str]
) -> Attempt:
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
            return f"a clip without a size or a rate: {clip}"
        if clip.split not in SPLITS or "\0" in clip.video:
            return f"an odd split or video: {clip.clip_id}, {clip.split!r}, {clip.video!r}"
    return "" if clips.with_excluded else "no clip"


def _start_probabilities(lab: Lab) -> Attempt:
    return _start_tables(
        lab, lab.finished / PROBABILITIES, read_probabilities, _probabilities_fault
    )


def _probabilities_fault(found: Probabilities) -> str:
    if not len(found):
        return ""  # own clips may have no test split
    # Any text may be an id: `check_same_ids` refuses those that no index has.
    if not all(isinstance(clip, str) and clip for clip in found.clip_id):
        return f"odd clip ids: {[clip for clip in found.clip_id if not clip][:3]}"
    if not all(isinstance(name, str) and name for name in found.classes):
        return f"odd classes: {found.classes[:3]}"
    if len(set(found.classes)) != len(found.classes):
        return "a class twice"
    if not np.isfinite(found.p).all() or abs(found.p.sum(1) - 1).max() > 1e-3:
        return "not probabilities"
    return "" if found.split in {*SPLITS, "any"} else f"an unknown split: {found.split!r}"


CAMPAIGNS = (
    Campaign("fuzz-clips", "mutations of the index", 1000, 0.5, _start_clips, forked=True),
    Campaign(
        "fuzz-probabilities",
        "mutations of probabilities",
        1000,
        0.5,
        _start_probabilities,
        forked=True,
    ),
)
