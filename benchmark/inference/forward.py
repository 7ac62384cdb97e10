"""Network and views -> probabilities: softmax, averaged over heads and views."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import Tensor
    from torch.utils.data import DataLoader

    from benchmark.data.loader import TestBatch
    from benchmark.models.recognizer import Recognizer


@torch.no_grad()
def probabilities(
    fabric: Fabric, model: Recognizer, batches: DataLoader[TestBatch], *, views_at_once: int,
    every_head: bool = False, check: Callable[[], None] = lambda: None,
) -> NDArray[np.float32]:  # fmt: skip
    """Average the softmax of all views and heads per clip: float32 (N, K) in the loader's order.

    Source: RGBPoseConv3D (Duan et al., CVPR 2022) averages the probabilities of its two heads.

    Args:
        fabric: Device and precision.
        model: Put into evaluation mode.
        batches: Views of the clips, with their weights in a clip's mean.
        views_at_once: Most views of one forward pass; it bounds the memory.
        every_head: Whether to keep the heads apart, one after the other: (N, heads * K).
        check: Called before each batch; may raise to stop.
    """

    def of_views(x: tuple[Tensor, ...]) -> Tensor:
        x = tuple(tensor.to(fabric.device, non_blocking=True) for tensor in x)
        # The bare model, not Fabric's wrapper: DDP would wait for processes with fewer batches.
        with fabric.autocast():
            logits = model(x)
        p = logits.float().softmax(2)
        return p.flatten(1) if every_head else p.mean(1)

    model.eval()
    rows = []
    bar = tqdm(
        batches, desc="predict", unit="batch", leave=False,
        disable=None if fabric.is_global_zero else True,
    )  # fmt: skip
    for batch in bar:
        check()
        # A clip's views may be many and large; they need not fit the device all at once.
        parts = zip(*(tensor.split(views_at_once) for tensor in batch.x), strict=True)
        p = torch.cat([of_views(part) for part in parts])
        clips = p.new_zeros(len(batch.clip_id), p.shape[1])
        weighted = p * batch.weight.to(p.device)[:, None]
        # On the CPU: index_add on a GPU adds in no fixed order, so its last bits vary.
        clips = clips.cpu().index_add(0, batch.clip, weighted.cpu())
        rows.append(clips.numpy())
    return np.concatenate(rows) if rows else np.empty((0, 0), np.float32)
