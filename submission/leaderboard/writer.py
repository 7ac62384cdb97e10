"""The file for a leaderboard: written in the challenge's form, then read again and checked."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from benchmark.core.files import replacing_folder
from benchmark.core.pinned_file import sha256
from benchmark.editions.edition import read_edition
from submission.leaderboard.checks import check_submission
from submission.leaderboard.columns import Wanted, answers
from submission.leaderboard.metadata import Ingredients, SubmissionNote, write_note

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.challenges.challenge import Challenge
    from benchmark.contracts.predictions import Probabilities

ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time a zip can hold: equal files give equal archives."""


def write_submission(
    probabilities: Probabilities,
    wanted: Wanted,
    challenge: Challenge,
    ingredients: Ingredients,
    folder: Path,
) -> SubmissionNote:
    """Write `folder` anew with the challenge's CSV, a zip of it and a note.

    One line for each clip of `wanted`, in its order. `folder` is replaced only after the files
    were read again and found acceptable. Equal probabilities give equal bytes.

    Raises:
        MismatchError: The probabilities are another edition's, or of other clips than `wanted`.
        SubmissionError: What was written would not be accepted.
    """
    edition, form = read_edition(challenge.edition), challenge.form
    label = answers(probabilities, wanted, edition, form)
    lines = [",".join(form.header)] if form.header else []
    lines += [
        f"{clip}{form.id_suffix},{','.join(map(str, row))}"
        for clip, row in zip(wanted.ids, label.tolist(), strict=True)
    ]
    data = "".join(f"{line}\n" for line in lines).encode()
    with replacing_folder(folder) as work:
        (work / form.file).write_bytes(data)
        _write_zip(work / form.zip, form.file, data)
        for name in (form.file, form.zip):
            check_submission(work / name, wanted.ids, form, edition)
        note = SubmissionNote(
            format="submission/2",
            challenge=challenge.name,
            edition=edition.name,
            assumed=challenge.assumed,
            clips=len(wanted.ids),
            excluded=tuple(sorted(wanted.excluded)),
            left_out_answer=wanted.guess[0] if wanted.excluded and wanted.guess else None,
            ingredients=ingredients,
            files={name: sha256(work / name) for name in (form.file, form.zip)},
        )
        write_note(note, work)
    return note


def _write_zip(archive: Path, name: str, data: bytes) -> None:
    """One stored member, no folder: deflate would give other bytes with another zlib."""
    member = zipfile.ZipInfo(name, ZIP_TIME)
    member.create_system = 3
    member.external_attr = 0o100644 << 16
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr(member, data)
