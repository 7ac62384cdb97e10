"""Loader: clips -> batches. Clip ids travel with the tensors to the end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from benchmark.core.errors import BenchmarkError
from benchmark.core.parent import die_with_parent
from benchmark.data.sampling import rng_for

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark.contracts.clips import Clips
    from benchmark.data.views import FixedViews, InputBase, Views
    from benchmark.modalities.modality import ModalityBase

    Arrays = tuple[NDArray[np.generic], ...]

Key: TypeAlias = tuple[int, int, int]
"""Row of the clip, epoch, repeat: besides the seed, a training view depends on nothing else."""

NO_LABEL = -1
"""Label of a clip whose training needs none."""
_STOPS = (signal.SIGINT, signal.SIGTERM)


class TrainBatch(NamedTuple):
    """One random view of each clip."""

    clip_id: list[str]
    x: tuple[Tensor, ...]
    """One tensor per input of the network: (B, ...)."""
    label: Tensor
    """int64 (B,)."""


class TestBatch(NamedTuple):
    """The distinct views of some clips, one after the other."""

    clip_id: list[str]
    x: tuple[Tensor, ...]
    """One tensor per input of the network: (V, ...), V views of all the clips."""
    clip: Tensor
    """Place in `clip_id` of the clip that a view belongs to: int64 (V,)."""
    weight: Tensor
    """Share of the view in its clip's mean: float32 (V,)."""


def build_views(
    spec: InputBase, modality: ModalityBase, folder: Path, clips: Clips, *, cache_gib: float = 0.0
) -> Views:
    """Open the prepared data of an experiment's input.

    Args:
        spec: What the network sees of a clip.
        modality: Spec that the data were made with.
        folder: Folder of the prepared data.
        clips: The index.
        cache_gib: Memory for decoded clips.
    """
    # OpenCV's threads do not survive a fork: a worker process would wait for them forever.
    cv2.setNumThreads(0)
    return spec.clip_views(modality, folder, clips, cache_gib=cache_gib)


class Batches(DataLoader[Any]):
    """Batches of clips, in order; an error that a worker met is raised here unchanged.

    Workers return a `BenchmarkError` instead of a batch, because DataLoader would wrap a raised one
    in a RuntimeError and lose its class and its exit code.
    """

    def __init__(
        self, clips: _Clips, collate: Callable[[Any], Any], *, workers: int, **order: Any
    ) -> None:
        super().__init__(
            clips, collate_fn=partial(_collated, collate=collate), num_workers=workers,
            worker_init_fn=partial(_start_worker, os.getpid()), persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(), **order,
        )  # fmt: skip

    def __iter__(self) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        for batch in super().__iter__():
            if isinstance(batch, BenchmarkError):
                raise batch
            yield batch


class _Clips(Dataset[Any]):
    def __getitems__(self, keys: Sequence[Any]) -> list[Any] | BenchmarkError:
        # The DataLoader calls this once per batch, where it finds it, instead of __getitem__.
        try:
            return [self[key] for key in keys]
        except BenchmarkError as error:
            return error


class TrainClips(_Clips):
    """Training clips: one random view per key."""

    def __init__(self, views: Views, clips: Clips, seed: int, *, labeled: bool = True) -> None:
        self._views, self._seed, self._ids = views, seed, clips.ids
        self._labels = clips.labels() if labeled else np.full(len(clips), NO_LABEL)

    def __getitem__(self, key: Key) -> tuple[str, Arrays, int]:
        row, epoch, repeat = key
        clip = self._ids[row]
        # The view depends on its key alone: no matter which worker draws it, or after what.
        rng = rng_for(self._seed, "view", epoch, repeat, clip)
        return clip, self._views.train(clip, rng), int(self._labels[row])

    def __len__(self) -> int:
        return len(self._ids)


class TestClips(_Clips):
    """The fixed views of every clip; only the first one if `quick`."""

    def __init__(self, views: Views, ids: Sequence[str], *, quick: bool) -> None:
        self._views, self._ids, self._quick = views, list(ids), quick

    def __getitem__(self, row: int) -> tuple[str, FixedViews]:
        return self._ids[row], self._views.test(self._ids[row], quick=self._quick)

    def __len__(self) -> int:
        return len(self._ids)


def train_loader(clips: TrainClips, sampler: Iterable[list[Key]], *, workers: int) -> Batches:
    """Load the micro-batches of `sampler`, to the last epoch, as `TrainBatch`es."""
    return Batches(clips, _train_batch, workers=workers, batch_sampler=sampler)


def test_loader(clips: TestClips, *, batch_size: int, workers: int) -> Batches:
    """Load all views of `batch_size` clips as a `TestBatch`, in the clips' order."""
    return Batches(clips, _test_batch, workers=workers, batch_size=batch_size)


def _start_worker(parent: int, number: int) -> None:
    die_with_parent(parent, signal.SIGKILL)  # a worker has nothing to clean up
    # Ctrl-C and many a SIGTERM reach all processes of a group. The training process finishes its
    # step, for which it needs the workers' clips, and then stops them itself: so a worker blocks
    # these signals, and a thread takes those that its parent sends.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    threading.Thread(target=_obey_parent, daemon=True).start()


def _obey_parent() -> None:
    while signal.sigwaitinfo(_STOPS).si_pid != os.getppid():
        pass
    os._exit(0)


def _collated(items: Any, *, collate: Callable[[Any], Any]) -> Any:
    return items if isinstance(items, BenchmarkError) else collate(items)


def _train_batch(items: Sequence[tuple[str, Arrays, int]]) -> TrainBatch:
    ids, arrays, labels = zip(*items, strict=True)
    x = tuple(torch.from_numpy(np.stack(parts)) for parts in zip(*arrays, strict=True))
    return TrainBatch(list(ids), x, torch.tensor(labels))


def _test_batch(items: Sequence[tuple[str, FixedViews]]) -> TestBatch:
    ids, clips = zip(*items, strict=True)
    parts = zip(*(clip.views for clip in clips), strict=True)
    x = tuple(torch.from_numpy(np.concatenate(part)) for part in parts)
    counts = torch.tensor([len(clip.weight) for clip in clips])
    owner = torch.arange(len(ids)).repeat_interleave(counts)
    weight = torch.from_numpy(np.concatenate([clip.weight for clip in clips]))
    return TestBatch(list(ids), x, owner, weight)
