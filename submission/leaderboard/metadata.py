"""submission.json: what a submission is made of, beside its file."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from benchmark.core.files import write_text
from benchmark.core.pinned_file import Sha256, sha256
from benchmark.core.schema import Positive, Share, Strict, read_json
from benchmark.tracking.records import RunRecord, new_record
from benchmark.tracking.store import SUBMISSION
from submission.fusion.fitted import read_fitted
from submission.fusion.fused_note import fused_note
from submission.fusion.spec import Fixed, FusionRule

if TYPE_CHECKING:
    from pathlib import Path

NOTE = "submission.json"


class Ingredients(Strict):
    """What the answers come from."""

    source: str
    """The experiment, fusion or file."""
    probabilities: Sha256
    """Of the file that holds them."""
    rule: FusionRule | None
    """Null for a single stream, and for scores whose fusion nobody noted."""
    weights: dict[str, Share]
    """Member -> weight; empty for a single stream."""
    members: dict[str, Sha256]
    """Member -> hash of its probabilities of test; empty where nobody noted them."""
    transductive: bool
    """Whether the unlabeled test clips took part in training or fusing, as their maker says."""


class SubmissionNote(Strict):
    """Format `submission/2`."""

    format: Literal["submission/2"]
    challenge: str
    edition: str
    assumed: str | None
    """What nobody has confirmed of the challenge's form."""
    clips: Positive
    excluded: tuple[str, ...]
    """Clips of videos that cannot be read."""
    left_out_answer: Annotated[int, Field(ge=0)] | None
    """The class that these get; null where there are none."""
    ingredients: Ingredients
    files: dict[str, Sha256]
    """The CSV and its zip."""


def ingredients_of(probabilities: Path, source: str, *, transductive: bool) -> Ingredients:
    """What `probabilities` was made of, as whatever fused it has noted beside it.

    The weights.json of a stage counts for `predictions/fusions/<source>/test.parquet` alone:
    another file in that folder has another origin.

    Raises:
        FormatError: A note breaks its schema.
    """
    file = probabilities.with_name("weights.json")
    own = probabilities.name == "test.parquet" and probabilities.resolve().parent.name == source
    rule: FusionRule | None = None
    weights, members = dict[str, float](), dict[str, str]()
    if own and file.is_file():
        fitted = read_fitted(file)
        rule, weights, members = fitted.rule, fitted.weights, fitted.test_files
    elif note := fused_note(probabilities):
        weights, members = note.weights, note.members
        rule = Fixed(kind="fixed", weights=weights)
    return Ingredients(
        source=source,
        probabilities=sha256(probabilities),
        rule=rule,
        weights=weights,
        members=members,
        transductive=transductive,
    )


def write_note(note: SubmissionNote, folder: Path) -> None:
    """Write `folder`/submission.json."""
    write_text(folder / NOTE, note.model_dump_json(indent=1) + "\n")


def read_note(folder: Path) -> SubmissionNote:
    """Read `folder`/submission.json.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    do = "Write the submission with 'mgbench submit write'"
    return read_json(folder / NOTE, SubmissionNote, what="the note of a submission", do=do)


def submission_record(root: Path, note: SubmissionNote, folder: Path) -> RunRecord:
    """The submission in `folder`, just written, as an MLflow run of the project at `root`."""
    now = time.time_ns() // 1_000_000
    within = folder.resolve().is_relative_to(root)
    artifacts = [folder.resolve() / name for name in (*note.files, NOTE)] if within else []
    return new_record(
        root,
        experiment=SUBMISSION,
        name=f"{note.challenge} {folder.name}",
        start_ms=now,
        end_ms=now,
        params=note.model_dump(mode="json", exclude={"format", "excluded"}),
        tags={"kind": "submission"},
        metrics={"clips": note.clips, "excluded": len(note.excluded)},
        artifacts=artifacts,
    )
