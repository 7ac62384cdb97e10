"""Tensors of foreign files: read safely, and compared with those of a network."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch.serialization import safe_globals

from benchmark.core.errors import ArchiveError
from benchmark.core.foreign_file import what_is

if TYPE_CHECKING:
    from torch import Tensor

NESTS = ("state_dict", "model", "model_state", "module")
"""Keys under which a checkpoint keeps its tensors."""

NOT_READ = (
    "builtins.getattr", "mmengine.logging.history_buffer.HistoryBuffer",
    "numpy.dtype", "numpy.ndarray",
    "numpy._core.multiarray._reconstruct", "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar",
)  # fmt: skip
"""Names that OpenMMLab's checkpoints use beside their tensors: scores, and histories of losses that
mmengine pickles with their methods. The unpickler replaces each of these names by `_Nothing`: it
looks up no attribute and builds no array. It refuses a file with any other name but torch's own."""


class _Nothing:
    """Replaces what is not read of a checkpoint: accepts every argument and keeps none."""

    def __new__(cls, *_: object) -> _Nothing:
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


class Checkpoint(NamedTuple):
    """The content of a file of weights."""

    tensors: dict[str, Tensor]
    content: Any
    """The whole file: its tensors, or a training's other content around them."""


def read_checkpoint(
    path: Path, *, expected: str = "", do: str = "See docs/weights.md"
) -> Checkpoint:
    """Read the named tensors of a foreign checkpoint to the CPU, without running anything in it.

    The file is `.safetensors` or written by torch.save, with or without a training's other content
    around the tensors. `NOT_READ` says what of that content is passed over. A message says what was
    `expected`, and what to `do`.

    Raises:
        ArchiveError: It cannot be read, asks for more than tensors, or holds something else.
    """
    try:
        content = _content(path)
    except Exception as error:  # a damaged file makes torch raise almost anything
        found = what_is(path, _reason(error))
        raise ArchiveError(path, "cannot be read", expected=expected, found=found, do=do) from None
    tensors = content
    for nest in NESTS:
        if isinstance(tensors, dict) and isinstance(tensors.get(nest), dict):
            tensors = tensors[nest]
    if not isinstance(tensors, dict) or not tensors or not all(map(_is_named, tensors.items())):
        wrong, found = "holds something else than named tensors", what_is(path)
        raise ArchiveError(path, wrong, expected=expected, found=found, do=do)
    # torch.compile puts its word before the names of what it compiles, DistributedDataParallel its
    # own before every name.
    named = {name.replace("_orig_mod.", ""): x.detach() for name, x in tensors.items()}
    while all(name.startswith("module.") for name in named):
        named = {name.removeprefix("module."): x for name, x in named.items()}
    return Checkpoint(named, content)


def _reason(error: Exception) -> str:
    """Return why a file cannot be read, in words that help."""
    # torch's own words on code in a pickle tell how to run it.
    if type(error).__name__ == "UnpicklingError":
        return "code, or something else than tensors; nothing of it was run"
    words = (str(error).splitlines() or [""])[0][:200]
    # `KeyError` says only a key, such as the number of a byte.
    return words if re.search("[a-z]{3}", words) else "no file of weights"


def _is_named(item: tuple[object, object]) -> bool:
    """Tell whether an item is a name and a plain tensor: not sparse, quantized or on `meta`."""
    name, x = item
    if not isinstance(name, str) or not isinstance(x, torch.Tensor):
        return False
    return x.layout is torch.strided and x.device.type == "cpu" and not x.is_quantized


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return load_file(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums
            if damaged := archive.testzip():
                raise ValueError(f"damaged: the checksum of {damaged} does not match")
    with safe_globals([(_Nothing, name) for name in NOT_READ]):
        return torch.load(path, map_location="cpu", weights_only=True)


def tensor_faults(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Describe what keeps tensors from being a network's; empty if nothing does.

    Named are missing tensors, unexpected ones, those of another shape, and those that hold values
    which are not finite, or that are whole numbers where the network has floats.
    """
    faults = {
        "missing": [name for name in wanted if name not in given],
        "unexpected": [name for name in given if name not in wanted],
        "of another shape": [
            f"{name} {tuple(given[name].shape)} for {tuple(x.shape)}"
            for name, x in wanted.items()
            if name in given and given[name].shape != x.shape
        ],
        "not finite": [
            name
            for name, x in given.items()
            if not x.isfinite().all()
            # load_state_dict would cast whole numbers to floats without a word.
            or (name in wanted and wanted[name].is_floating_point() > x.is_floating_point())
        ],
    }
    told = [f"{len(names)} {kind}, first {names[0]}" for kind, names in faults.items() if names]
    return "; ".join(told)
