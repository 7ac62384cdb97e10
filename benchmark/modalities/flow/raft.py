"""RAFT of torchvision, with a file of weights as torchvision publishes it.

Source: Teed and Deng, RAFT: Recurrent All-Pairs Field Transforms for Optical Flow, ECCV 2020.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from benchmark.core.errors import ArchiveError
from benchmark.core.pinned_file import WeightsFile, verified
from benchmark.core.schema import Positive
from benchmark.modalities.flow.estimator import FlowBackendBase, PairByPair

if TYPE_CHECKING:
    import torch

    from benchmark.modalities.flow.estimator import Frame, Vectors

STRIDE = 8
"""RAFT sees an eighth of the resolution."""
LEAST = 128
"""Pixels of a side that its pyramid needs."""


class RaftFlow(FlowBackendBase):
    """RAFT (Teed and Deng, ECCV 2020) of torchvision."""

    kind: Literal["raft"]
    is_network: ClassVar = True
    size: Literal["small", "large"]
    """Which of the two published networks."""
    weights: WeightsFile
    """The state dict, as torchvision publishes it."""
    updates: Positive
    """Refinements; 12 as published."""

    def estimator(self) -> PairByPair:
        _network(self.size, self.weights)  # reports a wrong file before the first frame
        return PairByPair(partial(raft, backend=self))


def raft(one: Frame, other: Frame, *, backend: RaftFlow) -> Vectors:
    """Estimate the pixels from `one` to `other`, float32 (H, W, 2)."""
    import torch

    from benchmark.runtime.parallel import own_device

    network = _network(backend.size, backend.weights)
    with torch.inference_mode():
        images = torch.from_numpy(np.stack([one, other])).to(own_device())
        pair = images.permute(0, 3, 1, 2) / 127.5 - 1
        height, width = pair.shape[2:]
        sides = [max(LEAST, -(-side // STRIDE) * STRIDE) for side in (height, width)]
        padding = (0, sides[1] - width, 0, sides[0] - height)
        pair = torch.nn.functional.pad(pair, padding, mode="replicate")
        flow = network(pair[:1], pair[1:], num_flow_updates=backend.updates)[-1][0]
        return flow[:, :height, :width].permute(1, 2, 0).float().cpu().numpy()


@cache
def _network(size: Literal["small", "large"], weights: WeightsFile) -> torch.nn.Module:
    """Load the network, once per process.

    Raises:
        ArchiveError: The file of weights is missing, another one than pinned, or not RAFT's.
    """
    from torchvision.models.optical_flow import raft_large, raft_small

    from benchmark.models.check_tensors import read_checkpoint, tensor_faults
    from benchmark.runtime.parallel import own_device

    expected = f"torchvision's raft_{size}"
    path = verified(weights, expected=expected)
    network = (raft_small if size == "small" else raft_large)(weights=None)
    tensors = read_checkpoint(path, expected=expected).tensors
    if said := tensor_faults(network.state_dict(), tensors):
        raise ArchiveError(
            path, f"not the weights of raft_{size}", expected="torchvision's", found=said
        )
    network.load_state_dict(tensors)
    return network.eval().to(own_device())
