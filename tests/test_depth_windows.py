"""Windows of a video depth network: every frame once, in order, on one scale."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from benchmark.modalities.depth.video_depth_anything_network import VideoDepthAnything
from benchmark.modalities.depth.windows import (
    DepthWindows,
    network_input,
    network_size,
    scale_and_shift,
)
from test_video_depth_anything import TINY, randomised

# Sizes and pixels


@pytest.mark.parametrize(
    ("height", "width", "wanted"),
    [
        (1080, 1920, (518, 924)),  # 920.9 to the next multiple
        (1920, 1080, (924, 518)),
        (480, 640, (518, 686)),
        (500, 500, (518, 518)),
        (400, 960, (378, 910)),  # 518 * 1.777 / 2.4 = 383, to 378
        (10, 4000, (14, 5600)),
    ],
)
def test_the_short_side_becomes_the_input_size(
    height: int, width: int, wanted: tuple[int, int]
) -> None:
    assert network_size(height, width, 518) == wanted


def test_frames_are_resized_before_they_are_normalized() -> None:
    frame = pictures(1, 20, 30)[0]
    found = network_input(frame, network_size(20, 30, 14)).numpy()
    small = cv2.resize(np.float32(frame) / 255, (28, 14), interpolation=cv2.INTER_CUBIC)
    wanted = (small - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.transpose(1, 2, 0), wanted, atol=1e-5)


# Windows


def pictures(count: int, height: int = 28, width: int = 28) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)


def numbered(count: int) -> np.ndarray:
    frames = np.zeros((count, 14, 14, 3), np.uint8)
    return frames + np.arange(count, dtype=np.uint8)[:, None, None, None]


def red(inputs: torch.Tensor) -> torch.Tensor:
    """The red channel as depth, 0..255 where the frame was not resized."""
    return ((inputs[:, :, 0] * 0.229 + 0.485) * 255).clamp(min=0)


def clip_depth(network: Any, frames: Any) -> Iterator[np.ndarray]:
    windows = DepthWindows(network, 14, torch.device("cpu"))
    for frame in frames:
        yield from windows.add(frame)
    yield from windows.finish()


class Recorder:
    """A network that keeps the numbers of the frames it was shown."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        assert inputs.shape == (1, 32, 3, 14, 14)
        depth = red(inputs)
        self.seen.append(depth[0, :, 0, 0].round().int().tolist())
        return depth


LENGTHS = (1, 5, 22, 24, 25, 31, 32, 33, 46, 47, 53, 54, 55, 76, 77, 100)


@pytest.mark.parametrize("count", LENGTHS)
def test_every_frame_comes_out_once_and_in_order(count: int) -> None:
    network = Recorder()
    depth = np.stack(list(clip_depth(network, numbered(count))))
    assert depth.shape == (count, 14, 14)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth[:, 3, 5], np.arange(count), atol=1e-3)
    assert len(network.seen) == max(1, math.ceil((count - 2) / 22))  # frame 24 starts a second


def test_windows_see_key_frames_of_the_one_before() -> None:
    network = Recorder()
    list(clip_depth(network, numbered(55)))
    assert network.seen == [
        [*range(32)],
        [0, 12, *range(24, 54)],
        [0, 34, *range(46, 54), 54, *[54] * 21],
    ]


def test_a_window_that_is_not_full_is_filled_with_the_last_frame() -> None:
    network = Recorder()
    list(clip_depth(network, numbered(25)))
    assert network.seen == [[*range(25), *[24] * 7], [0, 12, *[24] * 30]]


def test_depth_comes_as_soon_as_its_windows_are_done() -> None:
    windows = DepthWindows(red, 14, torch.device("cpu"))
    counts = [len(windows.add(frame)) for frame in numbered(60)]
    assert {at: n for at, n in enumerate(counts, 1) if n} == {32: 24, 54: 22}
    assert len(windows.finish()) == 14
    assert windows.finish() == []


def test_a_clip_leaves_nothing_behind_for_the_next() -> None:
    windows = DepthWindows(red, 14, torch.device("cpu"))
    for frames in (numbered(40), pictures(40), pictures(3, 20, 14)):
        found = [depth for frame in frames for depth in windows.add(frame)] + windows.finish()
        wanted = list(clip_depth(red, frames))
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("count", LENGTHS)
def test_windows_take_the_scale_of_the_first(count: int) -> None:
    rng = np.random.default_rng(count)
    changes = [(float(rng.uniform(0.2, 5)), float(rng.uniform(0, 300))) for _ in range(9)]
    (first, offset), *_ = todo = list(changes)

    def network(inputs: torch.Tensor) -> torch.Tensor:
        scale, shift = todo.pop(0)
        return scale * red(inputs) + shift

    frames = pictures(count, 14, 14)
    found = np.stack(list(clip_depth(network, frames)))
    np.testing.assert_allclose(found, first * frames[..., 0] + offset, rtol=1e-4, atol=2e-2)


def whole_clip(raw: list[np.ndarray], count: int) -> np.ndarray:
    """The windows' depth put together over the whole clip at once, as the paper tells it."""
    total = raw[0].astype(np.float64)
    anchors = raw[0][[0, 12]].astype(np.float64)
    for window in raw[1:]:
        pairs = np.stack([window[:2].ravel(), np.ones(window[:2].size)], 1)
        (scale, shift), *_ = np.linalg.lstsq(pairs, anchors.ravel(), rcond=None)
        window = np.maximum(scale * window + shift, 0)
        share = np.arange(8).reshape(-1, 1, 1) / 7
        total[-8:] = (1 - share) * total[-8:] + share * window[2:10]
        total = np.concatenate([total, window[10:]])
        anchors[1] = window[12]
    return total[:count]


@pytest.mark.parametrize("count", LENGTHS)
def test_streaming_gives_what_the_whole_clip_gives(count: int) -> None:
    rng, raw = np.random.default_rng(count), []

    def network(inputs: torch.Tensor) -> torch.Tensor:
        noise = rng.uniform(0, 40, (1, 32, 14, 14)).astype(np.float32)
        raw.append((red(inputs).numpy() + noise)[0])
        return torch.from_numpy(raw[-1][None].copy())

    found = np.stack(list(clip_depth(network, pictures(count, 14, 14))))
    np.testing.assert_allclose(found, whole_clip(raw, count), rtol=1e-4, atol=1e-3)
    assert (found >= 0).all()


def test_depth_has_the_frames_size() -> None:
    network = randomised(VideoDepthAnything(TINY))
    depth = list(clip_depth(network, pictures(2, 30, 45)))
    assert [x.shape for x in depth] == [(30, 45)] * 2
    assert np.isfinite(depth).all()
    assert min(x.min() for x in depth) >= 0


def test_no_frames_give_no_depth() -> None:
    assert list(clip_depth(red, [])) == []


@pytest.mark.parametrize(
    "frame", [np.zeros((28, 30, 3), np.uint8), np.zeros((28, 28, 3), np.float32)]
)
def test_frames_of_another_kind_are_refused(frame: np.ndarray) -> None:
    windows = DepthWindows(red, 14, torch.device("cpu"))
    windows.add(pictures(1)[0])
    with pytest.raises(ValueError, match="a frame of"):
        windows.add(frame)


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="no picture"):
        DepthWindows(red, 14, torch.device("cpu")).add(np.zeros((28, 28), np.uint8))


def test_depth_that_is_no_number_stops_the_clip() -> None:
    with pytest.raises(FloatingPointError):
        list(clip_depth(lambda inputs: red(inputs) / 0, numbered(2)))


def test_flat_depth_keeps_its_scale() -> None:
    flat = np.full((2, 3, 4), 0.1, np.float32)
    assert scale_and_shift(flat, flat * 3) == (1.0, 0.0)
