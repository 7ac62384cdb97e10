"""Tables between two stages: parquet files whose metadata name their format."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.core.errors import FormatError
from benchmark.core.files import replacing


def columns(*, nullable: Collection[str] = (), **kinds: pa.DataType) -> pa.Schema:
    """Name the columns of a table and their types; only those of `nullable` may hold nulls."""
    return pa.schema([pa.field(key, kind, nullable=key in nullable) for key, kind in kinds.items()])


@dataclass(frozen=True)
class TableFormat:
    """One kind of table.

    Args:
        name: Name and version, "clips/3": a change of columns or metadata raises the version.
        what: The kind of table in messages, "an index".
        columns: Columns that every table of this format has; None where they vary.
        keys: Metadata that every table of this format has.
    """

    name: str
    what: str
    columns: pa.Schema | None = None
    keys: tuple[str, ...] = ()

    def write(self, table: pa.Table, path: Path, **metadata: str) -> None:
        """Write a table with its metadata; equal contents give equal bytes."""
        # In place of the table's own metadata: they could hold what differs between two runs.
        table = table.replace_schema_metadata({"format": self.name, **metadata})
        with replacing(path) as work:
            pq.write_table(table, work)

    def read(self, path: Path, *, do: str, do_other: str = "") -> tuple[pa.Table, dict[str, str]]:
        """Read a table and its metadata.

        `do` is what helps if there is no such file, `do_other` if it is no parquet file.

        Raises:
            FormatError: The file is missing, is no parquet, or is of another format.
        """
        if not path.is_file():
            raise FormatError(path, "no such file", do=do)
        try:
            table = pq.read_table(path)
            metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        # A damaged page is an OSError, an unknown encoding an ArrowException.
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = str(error).split("\n", 1)[0]
            raise FormatError(path, f"not a parquet file ({reason})", do=do_other) from None
        found = metadata.get("format", "nothing")
        missing = [key for key in self.keys if key not in metadata]
        fits = self.columns is None or table.schema.equals(self.columns, check_metadata=False)
        if found != self.name or missing or not fits:
            wrong = f"not {self.what} of this version"
            raise FormatError(path, wrong, expected=self.name, found=found)
        return table, metadata
