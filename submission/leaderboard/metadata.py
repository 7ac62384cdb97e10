"""submission.json: the origin of a submission, beside its file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from benchmark.core.pinned_file import Sha256, sha256
from benchmark.core.schema import Positive, Share, Strict, read_json
from benchmark.tracking.records import NOTE, RunRecord, new_record
from benchmark.tracking.store import SUBMISSION
from submission.fusion.fitted import read_fitted
from submission.fusion.metadata import read_fusion_metadata
from submission.fusion.rules.equal import Fixed
from submission.fusion.rules.union import FusionRule

METADATA = "submission.json"


class Ingredients(Strict):
    """Origin of the predictions."""

    source: str
    """The experiment, fusion or file."""
    probabilities: Sha256
    """Hash of the file that holds them."""
    rule: FusionRule | None
    """Null for a single stream, and for scores whose fusion left no metadata."""
    weights: dict[str, Share]
    """Member -> weight; empty for a single stream."""
    members: dict[str, Sha256]
    """Member -> hash of its probabilities of test; empty where no metadata name them."""
    transductive: bool
    """Whether unlabeled test clips took part in training or fusing: the user declares it, or a
    member was pre-trained on test videos."""


class SubmissionMetadata(Strict):
    """Format `submission/3`."""

    format: Literal["submission/3"]
    challenge: str
    edition: str
    assumed: str | None
    """Assumptions about the challenge's form that nobody has confirmed."""
    clips: Positive
    """Clips in the file."""
    excluded: tuple[str, ...]
    """Clips of videos that nobody can read."""
    excluded_label: Annotated[int, Field(ge=0)] | None
    """Class that these clips get, index from 0; null where there are none."""
    ingredients: Ingredients
    files: dict[str, Sha256]
    """Hashes of the CSV and its zip."""


def ingredients_of(probabilities: Path, source: str, *, transductive: bool) -> Ingredients:
    """Read the origin of `probabilities` from the metadata that their fusion wrote beside them.

    The weights.json of a stage describes `predictions/fusions/<source>/test.parquet` alone:
    another file in that folder has another origin.

    Raises:
        FormatError: Metadata break their schema.
    """
    file = probabilities.with_name("weights.json")
    by_stage = (
        probabilities.name == "test.parquet" and probabilities.resolve().parent.name == source
    )
    rule: FusionRule | None = None
    weights, members = dict[str, float](), dict[str, str]()
    if by_stage and file.is_file():
        fitted = read_fitted(file)
        rule, weights, members = fitted.rule, fitted.weights, fitted.test_files
    elif metadata := read_fusion_metadata(probabilities):
        weights, members = metadata.weights, metadata.members
        rule = metadata.rule or Fixed(kind="fixed", weights=weights)
    return Ingredients(
        source=source, probabilities=sha256(probabilities), rule=rule, weights=weights,
        members=members, transductive=transductive,
    )  # fmt: skip


def read_metadata(folder: Path) -> SubmissionMetadata:
    """Read `folder`/submission.json.

    Raises:
        FormatError: The file is missing or breaks its schema.
    """
    do = "Write the submission with 'mgbench submit write'"
    what = "the metadata of a submission"
    return read_json(folder / METADATA, SubmissionMetadata, what=what, do=do)


def submission_record(root: Path, metadata: SubmissionMetadata, folder: Path) -> RunRecord:
    """Describe the submission in `folder`, just written, as an MLflow run of the project `root`."""
    # A record names artifacts relative to the project, so files outside of it are none.
    within = folder.resolve().is_relative_to(root)
    artifacts = [folder.resolve() / name for name in (*metadata.files, METADATA)] if within else []
    note = f"Answers of {metadata.ingredients.source} for {metadata.challenge}."
    return new_record(
        root, experiment=SUBMISSION, name=f"{metadata.challenge} {folder.name}",
        params=metadata.model_dump(mode="json", exclude={"format", "excluded"}),
        tags={"kind": "submission", NOTE: note}, artifacts=artifacts,
        metrics={"clips": metadata.clips, "excluded": len(metadata.excluded)},
    )  # fmt: skip
