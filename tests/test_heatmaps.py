"""Joint and limb volumes equal mmaction2's GeneratePoseTarget, on either way of making them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.data.transforms import mirrored_points
from benchmark.models.heatmaps import dense_joints, dense_limbs, joint_volumes, limb_volumes

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Make = Callable[[Tensor, float], Tensor]

SIZE = 20
EDGES = torch.tensor(OPENPOSE36.edges)
WAYS: dict[str, dict[str, Make]] = {
    "joint": {
        "sparse": lambda points, sigma: joint_volumes(points, SIZE, sigma),
        "dense": lambda points, sigma: dense_joints(points, SIZE, sigma),
    },
    "limb": {
        "sparse": lambda points, sigma: limb_volumes(points, EDGES, SIZE, sigma),
        "dense": lambda points, sigma: dense_limbs(points, EDGES, SIZE, sigma),
    },
}
every_way = pytest.mark.parametrize(
    ("stream", "way"), [(stream, way) for stream in WAYS for way in WAYS[stream]]
)


def reference(stream: str, keypoints: np.ndarray, sigma: float) -> np.ndarray:
    """mmaction2's own volumes (T, C, H, W) of one person."""
    from benchmark.models import mmaction_import as mmaction

    mmaction.mmaction_models()
    from mmaction.datasets.transforms import GeneratePoseTarget

    target = GeneratePoseTarget(
        sigma=sigma, use_score=True, with_kp=stream == "joint", with_limb=stream == "limb",
        skeletons=OPENPOSE36.edges,
    )  # fmt: skip
    results = {
        "img_shape": (SIZE, SIZE),
        "keypoint": keypoints[None, ..., :2].astype(np.float32),
        "keypoint_score": keypoints[None, ..., 2].astype(np.float32),
    }
    return target.transform(results)["imgs"]


def some_points(seed: int, frames: int = 5) -> np.ndarray:
    """Points in and around the map; a fifth is not seen, some lie on each other."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform([-6, -6, 0], [SIZE + 6, SIZE + 6, 1], (frames, 36, 3))
    keypoints[rng.random((frames, 36)) < 0.2] = 0
    keypoints[:, 3] = keypoints[:, 2]
    keypoints[:, 6, :2] = keypoints[:, 5, :2] + 0.4
    return keypoints.astype(np.float32)


@every_way
@pytest.mark.parametrize("sigma", [0.6, 0.7, 1.5])
@pytest.mark.parametrize("seed", range(4))
def test_volumes_equal_mmaction(stream: str, way: str, sigma: float, seed: int) -> None:
    keypoints = some_points(seed)
    ours = WAYS[stream][way](torch.from_numpy(keypoints)[None], sigma)[0]
    theirs = reference(stream, keypoints, sigma)
    np.testing.assert_allclose(ours.numpy(), theirs.swapaxes(0, 1), atol=1e-5)


@every_way
def test_a_batch_holds_each_clip_for_itself(stream: str, way: str) -> None:
    clips = torch.from_numpy(np.stack([some_points(seed, 11) for seed in range(3)]))
    together = WAYS[stream][way](clips, 0.6)
    alone = torch.cat([WAYS[stream][way](clip[None], 0.6) for clip in clips])
    assert together.shape == (3, 36, 11, SIZE, SIZE)
    assert torch.equal(together, alone)


@every_way
def test_unseen_points_at_the_origin_leave_no_trace(stream: str, way: str) -> None:
    assert WAYS[stream][way](torch.zeros(1, 2, 36, 3), 0.6).abs().sum() == 0


@every_way
def test_a_limb_or_joint_without_confidence_leaves_no_trace_wherever_it_is(
    stream: str, way: str
) -> None:
    points = torch.full((1, 1, 36, 3), 10.0)
    points[..., 2] = 0
    points[0, 0, 0, 2] = 1
    volume = WAYS[stream][way](points, 0.6)
    seen = volume.flatten(3).any(-1)[0, :, 0].nonzero().flatten().tolist()
    assert seen == ([0] if stream == "joint" else [])


@every_way
def test_a_mirrored_view_gives_the_mirrored_map_of_the_other_side(stream: str, way: str) -> None:
    """The map of the right arm, mirrored, is that of the left arm of the mirrored person."""
    points = some_points(1)
    points[..., :2] = points[..., :2].clip(4, SIZE - 5).round()
    one = WAYS[stream][way](torch.from_numpy(points)[None], 0.6)[0]
    # A mirror at the center of the pixels, so that it falls on pixels again.
    turned = torch.from_numpy(mirrored_points(points, SIZE - 1, OPENPOSE36))
    other = WAYS[stream][way](turned[None], 0.6)[0]
    swap = list(OPENPOSE36.swap)
    if stream == "limb":
        sides = [frozenset(edge) for edge in OPENPOSE36.edges]
        swap = [sides.index(frozenset(swap[end] for end in edge)) for edge in OPENPOSE36.edges]
    # The cut at 3 sigma is rounded to the left on both sides; what it cuts off is below exp(-4.5).
    torch.testing.assert_close(other[swap], one.flip(-1), atol=0.0112, rtol=0)
    assert float((other - one.flip(-1)).abs().max()) > 0.1, "without the swap it is another map"


@every_way
@given(
    x=st.floats(-50, 70), y=st.floats(-50, 70), confidence=st.floats(0.01, 1), far=st.floats(0, 1)
)
@settings(max_examples=40, deadline=None)
def test_a_volume_never_exceeds_the_confidence(
    stream: str, way: str, x: float, y: float, confidence: float, far: float
) -> None:
    points = torch.tensor([x, y, confidence]).repeat(1, 1, 36, 1)
    points[..., 1, 0] += 30 * far
    volume = WAYS[stream][way](points, 0.6)
    assert float(volume.min()) >= 0
    assert float(volume.max()) <= confidence + 1e-6


@every_way
def test_points_far_outside_draw_nothing_and_harm_nothing(stream: str, way: str) -> None:
    points = torch.tensor([1e30, -1e30, 1.0]).repeat(1, 1, 36, 1)
    volume = WAYS[stream][way](points, 0.6)
    assert not volume.any()


@pytest.mark.parametrize("stream", WAYS)
def test_a_compiler_takes_the_dense_way_whole(stream: str) -> None:
    points = torch.rand(2, 3, 36, 3) * torch.tensor([SIZE, SIZE, 1.0])
    dense = partial(WAYS[stream]["dense"], sigma=0.6)
    compiled = torch.compile(dense, fullgraph=True, dynamic=False, backend="aot_eager")
    torch.testing.assert_close(compiled(points), dense(points))
