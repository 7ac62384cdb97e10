"""Clips of one shard -> features, float16, of all their views."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.contracts.clips import Clip, Clips
from benchmark.core.errors import FormatError
from benchmark.data.features_input import write_features
from benchmark.data.loader import build_views
from benchmark.data.manifest import ManifestRow
from benchmark.data.sampling import rng_for
from benchmark.runtime.parallel import whole_work

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.data.views import Views
    from benchmark.modalities.features.features import FeaturesModality
    from benchmark.modalities.features.networks import Extractor
    from benchmark.modalities.packing import PackingJob
    from benchmark.modalities.shards import Shard

CACHE_GIB = 0.5
"""Memory for decoded clips of a shard: each has several views."""
VIEWS_AT_ONCE = 4
"""Views of one forward pass: of one clip alone, so that no clip's features depend on another."""


def write_shard(
    shard: Shard, path: Path, *, job: PackingJob, spec: FeaturesModality
) -> list[ManifestRow]:
    """Write one file of features; return where each of its clips lies.

    Args:
        shard: Clips of the file.
        path: The file.
        job: What is packed.
        spec: The modality.

    Raises:
        ManyFaults: Every raw video that is damaged.
        FormatError: A feature is not a finite number in half precision.
    """
    modality, clips = spec.network.modality(spec.edition), Clips(job.edition.name, shard.clips)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        data = Path(folder) / "data"
        with whole_work():
            modality.prepare(job.raw, job.edition, clips, data, workers=1)
        views = build_views(spec.network.views(), modality, data, clips, cache_gib=CACHE_GIB)
        network = spec.network.open(views.layout)
        rows: list[ManifestRow] = []
        found: list[NDArray[np.float16]] = []
        weights: list[NDArray[np.float32]] = []
        for clip in clips:
            features, weight = _features_of(clip, views, network, spec)
            place, (tokens, width) = sum(map(len, found)), features.shape[1:]
            size = (len(features), clip.frames, tokens, width)
            rows.append(ManifestRow(clip.clip_id, shard.name, place, *size))
            found.append(features)
            weights.append(weight)
    write_features(path, np.concatenate(found), np.concatenate(weights))
    return rows


def _features_of(
    clip: Clip, views: Views, network: Extractor, spec: FeaturesModality
) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Compute the features of the fixed views, then of the random ones, whose weight is 0.

    Args:
        clip: The clip.
        views: Of the shard.
        network: The frozen network.
        spec: The modality.
    """

    def computed(parts: tuple[NDArray[np.generic], ...], *, training: bool) -> Tensor:
        """Compute float32 (V, tokens, channels) of some views."""
        some = zip(*(torch.from_numpy(part).split(VIEWS_AT_ONCE) for part in parts), strict=True)
        found = torch.cat([network(one, training=training) for one in some])
        match spec.tokens:
            case "mean":
                return found.mean((1, 2))[:, None]
            case "time":
                return found.mean(2)
            case "all":
                return found.flatten(1, 2)

    fixed = views.test(clip.clip_id, quick=False)
    found = [computed(fixed.views, training=False)]
    random = spec.train_views if clip.split == "train" else 0
    for number in range(random):
        view = views.train(clip.clip_id, rng_for("features", clip.clip_id, number))
        found.append(computed(tuple(part[None] for part in view), training=True))
    features = torch.cat(found).half()
    if not features.isfinite().all():
        raise FormatError(
            f"clip {clip.clip_id}", "a feature is not a finite number in half precision",
            expected="up to 65504", do="Take another network",
        )  # fmt: skip
    return features.numpy(), np.concatenate([fixed.weight, np.zeros(random, np.float32)])
