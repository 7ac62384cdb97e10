"""The labels of a withheld test split.

Only the stages that score on test may import this module: `table`, `analyse` and `report`. Nothing
that trains, selects or fuses sees these labels, not even by mistake.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from benchmark.core.errors import FormatError, MismatchError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition

HEADER = ["clip_id", "label"]


def read_test_labels(path: Path, clips: Clips, edition: Edition) -> NDArray[np.int64] | None:
    """Read the class index of each test clip, int64 (N,); None where nobody here knows them.

    The index `clips` holds them, or the file at `path` where the edition withholds them.

    Raises:
        FormatError: The file breaks its form.
        MismatchError: The file does not answer exactly the clips of the index.
    """
    test = clips.split("test")
    if "test" not in edition.withheld:
        return test.labels() if len(test) else None
    if not path.is_file():
        return None
    return read_answers(path, test, num_classes=len(edition.classes))


def read_answers(path: Path, clips: Clips, *, num_classes: int) -> NDArray[np.int64]:
    """Read the class index of each clip of `clips`, int64 (N,), from a csv `clip_id,label`.

    Raises:
        FormatError: The file breaks its form.
        MismatchError: The file does not answer exactly the clips of the index.
    """
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    if header != HEADER:
        raise FormatError(path, "wrong header", expected=",".join(HEADER), found=",".join(header))
    answers: dict[str, int] = {}
    for number, row in enumerate(rows, start=2):
        if len(row) != len(HEADER) or not row[1].isdecimal() or int(row[1]) >= num_classes:
            expected = f"a clip id and a label from 0 to {num_classes - 1}"
            raise FormatError(
                f"{path} line {number}", "no answer", expected=expected, found=",".join(row)
            )
        answers[row[0]] = int(row[1])
    if set(answers) != {clip.clip_id for clip in clips.with_excluded} or len(answers) != len(rows):
        raise MismatchError(
            path,
            "not the clips of the index",
            expected=f"{len(clips.with_excluded)} clips",
            found=f"{len(rows)} rows",
        )
    # The file answers excluded clips too; they have no probabilities to compare with.
    return np.array([answers[clip] for clip in clips.ids], np.int64)
