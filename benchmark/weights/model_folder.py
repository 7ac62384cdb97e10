"""The files of a finished model: weights and a metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import safetensors.torch
from pydantic import Field

from benchmark.core.errors import FormatError
from benchmark.core.files import replacing_folder
from benchmark.core.schema import Strict, read_yaml
from benchmark.data.inputs import Input
from benchmark.modalities.specs import Modality
from benchmark.models.union import Backbone

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

WEIGHTS = "weights.safetensors"
METADATA = "experiment.json"
FORMAT = "model/2"


class ModelMetadata(Strict):
    """experiment.json: all that is needed to build the network and to feed it."""

    format: str = Field(pattern=f"^{FORMAT}$")
    experiment: str
    edition: str
    classes: tuple[str, ...]
    modality: Modality
    input: Input
    backbone: Backbone
    start: str
    """What it started from, in one line: names, and how many tensors were taken."""
    seed: int
    epoch: int
    """The epoch whose weights these are, counted from 1."""
    metric: str
    """What the epoch was kept for."""
    val_metric: float
    """Its value on validation, one view a clip, in [0, 1]."""


def write_model(folder: Path, metadata: ModelMetadata, weights: dict[str, torch.Tensor]) -> None:
    """Weights (without metadata: that would not be byte-stable) and metadata, as one folder."""
    with replacing_folder(folder) as work:
        write_tensors(work / WEIGHTS, weights)
        write_metadata(work / METADATA, metadata)


def write_metadata(path: Path, metadata: Strict) -> None:
    """A metadata as JSON, its keys sorted."""
    text = json.dumps(metadata.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
    path.write_text(text, "utf-8")


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """A safetensors file without metadata."""
    # Two names of one tensor would be refused: each gets its own copy.
    own = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(own, path)


def read_metadata(folder: Path) -> ModelMetadata:
    """The metadata of a model folder.

    Raises:
        ParamsError: It is missing or breaks its schema.
    """
    return read_yaml(folder / METADATA, ModelMetadata)


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a model folder.

    Raises:
        FormatError: The file is missing or damaged.
    """
    path = folder / WEIGHTS
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise FormatError(path, f"cannot be read ({error})", do="Run 'dvc repro'") from None


def load_weights(folder: Path, model: nn.Module) -> None:
    """Fill `model`; every tensor must be there and none left over.

    Raises:
        FormatError: The file is missing or damaged, or does not fit the network.
    """
    try:
        model.load_state_dict(read_weights(folder), strict=True)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        path = folder / WEIGHTS
        raise FormatError(path, f"cannot be loaded ({reason})", do="Run 'dvc repro'") from None
