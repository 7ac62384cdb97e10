"""The file for the leaderboard: written in the edition's form, then read again and checked."""

from __future__ import annotations

import json
import re
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from benchmark.errors import MismatchError, SubmissionError
from benchmark.files import replacing_folder, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmark.clips import Clips
    from benchmark.editions import Edition
    from benchmark.predictions import Probabilities

INTEGER = re.compile(r"0|[1-9][0-9]*")
"""A label as the leaderboard reads it: ASCII digits, no sign, no leading zero."""

ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: equal files give equal archives."""


NOTE = "submission.json"


def write_submission(
    probabilities: Probabilities, clips: Clips, edition: Edition, folder: Path
) -> Path:
    """Write `folder` anew with the edition's CSV, a zip of it and a note; the path of the CSV.

    One line for each test clip of the index `clips`, in its order; the label is the most probable
    class (of equal ones the lower index) plus the edition's `label_base`. Clips that are left out
    get the class that is most frequent in training, and the note lists them. `folder` is replaced
    only after the files were read again and found acceptable.

    Raises:
        MismatchError: The probabilities are another edition's, or of other clips than `ids`.
        SubmissionError: What was written would not be accepted.
    """
    where = f"probabilities of {probabilities.source} on {probabilities.split}"
    if probabilities.edition != edition.name:
        raise MismatchError(
            where, "another edition's", expected=edition.name, found=probabilities.edition
        )
    if probabilities.classes != edition.classes:
        raise MismatchError(where, "the classes are not the edition's, in its order")
    if probabilities.split != "test":
        raise MismatchError(where, "not the test split's", expected="test")
    test = clips.split("test")
    ids = [clip.clip_id for clip in test.listed]
    answer = dict(zip(test.ids, probabilities.aligned(test.ids).p.argmax(1).tolist(), strict=True))
    guess = int(np.bincount(clips.split("train").labels()).argmax())
    label = [answer.get(clip, guess) + edition.submission.label_base for clip in ids]
    lines = [",".join(edition.submission.header)] if edition.submission.header else []
    lines += [f"{clip},{value}" for clip, value in zip(ids, label, strict=True)]
    data = "".join(f"{line}\n" for line in lines).encode()
    target = folder / edition.submission.file
    with replacing_folder(folder) as work:
        (work / target.name).write_bytes(data)
        _check(target, (work / target.name).read_bytes(), ids, edition)
        archive = work / target.with_suffix(".zip").name
        _write_zip(archive, target.name, data)
        _check_zip(archive, target, data)
        _write_note(work / NOTE, probabilities, test, guess)
    return target


def _write_note(path: Path, probabilities: Probabilities, test: Clips, guess: int) -> None:
    """What the CSV cannot say of itself."""
    left_out = [clip.clip_id for clip in test.left_out]
    note = {
        "format": "submission/1",
        "edition": probabilities.edition,
        "source": probabilities.source,
        "clips": len(test.listed),
        "left_out": left_out,
        "left_out_answer": guess if left_out else None,
    }
    write_text(path, json.dumps(note, indent=1) + "\n")


def check_submission(path: Path, ids: Sequence[str], edition: Edition) -> None:
    """Raise `SubmissionError` unless the leaderboard would accept the CSV at `path`.

    The file must be UTF-8 without a byte order mark, every line closed by a line feed alone, the
    edition's header, then exactly one line `clip id,label` for each of `ids`, in this order.

    Raises:
        SubmissionError: The first thing that is wrong, with its line.
    """
    if not path.is_file():
        raise SubmissionError(path, "no such file", do="Run 'dvc repro' for the stage 'submit'")
    _check(path, path.read_bytes(), ids, edition)


def _check(path: Path, data: bytes, ids: Sequence[str], edition: Edition) -> None:
    lines = _lines(path, data)
    header = edition.submission.header
    if header is not None:
        if lines[0] != ",".join(header):
            raise SubmissionError(
                f"{path}, line 1",
                "wrong header",
                expected=f"'{','.join(header)}'",
                found=f"'{lines[0][:60]}'",
            )
        lines = lines[1:]
    offset = 1 if header is None else 2
    found = [_clip(f"{path}, line {row}", line, edition) for row, line in enumerate(lines, offset)]
    _check_ids(path, found, ids, offset)


def _lines(path: Path, data: bytes) -> list[str]:
    """The lines without their ends, after all that has to do with bytes is checked."""
    if not data:
        raise SubmissionError(path, "the file is empty")
    if data.startswith(b"\xef\xbb\xbf"):
        raise SubmissionError(
            f"{path}, line 1", "starts with a byte order mark", do="Save it as UTF-8 without BOM"
        )
    if b"\r" in data:
        row = data[: data.index(b"\r")].count(b"\n") + 1
        raise SubmissionError(
            f"{path}, line {row}", "a carriage return", expected="lines that end in '\\n' alone"
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise SubmissionError(f"{path}, line {row}", "not UTF-8") from None
    *lines, rest = text.split("\n")
    if rest:
        # A file that was cut off may still look right: 's12_0042,1' may have been ',13'.
        raise SubmissionError(
            f"{path}, line {len(lines) + 1}",
            "the last line has no end",
            expected="'\\n' after every line",
            do="Write it again: it may have been cut off",
        )
    return lines


def _clip(where: str, line: str, edition: Edition) -> str:
    """The clip id of one line whose form and label are right."""
    columns = line.split(",")
    if len(columns) != 2 or not columns[0]:
        raise SubmissionError(
            where, "not two columns", expected="'clip id,label'", found=f"'{line[:60]}'"
        )
    clip, label = columns
    base, num_classes = edition.submission.label_base, len(edition.classes)
    expected = f"{base} to {base + num_classes - 1}"
    if not INTEGER.fullmatch(label):
        raise SubmissionError(
            where, "the label is no integer", expected=expected, found=f"'{label[:60]}'"
        )
    if not base <= int(label) < base + num_classes:
        raise SubmissionError(where, "label out of range", expected=expected, found=label)
    return clip


def _check_ids(path: Path, found: Sequence[str], ids: Sequence[str], offset: int) -> None:
    """Raise `SubmissionError` unless `found`, from line `offset` on, are `ids` in their order."""
    rows: dict[str, int] = {}
    for row, clip in enumerate(found, offset):
        if clip in rows:
            raise SubmissionError(
                f"{path}, line {row}",
                f"clip {clip} comes twice",
                found=f"first on line {rows[clip]}",
            )
        rows[clip] = row
    known = set(ids)
    foreign = [clip for clip in found if clip not in known]
    if foreign:
        raise SubmissionError(
            f"{path}, line {rows[foreign[0]]}",
            f"{len(foreign)} clip(s) that are not in the test split, the first is {foreign[0]}",
            expected=f"the {len(ids)} clips of the test split",
        )
    missing = [clip for clip in ids if clip not in rows]
    if missing:
        raise SubmissionError(
            path,
            f"{len(missing)} clip(s) missing, the first is {missing[0]}",
            expected=f"{len(ids)} clips",
            found=str(len(found)),
        )
    if len(ids) != len(found):
        raise SubmissionError(
            "ids of the test split", "a clip comes twice", expected="each once", found=str(len(ids))
        )
    for row, (clip, wanted) in enumerate(zip(found, ids, strict=True), offset):
        if clip != wanted:
            raise SubmissionError(
                f"{path}, line {row}", "not in the edition's order", expected=wanted, found=clip
            )


def _write_zip(archive: Path, name: str, data: bytes) -> None:
    """One stored member, no folder: deflate would give other bytes with another zlib."""
    member = zipfile.ZipInfo(name, ZIP_TIME)
    member.create_system = 3
    member.external_attr = 0o100644 << 16
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr(member, data)


def _check_zip(archive: Path, csv: Path, data: bytes) -> None:
    with zipfile.ZipFile(archive) as file:
        names = file.namelist()
        if names != [csv.name] or file.read(csv.name) != data:
            raise SubmissionError(
                csv.with_suffix(".zip"), "not the CSV alone", expected=csv.name, found=str(names)
            )
