"""VideoMAE, V-JEPA 2 and X-CLIP of transformers as frozen networks, from local files.

Only the part that sees frames is built. Every tensor of it must be in the file, under its published
name: transformers itself would leave a missing one at random values, and version 5 sets biases of
VideoMAE files to zero in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from benchmark.core.errors import ArchiveError
from benchmark.core.pinned_file import WeightsFile, verified
from benchmark.modalities.hugging_face import transformers_classes
from benchmark.models.check_tensors import read_checkpoint, tensor_faults
from benchmark.models.preprocessors import VideoPreprocessor
from benchmark.runtime.parallel import own_device

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.modalities.features.networks import Extractor, TransformersNetwork

_DO = "Take model.safetensors and config.json of one repository as published, see docs/weights.md"


class Kind(NamedTuple):
    """How the frames' part of one kind of network is found."""

    classes: tuple[str, str]
    """Configuration and network."""
    section: str | None
    """Part of config.json that describes it; None for the whole file."""
    encoder: str | None
    """Attribute of the network that sees frames; None for the whole network."""
    begins: tuple[str, ...]
    """Beginnings of its tensors' names in published files, the most common one first."""
    others: re.Pattern[str]
    """Names, without such a beginning, of tensors that belong to other parts of the network."""
    renamed: tuple[tuple[str, str], ...] = ()
    """Parts of names in published files -> those in transformers 5."""
    frames: str = "num_frames"
    """Key of the number of frames; a network with rotary positions takes any."""
    size: str = "image_size"
    """Key of their height and width."""


KINDS = {
    "videomae": Kind(
        ("VideoMAEConfig", "VideoMAEModel"), None, None, ("videomae.", ""),
        re.compile(r"classifier\.|fc_norm\.|decoder\.|encoder_to_decoder\.|mask_token|"
                   r"position_embeddings"),
        ((".q_bias", ".query.bias"), (".v_bias", ".value.bias")),
    ),
    "vjepa2": Kind(
        ("VJEPA2Config", "VJEPA2Model"), None, "encoder", ("vjepa2.encoder.", "encoder."),
        re.compile(r"(vjepa2\.)?predictor\.|pooler\.|classifier\."), frames="", size="crop_size",
    ),
    "xclip": Kind(
        ("XCLIPVisionConfig", "XCLIPVisionModel"), "vision_config", None, ("vision_model.", ""),
        re.compile(r"text_model\.|text_projection|visual_projection|prompts_|mit\.|logit_scale|"
                   r".*position_ids"),
    ),
}  # fmt: skip


def open_network(spec: TransformersNetwork) -> Extractor:
    """Load a network on this process's device.

    Raises:
        ArchiveError: A file is missing, damaged, another than pinned, or of another network; or the
            network knows only other views.
        MissingExtra: transformers is not installed.
    """
    view, (name, network, settings) = spec.input, _network(spec.weights, spec.config)
    kind, tube = KINDS[name], getattr(settings, "tubelet_size", 1)
    found = {kind.size: view.size} | ({kind.frames: view.frames} if kind.frames else {})
    for key, value in found.items():
        if (known := getattr(settings, key)) != value:
            raise ArchiveError(
                spec.config.path, f"the network knows only views with {key} {known}",
                expected=f"an input of {known}", found=str(value), do="Change the input",
            )  # fmt: skip
    if view.frames % tube:
        raise ArchiveError(
            spec.config.path, f"the network takes {tube} frames together",
            expected=f"frames: a multiple of {tube}", found=str(view.frames), do="Change the input",
        )  # fmt: skip
    device = next(network.parameters()).device
    prepared = VideoPreprocessor(view.normalization).to(device)

    @torch.inference_mode()
    def extract(x: tuple[Tensor, ...], *, training: bool) -> Tensor:
        (volume,) = prepared(x[0].to(device))
        frames = volume.transpose(1, 2)  # (V, T, 3, H, W), the order that it takes
        if name == "xclip":  # it sees each frame for itself, with messages between them
            found = network(frames.flatten(0, 1)).pooler_output
        else:
            found = network(frames).last_hidden_state
        return found.float().cpu().reshape(len(frames), view.frames // tube, -1, found.shape[-1])

    return extract


@cache
def _network(weights: WeightsFile, config: WeightsFile) -> tuple[str, Any, Any]:
    """Load name, network and settings, once per process."""
    path = verified(config, expected="config.json of a network of transformers")
    file = verified(weights, expected="model.safetensors of a network of transformers")
    name, found = _read_config(path)
    kind = KINDS[name]
    config_class, model_class = transformers_classes(*kind.classes, wanted_by=name)
    settings = config_class.from_dict(found)
    network = model_class(settings)
    network = network if kind.encoder is None else getattr(network, kind.encoder)
    tensors = _published(read_checkpoint(file, do=_DO).tensors, kind)
    if said := tensor_faults(network.state_dict(), tensors):
        raise ArchiveError(file, f"tensors do not fit config.json: {said}", do=_DO)
    network.load_state_dict(tensors)
    return name, network.float().eval().requires_grad_(False).to(own_device()), settings


def _read_config(path: Path) -> tuple[str, dict[str, Any]]:
    """Return which network a config.json describes, and the settings of its frames' part."""
    try:
        found = json.loads(path.read_bytes())
        name = found["model_type"]
        section = KINDS[name].section
        return name, found if section is None else found[section]
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(
            path, "does not describe a network that gives features",
            expected="model_type " + ", ".join(KINDS), found=str(error)[:200], do=_DO,
        ) from None  # fmt: skip


def _published(tensors: Mapping[str, Tensor], kind: Kind) -> dict[str, Tensor]:
    """Rename the tensors of the part that sees frames; leave those of known other parts out."""
    begin = next(b for b in kind.begins if not b or any(name.startswith(b) for name in tensors))
    found = {}
    for name, x in tensors.items():
        inside = name.removeprefix(begin)
        if kind.others.match(inside):
            continue
        for theirs, ours in kind.renamed:
            inside = inside.replace(theirs, ours)
        found[inside] = x  # one of no known part stays, and the comparison names it
    return found
