"""Intervals -> the files of MiGA's online track: one csv per sequence, in a zip; read back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmark.core.errors import MismatchError
from benchmark.core.files import replacing_folder
from benchmark.results.sequence_files import ENDING, Sequences, raw_numbers, read_found
from submission.leaderboard.writer import write_zip

if TYPE_CHECKING:
    from benchmark.contracts.intervals import Intervals

ASSUMED = (
    "one NAME_prediction.csv per sequence with rows class,start,end is the form of 2023; nobody"
    " published the columns of the one csv that Kaggle takes since 2024"
)
ZIP = "prediction.zip"


def write_sequences(found: Intervals, sequences: Sequences, out: Path) -> list[str]:
    """Write a csv per video of the split and the zip of all; check them by reading them back.

    Classes have the numbers of the label files, and frames both ends included, as there. A
    fraction of a frame is rounded, and every interval keeps a frame at least. The folder
    `out` is replaced. Return the names of the files.

    Raises:
        MismatchError: A video is not of the split, or lies in a folder: own clips may.
        ManyFaults: What was written is not what was found.
    """
    found = found.sure().on(tuple(sequences.fps))
    if nested := next((video for video in found.videos if "/" in video), None):
        wrong = f"no file can be called {nested}{ENDING}, after a video in a folder"
        raise MismatchError(f"edition {sequences.edition.name}", wrong)
    numbers = np.array(raw_numbers(sequences.edition))
    first = np.rint(found.start).astype(np.int64)
    last = np.maximum(np.rint(found.end).astype(np.int64) - 1, first)
    texts = {}
    for place, video in enumerate(found.videos):
        rows = np.flatnonzero(found.video == place)
        rows = rows[np.lexsort((last[rows], first[rows]))].tolist()
        lines = [f"{numbers[found.label[row]]},{first[row]},{last[row]}\n" for row in rows]
        texts[f"{video}{ENDING}"] = "".join(lines).encode()
    with replacing_folder(out) as work:
        for name, data in texts.items():
            (work / name).write_bytes(data)
        again = read_found(work, sequences, found.source)
        if len(again) != len(found):
            wrong = f"{len(again)} of {len(found)} intervals could be read back"
            raise MismatchError(out, wrong)
        write_zip(work / ZIP, texts)
    return [*texts, ZIP]
