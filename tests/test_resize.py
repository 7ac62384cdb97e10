"""Resized pictures have the pixels that they had when each caller resized for itself."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from benchmark.core.resize import rescaled, resized, shrunk, squared

SHAPES = [(48, 64, 3), (64, 48, 3), (181, 321, 3), (180, 320, 3), (99, 99, 3), (360, 641, 3)]
SIDES = [24, 90, 180, 200]


def picture(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    values = np.random.default_rng(0).uniform(0, 255, shape)
    return values.astype(dtype)


@pytest.mark.parametrize("shape", [*SHAPES, (65, 97)])
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_modalities_have_the_pixels_of_before(
    shape: tuple[int, ...], side: int, dtype: type
) -> None:
    frame = picture(shape, dtype)
    height, width = shape[:2]
    scale = side / min(height, width)
    size = (2 * round(width * scale / 2), 2 * round(height * scale / 2))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    found = resized(frame, side)
    np.testing.assert_array_equal(found, cv2.resize(frame, size, interpolation=how))
    assert (found.dtype, min(found.shape[:2])) == (dtype, side)
    np.testing.assert_array_equal(shrunk(frame, side), found if min(shape[:2]) > side else frame)
    how = cv2.INTER_AREA if side < max(height, width) else cv2.INTER_LINEAR
    before = cv2.resize(frame, (side, side), interpolation=how)
    np.testing.assert_array_equal(squared(frame, side), before)


@pytest.mark.parametrize("shape", SHAPES)
def test_clips_of_the_report_have_the_pixels_of_before(shape: tuple[int, ...]) -> None:
    frame = picture(shape, np.uint8)
    scale = min(1.0, 180 / min(frame.shape[:2]))
    height, width = (2 * round(side * scale / 2) for side in frame.shape[:2])
    before = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    np.testing.assert_array_equal(rescaled(frame, scale, cv2.INTER_AREA), before)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [0.3, 0.77, 1.0, 1.9])
def test_sides_are_even_whatever_the_scale(shape: tuple[int, ...], scale: float) -> None:
    height, width = rescaled(picture(shape, np.uint8), scale, cv2.INTER_AREA).shape[:2]
    assert height % 2 == width % 2 == 0
    assert abs(height - shape[0] * scale) <= 1
    assert abs(width - shape[1] * scale) <= 1
