"""Which frames a view holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.data import sampling

lengths = st.integers(1, 60)
frames = st.integers(1, 300)


@given(num_frames=frames, length=lengths, seed=st.integers(0, 9))
def test_uniform_frames_have_the_length_and_lie_in_the_clip(
    num_frames: int, length: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    found = sampling.looped_view(num_frames, length, rng)
    assert found.shape == (length,)
    assert found.min() >= 0
    assert found.max() < num_frames


@given(num_frames=frames, length=lengths, seed=st.integers(0, 9))
def test_uniform_frames_of_a_long_clip_keep_their_order(
    num_frames: int, length: int, seed: int
) -> None:
    if num_frames >= length:
        found = sampling.uniform_frames(num_frames, length, np.random.default_rng(seed))
        assert (np.diff(found) > 0).all()


@given(num_frames=frames, length=lengths, interval=st.integers(1, 4), views=st.integers(1, 6))
def test_interval_views_stay_in_the_clip(
    num_frames: int, length: int, interval: int, views: int
) -> None:
    spec = sampling.IntervalSampling(kind="interval", interval=interval)
    chosen = spec.frames(sampling.ClipLength("clip", num_frames, length), views, None)
    assert len(chosen) == views
    for found in chosen:
        assert found.min() >= 0
        assert found.max() < num_frames
        if num_frames >= length * interval:
            assert (np.diff(found) == interval).all()


@pytest.mark.parametrize("num_frames", [7, 20, 31, 64, 200])
@pytest.mark.parametrize("views", [1, 3, 10])
def test_frames_of_test_views_equal_mmactions(num_frames: int, views: int) -> None:
    from benchmark.models import mmaction_import as mmaction

    mmaction.mmaction_models()
    from mmaction.datasets.transforms import UniformSampleFrames

    theirs = UniformSampleFrames(clip_len=16, num_clips=views, test_mode=True)
    expected = theirs._get_test_clips(num_frames, 16)
    # mmaction draws from numpy's global generator, seeded for each clip; we pass one like it.
    rng = np.random.RandomState(theirs.seed)
    shim = type(
        "Rng",
        (),
        {
            "choice": staticmethod(lambda n, k, replace: rng.choice(n, k, replace=replace)),
            "integers": staticmethod(lambda low, high: rng.randint(high)),
        },
    )
    ours = sampling.looped_views(num_frames, 16, views, shim)
    np.testing.assert_array_equal(np.concatenate(ours), expected % num_frames)


def test_a_generator_depends_on_its_whole_key_only() -> None:
    one = sampling.rng_for(1, "view", 2, "0001_3").random()
    assert one == sampling.rng_for(1, "view", 2, "0001_3").random()
    others = [(2, "view", 2, "0001_3"), (1, "order", 2, "0001_3"), (1, "view", 3, "0001_3")]
    assert all(one != sampling.rng_for(*key).random() for key in others)


@given(num_frames=frames, length=lengths, views=st.integers(1, 4), seed=st.integers(0, 9))
def test_segment_views_take_one_frame_of_each_segment(
    num_frames: int, length: int, views: int, seed: int
) -> None:
    spec, clip = (
        sampling.UniformSampling(kind="uniform"),
        sampling.ClipLength("", num_frames, length),
    )
    for rng in (None, np.random.default_rng(seed)):
        for found in spec.frames(clip, views, rng):
            edges = np.arange(length + 1) * num_frames / length
            assert (found >= np.floor(edges[:-1])).all()
            assert (found <= np.ceil(edges[1:])).all()
            assert (np.diff(found) >= 0).all()
            assert found.max() < num_frames
