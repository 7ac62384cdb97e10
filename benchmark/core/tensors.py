"""Whether the tensors of a file are those of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def tensor_faults(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    """Name what keeps tensors from being a network's, in words; empty if nothing does.

    Missing ones, ones left over, of another shape, and what is no finite number where the network
    has one.
    """
    faults = {
        "missing": [name for name in wanted if name not in found],
        "unexpected": [name for name in found if name not in wanted],
        "of another shape": [
            f"{name} {tuple(found[name].shape)} for {tuple(x.shape)}"
            for name, x in wanted.items()
            if name in found and found[name].shape != x.shape
        ],
        "not finite": [
            name
            for name, x in found.items()
            if not x.isfinite().all()
            or (name in wanted and wanted[name].is_floating_point() > x.is_floating_point())
        ],
    }
    said = [f"{len(names)} {kind}, first {names[0]}" for kind, names in faults.items() if names]
    return "; ".join(said)
