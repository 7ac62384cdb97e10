"""Frozen networks that features come from; apart from their layers, so that no torch is loaded."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol, Self

from pydantic import BaseModel, Field, field_validator

from benchmark.core.half_precision import SUFFIX, ZOO, shipped_names
from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.core.schema import Strict
from benchmark.data.normalization import TrainSplitNorm
from benchmark.data.video_input import VideoInput
from benchmark.modalities.person_crop import PersonCropModality
from benchmark.modalities.region_crop import RegionCropModality
from benchmark.modalities.rgb import RgbModality

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.contracts.skeletons import Layout
    from benchmark.data.views import InputBase
    from benchmark.modalities.features.zoo import ShippedCard
    from benchmark.modalities.modality import ModalityBase


class Extractor(Protocol):
    """Computes features of views."""

    def __call__(self, x: tuple[Tensor, ...], *, training: bool) -> Tensor:
        """Turn views (V, ...) into float32 (V, moments, places, channels).

        `training` says that these are views of training, which may have another size.
        """
        ...


class FrozenNetwork(Strict):
    """What every frozen network has, besides its `kind`."""

    @abstractmethod
    def modality(self, edition: str) -> ModalityBase:
        """Name the frames or keypoints that it reads, of an edition."""

    @abstractmethod
    def with_own_points(self) -> Self:
        """Read the keypoints of an archive's own layout, which has the network's points."""

    @abstractmethod
    def views(self) -> InputBase:
        """Name the views that it sees."""

    @abstractmethod
    def open(self, layout: Layout | None) -> Extractor:
        """Load it, for keypoints of a layout; without one it may only check its files.

        Raises:
            ArchiveError: A file is missing, damaged, another than pinned, or of another network.
            FormatError: A network of the zoo is damaged.
            MissingExtra: The package behind the network is not installed.
        """

    def digest(self) -> str | None:
        """Return the digest of weights that the spec itself does not pin; None if it pins them."""
        return None


class ZooNetwork(FrozenNetwork):
    """A network that ships with the package; its card says what it reads."""

    kind: Literal["zoo"]
    name: str
    """As `mgbench zoo list` prints it."""
    layout: Literal["own"] | None = None
    """`own`: the archive's own keypoints, which must be the network's points; null: as trained."""

    @field_validator("name")
    @classmethod
    def _ships(cls, name: str) -> str:
        if name not in shipped_names():
            raise ValueError(f"no network '{name}'; expected one of {', '.join(shipped_names())}")
        return name

    @property
    def card(self) -> ShippedCard:
        from benchmark.modalities.features.zoo import read_shipped

        return read_shipped(self.name)

    def more_specs(self) -> tuple[BaseModel, ...]:
        """Return the specs that the card names: their code counts, as if they stood here."""
        model = self.card.model
        return model.modality, model.input, model.backbone

    def shipped_files(self) -> tuple[Path, ...]:
        """Return the files of the package that the result depends on, besides its code."""
        return ZOO / f"{self.name}.json", ZOO / f"{self.name}{SUFFIX}"

    def modality(self, edition: str) -> ModalityBase:
        layout = {"layout": self.layout} if self.layout else {}
        more = {"edition": edition, "shards": 1, **layout}
        return self.card.model.modality.model_copy(update=more)

    def with_own_points(self) -> Self:
        return self.model_copy(update={"layout": "own"})

    def views(self) -> InputBase:
        return self.card.model.input

    def open(self, layout: Layout | None) -> Extractor:
        from benchmark.modalities.features.zoo import open_shipped

        return open_shipped(self.name, layout)

    def digest(self) -> str:
        return sha256(ZOO / f"{self.name}{SUFFIX}")


class TransformersNetwork(FrozenNetwork):
    """VideoMAE, V-JEPA 2 or X-CLIP of transformers, from files that you provide."""

    kind: Literal["transformers"]
    weights: WeightsFile
    """model.safetensors as published."""
    config: WeightsFile
    """config.json as published, which says which network it is."""
    reads: Annotated[
        RgbModality | PersonCropModality | RegionCropModality, Field(discriminator="kind")
    ]
    """Frames that it reads, as an entry of `modalities`; `edition` and `shards` are overridden."""
    input: VideoInput
    """Views of them; frames, size and normalization must be those that the network knows."""

    @field_validator("input")
    @classmethod
    def _is_whole(cls, value: VideoInput) -> VideoInput:
        if isinstance(value.normalization, TrainSplitNorm):
            raise ValueError("normalization: a frozen network has numbers of its own")  # noqa: TRY004 - pydantic
        return value

    def modality(self, edition: str) -> ModalityBase:
        return self.reads.model_copy(update={"edition": edition, "shards": 1})

    def with_own_points(self) -> Self:
        return self.model_copy(update={"reads": self.reads.with_own_points()})

    def views(self) -> InputBase:
        return self.input

    def open(self, layout: Layout | None) -> Extractor:
        from benchmark.modalities.features.transformers_network import open_network

        return open_network(self)
