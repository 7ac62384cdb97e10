"""Clips -> batches. Clip ids travel with the tensors to the end."""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from benchmark.core.errors import BenchmarkError
from benchmark.data.inputs import RgbPoseInput, SkeletonInput, VideoInput
from benchmark.data.sampling import rng_for
from benchmark.modalities.specs import (
    DepthModality,
    FlowModality,
    PersonCropModality,
    PoseModality,
    RgbModality,
    SkeletonModality,
    TaylorModality,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from benchmark.contracts.clips import Clips
    from benchmark.data.inputs import Input
    from benchmark.data.rgb_pose_views import RgbPoseViews
    from benchmark.data.skeleton_views import SkeletonViews
    from benchmark.data.test_views import Viewed
    from benchmark.data.video_views import VideoViews
    from benchmark.modalities.specs import Modality
    from benchmark.training.sampler import ClipBatchSampler, Key

    Views = SkeletonViews | VideoViews | RgbPoseViews
    Arrays = tuple[NDArray[np.generic], ...]


_STOPS = (signal.SIGINT, signal.SIGTERM)


class TrainBatch(NamedTuple):
    """One random view of each clip."""

    clip_id: list[str]
    x: tuple[Tensor, ...]
    """One tensor for each input of the network: (B, ...)."""
    label: Tensor
    """int64 (B,)."""


class TestBatch(NamedTuple):
    """The distinct views of some clips, one after the other."""

    clip_id: list[str]
    x: tuple[Tensor, ...]
    """One tensor for each input of the network: (V, ...), V views of all the clips."""
    clip: Tensor
    """Place in `clip_id` of the clip that a view is of: int64 (V,)."""
    weight: Tensor
    """Share of the view in its clip's mean: float32 (V,)."""


def build_views(
    spec: Input, modality: Modality, folder: Path, clips: Clips, *, cache_gib: float = 0.0
) -> Views:
    """The views of an experiment's input over its modality, with memory for decoded clips."""
    # Its threads do not survive a fork: a process that reads clips would wait for them for ever.
    cv2.setNumThreads(0)
    match spec, modality:
        case SkeletonInput(), SkeletonModality() | PoseModality():
            from benchmark.data.skeleton_views import SkeletonViews

            return SkeletonViews(spec, folder, clips)
        case VideoInput(), PersonCropModality():
            from benchmark.data.video_views import VideoViews

            return VideoViews(spec, folder / "video", clips, cache_gib=cache_gib)
        case VideoInput(), RgbModality() | TaylorModality() | FlowModality() | DepthModality():
            from benchmark.data.video_views import VideoViews

            components = isinstance(modality, FlowModality) and modality.rendering == "components"
            return VideoViews(spec, folder, clips, cache_gib=cache_gib, components=components)
        case RgbPoseInput(), PersonCropModality():
            from benchmark.data.rgb_pose_views import RgbPoseViews

            return RgbPoseViews(spec, folder, clips, cache_gib=cache_gib)
        case _:
            raise TypeError(f"input {spec.kind} cannot read modality {modality.kind}")


class Batches(DataLoader[Any]):
    """Batches of clips. What a worker finds wrong with a clip is raised here, as it is.

    It travels in the batch's place: torch would make a `RuntimeError` of it.
    """

    def __init__(
        self, clips: _Clips, collate: Callable[[Any], Any], *, workers: int, **order: Any
    ) -> None:
        super().__init__(
            clips,
            collate_fn=collate,
            num_workers=workers,
            worker_init_fn=_start_worker,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            **order,
        )

    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The batches, in order."""
        for batch in super().__iter__():
            if isinstance(batch, BenchmarkError):
                raise batch
            yield batch


class _Clips(Dataset[Any]):
    def __getitems__(self, keys: Sequence[Any]) -> list[Any] | BenchmarkError:
        """What torch asks for in the place of one item after the other."""
        try:
            return [self[key] for key in keys]
        except BenchmarkError as error:
            return error


class TrainClips(_Clips):
    """One random view a clip."""

    def __init__(self, views: Views, clips: Clips, seed: int) -> None:
        self._views, self._seed = views, seed
        self._ids, self._labels = clips.ids, clips.labels()

    def __getitem__(self, key: Key) -> tuple[str, Arrays, int]:
        row, epoch, repeat = key
        clip = self._ids[row]
        rng = rng_for(self._seed, "view", epoch, repeat, clip)
        return clip, self._views.train(clip, rng), int(self._labels[row])

    def __len__(self) -> int:
        return len(self._ids)


class TestClips(_Clips):
    """The fixed views of every clip; the first one only if `quick`."""

    def __init__(self, views: Views, ids: Sequence[str], *, quick: bool) -> None:
        self._views, self._ids, self._quick = views, list(ids), quick

    def __getitem__(self, row: int) -> tuple[str, Viewed]:
        return self._ids[row], self._views.test(self._ids[row], quick=self._quick)

    def __len__(self) -> int:
        return len(self._ids)


def train_loader(clips: TrainClips, order: ClipBatchSampler, *, workers: int) -> DataLoader[Any]:
    """The forward passes of `order`, to the last epoch, as `TrainBatch`es."""
    return Batches(clips, _train_batch, workers=workers, batch_sampler=order)


def test_loader(clips: TestClips, *, batch_size: int, workers: int) -> DataLoader[Any]:
    """All views of `batch_size` clips as a `TestBatch`, in the clips' order."""
    return Batches(clips, _test_batch, workers=workers, batch_size=batch_size)


def _start_worker(number: int) -> None:
    """Leave signals to the training process, which finishes its step and then stops its workers.

    Ctrl-C and many a SIGTERM reach all processes of a group; a step needs its clips until its end.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    threading.Thread(target=_heed_parent, daemon=True).start()


def _heed_parent() -> None:
    while signal.sigwaitinfo(_STOPS).si_pid != os.getppid():
        pass
    os._exit(0)


def _train_batch(
    items: Sequence[tuple[str, Arrays, int]] | BenchmarkError,
) -> TrainBatch | BenchmarkError:
    if isinstance(items, BenchmarkError):
        return items
    ids, arrays, labels = zip(*items, strict=True)
    x = tuple(torch.from_numpy(np.stack(parts)) for parts in zip(*arrays, strict=True))
    return TrainBatch(list(ids), x, torch.tensor(labels))


def _test_batch(items: Sequence[tuple[str, Viewed]] | BenchmarkError) -> TestBatch | BenchmarkError:
    if isinstance(items, BenchmarkError):
        return items
    ids, viewed = zip(*items, strict=True)
    parts = zip(*(one.views for one in viewed), strict=True)
    x = tuple(torch.from_numpy(np.concatenate(part)) for part in parts)
    counts = torch.tensor([len(one.weight) for one in viewed])
    clip = torch.arange(len(ids)).repeat_interleave(counts)
    weight = torch.from_numpy(np.concatenate([one.weight for one in viewed]))
    return TestBatch(list(ids), x, clip, weight)
