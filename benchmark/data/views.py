"""Views: the parts of a clip that a network sees, a random one in training, fixed ones in test."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmark.core.schema import Strict
from benchmark.data.normalization import DatasetNorm, Normalization, TrainSplitNorm

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.contracts.skeletons import Layout
    from benchmark.modalities.modality import ModalityBase

Stream: TypeAlias = Literal["joint", "limb"]
"""One heat map per joint, or one per limb."""
SMALLEST_STD = 1.0
"""Least standard deviation, in gray levels. A channel that never moves, such as the third one of
flow components, holds only the codec's noise, and a division by its deviation would enlarge it."""


class FixedViews(NamedTuple):
    """The distinct test views of a clip, and the weight of each.

    In a short clip many views hold the same frames; the network computes those once.
    """

    views: tuple[NDArray[np.generic], ...]
    """One array per input of the network: (V, ...)."""
    weight: NDArray[np.float32]
    """Share of each view in the mean: (V,), sum 1."""


class Views(Protocol):
    """Gives the views of single clips."""

    @property
    def layout(self) -> Layout | None:
        """Layout of the keypoints; None for an input without any."""
        ...

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[NDArray[np.generic], ...]:
        """Draw one random view, one array per input of the network."""
        ...

    def test(self, clip_id: str, *, quick: bool) -> FixedViews:
        """Give the fixed views; only the first one if `quick`."""
        ...


class InputBase(Strict):
    """What a network sees of a clip: the part that every input spec shares."""

    reads: ClassVar[tuple[str, ...]]
    """Contents of the modalities that this input can be made of."""
    mixes: ClassVar[bool] = True
    """Whether two clips can be mixed (mixup): pictures and heat maps can, coordinates cannot."""

    @abstractmethod
    def clip_views(
        self, modality: ModalityBase, folder: Path, clips: Clips, *, cache_gib: float
    ) -> Views:
        """Open the prepared data in `folder`.

        Args:
            modality: Spec that the data were made with.
            folder: Folder of the prepared data.
            clips: The index; views are looked up by its clip ids.
            cache_gib: Memory for decoded clips.

        Raises:
            FormatError: The data are missing or of another version.
            MismatchError: The data do not hold exactly the clips of the index.
        """

    def with_numbers(self, modality: ModalityBase, folder: Path, clips: Clips) -> Self:
        """Replace what only the prepared data know, such as their mean; here nothing."""
        return self


class FramesInput(InputBase):
    """The part that every input with frames shares."""

    normalization: Normalization
    """How pixels become numbers around 0."""

    def with_numbers(self, modality: ModalityBase, folder: Path, clips: Clips) -> Self:
        """Replace `train_split` by the numbers of the prepared frames in `folder`.

        The numbers go into the model's metadata, so that prediction needs no training clip.
        """
        if not isinstance(self.normalization, TrainSplitNorm):
            return self
        from benchmark.data.manifest import read_manifest
        from benchmark.data.statistics import train_statistics

        rows = read_manifest(modality.frames_folder(folder), clips)
        mean, std = train_statistics(rows, clips)
        std = (max(std[0], SMALLEST_STD), max(std[1], SMALLEST_STD), max(std[2], SMALLEST_STD))
        numbers = DatasetNorm(kind="dataset", mean=mean, std=std)
        return self.model_copy(update={"normalization": numbers})


def distinct(keys: Sequence[Hashable]) -> tuple[list[int], NDArray[np.float32]]:
    """Find the first place of each different key, and its share of all keys."""
    # Written backwards, so that the first of equal keys is the one that stays.
    first = {key: place for place, key in reversed(list(enumerate(keys)))}
    places = sorted(first.values())
    shares = [keys.count(keys[place]) / len(keys) for place in places]
    return places, np.array(shares, np.float32)
