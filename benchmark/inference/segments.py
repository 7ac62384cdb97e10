"""From windows to segments: which gesture is seen from when to when, as CSV, subtitles and ELAN."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.window_scores import WindowScores
from benchmark.core.files import csv_text
from benchmark.inference.detect import Detector, candidates, detected

if TYPE_CHECKING:
    from benchmark.inference.any_video import Recognized

COLUMNS = ("video", "start_s", "end_s", "class", "p")
COUNTED = ("person", "class", "times", "seconds", "per_minute", "watched_s")
ONE_EACH = "Symbolic_Association"
SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"


class Segment(NamedTuple):
    """One gesture, from when to when."""

    start_s: float
    end_s: float
    label: str
    p: float
    """Mean probability of the class while it is seen; a detector's score of it."""


class Stretch(NamedTuple):
    """A part of a video in which the same windows are seen."""

    start_s: float
    end_s: float
    p: NDArray[np.float64]
    """Mean over the windows that hold it, (K,)."""


def stretches(windows: Sequence[Recognized]) -> list[Stretch]:
    """Cut a video where a window begins or ends; what several windows hold is their mean."""
    seconds = _seconds_of(windows)
    ahead = sorted(windows, key=lambda window: window.span.start, reverse=True)
    found: list[Stretch] = []
    active: list[Recognized] = []  # few of the thousands of windows of a long video
    for start, end in pairwise(sorted(seconds)):
        while ahead and ahead[-1].span.start <= start:
            active.append(ahead.pop())
        active = [window for window in active if window.span.end > start]
        if active:
            mean = np.mean([window.p for window in active], axis=0)
            found.append(Stretch(seconds[start], seconds[end], mean))
    return found


def _seconds_of(windows: Sequence[Recognized]) -> dict[int, float]:
    """Map each frame at which a window begins or ends to its time."""
    begins = {window.span.start: window.start_s for window in windows}
    return begins | {window.span.end: window.end_s for window in windows}


def segments(windows: Sequence[Recognized], threshold: float) -> list[Segment]:
    """Join neighboring stretches of one class; segments below `threshold` are left out.

    The networks know no "none of these": a low probability is all that tells it.
    """
    found: list[Segment] = []
    classes = windows[0].classes
    for start, end, p in stretches(windows):
        best = int(p.argmax())
        label, sure = classes[best], float(p[best])
        if found and found[-1].label == label and found[-1].end_s == start:
            before = found.pop()
            lengths = np.array([before.end_s - before.start_s, end - start])
            sure = float(np.average([before.p, sure], weights=lengths))
            start = before.start_s
        found.append(Segment(start, end, label, sure))
    return [segment for segment in found if segment.p >= threshold]


def detected_segments(windows: Sequence[Recognized], detector: Detector) -> list[Segment]:
    """Find gestures as stage `detect` does; segments of different classes may overlap.

    The `windows` are of one video, as the stage cuts and scores them.
    """
    frames = _seconds_of(windows)
    start, end = np.array([window.span for window in windows], np.int64).T
    scores = WindowScores(
        "any", "any", detector.source, windows[0].classes, ("any",) * len(windows), start, end,
        np.array([window.p for window in windows], np.float32),
    )  # fmt: skip
    found = detected(candidates(scores, detector.grouping), detector, "any").sure()
    numbers = sorted(frames)
    seconds = [frames[number] for number in numbers]
    begins, ends = (np.interp(each, numbers, seconds) for each in (found.start, found.end))
    rows = zip(begins.tolist(), ends.tolist(), found.label, found.score.tolist(), strict=True)
    return [Segment(start, end, found.classes[label], p) for start, end, label, p in rows]


def to_csv(found: Iterable[tuple[str, Segment]]) -> str:
    """Format segments, each with the name of its video, as a table."""
    rows = [
        [video, f"{one.start_s:.3f}", f"{one.end_s:.3f}", one.label, f"{one.p:.4f}"]
        for video, one in found
    ]
    return csv_text(COLUMNS, rows)


def to_counts(seen: Iterable[tuple[str, float, Sequence[Segment]]], classes: Sequence[str]) -> str:
    """Count the gestures of each person in all videos of theirs, as a table; zeros are told too.

    `seen` holds person, seconds looked at, and segments of each video.
    """
    watched: defaultdict[str, float] = defaultdict(float)
    times: Counter[tuple[str, str]] = Counter()
    seconds: defaultdict[tuple[str, str], float] = defaultdict(float)
    for person, length, found in seen:
        watched[person] += length
        for one in found:
            times[person, one.label] += 1
            seconds[person, one.label] += one.end_s - one.start_s
    rows = []
    for person, length in watched.items():
        for label in classes:
            count, lasted = times[person, label], seconds[person, label]
            per_minute = f"{60 * count / length:.3f}"
            rows.append([person, label, count, f"{lasted:.3f}", per_minute, f"{length:.3f}"])
    return csv_text(COUNTED, rows)


def to_srt(found: Sequence[Segment]) -> str:
    """Format segments as subtitles (SubRip), which any player shows over the video."""
    blocks = [
        f"{number}\n{_clock(one.start_s)} --> {_clock(one.end_s)}\n{one.label}, {one.p:.2f}\n"
        for number, one in enumerate(found, start=1)
    ]
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    milliseconds = round(1000 * seconds)
    rest, milliseconds = divmod(milliseconds, 1000)
    minutes, rest = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest:02},{milliseconds:03}"


def to_eaf(found: Sequence[Segment], video: Path) -> str:
    """Format segments as an annotation document of ELAN.

    Segments that overlap lie in tiers `recognized`, `recognized 2` and so on: ELAN allows no
    overlap within a tier. Each has a tier below it, `score`, with the probabilities.
    Source: ELAN Annotation Format 3.0, Max Planck Institute for Psycholinguistics.
    """
    root = Element("ANNOTATION_DOCUMENT", {
        "AUTHOR": "mgbench", "DATE": "2000-01-01T00:00:00+00:00", "FORMAT": "3.0", "VERSION": "3.0",
        "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance",
        "xsi:noNamespaceSchemaLocation": SCHEMA,
    })  # fmt: skip
    header = SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    url = video.resolve().as_uri()
    SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=url, MIME_TYPE="video/mp4")
    order = SubElement(root, "TIME_ORDER")
    number = 0
    for place, lane in enumerate(_lanes(found) or [[]]):
        ending = f" {place + 1}" if place else ""
        name, score = f"recognized{ending}", f"score{ending}"
        tier = SubElement(root, "TIER", LINGUISTIC_TYPE_REF="gesture", TIER_ID=name)
        below = SubElement(
            root, "TIER", LINGUISTIC_TYPE_REF="score", PARENT_REF=name, TIER_ID=score
        )
        for one in lane:
            number += 1
            ends = {f"TIME_SLOT_REF{k + 1}": f"ts{2 * number - 1 + k}" for k in range(2)}
            for slot, seconds in zip(ends.values(), one[:2], strict=True):
                value = str(round(1000 * seconds))
                SubElement(order, "TIME_SLOT", TIME_SLOT_ID=slot, TIME_VALUE=value)
            _annotate(tier, one.label, "ALIGNABLE_ANNOTATION", ANNOTATION_ID=f"a{number}", **ends)
            _annotate(below, f"{one.p:.2f}", "REF_ANNOTATION", ANNOTATION_ID=f"s{number}",
                      ANNOTATION_REF=f"a{number}")  # fmt: skip
    add_type = partial(SubElement, root, "LINGUISTIC_TYPE", GRAPHIC_REFERENCES="false")
    add_type(LINGUISTIC_TYPE_ID="gesture", TIME_ALIGNABLE="true")
    add_type(CONSTRAINTS=ONE_EACH, LINGUISTIC_TYPE_ID="score", TIME_ALIGNABLE="false")
    SubElement(root, "CONSTRAINT", DESCRIPTION="one for each above", STEREOTYPE=ONE_EACH)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _lanes(found: Sequence[Segment]) -> list[list[Segment]]:
    """Deal segments to as few rows as hold them without overlap."""
    lanes: list[list[Segment]] = []
    for one in sorted(found):
        free = (lane for lane in lanes if lane[-1].end_s <= one.start_s)
        if (lane := next(free, None)) is None:
            lanes.append(lane := [])
        lane.append(one)
    return lanes


def _annotate(tier: Element, text: str, kind: str, **attributes: str) -> None:
    annotation = SubElement(SubElement(tier, "ANNOTATION"), kind, attributes)
    SubElement(annotation, "ANNOTATION_VALUE").text = text
