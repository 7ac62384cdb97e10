"""Whether two systems differ by more than chance on the same clips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field
from scipy.stats import binomtest

from benchmark.core.errors import FormatError
from benchmark.core.schema import Strict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class McNemar(Strict):
    """The exact McNemar test of two systems on the same clips."""

    only_first: Annotated[int, Field(ge=0)]
    """Clips that only the first system gets right."""
    only_second: Annotated[int, Field(ge=0)]
    """Clips that only the second system gets right."""
    p_value: Annotated[float, Field(ge=0, le=1)]
    """Two-sided; 1 where no clip tells the two apart."""


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Test `first` against `second`, bool (N,): whether each clip is answered rightly.

    The test takes clips for independent, which clips of one video are not: its p-value is on
    the small side, so read it together with `bootstrap.paired_interval`.

    Raises:
        FormatError: There are no clips, or the two differ in clips.

    Source: McNemar 1947; exact form: Fagerland et al. 2013, BMC Med Res Methodol 13:91.
    """
    if first.shape != second.shape or not len(first):
        raise FormatError(
            "McNemar test",
            "needs the answers of two systems to the same clips, at least one",
            found=f"{len(first)} and {len(second)}",
        )
    only_first = int(np.sum(first & ~second))
    only_second = int(np.sum(second & ~first))
    told_apart = only_first + only_second
    p_value = float(binomtest(only_first, told_apart).pvalue) if told_apart else 1.0
    return McNemar(only_first=only_first, only_second=only_second, p_value=p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values that hold for all tests together, in the same order; none above 1.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scand J Stat 6, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    steps = np.arange(len(p_values), 0, -1) * np.asarray(p_values, np.float64)[order]
    found = np.empty(len(p_values))
    found[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return found.tolist()
