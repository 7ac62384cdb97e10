"""The labels of a withheld test split.

Only the stages that score on test may import this module: `table`, `analyse` and `report`. Nothing
that trains, selects or fuses sees these labels, not even by mistake.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.foreign_table import read_labels
from benchmark.core.errors import MismatchError

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition


def answers_file(edition: str, root: Path = Path()) -> Path:
    """Return where the project in `root` keeps the labels of an edition's withheld test split."""
    return root / "data/test_labels" / edition / "test_labels.csv"


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
    answers = read_labels(path, num_classes)
    wanted = {clip.clip_id for clip in clips.with_excluded}
    if answers.keys() != wanted:
        odd = sorted(answers.keys() ^ wanted)[0]
        raise MismatchError(
            path, f"not the clips of the index (the first is {odd})",
            expected=f"{len(wanted)} clips", found=f"{len(answers)} rows",
        )  # fmt: skip
    # The file answers excluded clips too; they have no probabilities to compare with.
    return np.array([answers[clip] for clip in clips.ids], np.int64)
