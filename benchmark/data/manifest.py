"""manifest.parquet: where the modality of every clip lie within one modality's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.core.errors import FormatError, MismatchError
from benchmark.core.files import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.contracts.clips import Clips

FORMAT = "manifest/3"
FILE = "manifest.parquet"

COLUMNS = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("sums", pa.list_(pa.int64())),
        pa.field("squares", pa.list_(pa.int64())),
    ]
)


class ManifestRow(NamedTuple):
    """The modality of one clip."""

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


def write_manifest(
    modality: Sequence[ManifestRow], folder: Path, clips: Clips, *, spec: str
) -> None:
    """Check and write the table of a modality, in the index's order.

    Args:
        rows: Where each clip lies.
        folder: Folder of the modality.
        clips: The index.
        spec: JSON of how the data were made.

    Raises:
        MismatchError: The table does not hold exactly the clips of the index.
    """
    path = folder / FILE
    by_id = {medium.clip_id: medium for medium in modality}
    check_manifest(by_id, clips, where=path)
    schema = COLUMNS.with_metadata({"format": FORMAT, "edition": clips.edition, "spec": spec})
    rows = [by_id[clip]._asdict() for clip in clips.ids]
    with replacing(path) as work:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), work)


def read_manifest(folder: Path, clips: Clips) -> dict[str, ManifestRow]:
    """Read where the clips of `folder` lie: clip id -> row.

    Raises:
        FormatError: The table is missing or of another version.
        MismatchError: It does not hold exactly the clips of the index.
    """
    path = folder / FILE
    if not path.is_file():
        raise FormatError(path, "no such file", do="Run 'dvc repro prepare'")
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise FormatError(path, f"not a parquet file ({error})") from None
    found = (table.schema.metadata or {}).get(b"format", b"nothing").decode()
    if found != FORMAT:
        raise FormatError(path, "not a modality table", expected=FORMAT, found=found)
    modality = {row["clip_id"]: ManifestRow(**row) for row in table.to_pylist()}
    check_manifest(modality, clips, where=path)
    return modality


def check_manifest(modality: dict[str, ManifestRow], clips: Clips, *, where: Path) -> None:
    """Raise `MismatchError` unless these are the clips of the index, each as long as there."""
    if differ := sorted(set(modality) ^ set(clips.ids)):
        raise MismatchError(
            where,
            f"not the clips of the index, the first that differs is {differ[0]}",
            expected=f"{len(clips)} clips",
            found=str(len(modality)),
        )
    for clip in clips:
        if modality[clip.clip_id].frames != clip.frames:
            raise MismatchError(
                where,
                f"clip {clip.clip_id} has another length",
                expected=f"{clip.frames} frames",
                found=str(modality[clip.clip_id].frames),
            )
