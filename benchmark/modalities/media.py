"""media.parquet: where the media of every clip lie within one modality's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.errors import FormatError, MismatchError
from benchmark.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from benchmark.clips import Clips

FORMAT = "media/1"
FILE = "media.parquet"

COLUMNS = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),  # file in the same folder
        pa.field("offset", pa.int64(), nullable=False),  # bytes (tar) or rows (npy)
        pa.field("size", pa.int64(), nullable=False),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
    ]
)


def write_media(table: pd.DataFrame, folder: Path, clips: Clips, *, spec: str) -> None:
    """Check and write the table of a modality; `spec` (JSON) says how it was made."""
    path = folder / FILE
    check_media(table, clips, where=path)
    metadata = {"format": FORMAT, "edition": clips.edition, "spec": spec}
    arrow = pa.Table.from_pandas(table, schema=COLUMNS, preserve_index=False)
    with replacing(path) as work:
        pq.write_table(arrow.replace_schema_metadata(metadata), work)


def read_media(folder: Path, clips: Clips) -> pd.DataFrame:
    """The media table of `folder`, indexed by clip_id.

    Raises:
        FormatError: The table is missing or of another version.
        MismatchError: It does not hold exactly the clips of the index.
    """
    path = folder / FILE
    if not path.is_file():
        raise FormatError(path, "no such file", do="Run 'dvc repro prepare'")
    arrow = pq.read_table(path)
    found = (arrow.schema.metadata or {}).get(b"format", b"nothing").decode()
    if found != FORMAT:
        raise FormatError(path, "not a media table", expected=FORMAT, found=found)
    table = arrow.to_pandas()
    check_media(table, clips, where=path)
    return table.set_index("clip_id", drop=True)


def check_media(table: pd.DataFrame, clips: Clips, *, where: Path) -> None:
    """Raise `MismatchError` unless the table holds the clips of the index, each with frames."""
    have, want = set(table["clip_id"]), set(clips.ids)
    if have != want or len(table) != len(want):
        first = sorted(have ^ want)[:1]
        raise MismatchError(
            where,
            f"not the clips of the index, the first that differs is {first}",
            expected=f"{len(want)} clips",
            found=str(len(table)),
        )
    wrong = table["frames"].to_numpy() != _index_frames(table, clips)
    if wrong.any():
        clip = table["clip_id"].to_numpy()[wrong][0]
        raise MismatchError(where, f"{int(wrong.sum())} clip(s) of another length, first {clip}")


def _index_frames(table: pd.DataFrame, clips: Clips) -> pd.Series:
    index = clips.table.set_index("clip_id")
    length = index["end_frame"] - index["start_frame"]
    return length.loc[table["clip_id"]].to_numpy()
