"""Depth Anything of transformers, a relative inverse depth of every frame alone.

Versions 1 and 2 are one network; they differ in the layers that the head looks at, which
config.json tells. Both files are read here and nothing else reaches transformers: no download, no
pickle, no code of others.

Source: Yang et al., Depth Anything (CVPR 2024, arXiv 2401.10891) and Depth Anything V2 (NeurIPS
2024, arXiv 2406.09414); transformers' DepthAnythingForDepthEstimation and DPTImageProcessor.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import numpy as np
import safetensors.torch
import torch
from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError
from torch.nn import functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as pictures

from benchmark.core.errors import ArchiveError
from benchmark.core.foreign_file import what_is
from benchmark.core.pinned_file import WeightsFile, verified
from benchmark.core.schema import Positive, Strict
from benchmark.modalities.depth.dinov2 import PATCH
from benchmark.modalities.depth.windows import NetworkSize, checked_shape
from benchmark.modalities.hugging_face import transformers_classes
from benchmark.models.check_tensors import tensor_faults
from benchmark.runtime.parallel import own_device

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.modalities.depth.depth_anything import DepthAnythingBackend, Map
    from benchmark.modalities.modality import Frame

FRAMES_AT_ONCE = {"cuda": 8, "cpu": 1}
"""Frames of a batch, by kind of device; batches are always full, see `DepthAnythingEstimator`."""

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_FACTORS = (4, 2, 1, 0.5)
_RENAMED = {
    ".attention.q_proj.": ".attention.attention.query.",
    ".attention.k_proj.": ".attention.attention.key.",
    ".attention.v_proj.": ".attention.attention.value.",
    ".attention.o_proj.": ".attention.output.dense.",
}
"""Parts of names in transformers 5: what they are called in the published files."""
_DO = "Take model.safetensors and config.json of one repository as published, see docs/weights.md"

Four: TypeAlias = tuple[Positive, Positive, Positive, Positive]


class EncoderConfig(Strict, extra="ignore"):
    """`backbone_config`: DINOv2. What a file leaves out has the default of transformers."""

    model_type: Literal["dinov2"]
    hidden_size: Positive = 768
    num_hidden_layers: Positive = 12
    num_attention_heads: Positive = 12
    mlp_ratio: Positive = 4
    hidden_act: Literal["gelu"] = "gelu"
    layer_norm_eps: float = 1e-6
    image_size: Annotated[int, Field(gt=0, multiple_of=PATCH)]
    """Pixels of a side for which the positions were learnt."""
    patch_size: Literal[14] = PATCH
    num_channels: Literal[3] = 3
    qkv_bias: Literal[True] = True
    use_swiglu_ffn: Literal[False] = False
    use_mask_token: Literal[True] = True
    apply_layernorm: Literal[True] = True
    reshape_hidden_states: Literal[False]
    out_indices: Four
    """Layers, from 1, whose tokens the head takes: the last four in version 1, spread in 2."""
    out_features: tuple[str, ...] | None = None
    """The same by name."""

    @model_validator(mode="after")
    def _fits_together(self) -> EncoderConfig:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError("num_attention_heads does not divide hidden_size")
        layers = self.out_indices
        if sorted(set(layers)) != list(layers) or layers[-1] > self.num_hidden_layers:
            raise ValueError("out_indices are not layers in order")
        if self.out_features not in {None, tuple(f"stage{layer}" for layer in layers)}:
            raise ValueError("out_features are not the layers of out_indices")
        return self


class NetworkConfig(Strict, extra="ignore"):
    """config.json: every key that makes a difference. Others are left aside and go nowhere."""

    model_type: Literal["depth_anything"]
    depth_estimation_type: Literal["relative"] = "relative"
    max_depth: Literal[1] | None = None
    backbone: None = None
    """The name of an encoder would be looked up on the hub."""
    use_pretrained_backbone: Literal[False] | None = None
    use_timm_backbone: Literal[False] | None = None
    backbone_config: EncoderConfig
    patch_size: Literal[14] = PATCH
    reassemble_hidden_size: Positive = 384
    reassemble_factors: tuple[int, int, int, float] = _FACTORS
    neck_hidden_sizes: Four
    fusion_hidden_size: Annotated[int, Field(gt=0, multiple_of=2)]
    head_hidden_size: Positive = 32
    head_in_index: Literal[-1] = -1

    @model_validator(mode="after")
    def _fits_together(self) -> NetworkConfig:
        if self.reassemble_factors != _FACTORS:
            raise ValueError(f"reassemble_factors are not {list(_FACTORS)}")
        if self.reassemble_hidden_size != self.backbone_config.hidden_size:
            raise ValueError("reassemble_hidden_size is not the hidden_size of backbone_config")
        return self


class DepthAnythingEstimator:
    """The depth of one clip, on the GPU in half precision, else on the CPU.

    The last batch is filled up with its last frame: the bytes of a frame do not depend on how many
    follow it.

    Raises:
        ArchiveError: A file is missing, damaged, another one than pinned, or not such a network.
        MissingExtra: transformers is not installed.
    """

    def __init__(self, backend: DepthAnythingBackend) -> None:
        self._network = _network(backend.weights, backend.config)
        self._input_size = backend.input_size
        self._device = own_device()
        self._at_once = FRAMES_AT_ONCE[self._device.type]
        self._shape: tuple[int, ...] = ()
        self._waiting: list[Tensor] = []

    def add(self, frame: Frame) -> Sequence[Map]:
        """Take the next frame, uint8 (H, W, 3) RGB; the maps of its batch if it is full.

        Maps are float32 (H, W), >= 0, relative inverse depth, in the order of the frames. Their
        scale is each frame's own.

        Raises:
            ValueError: The frame is not like the first, or no picture.
            FloatingPointError: The network's depth is not finite.
        """
        shape = self._shape = checked_shape(frame, self._shape)
        self._waiting.append(fitted(frame, fitted_size(*shape[:2], self._input_size)))
        return self._find() if len(self._waiting) == self._at_once else ()

    def finish(self) -> Sequence[Map]:
        found = self._find() if self._waiting else ()
        self._shape = ()
        return found

    @torch.inference_mode()
    def _find(self) -> list[Map]:
        """Compute the maps of the frames that wait."""
        count, half = len(self._waiting), self._device.type == "cuda"
        batch = self._waiting + self._waiting[-1:] * (self._at_once - count)
        with torch.autocast(self._device.type, torch.float16 if half else None, enabled=half):
            depth = self._network(torch.stack(batch).to(self._device)).predicted_depth
        depth = functional.interpolate(
            depth[:count, None].float(), self._shape[:2], mode="bicubic", align_corners=False
        )[:, 0]
        if not depth.isfinite().all():
            raise FloatingPointError("the network's depth is not finite")
        self._waiting = []
        return list(depth.clamp(min=0).cpu().numpy())  # cubic interpolation goes below 0


def fitted_size(height: int, width: int, input_size: int) -> NetworkSize:
    """Choose the size at which the network sees frames of `height` x `width`: multiples of 14.

    One side becomes `input_size` and the other follows: the side for which that means the smaller
    change, as transformers' image processor does. The authors' own code always takes the short one.
    """
    scales = input_size / height, input_size / width
    scale = scales[1] if abs(1 - scales[1]) < abs(1 - scales[0]) else scales[0]
    return NetworkSize(*(max(round(side * scale / PATCH), 1) * PATCH for side in (height, width)))


def fitted(frame: Frame, size: NetworkSize) -> Tensor:
    """Make the network's input, float32 (3, *size), of a frame, uint8 (H, W, 3) RGB."""
    picture = torch.from_numpy(np.ascontiguousarray(frame)).permute(2, 0, 1)
    picture = pictures.resize(picture, list(size), InterpolationMode.BICUBIC, antialias=True)
    mean, std = (torch.tensor(values)[:, None, None] * 255 for values in (_MEAN, _STD))
    return (picture.float() - mean) / std


@cache
def _network(weights: WeightsFile, config: WeightsFile) -> Any:
    """Load the network, once per process. Any: transformers' types are known here only."""
    path = verified(weights, expected="model.safetensors of Depth Anything")
    network = empty_network(read_config(verified(config, expected="config.json of Depth Anything")))
    wanted = {published_name(name): x for name, x in network.state_dict().items()}
    found = {published_name(name): x for name, x in _read_tensors(path).items()}
    if said := tensor_faults(wanted, found):
        raise ArchiveError(path, f"tensors do not fit config.json: {said}", do=_DO)
    device = own_device()
    ready = {
        name: found[published_name(name)].to(device, torch.float32, copy=True)
        for name in network.state_dict()
    }
    network.load_state_dict(ready, assign=True)
    return network.eval().requires_grad_(False)


def read_config(path: Path) -> NetworkConfig:
    """Read the shape of the network that a config.json describes.

    Raises:
        ArchiveError: It is missing, damaged, or describes another network, metric depth included.
    """
    try:
        text = path.read_bytes()
        raw = json.loads(text)
    except ValueError as error:
        raise ArchiveError(path, f"no JSON ({error})", do=_DO) from None
    if isinstance(raw, dict) and raw.get("depth_estimation_type") == "metric":
        raise ArchiveError(
            path, "the network of metric depth: metres, small where near",
            expected="depth_estimation_type relative", found="metric", do=_DO,
        )  # fmt: skip
    try:
        return NetworkConfig.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise ArchiveError(
            path, f"{key}: {fault['msg'].removeprefix('Value error, ')}",
            expected="the configuration of a Depth Anything network of relative depth", do=_DO,
        ) from None  # fmt: skip


def empty_network(config: NetworkConfig) -> torch.nn.Module:
    """Build the network without numbers, on the meta device.

    Raises:
        MissingExtra: transformers is not installed.
    """
    names = ("DepthAnythingConfig", "DepthAnythingForDepthEstimation")
    config_class, network_class = transformers_classes(*names, wanted_by="Depth Anything")
    known = config.model_dump(mode="json", exclude_none=True)
    with torch.device("meta"):  # every tensor comes from the file: nothing to initialize
        return network_class(config_class.from_dict(known))


def published_name(name: str) -> str:
    """Translate a tensor's name in transformers to the one in the published files."""
    for part, published in _RENAMED.items():
        name = name.replace(part, published)
    return name


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        found = what_is(path, error)
        raise ArchiveError(path, "no safetensors file", found=found, do=_DO) from None
