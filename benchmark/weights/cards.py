"""The zoo: small networks, trained by this harness on generated people, that ship with it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, JsonValue

from benchmark.core.errors import ParamsError
from benchmark.core.files import replacing_folder
from benchmark.core.half_precision import SUFFIX, ZOO, shipped_names, verified_bytes
from benchmark.core.pinned_file import Sha256
from benchmark.core.schema import Strict, read_yaml, write_json
from benchmark.weights.model_folder import METADATA, WEIGHTS, ModelMetadata

FORMAT = "zoo/1"


class Card(Strict):
    """NAME.json: what a network of the zoo is, what it has learned from, and how well."""

    format: str = Field(pattern=f"^{FORMAT}$")
    sha256: Sha256
    """Of NAME.safetensors."""
    license: str
    """Of the weights."""
    model: ModelMetadata
    """Classes, modality, input and backbone: what a model folder says."""
    data: dict[str, JsonValue]
    """The generated clips that it has learned from; `cast` says of whose bodies."""
    recipe: dict[str, JsonValue]
    """An entry of `recipes`, as it was then."""
    hours: float
    """Of training steps, on two CPU cores."""
    scores: dict[str, float]
    """Top-1 accuracy and macro-F1 in percent, of validation and, where labels are known, test."""


def read_card(name: str) -> Card:
    """Read the card of a network.

    Raises:
        ParamsError: There is no such network, or its card breaks the schema.
    """
    names = shipped_names()
    if name not in names:
        raise ParamsError("zoo", f"no network '{name}'", expected="one of " + ", ".join(names))
    return read_yaml(ZOO / f"{name}.json", Card)


def write_starts(out: Path) -> None:
    """Write every network as a model folder below `out`, for trainings to start from.

    Raises:
        ParamsError: A card breaks the schema.
        FormatError: A file of weights is missing or damaged.
    """
    with replacing_folder(out) as work:
        for name in shipped_names():
            card, folder = read_card(name), work / name
            folder.mkdir()
            (folder / WEIGHTS).write_bytes(verified_bytes(ZOO / f"{name}{SUFFIX}", card.sha256))
            write_json(folder / METADATA, card.model)
