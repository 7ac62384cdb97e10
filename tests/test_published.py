"""An index is compared with what its edition expects: sizes, classes, the leaderboard's ids."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from benchmark.archives.archive import check_expected, label_differences
from benchmark.contracts.clips import Clips
from benchmark.core.errors import ManyFaults
from benchmark.editions.edition import Edition, SplitCounts, edition_names, listed_ids, read_edition
from conftest import a_clip

MIMIC = read_edition("mimic")
IMIGUE = read_edition("imigue")
ROOT = Path("raw")


def test_the_published_numbers_of_imigue_are_one() -> None:
    assert IMIGUE.counts is not None
    assert IMIGUE.label_counts is not None
    for split in ("train", "val"):
        assert sum(IMIGUE.label_counts[split]) == IMIGUE.counts[split].clips
    ids = listed_ids(IMIGUE, "test")
    assert ids is not None
    assert len(ids) == len(set(ids)) == IMIGUE.counts["test"].clips == 4562
    assert len({clip.split("_")[0] for clip in ids}) == IMIGUE.counts["test"].videos == 104
    assert ids == sorted(ids, key=lambda clip: [int(part) for part in clip.split("_")])


@pytest.mark.parametrize("name", edition_names())
def test_every_edition_has_sound_published_numbers(name: str) -> None:
    edition = read_edition(name)
    for split, counts in (edition.label_counts or {}).items():
        assert (edition.counts or {})[split].clips == sum(counts)
    for split in edition.ids or {}:
        assert listed_ids(edition, split)


def small(**changes: object) -> Edition:
    return MIMIC.model_copy(update=changes)


def clips(test: tuple[str, ...] = ("0201_0", "0201_1")) -> Clips:
    train = [a_clip(f"0001_{k}", label=label) for k, label in enumerate((2, 5, 5))]
    return Clips("mimic", (*train, *(a_clip(i, split="test", label=None) for i in test)))


def test_every_split_of_another_size_is_named() -> None:
    one = SplitCounts(videos=1, clips=1)
    with pytest.raises(ManyFaults) as caught:
        check_expected(ROOT, clips(), small(counts={"train": one, "val": one}))
    assert (
        "split train is not as published; expected 1 videos, 1 clips; found 1 videos, 3 clips"
        in (str(caught.value))
    )
    assert "split val is not as published" in str(caught.value)


def test_excluded_clips_count_as_present() -> None:
    rows = (a_clip("0001_0", excluded=True), a_clip("0001_1"))
    two = small(counts={"train": SplitCounts(videos=1, clips=2)})
    check_expected(ROOT, Clips("mimic", rows), two)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (("0201_0",), "found 1 ids; 1 differ, first 0201_1"),
        (("0201_1", "0201_0"), "found 2 ids; the same, in another order"),
    ],
)
def test_ids_that_the_leaderboard_would_refuse_are_refused(
    test: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ids.csv").write_text("Id\n0201_0\n0201_1\n", "utf-8")
    monkeypatch.setattr("benchmark.editions.edition.SHIPPED", tmp_path)
    edition = small(ids={"test": "ids.csv"})
    check_expected(ROOT, clips(), edition)
    with pytest.raises(ManyFaults, match=message):
        check_expected(ROOT, clips(test), edition)


def test_a_class_of_another_size_is_a_note_and_not_hidden() -> None:
    counts = [0] * 32
    counts[2], counts[5] = 1, 3
    edition = small(label_counts={"train": tuple(counts)})
    assert label_differences(clips(), edition) == [
        f"train: 2 clips of class 5 ({edition.classes[5]}), published 3"
    ]


def test_the_public_validation_list_agrees_with_the_edition(shared_val: Path) -> None:
    with shared_val.open(newline="") as file:
        found = Counter(int(row["label"]) for row in csv.DictReader(file))
    assert IMIGUE.label_counts is not None
    assert tuple(found.get(k, 0) for k in range(32)) == IMIGUE.label_counts["val"]


@pytest.fixture
def shared_val() -> Path:
    return Path(__file__).parent / "golden/imigue_val_labels.csv"
