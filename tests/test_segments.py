"""Windows become segments, and segments tables, subtitles and annotations of ELAN."""

from __future__ import annotations

import csv
import io
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.archives.annotations.read import read_elan
from benchmark.inference.any_video import Recognized
from benchmark.inference.detect import Detector
from benchmark.inference.segments import (
    Segment,
    detected_segments,
    segments,
    stretches,
    to_counts,
    to_csv,
    to_eaf,
    to_srt,
)
from benchmark.modalities.one_file import Span
from benchmark.params.params import Grouping

CLASSES = ("nod", "wave", "a & b <c>")
FPS = 10


def window(start: int, end: int, *p: float) -> Recognized:
    return Recognized(Span(start, end), start / FPS, end / FPS, np.array(p), CLASSES)


def test_neighbors_of_one_class_are_one_segment_with_their_mean() -> None:
    windows = [window(0, 10, 0.9, 0.1, 0), window(10, 30, 0.6, 0.4, 0), window(30, 40, 0, 1, 0)]
    first, second = segments(windows, 0.5)
    assert first[:3] == (0.0, 3.0, "nod")
    assert first.p == pytest.approx((0.9 * 10 + 0.6 * 20) / 30)
    assert second == (3.0, 4.0, "wave", 1.0)
    assert segments(windows, 0.8) == [second]


def test_what_two_windows_hold_is_their_mean() -> None:
    windows = [window(0, 20, 0.9, 0.1, 0), window(10, 30, 0.2, 0.8, 0)]
    starts, ends, means = zip(*stretches(windows), strict=True)
    assert (starts, ends) == ((0, 1, 2), (1, 2, 3))
    np.testing.assert_allclose(means, [[0.9, 0.1, 0], [0.55, 0.45, 0], [0.2, 0.8, 0]])


@given(
    spans=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=12),
    seed=st.integers(0, 100),
)
@settings(max_examples=50, deadline=None)
def test_segments_are_in_order_apart_and_within_the_windows(
    spans: list[tuple[int, int]], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    windows = [window(a, a + n, *rng.dirichlet(np.ones(3))) for a, n in sorted(spans)]
    found = segments(windows, 0)
    assert all(one.start_s < one.end_s for one in found)
    assert all(a.end_s <= b.start_s for a, b in pairwise(found))
    covered = {frame for a, n in spans for frame in range(a, a + n)}
    assert sum(one.end_s - one.start_s for one in found) == pytest.approx(len(covered) / FPS)


def test_every_form_holds_the_same_segments() -> None:
    windows = [window(0, 25, 0.1, 0.1, 0.8), window(25, 36_005, 0.9, 0.1, 0)]
    found = segments(windows, 0.5)
    rows = list(csv.DictReader(io.StringIO(to_csv(("v.mp4", one) for one in found))))
    assert [row["class"] for row in rows] == ["a & b <c>", "nod"]
    assert [(row["start_s"], row["end_s"]) for row in rows] == [
        ("0.000", "2.500"),
        ("2.500", "3600.500"),
    ]
    assert "2\n00:00:02,500 --> 01:00:00,500\nnod, 0.90\n" in to_srt(found)
    root = ElementTree.fromstring(to_eaf(found, Path("/v/my talk.mp4")))
    assert root.find("HEADER/MEDIA_DESCRIPTOR").get("MEDIA_URL") == "file:///v/my%20talk.mp4"
    slots = {
        slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE")) for slot in root.iter("TIME_SLOT")
    }
    shown = [
        (slots[one.get("TIME_SLOT_REF1")], slots[one.get("TIME_SLOT_REF2")], one[0].text)
        for one in root.iter("ALIGNABLE_ANNOTATION")
    ]
    assert shown == [(0, 2500, "a & b <c>"), (2500, 3_600_500, "nod")]
    scores = {one.get("ANNOTATION_REF"): one[0].text for one in root.iter("REF_ANNOTATION")}
    assert scores == {"a1": "0.80", "a2": "0.90"}


def test_gestures_of_a_person_are_counted_over_all_their_videos() -> None:
    nod, wave = Segment(0, 2, "nod", 0.9), Segment(2, 3.5, "wave", 0.9)
    seen = [("anna", 10.0, [nod, wave, nod]), ("ben", 30.0, []), ("anna", 50.0, [nod])]
    rows = list(csv.DictReader(io.StringIO(to_counts(seen, ("wave", "nod")))))
    assert [tuple(row.values()) for row in rows] == [
        ("anna", "wave", "1", "1.500", "1.000", "60.000"),
        ("anna", "nod", "3", "6.000", "3.000", "60.000"),
        ("ben", "wave", "0", "0.000", "0.000", "30.000"),
        ("ben", "nod", "0", "0.000", "0.000", "30.000"),
    ]


def test_segments_that_overlap_lie_in_tiers_of_their_own_which_elan_reads(tmp_path: Path) -> None:
    found = [Segment(0, 2, "nod", 0.9), Segment(1, 3, "wave", 0.8), Segment(2, 4, "nod", 0.7)]
    (tmp_path / "a.eaf").write_text(to_eaf(found, tmp_path / "talk.mp4"))
    tiers = ("recognized", "recognized 2")
    read = [read_elan(tmp_path / "a.eaf", [tier]) for tier in tiers]
    assert [[(one.start_s, one.end_s, one.label) for one in each] for each in read] == [
        [(0, 2, "nod"), (2, 4, "nod")], [(1, 3, "wave")],
    ]  # fmt: skip


def test_a_detector_finds_in_a_video_what_the_stage_finds_in_its_frames() -> None:
    a, b = (0.9, 0.1, 0.0), (0.2, 0.8, 0.0)
    windows = [window(5 * k, 5 * k + 10, *p) for k, p in enumerate((a, a, b, b, b, a))]
    spec = Grouping(smoothing=0, levels=(0.5,), soft_nms=0.3)
    detector = Detector(source="joint", window=1, step=0.5, grouping=spec, classes=CLASSES,
                        thresholds=(0.85, 0.85, 0.85), common=0.85)  # fmt: skip
    found = detected_segments(windows, detector)
    assert [(one.start_s, one.end_s, one.label) for one in found] == [
        (0, 1.25, "nod"), (2.75, 3.5, "nod"),
    ]  # fmt: skip
    assert found[0].p == pytest.approx(0.9)
