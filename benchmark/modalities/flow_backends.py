"""Ways to find optical flow between two frames."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

import cv2
import numpy as np

from benchmark.errors import ArchiveError
from benchmark.media_params import DisFlow, RaftFlow, SparseToDenseFlow

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmark.media_params import FlowMedia

    Frame: TypeAlias = NDArray[np.uint8]
    Vectors: TypeAlias = NDArray[np.float32]
    PairFlow: TypeAlias = Callable[[Frame, Frame], Vectors]

    Backend: TypeAlias = DisFlow | SparseToDenseFlow | RaftFlow

RAFT_STEP = 8
"""RAFT sees an eighth of the resolution."""
RAFT_LEAST = 128
"""Pixels of a side that its pyramid needs."""


def pair_flow(backend: Backend) -> PairFlow:
    """The function (frame, next frame) -> flow in pixels, float32 (H, W, 2): x right, y down.

    Frames are uint8 (H, W, 3) RGB.

    Raises:
        ArchiveError: A weights file is missing or damaged.
    """
    match backend:
        case DisFlow():
            return _dis(backend.preset)
        case SparseToDenseFlow():
            return _sparse_to_dense
        case RaftFlow():
            return _raft(backend.size, _weights_file(backend), backend.updates)
        case _:
            assert_never(backend)


def provenance(spec: FlowMedia) -> str:
    """The knobs and the hash of a weights file, as JSON."""
    knobs = spec.model_dump()
    if isinstance(spec.backend, RaftFlow):
        data = _weights_file(spec.backend).read_bytes()
        knobs["weights_sha256"] = hashlib.sha256(data).hexdigest()
    return json.dumps(knobs)


def _dis(preset: str) -> PairFlow:
    # OpenCV's names for 0, 1 and 2: DISOPTICAL_FLOW_PRESET_...
    number = ("ultrafast", "fast", "medium").index(preset)
    finder = cv2.DISOpticalFlow.create(number)

    def find(one: Frame, other: Frame) -> Vectors:
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (one, other)]
        return np.asarray(
            finder.calc(grey[0], grey[1], np.zeros((*grey[0].shape, 2), np.float32)), np.float32
        )

    return find


def _sparse_to_dense(one: Frame, other: Frame) -> Vectors:
    optflow: Any = cv2.optflow  # contrib has no types
    return np.asarray(optflow.calcOpticalFlowSparseToDense(one, other), np.float32)


def _weights_file(spec: RaftFlow) -> Path:
    path = Path(spec.weights)
    if not path.is_file():
        raise ArchiveError(path, "no such weights", expected=f"torchvision's raft_{spec.size}")
    return path


@cache
def _raft(size: Literal["small", "large"], path: Path, updates: int) -> PairFlow:
    """One network a process, on a GPU where there is one."""
    import torch
    from torchvision.models.optical_flow import raft_large, raft_small

    network = (raft_small if size == "small" else raft_large)(weights=None)
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever a foreign file does to its reader
        first = str(error).splitlines()[0][:200]
        raise ArchiveError(
            path, f"not the weights of raft_{size}", expected="torchvision's", found=first
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = network.eval().to(device)

    def find(one: Frame, other: Frame) -> Vectors:
        pair = torch.from_numpy(np.stack([one, other])).to(device).permute(0, 3, 1, 2) / 127.5 - 1
        height, width = pair.shape[2:]
        sides = [max(RAFT_LEAST, -(-side // RAFT_STEP) * RAFT_STEP) for side in (height, width)]
        padding = (0, sides[1] - width, 0, sides[0] - height)
        pair = torch.nn.functional.pad(pair, padding, mode="replicate")
        with torch.inference_mode():
            flow = network(pair[:1], pair[1:], num_flow_updates=updates)[-1][0]
        return flow[:, :height, :width].permute(1, 2, 0).float().cpu().numpy()

    return find
