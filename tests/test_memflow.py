"""MemFlow: published tensors and windows of memory; `memflow.py` says whence the tensors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.modalities.flow.memflow import load_network, paddings
from memflow import (
    BUFFERS,
    PARAMETERS,
    WINDOW,
    H,
    W,
    clip,
    flows,
    needs_ptlflow,
    published,
    spec,
    write_weights,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("memflow"))


# The published tensors


@needs_ptlflow
def test_names_and_shapes_are_the_published_ones(weights: Path) -> None:
    network = load_network(weights).network
    assert {key: tuple(x.shape) for key, x in network.state_dict().items()} == published()
    assert sum(x.numel() for x in network.parameters()) == PARAMETERS
    assert not network.training


def test_the_published_tensors_reach_the_published_count() -> None:
    # A norm in a shortcut is stored under two names.
    parameters = {
        key: shape
        for key, shape in published().items()
        if not key.endswith(BUFFERS) and ".downsample.1." not in key
    }
    assert sum(map(math.prod, parameters.values())) == PARAMETERS


# Flow of a clip


@needs_ptlflow
@pytest.mark.parametrize("length", [1, 2, WINDOW, WINDOW + 1, 2 * WINDOW + 3])
def test_there_is_one_flow_a_pair_across_windows(weights: Path, length: int) -> None:
    found = flows(spec(weights).estimator(), clip(length))
    assert len(found) == length - 1
    for flow in found:
        assert (flow.shape, flow.dtype) == ((H, W, 2), np.float32)
        assert np.isfinite(flow).all()
        assert flow.any()


@needs_ptlflow
def test_a_flow_comes_with_the_frame_that_ends_its_pair(weights: Path) -> None:
    estimator = spec(weights).estimator()
    assert [len(estimator.add(frame)) for frame in clip(5)] == [0, 1, 1, 1, 1]
    assert len(estimator.finish()) == 0


@needs_ptlflow
def test_a_window_knows_nothing_of_the_one_before(weights: Path) -> None:
    frames = clip(WINDOW + 3)
    changed = clip(WINDOW, seed=1) + frames[WINDOW:]
    made = spec(weights, updates=2)
    one, other = (flows(made.estimator(), seen) for seen in (frames, changed))
    for t, (flow, changed_flow) in enumerate(zip(one, other, strict=True)):
        assert np.array_equal(flow, changed_flow) == (t >= WINDOW), t


@needs_ptlflow
def test_within_a_window_a_flow_leans_on_all_earlier_frames(weights: Path) -> None:
    # With a single update only one frame back: what is remembered is of the update's beginning.
    made = spec(weights, updates=2)
    frames = clip(WINDOW + 1)
    one, other = (flows(made.estimator(), clip(1, seed=seed) + frames[1:]) for seed in (0, 1))
    assert not any(np.array_equal(*pair) for pair in zip(one, other, strict=True))


@needs_ptlflow
def test_the_memory_holds_one_frame_however_long_the_clip(weights: Path) -> None:
    estimator: Any = spec(weights, window=100).estimator()
    sizes = []
    for frame in clip(6):
        estimator.add(frame)
        memory = estimator._find._memory
        sizes.append(0 if memory is None else memory.work_mem.size)
    assert sizes == [0] + [128 // 8 * 128 // 8] * 5


@needs_ptlflow
def test_clips_that_are_read_at_once_do_not_share_a_memory(weights: Path) -> None:
    clips = clip(3), clip(3, seed=1)
    alone = [flows(spec(weights).estimator(), frames) for frames in clips]
    finders: list[Any] = [spec(weights).estimator() for _ in clips]
    together: list[list[np.ndarray]] = [[], []]
    for pair in zip(*clips, strict=True):
        for estimator, frame, found in zip(finders, pair, together, strict=True):
            found += estimator.add(frame)
    np.testing.assert_array_equal(together, alone)
    networks = [estimator._find._network for estimator in finders]
    assert networks[0] is networks[1]  # and yet the network is one


# What the network is given


@needs_ptlflow
def test_the_network_sees_rgb_from_minus_one_to_one_padded_on_both_sides(weights: Path) -> None:
    estimator: Any = spec(weights).estimator()
    seen: list[torch.Tensor] = []
    hooked = estimator._find._network.network.cnet.register_forward_pre_hook(
        lambda _, given: seen.append(given[0])
    )
    one, other = clip(2, height=130, width=93)
    flows(estimator, [one, other])
    hooked.remove()
    wanted = np.pad(2 * (one / 255) - 1, ((3, 3), (17, 18), (0, 0)), "edge").transpose(2, 0, 1)
    np.testing.assert_allclose(seen[0][0].numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((128, 136), (0, 0, 0, 0)),
        ((129, 143), (0, 1, 3, 4)),
        ((1, 64), (32, 32, 63, 64)),
        ((180, 320), (0, 0, 2, 2)),
    ],
)
def test_sides_are_padded_to_eighths_and_to_what_the_pyramid_needs(
    size: tuple[int, int], wanted: tuple[int, ...]
) -> None:
    assert paddings(*size) == wanted


@needs_ptlflow
def test_the_padding_is_cut_off_where_it_was_put(weights: Path) -> None:
    frames = clip(2, height=123, width=133)
    padded = [np.pad(frame, ((2, 3), (1, 2), (0, 0)), "edge") for frame in frames]
    (found,), (whole,) = (flows(spec(weights).estimator(), made) for made in (frames, padded))
    np.testing.assert_array_equal(found, whole[2:-3, 1:-2])


@needs_ptlflow
@pytest.mark.parametrize("updates", [1, 3])
def test_updates_are_refinements(weights: Path, updates: int) -> None:
    estimator: Any = spec(weights, updates=updates).estimator()
    calls: list[int] = []
    block = estimator._find._network.network.update_block
    hooked = block.register_forward_hook(lambda *_: calls.append(1))
    flows(estimator, clip(3))
    hooked.remove()
    assert len(calls) == 2 * updates
