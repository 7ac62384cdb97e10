"""Whether the tensors of a file are those of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def tensor_faults(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    """Describe what keeps tensors from being a network's; empty if nothing does.

    Named are missing tensors, unexpected ones, those of another shape, and those that hold values
    which are not finite, or that are whole numbers where the network has floats.

    Args:
        wanted: The network's tensors by name.
        given: The file's tensors by name.
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
