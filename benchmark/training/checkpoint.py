"""Where a training goes on after it was stopped, and the files of a finished model."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import safetensors.torch
import torch
from pydantic import Field

from benchmark.errors import FormatError
from benchmark.files import replacing, replacing_folder
from benchmark.media_params import Media
from benchmark.params import Backbone, Input
from benchmark.schema import Strict, read_yaml

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

WEIGHTS = "weights.safetensors"
CARD = "experiment.json"
FORMAT = "model/1"


class ModelCard(Strict):
    """experiment.json: all that is needed to build the network and to feed it."""

    format: str = Field(pattern=f"^{FORMAT}$")
    experiment: str
    edition: str
    classes: tuple[str, ...]
    media: Media
    input: Input
    backbone: Backbone
    seed: int
    epoch: int
    """The epoch whose weights these are, counted from 1."""
    val_top1: float
    """Top-1 of that epoch on validation, one view a clip, in [0, 1]."""


def write_model(folder: Path, card: ModelCard, weights: dict[str, torch.Tensor]) -> None:
    """Weights (without metadata: that would not be byte-stable) and card, as one folder."""
    with replacing_folder(folder) as work:
        tensors = {name: tensor.contiguous() for name, tensor in weights.items()}
        safetensors.torch.save_file(tensors, work / WEIGHTS)
        text = json.dumps(card.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"
        (work / CARD).write_text(text, "utf-8")


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder.

    Raises:
        ParamsError: It is missing or breaks its schema.
    """
    return read_yaml(folder / CARD, ModelCard)


def load_weights(folder: Path, model: nn.Module) -> None:
    """Fill `model`; every tensor must be there and none left over.

    Raises:
        FormatError: The file is missing or damaged, or does not fit the network.
    """
    path = folder / WEIGHTS
    try:
        weights = safetensors.torch.load_file(path)
        model.load_state_dict(weights, strict=True)
    except (OSError, safetensors.SafetensorError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise FormatError(path, f"cannot be loaded ({reason})", do="Run 'dvc repro'") from None


@dataclass
class Progress:
    """What a training has done so far."""

    epoch: int = 0
    """Epochs finished."""
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_top1: float = -1.0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)


class Checkpoints:
    """The folder of one training's checkpoint, named after everything that its result hangs on."""

    def __init__(self, root: Path, experiment: str, *key: str) -> None:
        digest = hashlib.blake2b("\n".join(key).encode(), digest_size=8).hexdigest()
        self._file = root / experiment / digest / "last.pt"

    def save(self, progress: Progress, state: dict[str, Any]) -> None:
        """Write all that a continued training needs, in place of the one before."""
        with replacing(self._file) as work:
            torch.save({"progress": vars(progress), "rng": torch.get_rng_state(), **state}, work)

    def load(self) -> tuple[Progress, dict[str, Any]] | None:
        """The last checkpoint, or None. Restores torch's generator."""
        if not self._file.is_file():
            return None
        state = torch.load(self._file, weights_only=True)
        torch.set_rng_state(state.pop("rng"))
        return Progress(**state.pop("progress")), state

    def clear(self) -> None:
        """Forget the checkpoints of this experiment, older keys too."""
        shutil.rmtree(self._file.parent.parent, ignore_errors=True)
