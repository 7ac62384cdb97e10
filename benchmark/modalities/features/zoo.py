"""Networks of the zoo as frozen networks: card -> specs, weights -> features."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from benchmark.core.half_precision import SUFFIX, ZOO, read_half
from benchmark.core.schema import Strict
from benchmark.data.inputs import Input
from benchmark.modalities.union import Modality
from benchmark.models.union import Backbone

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.contracts.skeletons import Layout
    from benchmark.modalities.features.networks import Extractor


class ShippedModel(Strict, extra="ignore"):
    """The part of a card's model that builds and feeds the network."""

    classes: tuple[str, ...]
    modality: Modality
    input: Input
    backbone: Backbone
    groups: tuple[int, ...] | None = None


class ShippedCard(Strict, extra="ignore"):
    """The part of a card that features need."""

    sha256: str
    model: ShippedModel


@cache
def read_shipped(name: str) -> ShippedCard:
    """Read the card of a network that ships."""
    return ShippedCard.model_validate_json((ZOO / f"{name}.json").read_bytes())


def open_shipped(name: str, layout: Layout | None) -> Extractor:
    """Load a network of the zoo, without its head, on this process's device.

    Raises:
        FormatError: The weights are missing, damaged, or not those of the card.
    """
    import torch

    from benchmark.contracts.skeletons import OPENPOSE36
    from benchmark.models.network import build
    from benchmark.runtime.parallel import own_device

    card = read_shipped(name)
    model, tensors = card.model, read_half(ZOO / f"{name}{SUFFIX}", card.sha256)
    network = build(
        model.backbone, model.input, layout or OPENPOSE36, num_classes=len(model.classes),
        groups=model.groups,
    )  # fmt: skip
    network.load_state_dict(tensors)
    device = own_device()
    network.eval().to(device)

    def extract(x: tuple[Tensor, ...], *, training: bool) -> Tensor:
        network.preprocessor.train(training)
        with torch.inference_mode():
            found = network.features(tuple(part.to(device) for part in x)).float().cpu()
        if found.ndim == 2:  # it averages over time and space itself
            return found[:, None, None]
        return found.flatten(3).permute(0, 2, 3, 1)

    return extract
