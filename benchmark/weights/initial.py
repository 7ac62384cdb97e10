"""What a training starts from: a folder with weights, or with none (`scratch`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from benchmark.core.files import replacing_folder
from benchmark.core.pinned_file import verified
from benchmark.core.schema import Strict, read_yaml, write_json
from benchmark.weights.convert import converted, fill, merged, read_tensors
from benchmark.weights.model_folder import (
    METADATA,
    WEIGHTS,
    read_metadata,
    read_weights,
    write_tensors,
)

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from benchmark.models.recognizer import Recognizer
    from benchmark.params.params import Pretrained

START = "initial_weights.json"
FORMAT = "initial_weights/2"


class InitialWeights(Strict):
    """initial_weights.json: what the weights beside it are, where they are no finished model."""

    format: str = Field(pattern=f"^{FORMAT}$")
    checkpoint_format: Literal["scratch", "merged", "mmaction", "swin_2d", "swin_3d"]
    """How the tensors are named; `merged` are the names of two pathways."""
    origin: str
    """Whose weights they are."""


def write_no_weights(out: Path) -> None:
    """No weights: training starts from the network's own initialization."""
    _write(out, InitialWeights(format=FORMAT, checkpoint_format="scratch", origin="none"), None)


def write_merged_weights(rgb: Path, pose: Path, out: Path) -> None:
    """Two trained models as the two pathways of one network.

    Raises:
        FormatError: A model cannot be read.
    """
    tensors = merged(read_weights(rgb), read_weights(pose))
    origin = f"{read_metadata(rgb).experiment} and {read_metadata(pose).experiment}"
    _write(out, InitialWeights(format=FORMAT, checkpoint_format="merged", origin=origin), tensors)


def write_pretrained(spec: Pretrained, out: Path) -> None:
    """The tensors of a published file, without running what it says.

    Raises:
        ArchiveError: The file is missing, or is not the pinned one.
        FormatError: It holds something else than tensors.
    """
    path = verified(spec.file, expected="the file that published names")
    metadata = InitialWeights(
        format=FORMAT, checkpoint_format=spec.checkpoint_format, origin=path.name
    )
    _write(out, metadata, read_tensors(path))


def _write(out: Path, metadata: InitialWeights, tensors: dict[str, torch.Tensor] | None) -> None:
    with replacing_folder(out) as work:
        if tensors is not None:
            write_tensors(work / WEIGHTS, tensors)
        write_json(work / START, metadata)


def load_initial_weights(folder: Path, model: Recognizer, classes: tuple[str, ...]) -> str:
    """Put the weights of a folder into the network; what was done, in one line.

    The classifier is taken over where the classes are the same.

    Raises:
        FormatError: The folder is damaged, or its weights do not fit the network.
        ParamsError: Its metadata breaks the schema.
    """
    if (folder / METADATA).is_file():
        metadata = read_metadata(folder)
        head = "keep" if metadata.classes == classes else "fresh"
        filled = fill(model, read_weights(folder), where=folder, head=head)
        return f"{metadata.experiment}: {filled}"
    start = read_yaml(folder / START, InitialWeights)
    if start.checkpoint_format == "scratch":
        return "scratch"
    tensors = read_weights(folder)
    if start.checkpoint_format != "merged":
        tensors = converted(tensors, start.checkpoint_format, where=folder)
    head = "keep" if any(name.startswith("cls_head.") for name in tensors) else "fresh"
    return f"{start.origin}: {fill(model, tensors, where=folder, head=head)}"
