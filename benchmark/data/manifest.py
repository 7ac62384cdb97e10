"""manifest.parquet: where the data of every clip lie within the folder of one modality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from benchmark.contracts.parquet import TableFormat
from benchmark.core.errors import MismatchError

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips

FILE = "manifest.parquet"

NUMBERS = (("offset", pa.int64()), ("size", pa.int64()),
           ("frames", pa.int32()), ("height", pa.int32()), ("width", pa.int32()))  # fmt: skip
COLUMNS = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("clip_id", "shard")),
        *(pa.field(name, kind, nullable=False) for name, kind in NUMBERS),
        *(pa.field(name, pa.list_(pa.int64())) for name in ("sums", "squares")),
    ]
)
FORMAT = TableFormat("manifest/3", "a manifest", COLUMNS)


class ManifestRow(NamedTuple):
    """Where the data of one clip lie."""

    clip_id: str
    shard: str
    """File in the same folder."""
    offset: int
    """Where it begins: bytes in a tar, rows in an array."""
    size: int
    """Bytes or rows."""
    frames: int
    height: int
    width: int
    sums: list[int] | None = None
    """Sum of the stored values of each channel, before encoding; None for keypoints."""
    squares: list[int] | None = None
    """Sum of their squares."""


def write_manifest(rows: Sequence[ManifestRow], folder: Path, clips: Clips, *, spec: str) -> None:
    """Check and write the table of a modality, in the index's order.

    Args:
        rows: Where each clip lies.
        folder: Folder of the modality.
        clips: The index.
        spec: JSON of how the data were made.

    Raises:
        MismatchError: The table does not hold exactly the clips of the index, or two have one id.
    """
    path = folder / FILE
    by_id = {row.clip_id: row for row in rows}
    if len(by_id) < len(rows):
        twice = next(
            name for name, number in Counter(r.clip_id for r in rows).items() if number > 1
        )
        raise MismatchError(path, f"two clips of the index have the id {twice}")
    check_manifest(by_id, clips, where=path)
    table = pa.Table.from_pylist([by_id[clip]._asdict() for clip in clips.ids], schema=COLUMNS)
    FORMAT.write(table, path, edition=clips.edition, spec=spec)


def read_manifest(folder: Path, clips: Clips) -> dict[str, ManifestRow]:
    """Read where the clips of `folder` lie: clip id -> row.

    Raises:
        FormatError: The table is missing or of another version.
        MismatchError: It does not hold exactly the clips of the index.
    """
    path = folder / FILE
    table, _ = FORMAT.read(path, do="Run 'dvc repro prepare'")
    rows = {row["clip_id"]: ManifestRow(**row) for row in table.to_pylist()}
    check_manifest(rows, clips, where=path)
    return rows


def check_manifest(rows: dict[str, ManifestRow], clips: Clips, *, where: Path) -> None:
    """Raise `MismatchError` unless these are the clips of the index, each as long as there."""
    if differ := sorted(set(rows) ^ set(clips.ids)):
        raise MismatchError(
            where, f"not the clips of the index, the first that differs is {differ[0]}",
            expected=f"{len(clips)} clips", found=str(len(rows)),
        )  # fmt: skip
    for clip in clips:
        if (frames := rows[clip.clip_id].frames) != clip.frames:
            raise MismatchError(
                where, f"clip {clip.clip_id} has another length",
                expected=f"{clip.frames} frames", found=str(frames),
            )  # fmt: skip
