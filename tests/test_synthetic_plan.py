"""Who does what when: counts, splits, timelines."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmark.synthetic import spec as spec_module
from benchmark.synthetic.assets import parents, read_body, read_rig
from benchmark.synthetic.film_clip import cast
from benchmark.synthetic.gestures.gesture import Gesture
from benchmark.synthetic.plan import FLOOR, IMIGUE_COUNTS, choose_people, class_counts, plan
from benchmark.synthetic.spec import BODIES, NUM_BODIES, TRAINING_BODIES, GesturesSpec


def _spec(**changes: object) -> GesturesSpec:
    values = {
        "seed": 0, "train_clips": 600, "val_clips": 130, "test_clips": 160, "train_people": 20,
        "val_people": 6, "test_people": 8, "width": 320, "height": 180, "fps": 25, "crf": 23,
        "cast": "everyone",
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
            assert 12 <= performance.end - performance.start + 1 <= 110
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
    with pytest.raises(ValidationError, match="val: 79 people, but its bodies give 78"):
        _spec(val_people=79)


def _bodies(people):
    return {s: {body for person in who for body in parents(person)} for s, who in people.items()}


@pytest.mark.parametrize("cast", ["everyone", "training"])
@given(seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_no_body_is_in_two_splits_of_any_two_data_sets(cast, seeds):
    """What is trained on one data set may be tested on any other."""
    some, many = {"train": 90, "val": 9, "test": 9}, {"train": 90, "val": 30, "test": 60}
    first = _bodies(choose_people(seeds[0], _spec(cast=cast).bodies(), some))
    second = _bodies(choose_people(seeds[1], BODIES, many))
    assert not first["train"] & (second["val"] | second["test"])
    assert not first["train"] & (first["val"] | first["test"])


def test_training_bodies_are_those_of_train():
    assert sum(TRAINING_BODIES.values()) == BODIES["train"]
    assert sum(BODIES.values()) == NUM_BODIES
    training = choose_people(3, TRAINING_BODIES, {"train": 200, "val": 10, "test": 10})
    bodies = {body for people in training.values() for person in people for body in parents(person)}
    assert bodies == set(choose_people(3, BODIES, BODIES)["train"])


def test_a_mixed_person_lies_between_their_parents():
    mixed = NUM_BODIES * (1 + 3) + 40
    assert parents(mixed) == (3, 40)
    one, other, child = read_body(3), read_body(40), read_body(mixed)
    heads = (one.heads / one.scale + other.heads / other.scale) / 2
    np.testing.assert_allclose(child.heads / child.scale, heads, atol=1e-6)
    assert min(one.scale, other.scale) - 0.05 < child.scale < max(one.scale, other.scale) + 0.05


def test_cuts_lie_between_performances_and_give_another_picture(videos):
    cut = [video for video in videos if video.cuts]
    assert cut
    assert len(cut) < len(videos)
    for video in cut:
        for frame in video.cuts:
            assert not any(p.start < frame <= p.end for p in video.performances)
            assert 0 < frame < video.num_frames


def test_the_spec_counts_the_identities_of_the_assets():
    rig = read_rig()
    assert len(rig.rest) == len(rig.heads) == NUM_BODIES


def test_the_spec_loads_no_code_of_the_generator():
    """`benchmark.params` imports it, and must stay cheap to import."""
    tree = ast.parse(Path(spec_module.__file__).read_text("utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert modules == {"__future__", "typing", "pydantic", "benchmark.core.schema"}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import)]


def test_a_split_with_fewer_clips_than_people_is_refused():
    with pytest.raises(ValidationError, match="val: 5 clips are too few for 6 people"):
        _spec(val_clips=5)
