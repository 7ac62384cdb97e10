"""The embedded default data set: rigged people at a press conference, written as iMiGUE is.

It lets everyone run everything; it never stands in for a result on iMiGUE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.synthetic import ActionsSpec, GesturesSpec


def synthesize(spec: GesturesSpec, raw: Path, sealed: Path, *, workers: int) -> None:
    """Write the raw archive under `raw` and the truth of its test split under `sealed`.

    The bytes depend on `spec` alone, not on `workers`. A run that was killed goes on where it was.

    Raises:
        ArchiveError: There is something at `raw` already.
    """
    from benchmark.synthetic.archive import write_archive  # numba takes a second to import

    write_archive(spec, raw, sealed, workers=workers)


def synthesize_actions(spec: ActionsSpec, people: GesturesSpec, raw: Path, *, workers: int) -> None:
    """Write the pre-training archive under `raw`; only people of `people`'s train split are in it.

    The bytes depend on the two specs alone. A run that was killed goes on where it was.

    Raises:
        ArchiveError: There is something at `raw` already.
    """
    from benchmark.synthetic.actions_archive import write_actions  # numba, as above

    write_actions(spec, people, raw, workers=workers)
