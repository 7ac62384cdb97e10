"""Clips -> batches. Clip ids travel with the tensors to the end."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmark.media_params import (
    DepthMedia,
    FlowMedia,
    PoseMedia,
    RgbMedia,
    SkeletonMedia,
    TaylorMedia,
)
from benchmark.modalities.sampling import rng_for
from benchmark.params import SkeletonInput, VideoInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from benchmark.clips import Clips
    from benchmark.media_params import Media
    from benchmark.modalities.skeleton_views import SkeletonViews
    from benchmark.modalities.video_views import VideoViews
    from benchmark.params import Input

    Views = SkeletonViews | VideoViews


@dataclass(frozen=True)
class Batch:
    """`x` is (B, V, ...), one view of each clip in training; `label` int64 (B,) or None."""

    clip_id: list[str]
    x: Tensor
    label: Tensor | None


def build_views(
    spec: Input, media: Media, folder: Path, clips: Clips, *, cache_gib: float = 0.0
) -> Views:
    """The views of an experiment's input over its media, with memory for decoded clips."""
    match spec, media:
        case SkeletonInput(), SkeletonMedia() | PoseMedia():
            from benchmark.modalities.skeleton_views import SkeletonViews

            return SkeletonViews(spec, folder, clips)
        case VideoInput(), RgbMedia() | TaylorMedia() | FlowMedia() | DepthMedia():
            from benchmark.modalities.video_views import VideoViews

            components = isinstance(media, FlowMedia) and media.rendering == "components"
            return VideoViews(spec, folder, clips, cache_gib=cache_gib, components=components)
        case _:
            raise TypeError(f"input {spec.kind} cannot read media {media.kind}")


class TrainClips(Dataset[tuple[str, "np.ndarray", int]]):
    """One random view a clip. An item's key is (row, epoch, repeat): all that it depends on."""

    def __init__(self, views: Views, clips: Clips, seed: int) -> None:
        self._views, self._seed = views, seed
        self._ids, self._labels = clips.ids, clips.labels()

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[str, np.ndarray, int]:
        row, epoch, repeat = key
        clip = self._ids[row]
        rng = rng_for(self._seed, "view", epoch, repeat, clip)
        return clip, self._views.train(clip, rng)[None], int(self._labels[row])

    def __len__(self) -> int:
        return len(self._ids)


class TestClips(Dataset[tuple[str, "np.ndarray", int]]):
    """Fixed views of every clip; label -1 stands for none and never leaves the loader."""

    def __init__(self, views: Views, clips: Clips, *, quick: bool) -> None:
        self._views, self._ids, self._quick = views, clips.ids, quick

    def __getitem__(self, row: int) -> tuple[str, np.ndarray, int]:
        return self._ids[row], self._views.test(self._ids[row], quick=self._quick), -1

    def __len__(self) -> int:
        return len(self._ids)


class EpochOrder:
    """Batches of keys of one epoch: every clip `repeats` times, shuffled by (seed, epoch)."""

    def __init__(self, num_clips: int, batch_size: int, repeats: int, seed: int) -> None:
        self._num_clips, self._batch_size = num_clips, batch_size
        self._repeats, self._seed = repeats, seed
        self.epoch = 0

    def __len__(self) -> int:
        return math.ceil(self._num_clips * self._repeats / self._batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        rng = rng_for(self._seed, "order", self.epoch)
        order = rng.permutation(self._num_clips * self._repeats)
        keys = [(int(i % self._num_clips), self.epoch, int(i // self._num_clips)) for i in order]
        for start in range(0, len(keys), self._batch_size):
            yield keys[start : start + self._batch_size]


def train_loader(clips: TrainClips, order: EpochOrder, *, workers: int) -> DataLoader[Any]:
    """Batches of one view a clip, in the order of `order`'s epoch."""
    return DataLoader(
        clips,
        batch_sampler=order,
        collate_fn=_collate,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def test_loader(clips: TestClips, *, batch_size: int, workers: int) -> DataLoader[Any]:
    """Batches of all views of `batch_size` clips, in the clips' order."""
    return DataLoader(clips, batch_size=batch_size, collate_fn=_collate, num_workers=workers)


def _collate(items: Sequence[tuple[str, np.ndarray, int]]) -> Batch:
    ids, views, labels = zip(*items, strict=True)
    label = torch.tensor(labels) if min(labels) >= 0 else None
    return Batch(list(ids), torch.from_numpy(np.stack(views)), label)
