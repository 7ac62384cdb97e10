"""Who does what when: counts, splits, timelines."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest
from pydantic import ValidationError

from benchmark.synthetic import spec as spec_module
from benchmark.synthetic.assets import read_rig
from benchmark.synthetic.film_clip import cast
from benchmark.synthetic.gestures.gesture import Gesture
from benchmark.synthetic.plan import FLOOR, IMIGUE_COUNTS, class_counts, plan
from benchmark.synthetic.spec import NUM_IDENTITIES, GesturesSpec


def _spec(**changes: int) -> GesturesSpec:
    values = {
        "seed": 0, "train_clips": 600, "val_clips": 130, "test_clips": 160, "train_people": 20,
        "val_people": 6, "test_people": 8, "width": 320, "height": 180, "fps": 25, "crf": 23,
    }  # fmt: skip
    return GesturesSpec(**values | changes)


@pytest.fixture(scope="module")
def videos():
    return plan(_spec())


def test_counts_are_imigues_long_tail_with_a_floor():
    counts = class_counts(1000, 4)
    assert sum(counts) == 1000
    assert min(counts) == 4
    assert 0.26 < counts[Gesture.ILLUSTRATE] / 1000 < 0.31
    assert sorted(counts)[-3:] == [counts[28], counts[30], counts[31]]


@pytest.mark.parametrize("num_clips", [1, 7, 31, 64, 65, 257, 5000])
def test_counts_sum_to_the_size_asked_for(num_clips):
    counts = class_counts(num_clips, 4)
    assert sum(counts) == num_clips
    assert min(counts) >= 0


def test_shares_come_from_the_published_counts():
    assert sum(IMIGUE_COUNTS) == 12893 + 777
    large = class_counts(136_700, 4)
    assert max(abs(a - 10 * b) for a, b in zip(large, IMIGUE_COUNTS, strict=True)) <= 1


def test_every_class_is_in_every_large_split(videos):
    for split, floor in FLOOR.items():
        found = Counter(p.gesture for v in videos if v.split == split for p in v.performances)
        assert len(found) == 32
        assert min(found.values()) >= floor


def test_people_and_places_are_disjoint_between_splits(videos):
    people = [video.identity for video in videos]
    assert len(set(people)) == len(people) == 34
    spec = _spec()
    boards = {cast(spec, video).scene.backdrop.tobytes() for video in videos}
    appearances = {cast(spec, video).appearance.skin.tobytes() for video in videos}
    assert len(boards) == len(appearances) == len(videos)


def test_clips_lie_inside_the_video_and_do_not_overlap(videos):
    for video in videos:
        last = -1
        for performance in video.performances:
            assert last < performance.start < performance.end < video.num_frames
            assert 12 <= performance.end - performance.start + 1 <= 60
            last = performance.end
        assert last < video.num_frames - 1


def test_only_a_person_with_a_cap_touches_it(videos):
    hats = [v for v in videos if any(p.gesture is Gesture.TOUCH_HAT for p in v.performances)]
    assert hats
    assert all(video.cap for video in hats)


def test_another_seed_gives_another_cast(videos):
    other = plan(_spec(seed=1))
    assert [v.identity for v in other] != [v.identity for v in videos]


def test_too_many_people_are_refused():
    with pytest.raises(ValidationError, match="65 people, but there are 64"):
        _spec(train_people=51)


def test_the_spec_counts_the_identities_of_the_assets():
    rig = read_rig()
    assert len(rig.rest) == len(rig.heads) == NUM_IDENTITIES


def test_the_spec_loads_no_code_of_the_generator():
    """`benchmark.params` imports it, and must stay cheap to import."""
    tree = ast.parse(Path(spec_module.__file__).read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"__future__", "typing", "pydantic", "benchmark.core.schema"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]


def test_a_split_with_fewer_clips_than_people_is_refused():
    with pytest.raises(ValidationError, match="val: 5 clips are too few for 6 people"):
        _spec(val_clips=5)
