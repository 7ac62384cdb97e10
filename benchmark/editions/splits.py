"""The splits of every data set. Apart from editions, since commands name them before they load."""

from __future__ import annotations

from typing import Literal, TypeAlias

Split: TypeAlias = Literal["train", "val", "test"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")
"""Every split, in the order of all pages."""
