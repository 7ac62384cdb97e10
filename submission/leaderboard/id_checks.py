"""Whether a file names each clip once, and in the order that the leaderboard wants."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.core.errors import SubmissionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def id_faults(
    name: str, found: Sequence[tuple[int, str]], wanted: Sequence[str]
) -> Iterator[SubmissionError]:
    """Faults of `found`, pairs of line number and clip id, against the ids `wanted`, in order."""
    lines: dict[str, int] = {}
    twice = []
    for number, clip in found:
        if clip in lines:
            twice.append((number, clip))
        lines.setdefault(clip, number)
    known = set(wanted)
    foreign = [clip for clip in lines if clip not in known]
    missing = [clip for clip in wanted if clip not in lines]
    if twice:
        number, clip = twice[0]
        yield SubmissionError(
            f"{name}, line {number}",
            f"{len(twice)} clip(s) come twice, the first is {clip}",
            found=f"before on line {lines[clip]}",
            do="Keep one line a clip",
        )
    if foreign:
        yield SubmissionError(
            f"{name}, line {lines[foreign[0]]}",
            f"{len(foreign)} unknown clip(s), the first is {foreign[0]}",
            expected=f"the {len(wanted)} clips of the challenge, such as {wanted[0]}",
            do=_advice(foreign, known),
        )
    if missing:
        yield SubmissionError(
            name,
            f"{len(missing)} clip(s) missing, the first is {missing[0]}",
            expected=f"{len(wanted)} clips",
            found=str(len(lines)),
            do="Predict every clip of the challenge",
        )
    if not (twice or foreign or missing):
        yield from _order_faults(name, found, wanted)


def _order_faults(
    name: str, found: Sequence[tuple[int, str]], wanted: Sequence[str]
) -> Iterator[SubmissionError]:
    wrong = [
        (number, clip, right)
        for (number, clip), right in zip(found, wanted, strict=True)
        if clip != right
    ]
    if wrong:
        number, clip, right = wrong[0]
        yield SubmissionError(
            f"{name}, line {number}",
            f"not in the challenge's order ({len(wrong)} line(s))",
            expected=right,
            found=clip,
            do="Write the clips in the order of the published list",
        )


def _advice(foreign: Sequence[str], known: set[str]) -> str:
    """A guess at what happened to ids that nobody asked for."""
    if all(clip.strip() in known for clip in foreign):
        return "Take the spaces away"
    if all(clip.strip("\"'") in known for clip in foreign):
        return "Take the quotes away"
    if all(clip.rpartition(".")[0] in known for clip in foreign):
        return "Take the file ending away"
    if set(foreign) <= {clip.lstrip("0") for clip in known}:
        return "Keep the zeros at the start: a spreadsheet has read the ids as numbers"
    for ending in (".mp4", ".avi"):
        if all(clip + ending in known for clip in foreign):
            return f"Put {ending} after each"
    return "Check that the scores are of this challenge's clips"
