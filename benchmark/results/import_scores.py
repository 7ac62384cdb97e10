"""Scores of another program as the probabilities of a stream of this project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmark.challenges.challenge import Challenge, NumberedIds, published_ids
from benchmark.contracts.clips import read_clips
from benchmark.contracts.external_scores import Scores, read_scores
from benchmark.contracts.foreign_table import read_ids
from benchmark.contracts.joined_scores import Expected, as_probabilities, joined
from benchmark.contracts.predictions import ANY, Probabilities, read_probabilities
from benchmark.core.errors import FormatError, MismatchError
from benchmark.core.isolated import isolated
from benchmark.editions.edition import FOREIGN, listed_ids, read_edition

if TYPE_CHECKING:
    from benchmark.editions.splits import Split


class Imported(NamedTuple):
    """Probabilities, and what their import took for granted."""

    probabilities: Probabilities
    labels: tuple[int | None, ...] | None
    """Labels that the file also holds, in its rows' order."""
    said: tuple[str, ...]


class Target(NamedTuple):
    """Whose clips a file scores."""

    edition: str
    split: str
    expected: Expected


def target_of(challenge: Challenge, split: Split, index: Path, ids_file: Path | None) -> Target:
    """Gather what the project knows of the clips: classes, ids in their order, labels.

    Args:
        challenge: Edition or challenge that defines clips and classes.
        split: Split of the edition.
        index: Index of the edition; need not exist.
        ids_file: CSV with the clip id of each row, instead of the project's list.

    Raises:
        FormatError: A file breaks its form.
    """
    edition, suffix = read_edition(challenge.edition), challenge.form.id_suffix
    labels: dict[str, int] = {}
    # The index lists exactly the clips of the archive; a published list is the fallback.
    if split == "test" and isinstance(challenge.ids, NumberedIds):
        ids, source = published_ids(challenge), f"challenge {challenge.name}"
    elif index.is_file():
        clips = read_clips(index, edition).split(split)
        ids, source = clips.ids, str(index)
        labels = {clip.clip_id: clip.label for clip in clips if clip.label is not None}
    else:
        ids, source = listed_ids(edition, split), f"the published list of {edition.name}"
    if ids_file:
        ids, source = read_ids(ids_file), str(ids_file)
    known = None if ids is None else tuple(ids)
    source = source if known else str(index)
    expected = Expected(edition.classes, known, labels, source, suffix)
    return Target(edition.name, split, expected)


def numbered_target(num_classes: int, ids_file: Path | None) -> Target:
    """Describe clips of which the project knows nothing but the number of classes."""
    named = tuple(read_ids(ids_file)) if ids_file else None
    classes = tuple(map(str, range(num_classes)))
    return Target(FOREIGN, ANY, Expected(classes, named, {}, str(ids_file or "the file")))


def import_scores(
    file: Path, name: str, target: Target, *, head: str | None, logits: bool
) -> Imported:
    """Read a file of scores and join it to the clips and classes of `target`.

    Args:
        file: .pkl of mmaction2 or PYSKL, .npy, .csv, or .parquet of our own.
        name: Of the system that computed them.
        target: Whose clips.
        head: Head to read from a file with several.
        logits: Whether they are logits.

    Raises:
        FormatError: The file breaks its form, or nothing orders the clips of a file without names.
        MismatchError: It scores other clips, or contradicts the project's labels.
    """
    if file.suffix == ".parquet":
        if logits or head is not None:
            wrong, do = "holds probabilities of one system already", "Omit head and logits"
            raise FormatError(file, wrong, found=f"head {head}, logits {logits}".lower(), do=do)
        return Imported(_renamed(file, name, target), None, ())
    # In a process of its own: a hostile pickle may crash it or fill the memory.
    found = Scores(*isolated(read_scores, file, head))
    expected = target.expected
    if found.ids is None and expected.ids is None and target.edition != FOREIGN:
        raise FormatError(
            expected.source, "no such file, and no published list orders these clips",
            do=f"Run 'dvc repro index@{target.edition}', or pass --ids",
        )  # fmt: skip
    clips = joined(found, expected, where=file)
    p, rescaled = as_probabilities(clips.p, logits=logits, where=file)
    said = (*clips.said, *rescaled)
    result = Probabilities(
        target.edition, target.split, name, expected.classes, clips.ids, p, note="; ".join(said)
    )
    return Imported(result, found.labels, said)


def _renamed(file: Path, name: str, target: Target) -> Probabilities:
    found = read_probabilities(file)
    for key, wanted in (("edition", target.edition), ("split", target.split)):
        if getattr(found, key) != wanted:
            raise MismatchError(file, f"another {key}", expected=wanted, found=getattr(found, key))
    ids = target.expected.ids
    return replace(found if ids is None else found.aligned(ids), source=name)
