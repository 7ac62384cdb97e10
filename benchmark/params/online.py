"""Section `online` of params.yaml: gestures found in whole videos."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from benchmark.core.schema import AboveZero, NotNegative, Share, Strict


class Grouping(Strict):
    """How scores of windows become candidates."""

    smoothing: NotNegative
    """Standard deviation of the Gaussian over neighboring windows, in windows; 0 for none."""
    levels: tuple[Share, ...] = Field(min_length=1)
    """A run of windows whose probability of a class reaches one of these is a candidate."""
    soft_nms: AboveZero
    """Sigma of the decay by overlap; a smaller one suppresses more."""


class Online(Strict):
    """Online recognition: one experiment scores windows that slide over whole videos."""

    edition: str
    """Edition whose validation and test videos are searched."""
    source: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
    """Experiment that scores the windows, by the first test view of each."""
    window: AboveZero
    """Seconds of a window: about those of a gesture."""
    step: AboveZero
    """Seconds from the start of a window to that of the next."""
    grouping: Grouping
