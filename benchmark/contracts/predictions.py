"""Probabilities: what a model or a fusion predicts for every clip of one split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from benchmark.contracts.parquet import TableFormat, columns
from benchmark.core.errors import FormatError, MismatchError
from benchmark.editions.splits import OOF, SPLITS, Groups

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips

FORMAT = TableFormat(
    "probabilities/1", "a file of probabilities", keys=("edition", "split", "source", "classes")
)
ANY = "any"
"""Stands instead of a split for scores that belong to none."""
TOLERANCE = 1e-4
"""Largest difference of a row's sum from 1."""


class FoldStamp(NamedTuple):
    """Which folds probabilities come from."""

    folds: str
    """Digest of the folds."""
    fold: str
    """fold0, fold1, ... or all for those of one network; `joined` for those of all folds."""
    groups: Groups
    """What the folds keep together."""
    over: tuple[str, ...]
    """Splits that are dealt into folds."""


@dataclass(frozen=True)
class Probabilities:
    """Class probabilities of the clips of one split.

    `p` is float32 (N, K), finite, in [0, 1], rows sum to 1; row i belongs to `clip_id[i]`.
    """

    edition: str
    split: str
    source: str
    """The experiment or fusion that computed them."""
    classes: tuple[str, ...]
    clip_id: tuple[str, ...]
    p: NDArray[np.float32]
    note: str = ""
    """What an import of foreign scores assumed or changed; empty for our own."""
    stamp: FoldStamp | None = None
    """None for probabilities that have nothing to do with folds."""
    transductive: bool = False
    """Whether frames of test videos took part in training what computed them."""

    def __len__(self) -> int:
        return len(self.clip_id)

    def aligned(self, ids: Sequence[str]) -> Probabilities:
        """Return the same rows in the order of `ids`.

        Raises:
            MismatchError: `ids` and `clip_id` are not the same set.
        """
        check_same_ids(self, ids)
        # By name, never by position: two programs may list the clips in different orders.
        row = {clip: index for index, clip in enumerate(self.clip_id)}
        order = [row[clip] for clip in ids]
        return replace(self, clip_id=tuple(ids), p=self.p[order])


def check_same_ids(probabilities: Probabilities, ids: Sequence[str]) -> None:
    """Raise `MismatchError` unless exactly the clips `ids` have probabilities."""
    have, want = set(probabilities.clip_id), set(ids)
    if have == want:
        return
    first = sorted(have ^ want)[0]
    raise MismatchError(
        f"probabilities of {probabilities.source} on {probabilities.split}",
        f"{len(want - have)} clip(s) missing, {len(have - want)} foreign (the first is {first})",
        expected=f"{len(want)} clips", found=str(len(have)),
    )  # fmt: skip


def check_probabilities(probabilities: Probabilities, *, where: object) -> None:
    """Raise `FormatError` unless the rows are probabilities of unique clips."""
    p, ids = probabilities.p, probabilities.clip_id
    shape = (len(ids), len(probabilities.classes))
    if p.shape != shape:
        raise FormatError(where, "wrong shape", expected=str(shape), found=str(p.shape))
    if probabilities.split not in {*SPLITS, OOF, ANY}:
        expected = ", ".join((*SPLITS, OOF, ANY))
        raise FormatError(where, "unknown split", expected=expected, found=probabilities.split)
    if len(set(ids)) != len(ids):
        raise FormatError(where, f"{len(ids) - len(set(ids))} clip id(s) twice")
    # In float32, the sum of many classes is 1 only up to rounding.
    bad = ~(np.isfinite(p).all(1) & (p >= 0).all(1) & (np.abs(p.sum(1) - 1) <= TOLERANCE))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise FormatError(
            where, f"{int(bad.sum())} row(s) are no probabilities, the first is {ids[row]}",
            expected=f"finite values >= 0 with sum 1 +- {TOLERANCE}",
            found=f"sum {p[row].sum():.6g}, minimum {p[row].min():.6g}",
        )  # fmt: skip


def write_probabilities(probabilities: Probabilities, path: Path) -> None:
    """Check the probabilities and write them as parquet; equal contents give equal bytes.

    Raises:
        FormatError: A row is no probabilities, or a clip comes twice.
    """
    check_probabilities(probabilities, where=path)
    num_classes = len(probabilities.classes)
    flat = pa.array(np.ascontiguousarray(probabilities.p, np.float32).ravel())
    # A list of fixed length: its float32 values come back bit by bit, in one block of memory.
    schema = columns(clip_id=pa.string(), p=pa.list_(pa.float32(), num_classes))
    rows = pa.FixedSizeListArray.from_arrays(flat, num_classes)
    table = pa.table([pa.array(probabilities.clip_id, pa.string()), rows], schema=schema)
    more = {
        "note": probabilities.note,
        "folds": json.dumps(probabilities.stamp) if probabilities.stamp else "",
        "transductive": "true" if probabilities.transductive else "",
    }
    FORMAT.write(
        table, path, edition=probabilities.edition, split=probabilities.split,
        source=probabilities.source, classes=json.dumps(probabilities.classes),
        **{key: text for key, text in more.items() if text},
    )  # fmt: skip


def read_probabilities(path: Path) -> Probabilities:
    """Read and check a probabilities file.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    do = "Run 'dvc repro' for the stage that makes it"
    do_other = "Scores of other programs become one by 'mgbench scores import'"
    table, metadata = FORMAT.read(path, do=do, do_other=do_other)
    classes = _classes(path, metadata["classes"])
    is_ours = (
        table.column_names == ["clip_id", "p"]
        and table.schema.types == [pa.string(), pa.list_(pa.float32(), len(classes))]
        and not any(column.null_count for column in table.columns)
    )
    if not is_ours:
        expected = f"clip_id: string, p: {len(classes)} floats, no nulls"
        found = ", ".join(f"{field.name}: {field.type}" for field in table.schema)
        raise FormatError(path, "wrong columns", expected=expected, found=found)
    flat = table["p"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    probabilities = Probabilities(
        metadata["edition"], metadata["split"], metadata["source"], classes,
        clip_id=tuple(table["clip_id"].to_pylist()), p=flat.reshape(-1, len(classes)),
        note=metadata.get("note", ""), stamp=_stamp(path, metadata.get("folds")),
        transductive=metadata.get("transductive") == "true",
    )  # fmt: skip
    check_probabilities(probabilities, where=path)
    return probabilities


def _stamp(path: Path, text: str | None) -> FoldStamp | None:
    if text is None:
        return None
    try:
        folds, fold, groups, over = json.loads(text)
        stamp = FoldStamp(str(folds), str(fold), groups, tuple(map(str, over)))
    except (TypeError, ValueError):
        stamp = None
    if stamp is None or stamp.groups not in get_args(Groups):
        raise FormatError(path, "does not say which folds it is of", found=text[:60])
    return stamp


def _classes(path: Path, text: str) -> tuple[str, ...]:
    try:
        classes = json.loads(text)
    except ValueError:
        classes = None
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise FormatError(path, "its classes are no list of names", found=text[:60])
    return tuple(classes)


def check_against(probabilities: Probabilities, clips: Clips, classes: Sequence[str]) -> None:
    """Raise `MismatchError` unless they belong to the edition's classes and to these clips."""
    where = f"probabilities of {probabilities.source} on {probabilities.split}"
    if (found := probabilities.edition) != clips.edition:
        raise MismatchError(where, "another edition's", expected=clips.edition, found=found)
    if probabilities.classes != tuple(classes):
        raise MismatchError(where, "the classes are not the edition's, in its order")
    check_same_ids(probabilities, clips.ids)
