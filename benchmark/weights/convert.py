"""Weights that a network starts from: a file's tensors under our names, put into the network.

Our names are mmaction2's: `backbone.*` and `cls_head.fc_cls.*`; with two pathways
`backbone.rgb_path.*`, `backbone.pose_path.*`, `cls_head.fc_rgb.*` and `cls_head.fc_pose.*`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, assert_never

import torch
from safetensors.torch import load_file
from torch.nn.functional import pad
from torch.serialization import safe_globals

from benchmark.core.errors import ArchiveError, FormatError
from benchmark.models.check_tensors import tensor_faults
from benchmark.weights.convert_swin import REBUILT, from_2d, from_torchvision, inflated

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

Layout: TypeAlias = Literal["mmaction", "swin_2d", "swin_3d"]
"""How a file names its tensors: mmaction2 and PYSKL, a 2-D Swin, torchvision's Video Swin."""

LANDMARKS: dict[Layout, str] = {
    "mmaction": "backbone.",
    "swin_2d": "layers.0.blocks.0.attn.",
    "swin_3d": "features.0.0.attn.",
}
"""What some names of a layout begin with."""

NESTS = ("state_dict", "model", "model_state")
"""Where a checkpoint keeps its tensors."""

NOT_READ = (
    "builtins.getattr",
    "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.dtype",
    "numpy.ndarray",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
)
"""What OpenMMLab's checkpoints ask for beside their tensors: scores, and histories of losses that
mmengine stores with its methods. Each of these names gets `_Nothing`, never what it says: no
attribute is looked up, no array is built. Any other name but torch's own refuses the file."""

HEAD = "cls_head."
LATERAL = "_lateral."

WIDENED = frozenset(
    f"backbone.{path}.{block}.{part}.conv.weight"
    for path, blocks in (("rgb_path", (3, 4)), ("pose_path", (2, 3)))
    for block in (f"layer{number}.0" for number in blocks)
    for part in ("conv1", "downsample")
)
"""What takes the other pathway's channels behind its own."""


class _Nothing:
    """Stands in a checkpoint for what is not read: takes all and keeps none of it."""

    def __new__(cls, *_: object) -> _Nothing:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


class Filled(NamedTuple):
    """What became of the tensors: names of the network's, and of the file's that it has not."""

    loaded: tuple[str, ...]
    """Taken as they are."""
    adapted: tuple[str, ...]
    """Taken in another shape."""
    reinitialized: tuple[str, ...]
    """Of the network, and left as it was built: a new classifier, lateral connections."""
    skipped: tuple[str, ...]
    """Of the file, and not used."""

    def __str__(self) -> str:
        """One line for the log."""
        said = (
            (self.loaded, "loaded"),
            (self.adapted, "adapted in shape"),
            (self.reinitialized, "of the network left as built"),
            (self.skipped, "of the file not used"),
        )
        counts = [
            f"{len(names)} {kind}" + (f" (first {names[0]})" if names and kind != "loaded" else "")
            for names, kind in said
        ]
        return "tensors: " + ", ".join(counts)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of a foreign checkpoint, on the CPU; nothing that it says is run.

    `.safetensors`, or what torch.save wrote, a training's other content around them or not. See
    `NOT_READ` for what of that content is passed over.

    Raises:
        ArchiveError: It cannot be read, asks for more than tensors, or holds something else.
    """
    do = "See docs/weights.md"
    try:
        content = _content(path)
    except Exception as error:  # whatever a foreign file does to its reader
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ArchiveError(path, "cannot be read", found=reason, do=do) from None
    tensors: Any = content
    if isinstance(content, dict):
        nests = [content[nest] for nest in NESTS if isinstance(content.get(nest), dict)]
        tensors = nests[0] if nests else content
    if not isinstance(tensors, dict) or not tensors or not all(map(_is_named, tensors.items())):
        raise ArchiveError(path, "holds something else than named tensors", do=do)
    prefix = "module." if all(name.startswith("module.") for name in tensors) else ""
    return {name.removeprefix(prefix): x.detach() for name, x in tensors.items()}


def _is_named(item: tuple[object, object]) -> bool:
    """Whether it is a name and a tensor that has all its numbers, one by one, in memory."""
    name, x = item
    if not isinstance(name, str) or not isinstance(x, torch.Tensor):
        return False
    return x.layout is torch.strided and x.device.type == "cpu" and not x.is_quantized


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    with safe_globals([(_Nothing, name) for name in NOT_READ]):
        return torch.load(path, map_location="cpu", weights_only=True)


def converted(tensors: Mapping[str, Tensor], layout: Layout, *, where: object) -> dict[str, Tensor]:
    """A file's tensors under our names, shapes as they are.

    mmaction2 1.x, PYSKL and MM-Gesture name alike: `mmaction` changes nothing. For the two others
    see `swin_conversion`.

    Raises:
        FormatError: No name is of that layout.

    Source: mmaction2 1.2.0 and PYSKL, RGBPoseConv3D, ResNet3dPathway, RGBPoseHead (read).
    """
    if not any(name.startswith(LANDMARKS[layout]) for name in tensors):
        others = [
            key for key, mark in LANDMARKS.items() if any(name.startswith(mark) for name in tensors)
        ]
        do = f"Its layout is {others[0]}" if others else f"Its layout is none of {[*LANDMARKS]}"
        raise FormatError(
            where, f"not of layout {layout}", expected=f"tensors named {LANDMARKS[layout]}*",
            found=f"{len(tensors)}, first {next(iter(tensors), 'none')}", do=do,
        )  # fmt: skip
    match layout:
        case "mmaction":
            return dict(tensors)
        case "swin_2d":
            return from_2d(tensors)
        case "swin_3d":
            return from_torchvision(tensors)
        case _:
            assert_never(layout)


def merged(rgb: Mapping[str, Tensor], pose: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Two single streams under the names of the two pathways and their heads, shapes as they are.

    What is neither backbone nor classifier of a single stream gets a name that `fill` refuses.

    Source: Duan et al., PYSKL, configs/rgbpose_conv3d/merge_pretrain.ipynb.
    """
    both = {}
    for stream, tensors in (("rgb", rgb), ("pose", pose)):
        ours = {"backbone.": f"backbone.{stream}_path.", f"{HEAD}fc_cls.": f"{HEAD}fc_{stream}."}
        for name, x in tensors.items():
            old = next((prefix for prefix in ours if name.startswith(prefix)), "")
            both[ours.get(old, f"{stream}: ") + name.removeprefix(old)] = x
    return both


def fill(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    where: object,
    head: Literal["keep", "fresh"],
) -> Filled:
    """Put tensors into a network that has just been built.

    Shapes are adapted in two cases: a 2-D Swin into a 3-D one (`swin_conversion.inflated`), and
    (out, in, t, h, w) of `WIDENED` into more channels in: zeros behind, so that the other pathway
    does not count yet. The classifier stays as built if `head` is `fresh`, or if it has another
    number of classes. Buffers that follow from the window stay the network's own.

    Raises:
        FormatError: Tensors are missing, other than lateral connections and a fresh classifier;
            or are left over, of another shape, or not finite numbers.

    Source: for the zeros, Duan et al., PYSKL, configs/rgbpose_conv3d/merge_pretrain.ipynb.
    """
    own = model.state_dict()
    fresh = {name for name in (*own, *tensors) if name.startswith(HEAD)}
    fresh = fresh if head == "fresh" else _of_other_classes(own, tensors)
    skipped = [name for name in tensors if name in fresh or name.endswith(REBUILT)]
    used = {name: x for name, x in tensors.items() if name not in skipped}
    adapted = {**inflated(model, used), **_widened(own, used)}
    ready = {**used, **adapted}
    as_built = [name for name in own if name in fresh or (LATERAL in name and name not in tensors)]
    optional = [*as_built, *(name for name in own if name.endswith(REBUILT))]
    wanted = {name: x for name, x in own.items() if name not in optional}
    if said := tensor_faults(wanted, ready):
        raise FormatError(
            where, "not the tensors of this network", found=said,
            do="The backbone in params.yaml must be the network that they are of",
        )  # fmt: skip
    model.load_state_dict({**own, **ready})
    loaded = [name for name in ready if name not in adapted]
    return Filled(tuple(loaded), tuple(adapted), tuple(as_built), tuple(skipped))


def _of_other_classes(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> set[str]:
    """Names of classifiers (K, C) and (K,) that differ from the file's in K alone."""
    names = set()
    for name, x in own.items():
        if name.startswith(HEAD) and name.endswith(".weight") and name in tensors:
            found = tensors[name].shape
            if found != x.shape and found[1:] == x.shape[1:]:
                names |= {name, name.removesuffix("weight") + "bias"}
    return names


def _widened(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convolutions (out, in, t, h, w) with zeros for the channels in that they lack."""
    wider = {}
    for name in [name for name in own if name in WIDENED and name in tensors]:
        x, wanted = tensors[name], own[name].shape
        lacks = wanted[1] - x.shape[1] if x.ndim == 5 else 0
        if lacks > 0 and (wanted[0], *wanted[2:]) == (x.shape[0], *x.shape[2:]):
            wider[name] = pad(x, (0, 0) * 3 + (0, lacks))
    return wider
