"""Mean weights of a training. The only module that imports timm."""

from __future__ import annotations

from timm.utils.model_ema import ModelEmaV3


class Ema(ModelEmaV3):
    """An exponential mean of a model's weights and buffers; `update(model)` after each step."""
