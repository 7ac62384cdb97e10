"""Probabilities: what a model or a fusion says of every clip of one split."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.core.errors import FormatError, MismatchError
from benchmark.core.files import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips

FORMAT = "probabilities/1"
TOLERANCE = 1e-4
"""How far a row's sum may be from 1."""


@dataclass(frozen=True)
class Probabilities:
    """Class probabilities of the clips of one split.

    `p` is float32 (N, K), finite, in [0, 1], rows sum to 1; row i belongs to `clip_id[i]`.
    """

    edition: str
    split: str
    source: str
    """The experiment or fusion that made them."""
    classes: tuple[str, ...]
    clip_id: tuple[str, ...]
    p: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.clip_id)

    def aligned(self, ids: Sequence[str]) -> Probabilities:
        """The same rows in the order of `ids`.

        Raises:
            MismatchError: `ids` and `clip_id` are not the same set.
        """
        check_same_ids(self, ids)
        row = {clip: index for index, clip in enumerate(self.clip_id)}
        order = [row[clip] for clip in ids]
        return Probabilities(
            self.edition, self.split, self.source, self.classes, tuple(ids), self.p[order]
        )


def check_same_ids(probabilities: Probabilities, ids: Sequence[str]) -> None:
    """Raise `MismatchError` unless exactly the clips `ids` have probabilities."""
    have, want = set(probabilities.clip_id), set(ids)
    if have == want:
        return
    first = sorted(have ^ want)[0]
    raise MismatchError(
        f"probabilities of {probabilities.source} on {probabilities.split}",
        f"{len(want - have)} clip(s) missing, {len(have - want)} foreign (the first is {first})",
        expected=f"{len(want)} clips",
        found=str(len(have)),
    )


def check_probabilities(probabilities: Probabilities, *, where: object) -> None:
    """Raise `FormatError` unless the rows are probabilities of unique clips."""
    p, ids = probabilities.p, probabilities.clip_id
    shape = (len(ids), len(probabilities.classes))
    if p.shape != shape:
        raise FormatError(where, "wrong shape", expected=str(shape), found=str(p.shape))
    if len(set(ids)) != len(ids):
        raise FormatError(where, f"{len(ids) - len(set(ids))} clip id(s) twice")
    bad = ~(np.isfinite(p).all(1) & (p >= 0).all(1) & (np.abs(p.sum(1) - 1) <= TOLERANCE))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise FormatError(
            where,
            f"{int(bad.sum())} row(s) are no probabilities, the first is {ids[row]}",
            expected=f"finite values >= 0 with sum 1 +- {TOLERANCE}",
            found=f"sum {p[row].sum():.6g}, minimum {p[row].min():.6g}",
        )


def write_probabilities(probabilities: Probabilities, path: Path) -> None:
    """Check and write as parquet; equal contents give equal bytes."""
    check_probabilities(probabilities, where=path)
    num_classes = len(probabilities.classes)
    flat = pa.array(np.ascontiguousarray(probabilities.p, np.float32).ravel())
    metadata = {
        "format": FORMAT,
        "edition": probabilities.edition,
        "split": probabilities.split,
        "source": probabilities.source,
        "classes": json.dumps(probabilities.classes),
    }
    fields = [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("p", pa.list_(pa.float32(), num_classes), nullable=False),
    ]
    columns = [
        pa.array(probabilities.clip_id, pa.string()),
        pa.FixedSizeListArray.from_arrays(flat, num_classes),
    ]
    with replacing(path) as work:
        pq.write_table(pa.table(columns, schema=pa.schema(fields, metadata=metadata)), work)


def read_probabilities(path: Path) -> Probabilities:
    """Read and check a probabilities file.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    if not path.is_file():
        raise FormatError(path, "no such file", do="Run 'dvc repro' for the stage that makes it")
    try:
        table = pq.read_table(path)
    except pa.ArrowInvalid as error:
        do = "Scores of other programs become one by 'mgbench scores import'"
        raise FormatError(path, f"not a parquet file ({error})", do=do) from None
    metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "nothing")
        raise FormatError(path, "not a probabilities file", expected=FORMAT, found=found)
    classes = tuple(json.loads(metadata["classes"]))
    flat = table["p"].combine_chunks().values.to_numpy(zero_copy_only=False)
    probabilities = Probabilities(
        edition=metadata["edition"],
        split=metadata["split"],
        source=metadata["source"],
        classes=classes,
        clip_id=tuple(table["clip_id"].to_pylist()),
        p=flat.reshape(-1, len(classes)),
    )
    check_probabilities(probabilities, where=path)
    return probabilities


def check_against(probabilities: Probabilities, clips: Clips, classes: Sequence[str]) -> None:
    """Raise `MismatchError` unless they belong to the edition's classes and to these clips."""
    where = f"probabilities of {probabilities.source} on {probabilities.split}"
    if probabilities.edition != clips.edition:
        raise MismatchError(
            where, "another edition's", expected=clips.edition, found=probabilities.edition
        )
    if probabilities.classes != tuple(classes):
        raise MismatchError(where, "the classes are not the edition's, in its order")
    check_same_ids(probabilities, clips.ids)
