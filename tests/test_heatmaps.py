"""Joint volumes made on the device equal mmaction2's GeneratePoseTarget."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.models.skeleton_input import joint_volumes

SIZE = 20


def reference(keypoints: np.ndarray, sigma: float) -> np.ndarray:
    """mmaction2's own volumes (T, J, H, W) of one person."""
    from benchmark.models import mmaction

    mmaction._backbones()
    from mmaction.datasets.transforms import GeneratePoseTarget

    target = GeneratePoseTarget(sigma=sigma, use_score=True, with_kp=True, with_limb=False)
    results = {
        "img_shape": (SIZE, SIZE),
        "keypoint": keypoints[None, ..., :2].astype(np.float32),
        "keypoint_score": keypoints[None, ..., 2].astype(np.float32),
    }
    return target.transform(results)["imgs"]


@pytest.mark.parametrize("sigma", [0.6, 0.7, 1.5])
@pytest.mark.parametrize("seed", range(4))
def test_joint_volumes_equal_mmaction(sigma: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform([-4, -4, 0], [SIZE + 4, SIZE + 4, 1], (5, 36, 3))
    keypoints[rng.random((5, 36)) < 0.2] = 0
    ours = joint_volumes(torch.tensor(keypoints[None], dtype=torch.float32), SIZE, sigma)[0]
    theirs = reference(keypoints, sigma)
    np.testing.assert_allclose(ours.numpy(), theirs.swapaxes(0, 1), atol=1e-5)


def test_an_unseen_joint_at_the_origin_leaves_no_trace() -> None:
    assert joint_volumes(torch.zeros(1, 2, 3, 3), SIZE, 0.6).abs().sum() == 0


@given(x=st.floats(-50, 70), y=st.floats(-50, 70), confidence=st.floats(0.01, 1))
@settings(max_examples=60, deadline=None)
def test_a_volume_never_exceeds_the_confidence(x: float, y: float, confidence: float) -> None:
    volume = joint_volumes(torch.tensor([[[[x, y, confidence]]]]), SIZE, 0.6)
    assert float(volume.min()) >= 0
    assert float(volume.max()) <= confidence + 1e-6
