"""The labels of probabilities that a user names: of the project's index, or of a csv."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.contracts.clips import Clips, index_file, read_clips
from benchmark.contracts.folds import oof_labels
from benchmark.contracts.labels import Labels, index_labels, listed_labels
from benchmark.contracts.test_labels import answers_file, read_answers, read_test_labels
from benchmark.core.errors import FormatError
from benchmark.editions.edition import edition_names, read_edition
from benchmark.editions.splits import OOF, SPLITS, Split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchmark.contracts.predictions import Probabilities


def split_labels(clips: Clips, split: Split, csv: Path | None) -> NDArray[np.int64]:
    """Find the class index of each clip of a split, int64 (N,), in the order of the index `clips`.

    `csv` holds labels that the user gives; None to take those of the project in this folder.

    Raises:
        FormatError: Nothing here knows them.
        MismatchError: The csv does not answer exactly the clips of the split.
    """
    part, edition = clips.split(split), read_edition(clips.edition)
    file = answers_file(edition.name)
    if csv is None and split not in edition.withheld:
        return part.labels()
    if csv is None and not file.is_file():
        wrong = f"edition {edition.name} withholds the labels of {split}"
        raise FormatError("--labels", wrong, do="Give a csv with the columns clip_id and label")
    return read_answers(csv or file, part, num_classes=len(edition.classes))


def labels_for(probabilities: Probabilities, csv: Path | None) -> Labels:
    """Find the labels of these clips.

    `csv` holds labels that the user gives; None to take those of the project in this folder.

    Raises:
        FormatError: Nothing here knows them.
    """
    if csv is not None:
        return listed_labels(csv, probabilities)
    name, index = probabilities.edition, index_file(probabilities.edition)
    if probabilities.split == OOF and (stamp := probabilities.stamp) is not None:
        clips = read_clips(index, read_edition(name))
        return oof_labels(clips, stamp.over, stamp.groups)
    splits: dict[str, Split] = {one: one for one in SPLITS}
    split = splits.get(probabilities.split)
    if name in edition_names() and split is not None and index.is_file():
        edition = read_edition(name)
        clips = read_clips(index, edition)
        if split != "test":
            return index_labels(clips, split)
        test = read_test_labels(answers_file(name), clips, edition)
        if test is not None:
            part = clips.split("test")
            return Labels(name, split, tuple(part.ids), tuple(part.videos), test)
    index_it = f", or run 'dvc repro index@{name}'" if name in edition_names() else ""
    raise FormatError(
        f"probabilities of {probabilities.source}",
        f"no labels of edition '{name}', split '{probabilities.split}', are in this folder",
        do="Give them with --labels, a csv with the columns clip_id, label and perhaps video"
        f" ('mgbench scores import --labels-out' writes one){index_it}",
    )  # fmt: skip
