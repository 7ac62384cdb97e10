"""Turn probabilities into the columns of a challenge's file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.challenges.challenge import Challenge, published_ids
from benchmark.core.errors import MismatchError
from benchmark.editions.edition import FOREIGN, Edition, read_edition

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.contracts.predictions import Probabilities


@dataclass(frozen=True)
class Wanted:
    """The clips that a leaderboard asks for, by our ids, in its order."""

    ids: tuple[str, ...]
    excluded: frozenset[str] = frozenset()
    """Clips without a prediction, because nobody can read their video."""
    guess: tuple[int, ...] | None = None
    """Classes that these clips get, by rank: the most frequent one in training first."""


def wanted_clips(
    challenge: Challenge, clips: Clips | None, named: Sequence[str] | None = None
) -> Wanted:
    """List the clips of `challenge`: `named`, else as published, else the index's test split.

    `clips` is the whole index, where there is one; it says which clips are excluded.

    Raises:
        MismatchError: Nothing says which clips the challenge asks for.
    """
    published = None if named else published_ids(challenge)
    ids = tuple(named or published or ())
    test = None if clips is None else clips.split("test")
    if not ids and test is not None:
        ids = tuple(clip.clip_id for clip in test.with_excluded)
    if not ids:
        wrong = "nobody published the order of its clips"
        do = f"Run 'dvc repro index@{challenge.edition}', or name them with --ids"
        raise MismatchError(f"challenge {challenge.name}", wrong, do=do)
    if len(set(ids)) != len(ids):
        twice = next(clip for place, clip in enumerate(ids) if clip in ids[:place])
        raise MismatchError(f"clips of challenge {challenge.name}", f"{twice} comes twice")
    if clips is None or test is None or not test.excluded:
        return Wanted(ids)
    count = len(read_edition(challenge.edition).classes)
    frequent = np.bincount(clips.split("train").labels(), minlength=count)
    # Stable, so that of equally frequent classes the lower index comes first on every machine.
    guess = tuple(np.argsort(-frequent, kind="stable").tolist())
    return Wanted(ids, frozenset(clip.clip_id for clip in test.excluded) & set(ids), guess)


def predicted_labels(
    probabilities: Probabilities, wanted: Wanted, challenge: Challenge
) -> NDArray[np.int64]:
    """Compute the labels of the file: (clips, columns), in the order of `wanted.ids`.

    A column holds the class of its rank, or the body part of that class; of equally probable
    classes the lower index comes first. Excluded clips get the guess of each rank.

    Raises:
        MismatchError: The probabilities are of other data, a split with labels, or other clips.
    """
    edition, form = read_edition(challenge.edition), challenge.form
    _check_origin(probabilities, edition)
    predicted = [clip for clip in wanted.ids if clip not in wanted.excluded]
    named = _without(form.id_suffix, probabilities)
    depth = max(column.rank for column in form.columns)
    if depth > len(edition.classes):
        most = f"at most {len(edition.classes)}"
        raise MismatchError("submission", f"wants {depth} ranks", expected=most)
    best = np.argsort(-named.aligned(predicted).p, 1, "stable")[:, :depth]
    ranked = dict(zip(predicted, best, strict=True))
    guess = np.array((wanted.guess or ())[:depth])
    order = np.stack([ranked.get(clip, guess) for clip in wanted.ids])
    group = edition.group_of()
    columns = [
        order[:, column.rank - 1] if column.level == "class" else group[order[:, column.rank - 1]]
        for column in form.columns
    ]
    return np.stack(columns, 1) + form.label_base


def _without(suffix: str, probabilities: Probabilities) -> Probabilities:
    # Scores of other programs may name clips as the leaderboard does, with its suffix.
    bare = tuple(clip.removesuffix(suffix) for clip in probabilities.clip_id)
    if len(set(bare)) < len(bare):
        twice = next(clip for place, clip in enumerate(bare) if clip in bare[:place])
        where = f"probabilities of {probabilities.source}"
        wrong = f"clip {twice} comes twice, with and without {suffix}"
        raise MismatchError(where, wrong, do="Keep one of both")
    return replace(probabilities, clip_id=bare)


def _check_origin(probabilities: Probabilities, edition: Edition) -> None:
    where = f"probabilities of {probabilities.source} on {probabilities.split}"
    if probabilities.edition == FOREIGN:
        # Scores of other programs name no edition, split or classes: only the count can tell.
        found, wanted = (str(len(each.classes)) for each in (probabilities, edition))
        if found != wanted:
            raise MismatchError(where, "another number of classes", expected=wanted, found=found)
        return
    if (found := probabilities.edition) != edition.name:
        raise MismatchError(where, "another edition's", expected=edition.name, found=found)
    if probabilities.classes != edition.classes:
        raise MismatchError(where, "the classes are not the edition's, in its order")
    if probabilities.split != "test":
        raise MismatchError(where, "not the test split's", expected="test")
