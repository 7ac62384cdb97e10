"""Check that a file names each clip once, and in the order that the leaderboard wants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmark.core.errors import SubmissionError


def id_faults(
    name: str, rows: Sequence[tuple[int, str]], wanted: Sequence[str]
) -> Iterator[SubmissionError]:
    """Find the faults of `rows`, pairs of line number and clip id, against the ids `wanted`."""
    lines: dict[str, int] = {}
    twice = []
    for number, clip in rows:
        if clip in lines:
            twice.append((number, clip))
        lines.setdefault(clip, number)
    expected = set(wanted)
    foreign = [clip for clip in lines if clip not in expected]
    missing = [clip for clip in wanted if clip not in lines]
    if twice:
        number, clip = twice[0]
        yield SubmissionError(
            f"{name}, line {number}",
            f"{len(twice)} clip(s) come twice, the first is {clip}",
            found=f"before on line {lines[clip]}",
            do="Keep one line per clip",
        )
    if foreign:
        yield SubmissionError(
            f"{name}, line {lines[foreign[0]]}",
            f"{len(foreign)} unknown clip(s), the first is {foreign[0]}",
            expected=f"the {len(wanted)} clips of the challenge, such as {wanted[0]}",
            do=_advice(foreign, expected),
        )
    if missing:
        yield SubmissionError(
            name,
            f"{len(missing)} clip(s) missing, the first is {missing[0]}",
            expected=f"{len(wanted)} clips",
            found=str(len(lines)),
            do="Predict every clip of the challenge",
        )
    # Among other clips the order means nothing: report it only where the clips are right.
    if not (twice or foreign or missing):
        yield from _order_faults(name, rows, wanted)


def _order_faults(
    name: str, rows: Sequence[tuple[int, str]], wanted: Sequence[str]
) -> Iterator[SubmissionError]:
    wrong = [
        (number, clip, right)
        for (number, clip), right in zip(rows, wanted, strict=True)
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


def _advice(foreign: Sequence[str], expected: set[str]) -> str:
    """Guess what happened to ids that the challenge does not know."""
    # A guess counts only if it explains all of them.
    if all(clip.strip() in expected for clip in foreign):
        return "Remove the spaces"
    if all(clip.strip("\"'") in expected for clip in foreign):
        return "Remove the quotes"
    if all(clip.rpartition(".")[0] in expected for clip in foreign):
        return "Remove the file ending"
    if set(foreign) <= {clip.lstrip("0") for clip in expected}:
        return "Keep the zeros at the start: a spreadsheet has read the ids as numbers"
    for ending in (".mp4", ".avi"):
        if all(clip + ending in expected for clip in foreign):
            return f"Put {ending} after each"
    return "Check that the scores are of this challenge's clips"
