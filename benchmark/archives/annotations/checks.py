"""What annotations may not say: one name in two spellings, one gesture twice, and the like."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from benchmark.core.errors import ArchiveError, FaultList
from benchmark.core.schema import in_one_line
from benchmark.core.text_files import once_each

if TYPE_CHECKING:
    from benchmark.archives.annotations.read import Annotation


def plain(text: str) -> str:
    """Return a name in the one way that computers write what looks equal: NFC, single spaces."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def check_names(what: str, names: Sequence[tuple[str, str]]) -> None:
    """Make sure that names differ by more than capitals or zeros.

    Two spellings of a class would be two classes, and those of a person could be in two splits.

    Args:
        what: A class or a person.
        names: Where each stands, for messages, and the name.

    Raises:
        ManyFaults: Every name in a second spelling, once, and every name that is not one line.
    """
    faults, spelled = FaultList(), dict[str, str]()
    first_of = {name: where for where, name in reversed(names)}
    for where, name in dict.fromkeys((first_of[name], name) for _, name in names):
        with faults.collected():
            _check_name(what, where, name)
            if (other := spelled.setdefault(_folded(name), name)) != name:
                raise ArchiveError(
                    where, f"{what} '{name}' is '{other}' in another spelling?",
                    found=f"'{other}' in {first_of[other]}", do="Write it in one way",
                )  # fmt: skip
    faults.raise_any(f"names of a {what}")


def _folded(name: str) -> str:
    number = re.fullmatch(r"0*([0-9]+)([.,]0*)?", name)
    return number[1] if number else unicodedata.normalize("NFKC", name).casefold()


def _check_name(what: str, where: str, name: str) -> None:
    try:
        in_one_line(name)
    except ValueError as error:
        raise ArchiveError(where, f"the name of a {what} {error}") from None
    if not name:
        raise ArchiveError(where, f"the name of a {what} is empty")


def check_once(
    annotations: Sequence[Annotation], videos: Sequence[str], spans: Iterable[tuple[int, int]]
) -> None:
    """Make sure that no gesture is written down twice, as where a table is given twice.

    Args:
        annotations: With plain names.
        videos: Video of each.
        spans: First frame of each, and the frame after its last one.

    Raises:
        ManyFaults: Every annotation that says what another one said.
    """
    faults, places = FaultList(), dict[str, str]()
    for one, video, (start, end) in zip(annotations, videos, spans, strict=True):
        by = f" by {one.subject}" if one.subject else ""
        with faults.collected():
            name = f"'{one.label}'{by} in frames {start} to {end} of {video}"
            once_each(places, name, one.where, what="gesture")
    faults.raise_any("annotations")


def check_videos(annotations: Sequence[Annotation], videos: Sequence[str]) -> None:
    """Make sure that two relative paths are not taken for one video because of its name.

    Args:
        annotations: What was written down.
        videos: The video that was found for each, relative to the folder of all.

    Raises:
        ManyFaults: Every second path of a video.
    """
    faults, paths = FaultList(), dict[str, str]()
    for one, video in zip(annotations, videos, strict=True):
        path = one.video.replace("\\", "/").removeprefix("./")
        if "/" not in path or path.startswith("/") or ":" in path:
            continue  # a name, or a path of a computer that may be another one
        folder = path.rpartition("/")[0]
        if (other := paths.setdefault(video, folder)) != folder:
            wrong = f"'{one.video}' would be {video}, as is a path in '{other}'"
            faults.errors.append(ArchiveError(one.where, wrong, do="Is a video missing?"))
    faults.raise_any("videos")


def check_splits(
    annotations: Sequence[Annotation], videos: Sequence[str], splits: Sequence[str]
) -> None:
    """Make sure that each video is in one split.

    Args:
        annotations: What was written down.
        videos: Video of each.
        splits: Split of each.

    Raises:
        ManyFaults: Every annotation in a second split of its video.
    """
    faults, split_of = FaultList(), dict[str, str]()
    for one, video, split in zip(annotations, videos, splits, strict=True):
        if (other := split_of.setdefault(video, split)) != split:
            wrong, found = f"{video} is in two splits", f"{other} and {split}"
            faults.errors.append(ArchiveError(one.where, wrong, found=found))
    faults.raise_any("splits")
