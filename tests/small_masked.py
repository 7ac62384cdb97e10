"""A small masked autoencoder, its classifier, views for both, and windows."""

from __future__ import annotations

from typing import Any

import torch

from benchmark.data.video_input import VideoInput
from benchmark.modalities.windows import Windows
from benchmark.models.masked_autoencoder import MaskedAutoencoder
from benchmark.models.masking import DecoderSize, Masking
from benchmark.models.network import build
from benchmark.models.recognizer import Recognizer
from benchmark.models.vision_transformer import VisionTransformer
from small_networks import CLASSES, NORM

VIEW = VideoInput.model_validate_json(
    """{"kind": "video", "frames": 4, "size": 32, "resize": 32, "sampling": {"kind": "uniform"},
    "region": "frame", "crop_area": [0.5, 1.0], "crop_ratio": [0.75, 1.33], "flip": 0.5,
    "views": 1, "crops": 1, "normalization": {"kind": "temporal_mean_removed", "scale": 1.0}}"""
).model_copy(update={"normalization": NORM})
SMALL = VisionTransformer(
    kind="vision_transformer", embed_dims=24, depth=2, num_heads=3, patch_size=8, tubelet_size=2,
    positions=None, drop_path=0.0, dropout=0.0,
)  # fmt: skip
MASKING = Masking(
    ratio=0.75, target_eps=1e-6, decoder=DecoderSize(embed_dims=12, depth=1, num_heads=2)
)


def autoencoder(backbone: VisionTransformer = SMALL, view: VideoInput = VIEW) -> MaskedAutoencoder:
    torch.manual_seed(0)
    return alive(MaskedAutoencoder(backbone, view, MASKING))


def recognizer(backbone: VisionTransformer = SMALL, view: VideoInput = VIEW) -> Recognizer:
    torch.manual_seed(0)
    return build(backbone, view, None, num_classes=CLASSES)


def alive(net: Any) -> Any:
    """Every tensor random: a bias that is lost changes what comes out."""
    generator = torch.Generator().manual_seed(1)
    for name, x in net.named_parameters():
        x.data.normal_(0, 0.1, generator=generator)
        x.data.add_(1 if "norm" in name and name.endswith("weight") else 0)
    return net.eval()


def frames(clips: int = 2, view: VideoInput = VIEW) -> tuple[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    shape = (clips, view.frames, view.size, view.size, 3)
    return (torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator),)


def windows(**changes: Any) -> Windows:
    keys = {"edition": "own", "modality": "rgb", "length": 8, "stride": 4, "splits": ("train",)}
    return Windows(**keys | changes)
