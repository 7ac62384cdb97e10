"""MemFlow with random values in the published tensors.

`fixtures/memflow_net.json` holds every tensor's name and shape as the public definition gives them,
buffers too: of DQiaole/MemFlow @2140d134 core/Networks/MemFlowNet/ MemFlow.py, cnn.py, sk2.py and
gma.py were read with configs/{things,sintel,kitti,spring}_memflownet.py (the four agree on what
makes a tensor), and the tensors that their constructors make were listed by a script that knows
neither ptlflow nor this repository's code. The authors' inference.py loads their published files
into that definition with strict=True. It reaches the 6,273,149 parameters that ptlflow counts.
The published files themselves were not at hand: their values are replaced by random ones here.
"""

from __future__ import annotations

import importlib.util
import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.modalities.flow.memflow import INSTALL, MemFlow
from benchmark.modalities.modality import FrameExtractor
from conftest import REPO

HAS_PTLFLOW = importlib.util.find_spec("ptlflow") is not None
needs_ptlflow = pytest.mark.skipif(not HAS_PTLFLOW, reason=f"optional: {INSTALL}")
PARAMETERS = 6_273_149
H, W, WINDOW = 61, 93, 3
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "rel_ind")


def published() -> dict[str, tuple[int, ...]]:
    text = (REPO / "tests/fixtures/memflow_net.json").read_text("utf-8")
    return {key: tuple(shape) for key, shape in json.loads(text).items()}


@cache
def _random_tensors() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    tensors = {}
    for key, shape in published().items():
        if key.endswith(("rel_ind", "num_batches_tracked")):
            tensors[key] = torch.zeros(shape, dtype=torch.int64)
        elif key.endswith(("running_var", "gamma")) or ("norm" in key and key.endswith("weight")):
            tensors[key] = torch.ones(shape)
        else:
            fan_in = math.prod(shape[1:])
            tensors[key] = torch.randn(shape, generator=draw) / math.sqrt(fan_in)
    return tensors


def random_tensors() -> dict[str, torch.Tensor]:
    """Of the published names; unlike fresh ones they use the memory (gamma is not 0)."""
    return dict(_random_tensors())


def spec(path: Path, *, updates: int = 1, window: int = WINDOW) -> MemFlow:
    pinned = WeightsFile(path=str(path), sha256=sha256(path) if path.is_file() else "0" * 64)
    return MemFlow(kind="memflow", weights=pinned, updates=updates, window=window)


def clip(length: int, seed: int = 0, height: int = H, width: int = W) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return list(draw.integers(0, 256, (length, height, width, 3), np.uint8))


def flows(estimator: FrameExtractor, frames: list[np.ndarray]) -> list[np.ndarray]:
    return [*(flow for frame in frames for flow in estimator.add(frame)), *estimator.finish()]


def write_weights(folder: Path) -> Path:
    """A file of them under the name that tells what the authors trained on."""
    path = folder / "MemFlowNet_sintel.pth"
    torch.save(random_tensors(), path)
    return path
