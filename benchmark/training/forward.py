"""Network and batches -> probabilities: the one place of softmax and the mean over views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from numpy.typing import NDArray
    from torch.utils.data import DataLoader

    from benchmark.training.loader import Batch


@torch.no_grad()
def probabilities(fabric: Fabric, net: Any, batches: DataLoader[Batch]) -> NDArray[np.float32]:
    """Softmax of every view, averaged over the views: float32 (N, K) in the loader's order."""
    net.eval()
    rows = []
    for batch in tqdm(batches, desc="predict", unit="batch", disable=None, leave=False):
        x = fabric.to_device(batch.x)
        logits = net(x.flatten(0, 1)).float()
        rows.append(logits.softmax(1).unflatten(0, x.shape[:2]).mean(1).cpu().numpy())
    return np.concatenate(rows)
