"""Whether two systems differ by more than chance on the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import binomtest

from benchmark.core.errors import FormatError
from benchmark.core.schema import Share, Strict


class McNemar(Strict):
    """The exact McNemar test of two systems on the same clips."""

    only_first: Annotated[int, Field(ge=0)]
    """Clips that only the first system predicts correctly."""
    only_second: Annotated[int, Field(ge=0)]
    """Clips that only the second system predicts correctly."""
    p_value: Share
    """Two-sided; 1 where no clip tells the two apart."""


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> McNemar:
    """Test `first` against `second`, bool (N,): whether each clip is predicted correctly.

    The test treats clips as independent, which clips of one video are not: its p-value is on
    the small side, so read it together with `bootstrap.paired_interval`.

    Raises:
        FormatError: There are no clips, or the two differ in clips.

    Source: McNemar 1947; exact form: Fagerland et al. 2013, BMC Med Res Methodol 13:91.
    """
    if first.shape != second.shape or not len(first):
        needs = "needs the predictions of two systems for the same clips, at least one"
        raise FormatError("McNemar test", needs, found=f"{len(first)} and {len(second)}")
    only_first = int(np.sum(first & ~second))
    only_second = int(np.sum(second & ~first))
    # Clips that both get right or both get wrong say nothing. If the systems are equally good,
    # each of the others is a fair coin, so the test is an exact binomial one with share 1/2.
    told_apart = only_first + only_second
    p_value = float(binomtest(only_first, told_apart).pvalue) if told_apart else 1.0
    return McNemar(only_first=only_first, only_second=only_second, p_value=p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values so that they hold for all tests together; order kept, none above 1.

    Source: Holm, A Simple Sequentially Rejective Multiple Test Procedure, Scand J Stat 6, 1979.
    """
    order = np.argsort(p_values, kind="stable")
    # The smallest p-value counts for all m tests, the next one for the m - 1 that remain, ...
    steps = np.arange(len(p_values), 0, -1) * np.asarray(p_values, np.float64)[order]
    corrected = np.empty(len(p_values))
    # ... and none may fall below a smaller one, or a weaker test could pass where a stronger fails.
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return corrected.tolist()
