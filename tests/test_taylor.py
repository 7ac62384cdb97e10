"""Taylor videos are right to the definition, as long as their clip, and never missing."""

from __future__ import annotations

from math import factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.modalities.modality import NO_MOTION
from benchmark.modalities.taylor import TaylorModality, positive, signed
from benchmark.modalities.taylor_series import taylor

VARIANTS = ("paper", "mm_gesture", "signed")
H, W = 24, 32


def spec(variant: str = "paper", terms: int = 3, window: int = 6) -> TaylorModality:
    return TaylorModality(
        kind="taylor", edition="mimic", variant=variant, terms=terms, window=window, short_side=H,
        gop=8, crf=18, shards=2,
    )  # fmt: skip


def defined(block: np.ndarray, terms: int) -> np.ndarray:
    """The definition, word by word in float64: (L, H, W) -> (H, W, 3)."""
    block = block.astype(np.float64)
    differences = [np.diff(block, n=m, axis=0)[0] for m in range(terms + 3)]
    sums = [((block - block[0]) ** i / factorial(i)).sum(0) for i in range(terms)]
    channels = [
        sum(sums[i] * differences[i + c] for i in range(terms)) / len(block) for c in (1, 2, 3)
    ]
    return np.stack(channels, -1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), terms=st.integers(1, 5), more=st.integers(0, 4))
def test_a_block_equals_the_definition_in_float64(seed: int, terms: int, more: int) -> None:
    block = np.random.default_rng(seed).uniform(0, 1, (terms + 3 + more, 5, 7)).astype(np.float32)
    wanted = defined(block, terms)
    found = taylor(block, terms)
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())


def test_a_still_block_is_zero_and_a_steady_ramp_moves_without_acceleration() -> None:
    still = np.full((6, 2, 2), 0.4, np.float32)
    assert not taylor(still, 3).any()
    ramp = np.arange(6, dtype=np.float32)[:, None, None] * np.full((1, 2, 2), 0.05, np.float32)
    found = taylor(ramp, 3)[0, 0]
    np.testing.assert_allclose(found, [0.05, 0, 0], atol=1e-6)  # S_0 d^1 / L; higher ones are 0


def clip(frames: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    base = rng.integers(40, 200, (H, W, 3))
    return [np.roll(base, t, 1).astype(np.uint8) for t in range(frames)]


def extract(frames: list[np.ndarray], made: TaylorModality) -> list[np.ndarray]:
    extraction = made.extractor()
    found = [out for frame in frames for out in extraction.add(frame)]
    return found + list(extraction.finish())


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("length", [1, 2, 5, 6, 7, 20])
def test_the_result_is_as_long_as_the_clip(variant: str, length: int) -> None:
    found = extract(clip(length), spec(variant))
    assert len(found) == length
    assert all(frame.shape == (H, W, 3) and frame.dtype == np.uint8 for frame in found)


@pytest.mark.parametrize("variant", VARIANTS)
def test_past_the_end_the_last_frame_stands_still(variant: str) -> None:
    frames = clip(9)
    wanted = extract([*frames, *[frames[-1]] * 5], spec(variant))[:9]
    found = extract(frames, spec(variant))
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def test_each_frame_is_its_own_block() -> None:
    frames = clip(12)
    gray = np.stack(frames).astype(np.float64) @ [0.299, 0.587, 0.114] / 255
    found = extract(frames, spec("mm_gesture"))
    for t in range(12 - 5):
        values = np.maximum(defined(gray[t : t + 6], 3), 0)
        np.testing.assert_allclose(found[t], values * 255 / values.max(), atol=1.01)


def test_paper_scales_each_channel_and_mm_gesture_all_three_together() -> None:
    values = np.zeros((1, 2, 3), np.float32)
    values[0] = [[1, -2, 4], [0.5, 8, -1]]
    np.testing.assert_array_equal(positive(values, axis=(0, 1))[0], [[255, 0, 255], [127, 255, 0]])
    np.testing.assert_array_equal(positive(values, axis=None)[0], [[31, 0, 127], [15, 255, 0]])


def test_nothing_moves_nowhere() -> None:
    still = [np.full((H, W, 3), 90, np.uint8)] * 8
    assert not np.stack(extract(still, spec("paper"))).any()
    assert not np.stack(extract(still, spec("mm_gesture"))).any()
    assert (np.stack(extract(still, spec("signed"))) == NO_MOTION).all()


def test_signed_keeps_sign_and_strength_on_one_scale_of_the_clip() -> None:
    weak, strong = np.zeros((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32)
    weak[0, 0] = [0.1, -0.1, 0]
    strong[0, 0] = [-0.4, 0.2, 0]
    found = [frame[0, 0].tolist() for frame in signed([weak, strong])]
    assert found == [[160, 96, 128], [1, 192, 128]]


def test_turning_the_light_on_and_off_differs_in_signed_only() -> None:
    frames = [np.full((H, W, 3), 60 + 20 * t, np.uint8) for t in range(8)]
    on, off = (extract(order, spec("signed")) for order in (frames, frames[::-1]))
    assert on[0][0, 0, 0] > NO_MOTION > off[0][0, 0, 0]
    assert not extract(frames[::-1], spec("paper"))[0][..., 0].any()


def test_a_window_below_terms_plus_three_is_refused() -> None:
    with pytest.raises(ValueError, match="window must be at least terms \\+ 3"):
        spec(terms=4, window=6)
