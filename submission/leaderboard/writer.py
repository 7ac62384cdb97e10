"""Write the file for a leaderboard in the challenge's form, then read it again and check it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.core.files import replacing_folder, write_text
from benchmark.core.pinned_file import sha256
from submission.leaderboard.checks import check_submission
from submission.leaderboard.columns import Wanted, predicted_labels
from submission.leaderboard.metadata import METADATA, Ingredients, SubmissionMetadata

if TYPE_CHECKING:
    from benchmark.challenges.challenge import Challenge
    from benchmark.contracts.predictions import Probabilities


def write_submission(
    probabilities: Probabilities,
    wanted: Wanted,
    challenge: Challenge,
    ingredients: Ingredients,
    folder: Path,
) -> SubmissionMetadata:
    """Replace `folder` by the challenge's CSV, its zip and submission.json.

    The old folder stays unless the new files, read again, pass the check. Equal probabilities
    give equal bytes.

    Args:
        probabilities: Probabilities of the test clips, rows in any order.
        wanted: The clips that the leaderboard asks for, one line each.
        challenge: Defines the form of the file.
        ingredients: Origin of the probabilities, for submission.json.
        folder: Where the files go.

    Raises:
        MismatchError: The probabilities are another edition's, or of other clips than `wanted`.
        SubmissionError: The leaderboard would not take the files.
    """
    form = challenge.form
    labels = predicted_labels(probabilities, wanted, challenge)
    lines = [",".join(form.header)] if form.header else []
    lines += [
        f"{clip}{form.id_suffix},{','.join(map(str, row))}"
        for clip, row in zip(wanted.ids, labels.tolist(), strict=True)
    ]
    data = "".join(f"{line}\n" for line in lines).encode()
    with replacing_folder(folder) as work:
        (work / form.file).write_bytes(data)
        write_zip(work / form.zip, {form.file: data})
        # The leaderboard sees the bytes on disk, so the check reads those.
        for name in (form.file, form.zip):
            check_submission(work / name, wanted.ids, challenge)
        metadata = SubmissionMetadata(
            format="submission/3", challenge=challenge.name, edition=challenge.edition,
            assumed=challenge.assumed, clips=len(wanted.ids),
            excluded=tuple(sorted(wanted.excluded)),
            excluded_label=wanted.guess[0] if wanted.excluded and wanted.guess else None,
            ingredients=ingredients,
            files={name: sha256(work / name) for name in (form.file, form.zip)},
        )  # fmt: skip
        write_text(work / METADATA, metadata.model_dump_json(indent=1) + "\n")
    return metadata


def write_zip(archive: Path, files: Mapping[str, bytes]) -> None:
    """Write a zip of files, name -> content; equal contents give equal bytes."""
    # Stored, because deflate gives other bytes with another zlib. Each file is of 1980, by default.
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        for name, data in files.items():
            member = zipfile.ZipInfo(name)
            # Unix and a plain file's mode: the platform's own values would change the bytes.
            member.create_system = 3
            member.external_attr = 0o100644 << 16
            file.writestr(member, data)
