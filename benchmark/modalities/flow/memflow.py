"""The front door to ptlflow: MemFlow, optical flow that remembers the motion of earlier frames.

ptlflow is an optional extra and imported only where a network is made. Of ptlflow we take the
network, its forward pass and its memory, neither its loader of checkpoints (it downloads) nor its
registry of models. The weights are the authors' .pth or ptlflow's .ckpt; both hold the same
tensors, and ptlflow's names begin with `network.`.

Source: Dong and Fu, MemFlow: Optical Flow Estimation and Prediction with Memory, CVPR 2024;
github.com/DQiaole/MemFlow, inference.py and configs/; ptlflow 0.4.2, models/memflow.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
from warnings import catch_warnings, simplefilter

import numpy as np
from pydantic import Field

from benchmark.core.errors import ArchiveError, MissingExtra
from benchmark.core.pinned_file import WeightsFile, verified
from benchmark.core.schema import Positive
from benchmark.modalities.flow.estimator import FlowBackendBase, PairByPair

if TYPE_CHECKING:
    from benchmark.modalities.flow.estimator import Frame, Vectors

INSTALL = (
    "pip install --no-deps ptlflow==0.4.2 lightning==2.6.6 torchmetrics==1.9.0 "
    "jsonargparse==4.53.0 loguru==0.7.3"
)
"""Without --no-deps pip would put a second OpenCV over ours."""

STEP = 8
"""MemFlow sees an eighth of the resolution."""
LEAST = 128
"""Pixels of a side: at fewer its coarsest map of correlations is one row, and flow not a number."""

TRAINED_AT = {"things": (400, 720), "sintel": (368, 768), "kitti": (288, 960), "spring": (368, 768)}
"""Word in the name of a published file: height and width, pixels, of what it was trained on."""

FRAMES_KEPT = {"max_mid_term_frames": 2, "min_mid_term_frames": 1}
"""As in the authors' configs: as soon as the memory holds two frames it drops the older one, so a
frame sees itself and the one before. ptlflow's own default keeps both."""

_DO = "See docs/weights.md for the files that fit"
_KINDS = "MemFlowNet_{things,sintel,kitti,spring}.pth or ptlflow's memflow-*.ckpt"


class MemFlow(FlowBackendBase):
    """MemFlow (Dong and Fu, CVPR 2024) of ptlflow: sees the motion of earlier frames."""

    kind: Literal["memflow"]
    is_network: ClassVar = True
    weights: WeightsFile
    """A checkpoint of the authors (.pth) or of ptlflow (.ckpt)."""
    updates: Positive
    """Refinements; 15 as published."""
    window: Annotated[int, Field(ge=2)]
    """Frames after which the memory of earlier ones is emptied."""

    def estimator(self) -> PairByPair:
        return PairByPair(MemFlowPairs(self))


class MemFlowPairs:
    """Finds the flow of each pair of frames of one clip, in order.

    A pair's flow leans on what the network remembers of the pair before, and so on back to the
    first pair of its window: pair t is in window t // `window`, and each window starts with an
    empty memory. The memory itself holds one frame, whatever the window; the window bounds how far
    back a flow depends on the clip. There is no warm start, as in the authors' inference.py.

    The network is shared by the process, and the clips of a video overlap: each one has its own
    memory.

    Raises:
        ArchiveError: The file of weights is missing, another one than pinned, or not MemFlow's.
        MissingExtra: ptlflow is not installed.
    """

    def __init__(self, backend: MemFlow) -> None:
        self._backend, self._network = backend, _network(backend.weights)
        self._pairs = 0
        self._memory: Any = None

    def __call__(self, one: Frame, other: Frame) -> Vectors:
        """Estimate the pixels from `one` to `other`, float32 (H, W, 2).

        Raises:
            ArchiveError: What the weights give is no finite number.
        """
        import torch

        from benchmark.runtime.parallel import own_device

        device, network = own_device(), self._network
        left, right, top, bottom = paddings(*one.shape[:2])
        images = torch.from_numpy(np.stack([one, other])[..., ::-1].copy())  # ptlflow wants BGR
        network.decoder_depth = self._backend.updates
        network.memory = self._memory
        # Unless told that more follows, ptlflow remembers nothing.
        where = {"is_seq_start": self._pairs % self._backend.window == 0, "is_seq_end": False}
        half = torch.autocast(device.type, torch.float16, enabled=device.type == "cuda")
        with torch.inference_mode(), half:
            images = images.to(device).permute(0, 3, 1, 2) / 255
            images = torch.nn.functional.pad(images, (left, right, top, bottom), mode="replicate")
            flow = network({"images": images[None], "meta": where})["flows"][0, 0]
        self._memory = network.memory
        height, width = one.shape[:2]
        found = flow[:, top : top + height, left : left + width].permute(1, 2, 0).float()
        if not found.isfinite().all():
            raise ArchiveError(
                self._backend.weights.path, f"the flow of pair {self._pairs} is not finite",
                expected=_KINDS, do=_DO,
            )  # fmt: skip
        self._pairs += 1
        return found.cpu().numpy()


def paddings(height: int, width: int) -> tuple[int, int, int, int]:
    """Compute the pixels to add left, right, above, below: half on each side, as the authors do."""
    rows, columns = (max(LEAST, -(-side // STEP) * STEP) - side for side in (height, width))
    return columns // 2, columns - columns // 2, rows // 2, rows - rows // 2


def load_network(path: Path) -> Any:
    """Load MemFlow of ptlflow with a published file's weights, ready for inference on the CPU.

    Raises:
        ArchiveError: The file is damaged or not MemFlow's.
        MissingExtra: ptlflow is not installed.
    """
    from benchmark.models.check_tensors import read_checkpoint, tensor_faults

    tensors, content = read_checkpoint(path, expected=_KINDS, do=_DO)
    if all(name.startswith("network.") for name in tensors):  # of ptlflow
        tensors = {name.removeprefix("network."): x for name, x in tensors.items()}
    mean_keys = _mean_keys(path, content)
    with _quiet():
        network = _memflow()(train_avg_length=mean_keys, **FRAMES_KEPT)
    if said := tensor_faults(network.network.state_dict(), tensors):
        raise ArchiveError(path, "not the weights of MemFlow", expected=_KINDS, found=said, do=_DO)
    network.network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


@cache
def _network(weights: WeightsFile) -> Any:
    """Load the network, once per process."""
    from benchmark.runtime.parallel import own_device

    return load_network(verified(weights, expected=f"MemFlow's: {_KINDS}")).to(own_device())


def _mean_keys(path: Path, content: Mapping[str, Any]) -> float:
    """Return how many keys the attention saw on average in training: it is scaled by that.

    ptlflow writes the number into its files; the authors' files say it by their names.
    They trained on clips of three frames: attention over the keys of one frame, then of two.
    """
    settings = content.get("hyper_parameters")
    if isinstance(settings, dict) and isinstance(settings.get("train_avg_length"), int | float):
        return float(settings["train_avg_length"])
    words = path.stem.replace("-", "_").lower().split("_")
    named = [name for name in TRAINED_AT if name in words]
    if len(named) != 1:
        raise ArchiveError(
            path, "the name does not say what the weights were trained on", expected=_KINDS,
            do="Keep the published name: the attention is scaled by it",
        )  # fmt: skip
    return math.prod(TRAINED_AT[named[0]]) // STEP**2 * (1 + 2) / 2


def _memflow() -> Any:
    """Import the class of ptlflow.

    Raises:
        MissingExtra: ptlflow, or a package that it needs, is not installed.
    """
    try:
        from ptlflow.models.memflow.memflow import MemFlow as PtlflowMemFlow
    except ImportError as error:
        raise MissingExtra(
            "ptlflow", "the flow of MemFlow needs this optional package",
            expected="ptlflow 0.4.2", found=str(error), do=f"Install it: {INSTALL}",
        ) from error  # fmt: skip
    return PtlflowMemFlow


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the import: ptlflow loads all of its networks, and many tell what they would like."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()), catch_warnings():
            simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
