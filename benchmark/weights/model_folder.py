"""The folder of a trained model: weights and metadata."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from pydantic import Field, model_validator

from benchmark.core.errors import FormatError, MismatchError
from benchmark.core.files import replacing_folder
from benchmark.core.schema import Strict, read_yaml, write_json
from benchmark.data.inputs import Input
from benchmark.modalities.union import Modality
from benchmark.models.union import Backbone

if TYPE_CHECKING:
    import torch
    from torch import nn

    from benchmark.contracts.skeletons import Layout
    from benchmark.models.recognizer import Recognizer

WEIGHTS = "weights.safetensors"
METADATA = "experiment.json"
FORMAT = "model/3"
REPRO = "Run 'dvc repro'"


class Seen(Strict):
    """What the network of a fold has learned from: nobody can ask it about these clips honestly."""

    folds: str
    """Digest of the folds."""
    fold: str
    """fold0, fold1, ..., or all."""
    groups: tuple[str, ...]
    """Videos or persons that it has learned from, sorted; its initial weights' are among them."""

    def check_unseen(self, groups: set[str], folds: str, *, where: object) -> None:
        """Make sure that none of `groups` was seen, and that the folds are those of `folds`.

        Raises:
            MismatchError: The network, which `where` names, is of other folds or has seen a group.
        """
        if self.folds != folds:
            raise MismatchError(
                where, "is of other folds than folds.parquet", expected=folds[:12],
                found=self.folds[:12], do="Run 'dvc repro' for the stage that makes it",
            )  # fmt: skip
        if both := sorted(groups & {*self.groups}):
            raise MismatchError(
                where, f"has seen {len(both)} of the {len(groups)} groups that are held out, the"
                f" first is {both[0]}", found=f"a network of {self.fold}",
                do="Use the model of the same fold",
            )  # fmt: skip


class ModelMetadata(Strict):
    """experiment.json: everything needed to build the network and to feed it."""

    format: str = Field(pattern=f"^{FORMAT}$")
    experiment: str
    edition: str
    classes: tuple[str, ...]
    modality: Modality
    input: Input
    backbone: Backbone
    init_from: str
    """The initial weights in one line: their origin, and how many tensors were loaded."""
    seed: int
    epoch: int
    """The epoch whose weights these are, counted from 1."""
    metric: str
    """The validation metric that selected the epoch."""
    val_metric: float
    """Its value on validation, one view per clip, in [0, 1]."""
    seen: Seen | None = Field(default=None, exclude_if=lambda seen: seen is None)
    """What a network of a fold has learned from; absent for others."""
    groups: tuple[int, ...] | None = None
    """Group of each class, for a head of groups; null for a flat one."""
    own_points: tuple[str, ...] | None = Field(default=None, exclude_if=lambda names: names is None)
    """Names of the keypoints of the user's own layout, in order; absent for others."""
    transductive: bool = False
    """Whether frames of test videos took part in training it, or the weights that it started from.
    A model of an earlier version, which does not say so, had none."""

    @model_validator(mode="after")
    def _has_numbers(self) -> Self:
        normalization = getattr(self.input, "normalization", None)
        if normalization is not None and normalization.kind == "train_split":
            raise ValueError("input.normalization: a model holds the numbers of its training split")
        return self


def write_model(folder: Path, metadata: ModelMetadata, weights: dict[str, torch.Tensor]) -> None:
    """Write weights and metadata as one folder."""
    with replacing_folder(folder) as work:
        write_tensors(work / WEIGHTS, weights)
        write_json(work / METADATA, metadata)


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write a safetensors file without metadata, whose order safetensors does not keep."""
    # safetensors refuses two names of one tensor: each name gets its own copy.
    import safetensors.torch

    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    safetensors.torch.save_file(copies, path)


def read_metadata(folder: Path) -> ModelMetadata:
    """Read the metadata of a model folder.

    Raises:
        ParamsError: It is missing or breaks its schema.
    """
    return read_yaml(folder / METADATA, ModelMetadata, do=REPRO)


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a model folder.

    Raises:
        FormatError: The file is missing or damaged.
    """
    import safetensors.torch

    path = folder / WEIGHTS
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise FormatError(path, f"cannot be read ({error})", do=REPRO) from None
    for name, tensor in tensors.items():
        if not tensor.isfinite().all():
            raise FormatError(path, f"{name} holds a number that is not finite", do="Train again")
    # Networks of the zoo are stored in half precision.
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


class Network(NamedTuple):
    """A trained network."""

    metadata: ModelMetadata
    weights: Callable[[], dict[str, torch.Tensor]]
    """Reads its tensors, once."""

    @classmethod
    def read(cls, folder: Path) -> Network:
        """Read the metadata of a model folder.

        Raises:
            ParamsError: The metadata are missing or break their schema.
        """
        return cls(read_metadata(folder), cache(partial(read_weights, folder)))

    def build(self, layout: Layout | None, *, where: str = "", do: str = REPRO) -> Recognizer:
        """Build the network and load its tensors.

        Args:
            layout: The skeleton of its keypoints; None if it reads none.
            where: What errors call it, instead of the name of its experiment.
            do: What errors advise.

        Raises:
            TrainingError: Its backbone and its input do not go together.
            FormatError: The tensors cannot be read or do not fit.
        """
        # Not at the top: most readers of metadata need no torch.
        from benchmark.models.network import build

        told = self.metadata
        model = build(
            told.backbone, told.input, layout, num_classes=len(told.classes), groups=told.groups
        )
        load_tensors(self.weights(), model, where=where or told.experiment, do=do)
        return model


def load_tensors(
    tensors: dict[str, torch.Tensor],
    model: nn.Module,
    *,
    where: object,
    do: str = REPRO,
) -> None:
    """Load tensors into a network; none may be missing or left over.

    Args:
        tensors: Name -> tensor.
        model: The network.
        where: What errors call them.
        do: What errors advise.

    Raises:
        FormatError: They do not fit the network.
    """
    from benchmark.models.check_tensors import tensor_faults

    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError:
        found = tensor_faults(model.state_dict(), tensors)
        raise FormatError(where, "holds another network's tensors", found=found, do=do) from None
