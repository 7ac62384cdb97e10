"""Features input: what a frozen network saw in the views of a clip, for probes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import FormatError, MismatchError
from benchmark.core.schema import Positive
from benchmark.data.manifest import read_manifest
from benchmark.data.views import FixedViews, InputBase

if TYPE_CHECKING:
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
    tokens: Positive
    """Tokens of a view, by the modality's `tokens`."""
    width: Positive
    """Channels of the frozen network."""

    def clip_views(
        self, modality: ModalityBase, folder: Path, clips: Clips, *, cache_gib: float
    ) -> FeatureViews:
        views = FeatureViews(folder, clips)
        if views.shape is not None and views.shape != (self.tokens, self.width):
            tokens, width = views.shape
            raise MismatchError(
                folder, "the features have another shape than the experiment's input says",
                expected=f"tokens: {self.tokens}, width: {self.width}",
                found=f"tokens: {tokens}, width: {width}", do="Change the input accordingly",
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
        self._files: dict[str, tuple[Any, NDArray[np.float32]]] = {}
        self.shape = next(((row.height, row.width) for row in self._rows.values()), None)

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[NDArray[np.float32]]:
        """Draw one of the random views, or of the fixed ones where there are no others."""
        weight = self.weights(clip_id)
        random = np.flatnonzero(weight == 0)
        place = int(rng.choice(random if random.size else len(weight)))
        return (self._read(clip_id, place, place + 1)[0],)

    def test(self, clip_id: str, *, quick: bool) -> FixedViews:
        """Give the fixed views; only the first one if `quick`: float32 (V, tokens, width)."""
        weight = self.weights(clip_id)
        fixed = 1 if quick else int(np.count_nonzero(weight))  # they stand before the random ones
        return FixedViews((self._read(clip_id, 0, fixed),), weight[:fixed] / weight[:fixed].sum())

    def weights(self, clip_id: str) -> NDArray[np.float32]:
        """Return the weight of each view of a clip: above 0 for fixed ones, 0 for random ones."""
        row = self._rows[clip_id]
        return self._open(row.shard)[1][row.offset : row.offset + row.size]

    def _read(self, clip_id: str, first: int, end: int) -> NDArray[np.float32]:
        row = self._rows[clip_id]
        part = self._open(row.shard)[0][row.offset + first : row.offset + end]
        return part.astype(np.float32)

    def _open(self, shard: str) -> tuple[Any, NDArray[np.float32]]:
        """Open a file of features, of which only what is asked for is read."""
        from safetensors import SafetensorError, safe_open

        if shard not in self._files:
            path = self._folder / shard
            try:
                file: Any = safe_open(path, framework="numpy")
                self._files[shard] = file.get_slice(FEATURES), file.get_tensor(WEIGHT)
            except (OSError, SafetensorError) as error:
                do = "Run 'dvc repro prepare'"
                raise FormatError(path, f"cannot be read ({error})", do=do) from None
        return self._files[shard]


def write_features(path: Path, features: NDArray[np.float16], weight: NDArray[np.float32]) -> None:
    """Write the views of all clips of a file, one after the other.

    Args:
        path: The file.
        features: Of all views, (views, tokens, channels).
        weight: Share of each view in its clip's mean; 0 for a random view of training.
    """
    from safetensors.numpy import save_file

    save_file({FEATURES: features, WEIGHT: weight}, path)
