"""The splits of every data set. Apart from editions, since commands name them before they load."""

from __future__ import annotations

from typing import Literal, TypeAlias

Split: TypeAlias = Literal["train", "val", "test"]

SPLITS: tuple[Split, ...] = ("train", "val", "test")
"""Every split, in the order of all pages."""

OOF = "oof"
"""Out of fold: the labeled clips, each scored by a network that never saw its video or person."""
Scored: TypeAlias = Literal["train", "val", "test", "oof"]
Groups: TypeAlias = Literal["video", "subject"]
"""What is never divided between two folds."""
REFIT = "all"
"""Stands instead of a fold for a training on all labeled clips."""
