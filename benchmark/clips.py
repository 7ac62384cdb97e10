"""The index: one row a clip, in the order in which the edition lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.editions import SPLITS
from benchmark.errors import FormatError
from benchmark.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from numpy.typing import NDArray

    from benchmark.editions import Edition, Split

FORMAT = "clips/1"

COLUMNS = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("video", pa.string(), nullable=False),
        pa.field("subject", pa.string()),
        pa.field("split", pa.string(), nullable=False),
        pa.field("label", pa.int16()),
        pa.field("start_frame", pa.int32(), nullable=False),
        pa.field("end_frame", pa.int32(), nullable=False),
        pa.field("fps", pa.float64(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Clips:
    """The clips of one edition, all splits or one.

    `table` has the columns of `COLUMNS`; frames are 0-based and half-open, `label` is the class
    index as nullable Int16 and null exactly in the splits that the edition withholds.
    """

    edition: str
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    @property
    def ids(self) -> list[str]:
        """Clip ids in the edition's order."""
        return self.table["clip_id"].tolist()

    @property
    def videos(self) -> list[str]:
        """The video of each clip."""
        return self.table["video"].tolist()

    def split(self, split: Split) -> Clips:
        """Only the clips of one split, order kept."""
        rows = self.table[self.table["split"] == split].reset_index(drop=True)
        return Clips(self.edition, rows)

    def labels(self) -> NDArray[np.int64]:
        """Class index of each clip, int64 (N,).

        Raises:
            FormatError: A label is withheld here.
        """
        if self.table["label"].isna().any():
            first = self.table.loc[self.table["label"].isna(), "clip_id"].iloc[0]
            raise FormatError(f"clips of {self.edition}", f"the label of {first} is withheld")
        return self.table["label"].to_numpy(np.int64)


def write_clips(clips: Clips, path: Path, edition: Edition) -> None:
    """Check the index against the edition and write it as parquet."""
    check_clips(clips, edition, where=path)
    schema = COLUMNS.with_metadata({"format": FORMAT, "edition": clips.edition})
    table = pa.Table.from_pandas(clips.table, schema=schema, preserve_index=False)
    table = table.replace_schema_metadata(schema.metadata)
    with replacing(path) as work:
        pq.write_table(table, work)


def read_clips(path: Path, edition: Edition) -> Clips:
    """Read and check the index of `edition`.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    if not path.is_file():
        raise FormatError(path, "no such file", do=f"Run 'dvc repro index@{edition.name}'")
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        raise FormatError(path, f"not a parquet file ({error})") from None
    found = (table.schema.metadata or {}).get(b"format", b"nothing").decode()
    if found != FORMAT or not table.schema.equals(COLUMNS, check_metadata=False):
        raise FormatError(path, "not an index of this version", expected=FORMAT, found=found)
    frame = table.to_pandas().astype({"label": "Int16"})
    clips = Clips((table.schema.metadata or {})[b"edition"].decode(), frame)
    check_clips(clips, edition, where=path)
    return clips


def check_clips(clips: Clips, edition: Edition, *, where: Path) -> None:
    """Raise `FormatError` unless the index is sound for `edition`."""
    table = clips.table
    if clips.edition != edition.name:
        raise FormatError(where, "another edition's", expected=edition.name, found=clips.edition)
    _check_none(where, table[table["clip_id"].duplicated()], "clip id twice")
    _check_none(where, table[~table["split"].isin(SPLITS)], "unknown split")
    _check_none(where, table[table["start_frame"] < 0], "starts before frame 0")
    _check_none(where, table[table["end_frame"] <= table["start_frame"]], "no frame in it")
    _check_none(where, table[table["label"] >= len(edition.classes)], "label past the classes")
    _check_none(where, table[table["label"] < 0], "negative label")
    withheld = table["split"].isin(edition.withheld)
    _check_none(where, table[withheld & table["label"].notna()], "label in a withheld split")
    _check_none(where, table[~withheld & table["label"].isna()], "label missing")
    splits = table.groupby("video")["split"].nunique()
    if (splits > 1).any():
        video = splits.index[splits > 1][0]
        found = ", ".join(sorted(table.loc[table["video"] == video, "split"].unique()))
        raise FormatError(where, f"video {video} is in several splits", found=found)


def _check_none(where: Path, bad: pd.DataFrame, wrong: str) -> None:
    if len(bad):
        first = bad["clip_id"].iloc[0]
        raise FormatError(where, f"{wrong} in {len(bad)} row(s), the first is {first}")
