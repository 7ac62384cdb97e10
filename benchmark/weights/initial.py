"""What a training starts from: a folder with weights, or with none (`scratch`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from benchmark.core.files import replacing_folder
from benchmark.core.pinned_file import verified
from benchmark.core.schema import Strict, read_yaml
from benchmark.weights.convert import converted, fill, merged, read_tensors
from benchmark.weights.model_folder import (
    CARD,
    WEIGHTS,
    read_card,
    read_weights,
    write_card,
    write_tensors,
)

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from benchmark.models.recognizer import Recogniser
    from benchmark.params.params import Published

START = "start.json"
FORMAT = "start/1"


class StartCard(Strict):
    """start.json: what the weights beside it are, where they are no finished model."""

    format: str = Field(pattern=f"^{FORMAT}$")
    layout: Literal["scratch", "merged", "mmaction", "swin_2d", "swin_3d"]
    """How the tensors are named; `merged` are the names of two pathways."""
    origin: str
    """Whose weights they are."""


def write_scratch(out: Path) -> None:
    """No weights: training starts from the network's own initialisation."""
    _write(out, StartCard(format=FORMAT, layout="scratch", origin="none"), None)


def write_merge(rgb: Path, pose: Path, out: Path) -> None:
    """Two trained models as the two pathways of one network.

    Raises:
        FormatError: A model cannot be read.
    """
    tensors = merged(read_weights(rgb), read_weights(pose))
    origin = f"{read_card(rgb).experiment} and {read_card(pose).experiment}"
    _write(out, StartCard(format=FORMAT, layout="merged", origin=origin), tensors)


def write_published(spec: Published, out: Path) -> None:
    """The tensors of a published file, without running what it says.

    Raises:
        ArchiveError: The file is missing, or is not the pinned one.
        FormatError: It holds something else than tensors.
    """
    path = verified(spec.file, expected="the file that published names")
    card = StartCard(format=FORMAT, layout=spec.layout, origin=path.name)
    _write(out, card, read_tensors(path))


def _write(out: Path, card: StartCard, tensors: dict[str, torch.Tensor] | None) -> None:
    with replacing_folder(out) as work:
        if tensors is not None:
            write_tensors(work / WEIGHTS, tensors)
        write_card(work / START, card)


def start_from(folder: Path, model: Recogniser, classes: tuple[str, ...]) -> str:
    """Put the weights of a folder into the network; what was done, in one line.

    The classifier is taken over where the classes are the same.

    Raises:
        FormatError: The folder is damaged, or its weights do not fit the network.
        ParamsError: Its card breaks the schema.
    """
    if (folder / CARD).is_file():
        card = read_card(folder)
        head = "keep" if card.classes == classes else "fresh"
        filled = fill(model, read_weights(folder), where=folder, head=head)
        return f"{card.experiment}: {filled}"
    start = read_yaml(folder / START, StartCard)
    if start.layout == "scratch":
        return "scratch"
    tensors = read_weights(folder)
    if start.layout != "merged":
        tensors = converted(tensors, start.layout, where=folder)
    head = "keep" if any(name.startswith("cls_head.") for name in tensors) else "fresh"
    return f"{start.origin}: {fill(model, tensors, where=folder, head=head)}"
