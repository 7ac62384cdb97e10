"""Features input: what a frozen network saw in the views of a clip, for probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from benchmark.core.errors import FormatError, MismatchError
from benchmark.core.schema import Positive
from benchmark.data.manifest import read_manifest
from benchmark.data.views import FixedViews, InputBase

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clips
    from benchmark.modalities.modality import ModalityBase

FEATURES, WEIGHT = "features", "weight"
"""Tensors of a file: float16 (views, tokens, channels) and float32 (views,)."""


class FeaturesInput(InputBase):
    """Features of a frozen network: float32 (tokens, width)."""

    kind: Literal["features"]
    reads: ClassVar = ("features",)
    mixes: ClassVar = False
    views: ClassVar = 1
    """How many are read together; a clip's features are small."""
    width: Positive
    """Channels of the frozen network."""

    def clip_views(
        self, modality: ModalityBase, folder: Path, clips: Clips, *, cache_gib: float
    ) -> FeatureViews:
        views = FeatureViews(folder, clips)
        if views.width not in {self.width, None}:
            raise MismatchError(
                folder, "the features have another width than the experiment's input says",
                expected=f"width: {self.width}", found=str(views.width),
                do=f"Write width: {views.width}",
            )  # fmt: skip
        return views


class FeatureViews:
    """Views of clips for training (one of those that were computed) and for test (the fixed ones).

    A view is float32 (tokens, width).
    """

    layout = None

    def __init__(self, folder: Path, clips: Clips) -> None:
        self._folder = folder
        self._rows = read_manifest(folder, clips)
        self._files: dict[str, tuple[NDArray[np.float16], NDArray[np.float32]]] = {}
        self.width = next((row.width for row in self._rows.values()), None)

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[NDArray[np.float32]]:
        """Draw one of the random views, or of the fixed ones where there are no others."""
        features, weight = self._read(clip_id)
        random = np.flatnonzero(weight == 0)
        views = random if random.size else np.arange(len(weight))
        return (features[rng.choice(views)].astype(np.float32),)

    def test(self, clip_id: str, *, quick: bool) -> FixedViews:
        """Give the fixed views; only the first one if `quick`: float32 (V, tokens, width)."""
        features, weight = self._read(clip_id)
        fixed = np.flatnonzero(weight)[: 1 if quick else None]
        share = weight[fixed] / weight[fixed].sum()
        return FixedViews((features[fixed].astype(np.float32),), share)

    def _read(self, clip_id: str) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
        row = self._rows[clip_id]
        if row.shard not in self._files:
            self._files[row.shard] = _read_features(self._folder / row.shard)
        features, weight = self._files[row.shard]
        part = slice(row.offset, row.offset + row.size)
        return features[part], weight[part]


def write_features(path: Path, features: NDArray[np.float16], weight: NDArray[np.float32]) -> None:
    """Write the views of all clips of a file, one after the other.

    Args:
        path: The file.
        features: Of all views, (views, tokens, channels).
        weight: Share of each view in its clip's mean; 0 for a random view of training.
    """
    from safetensors.numpy import save_file

    save_file({FEATURES: features, WEIGHT: weight}, path)


def _read_features(path: Path) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Read a file whole: features of thousands of clips take less memory than one decoded clip."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
        return tensors[FEATURES], tensors[WEIGHT]
    except (OSError, SafetensorError, KeyError) as error:
        raise FormatError(path, f"cannot be read ({error})", do="Run 'dvc repro prepare'") from None
