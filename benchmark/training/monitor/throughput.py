"""How much of a device a training uses: operations per clip over the device's peak."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmark.runtime.distributed import device_name

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.training.step_state import StepState

TRAINING = 3
"""Operations of a training step over those of the forward pass: the backward pass costs two."""
PEAKS = {
    # Dense, without sparsity, from the makers' data sheets: (half precision, float32 or TF32).
    "H200": (989e12, 495e12), "H100 PCIe": (756e12, 378e12), "H100": (989e12, 495e12),
    "A100": (312e12, 156e12), "L40S": (362e12, 183e12), "A10": (125e12, 62.5e12),
    "V100": (125e12, 15.7e12), "RTX 4090": (165e12, 82.6e12), "RTX 3090": (71e12, 35.6e12),
}  # fmt: skip
"""Operations per second by a part of the device's name; the first that matches counts."""
MATRIX = 1024
"""Side of the matrices that are multiplied to measure a device that `PEAKS` does not list."""


def flops_of_forward(state: StepState, x: tuple[Tensor, ...]) -> int:
    """Count the operations of the forward pass over a batch with torch's own counter.

    A multiply-add is two.
    """
    model, was_training = state.model, state.model.training
    # Evaluation mode, so that counting moves no running statistics and draws no dropout. The
    # preprocessor alone stays in training mode: it then draws heat maps of the training size.
    model.eval()
    model.preprocessor.train()
    with torch.no_grad(), state.fabric.autocast(), FlopCounterMode(display=False) as counter:
        model(x)
    model.train(was_training)
    return counter.get_total_flops()


def peak_flops(device: torch.device, precision: str) -> float:
    """Return operations per second of a device: from its data sheet, or measured on a product."""
    half = precision != "32-true"
    if device.type == "cuda":
        name = device_name(device)
        for part, (fast, full) in PEAKS.items():
            if part in name:
                return fast if half else full
    dtype = torch.bfloat16 if half and device.type == "cuda" else torch.float32
    matrix = torch.randn(MATRIX, MATRIX, device=device, dtype=dtype)
    seconds = min(_seconds_of_product(matrix) for _ in range(5))
    return 2 * MATRIX**3 / seconds


def _seconds_of_product(matrix: Tensor) -> float:
    began = time.perf_counter()
    product = matrix @ matrix
    if product.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - began


class Utilization:
    """Model FLOPs utilization (MFU) of one training.

    Source: PaLM (Chowdhery et al., 2022), appendix B: recomputation does not count.
    """

    def __init__(self, state: StepState) -> None:
        _, arrays, _ = state.batches.dataset[(0, 0, 0)]
        x = tuple(torch.from_numpy(array)[None].to(state.fabric.device) for array in arrays)
        self.flops = flops_of_forward(state, x)
        """Operations of the forward pass over one clip."""
        peak = peak_flops(state.fabric.device, state.recipe.precision)
        self._peak = peak * state.fabric.world_size

    def of(self, clips_s: float) -> float:
        """Return the MFU at a speed in clips per second of all processes, in [0, 1]."""
        return TRAINING * self.flops * clips_s / self._peak
