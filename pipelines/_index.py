"""An entry of params.yaml with its edition and the index of that, as most stages begin."""

from __future__ import annotations

from pipelines._stage import entry

from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.contracts.clips import Clips, read_clips
from benchmark.editions.edition import Edition, read_edition

if TYPE_CHECKING:
    from benchmark.params.params import Params


def indexed(params: Params, section: str, name: str, index: Path) -> tuple[Any, Edition, Clips]:
    """Return an entry, the edition that it names, and the index of that edition.

    Args:
        params: The whole of params.yaml.
        section: Where the entry is, as `experiments` or `fold_graph.runs`.
        name: Its key.
        index: File of the index.
    """
    spec = entry(attrgetter(section)(params), section, name)
    edition = read_edition(spec.edition)
    return spec, edition, read_clips(index, edition)
