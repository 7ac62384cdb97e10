"""What we take of Lightning Fabric.

It imports torchmetrics, where that is installed, to compare its version: longer than torch takes.
Fabric needs it for a class that is not used here, so it is not to be found meanwhile.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _not_found(name: str) -> Iterator[None]:
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        del sys.modules[name]


with _not_found("torchmetrics"):
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.precision import MixedPrecision, Precision
    from lightning_fabric.strategies.ddp import DDPStrategy

__all__ = ["DDPStrategy", "Fabric", "MixedPrecision", "Precision"]
