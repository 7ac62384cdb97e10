"""How much of a device a training uses: operations of a clip, peaks of devices."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.runtime.distributed import device_name

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.params.recipes import Recipe
    from benchmark.training.state import TrainState

TRAINING = 3
"""Operations of a training step over those of the forward pass: the backward pass costs two."""
PEAKS = {
    # Dense, without sparsity, from the makers' data sheets: (half precision, float32 or TF32).
    "H200": (989e12, 495e12),
    "H100 PCIe": (756e12, 378e12),
    "H100": (989e12, 495e12),
    "A100": (312e12, 156e12),
    "L40S": (362e12, 183e12),
    "A10": (125e12, 62.5e12),
    "V100": (125e12, 15.7e12),
    "RTX 4090": (165e12, 82.6e12),
    "RTX 3090": (71e12, 35.6e12),
}
MATRIX = 1024
"""Side of the matrices that are multiplied where no data sheet is known."""


def flops_of_clip(parts: TrainState) -> int:
    """Operations (two a multiply-add) of the forward pass of one training view."""
    _, arrays, _ = parts.batches.dataset[(0, 0, 0)]
    x = tuple(torch.from_numpy(one)[None].to(parts.fabric.device) for one in arrays)
    return flops_of_forward(parts, x)


def flops_of_forward(parts: TrainState, x: tuple[Tensor, ...]) -> int:
    """Operations of the forward pass over a batch, by torch's own counter."""
    was = parts.model.training
    parts.model.eval()
    parts.model.preprocessor.train()  # heat maps of the training size, nothing else moves
    with torch.no_grad(), parts.fabric.autocast(), FlopCounterMode(display=False) as counter:
        parts.model(x)
    parts.model.train(was)
    return counter.get_total_flops()


def peak_flops(device: torch.device, precision: str) -> float:
    """What the device can do in a second: of its data sheet, or else of a large matrix product."""
    half = precision != "32-true"
    if device.type == "cuda":
        name = device_name(device)
        for known, (fast, full) in PEAKS.items():
            if known in name:
                return fast if half else full
    dtype = torch.bfloat16 if half and device.type == "cuda" else torch.float32
    one = torch.randn(MATRIX, MATRIX, device=device, dtype=dtype)
    seconds = min(_seconds_of_product(one) for _ in range(5))
    return 2 * MATRIX**3 / seconds


def _seconds_of_product(one: Tensor) -> float:
    began = time.perf_counter()
    two = one @ one
    if two.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


class Utilization:
    """Model FLOPs utilization of one training.

    Source: PaLM (Chowdhery et al., 2022), appendix B: what is computed again does not count.
    """

    def __init__(self, parts: TrainState, recipe: Recipe) -> None:
        self.flops = flops_of_clip(parts)
        """Of the forward pass of one clip."""
        device = parts.fabric.device
        self._peak = peak_flops(device, recipe.precision) * parts.fabric.world_size

    def of(self, clips_s: float) -> float:
        """What training at this speed needs over what the devices can do, in [0, 1]."""
        return TRAINING * self.flops * clips_s / self._peak
