"""A training micro-batch on paper: operations, bytes and memory of a GPU, without one.

The step runs on tensors without values (torch's fake tensors), through the code of a GPU under
autocast; every operator is counted as it runs by itself, without torch.compile.

Source: the roofline model (Williams et al., CACM 2009): an operator takes the longer of its
operations over the peak and its bytes over the bandwidth.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import _engine_run_backward
from torch.nn.functional import cross_entropy, layer_norm, scaled_dot_product_attention
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry
from torch.utils.module_tracker import ModuleTracker

from benchmark.contracts.skeletons import FILE as LAYOUT
from benchmark.contracts.skeletons import OPENPOSE36, Layout, read_layout
from benchmark.data.normalization import DatasetNorm
from benchmark.data.views import FramesInput
from benchmark.editions.edition import read_edition
from benchmark.models.mmaction_import import forget_windows
from benchmark.models.network import build
from benchmark.models.random_views import random_views
from benchmark.training.monitor.throughput import PEAKS
from benchmark.training.optimizer import build_optimizer

if TYPE_CHECKING:
    from benchmark.data.inputs import Input
    from benchmark.models.backbone import BackboneSpec
    from benchmark.params.params import Params
    from benchmark.params.recipes import Optimization

KINDS = {
    "convolution": ("convolution", "cudnn_convolution", "mkldnn_convolution", "slow_conv"),
    "attention": ("_scaled_dot_product", "_efficient_attention", "_flash_attention", "_InPieces"),
    "matrix": ("mm", "bmm", "addmm", "baddbmm"),
    "norm": ("native_layer_norm", "native_batch_norm", "cudnn_batch_norm", "_native_batch_norm"),
    "copy": ("copy_", "_to_copy", "clone", "cat", "roll", "index", "constant_pad", "slice_back",
             "select_back"),
    "optimizer": ("_fused", "_foreach"),
}  # fmt: skip
"""Kind of an operator -> how names of operators begin; all others are pointwise or sums."""

IS_CUDA = vars(torch._C.TensorBase)["is_cuda"].__get__
"""What reads `tensor.is_cuda`."""

BANDWIDTH = {"H100": 3.35e12, "A100": 2.039e12, "RTX 4090": 1.008e12, "RTX 3090": 0.936e12}
"""Bytes per second of a card's memory. Source: NVIDIA's data sheets of H100 (SXM) and A100 (SXM, 80
GB), and its white papers of the architectures Ada and GA102."""


class Operator(NamedTuple):
    """One call of an operator."""

    module: str
    """The stage that calls it, as in backbone.layers.0."""
    kind: str
    half: bool
    """Whether it computes in half precision."""
    flops: int
    bytes: int

    def seconds(self, card: str) -> float:
        """Return the least time that it takes on a card of `BANDWIDTH`."""
        half, full = PEAKS[card]
        return max(self.flops / (half if self.half else full), self.bytes / BANDWIDTH[card])


class Paper(NamedTuple):
    """What a micro-batch costs."""

    clips: int
    operators: list[Operator]
    """Of forward and backward pass."""
    optimizer: list[Operator]
    """Of the optimizer's step, which comes once for all micro-batches."""
    peak: int
    """Most bytes that live at once: weights, gradients, optimizer, activations."""
    weights: int
    """Bytes of the weights."""
    batch_norms: bool
    """Whether the clips of a micro-batch see each other."""

    def seconds_per_clip(self, card: str, batch: int) -> float:
        """Return the least time of a clip, in steps of `batch` clips."""
        passes = sum(one.seconds(card) for one in self.operators) / self.clips
        return passes + sum(one.seconds(card) for one in self.optimizer) / batch


class _Gpu(TorchFunctionMode):
    """Lets tensors of a CPU take the code of a GPU, with what autocast does there."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func == IS_CUDA:
            return True
        if func == Tensor.__bool__:  # a pathway that training may drop is kept
            return False
        if func is layer_norm:  # a CPU's autocast leaves it in half precision
            return func(*(x.float() if isinstance(x, Tensor) else x for x in args), **kwargs)
        if func is scaled_dot_product_attention:
            q, k, v = args
            mask, scale = kwargs.get("attn_mask"), kwargs.get("scale")
            if mask is not None:
                mask = mask.expand(*q.shape[:-1], k.shape[-2])
            # The kernel that torch takes on a GPU where a mask needs a gradient.
            kernel = torch.ops.aten._scaled_dot_product_efficient_attention
            return kernel(q, k, v, mask, True, scale=scale)[0]
        return func(*args, **kwargs)


class _Counter(TorchDispatchMode):
    """Writes down every operator, and follows the memory that lives."""

    def __init__(self, tracker: ModuleTracker) -> None:
        super().__init__()
        self.operators: list[Operator] = []
        self.live = self.peak = 0
        self._tracker, self._seen = tracker, weakref.WeakSet[Any]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        made = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        for tensor in made:
            self.hold(tensor)
        # A view moves nothing: it has its input's memory, and its operator changes none.
        known = {x.untyped_storage()._cdata for x in given}
        new = any(x.untyped_storage()._cdata not in known for x in made)
        if new or func._schema.is_mutable:
            count = flop_registry.get(func._overloadpacket)
            flops = count(*args, **kwargs, out_val=out) if count else 0
            self._write(func._schema.name.split("::")[1], flops, given, made)
        return out

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor's memory until it is freed."""
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        self._seen.add(storage)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, storage.nbytes())

    def _free(self, size: int) -> None:
        self.live -= size

    def _write(self, name: str, flops: int, given: list[Tensor], made: list[Tensor]) -> None:
        made = made or given  # a fused optimizer returns nothing
        half = any(x.dtype in {torch.bfloat16, torch.float16} for x in made)
        # An expanded tensor is read from the little memory that it has.
        size = sum(min(x.nbytes, x.untyped_storage().nbytes()) for x in given + made)
        block = _block(self._tracker.parents)
        self.operators.append(Operator(block, kind_of(name), half=half, flops=flops, bytes=size))


def kind_of(name: str) -> str:
    """Return the kind of an operator by its name, as in `addmm`."""
    found = [kind for kind, starts in KINDS.items() if name.startswith(starts)]
    return found[0] if found else "pointwise"


def _block(parents: set[str]) -> str:
    """Shorten the innermost module to its stage, as in backbone.layers.0 or backbone.layer1."""
    inner = max(parents, key=len).split(".")[1:]
    if inner[:1] != ["backbone"]:
        return inner[0] if inner else "loss"
    stage = next((k for k, part in enumerate(inner) if part[-1].isdigit()), 1)
    return ".".join(inner[: stage + 1])


def on_paper(
    backbone: BackboneSpec, spec: Input, recipe: Optimization, layout: Layout, *,
    clips: int, classes: int,
) -> Paper:  # fmt: skip
    """Count what a micro-batch costs on a GPU.

    Args:
        backbone: The network.
        spec: What it sees of a clip, with the numbers of its normalization.
        recipe: Its optimizer and precision count; 32-true is TF32 where torch allows it.
        layout: The skeleton of the keypoints.
        clips: Of the micro-batch.
        classes: Of the edition.
    """
    model = build(backbone, spec, layout, num_classes=classes)
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    batch_norms = any(isinstance(module, _BatchNorm) for module in model.modules())
    half = recipe.precision != "32-true"
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    with _windows_anew(), fake, ModuleTracker() as tracker, _Counter(tracker) as counter, _Gpu():
        model.to_empty(device="cpu")
        optimizer = build_optimizer(recipe, model)
        for parameter in model.parameters():
            parameter.grad = torch.empty_like(parameter)
        counter.operators = []
        optimizer.step()
        update, counter.operators = counter.operators, []
        optimizer.zero_grad()
        counter.peak = counter.live
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(tuple(random_views(spec, clips, len(layout.points)).values()))
        label = torch.empty(clips, dtype=torch.long)
        loss = torch.stack([cross_entropy(x.float(), label) for x in logits.unbind(1)]).sum()
        # What loss.backward() calls. That itself is a function of `_Gpu`, which sets the mode aside
        # meanwhile, and what a Swin with `recompute` computes again would miss it.
        _engine_run_backward(
            (loss,), (torch.ones_like(loss),), False, False, (), allow_unreachable=True,
            accumulate_grad=True,
        )  # fmt: skip
    return Paper(clips, counter.operators, update, counter.peak, weights, batch_norms)


@contextmanager
def _windows_anew() -> Iterator[None]:
    """Count also what a real pass has kept, and leave nothing without values to the next one."""
    forget_windows()
    try:
        yield
    finally:
        forget_windows()


def on_paper_of(name: str, params: Params, *, clips: int) -> Paper:
    """Count what a micro-batch of an experiment of params.yaml costs; see `on_paper`."""
    experiment = params.experiments[name]
    folder = Path("data", experiment.edition, experiment.modality)
    # Layouts differ by some points only, so that of OpenPose serves until there are data.
    layout = read_layout(folder) if (folder / LAYOUT).is_file() else OPENPOSE36
    spec, numbers = experiment.input, (1.0, 1.0, 1.0)
    if isinstance(spec, FramesInput):  # its numbers are of the data, and count for nothing here
        norm = DatasetNorm(kind="dataset", mean=numbers, std=numbers)
        spec = spec.model_copy(update={"normalization": norm})
    return on_paper(
        experiment.backbone, spec, params.recipes[experiment.recipe], layout, clips=clips,
        classes=len(read_edition(experiment.edition).classes),
    )  # fmt: skip
