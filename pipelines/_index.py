"""An entry of params.yaml with its edition and the index of that, as most stages begin."""

from __future__ import annotations

from pipelines._stage import entry

from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.contracts.clips import Clips, read_clips
from benchmark.editions.edition import Edition, read_edition

if TYPE_CHECKING:
    from benchmark.params.params import Params


class Indexed(NamedTuple):
    """What a stage runs for."""

    spec: Any
    """The entry."""
    edition: Edition
    clips: Clips


def indexed(params: Params, section: str, name: str, index: Path) -> Indexed:
    """Read the index of the edition that an entry names.

    Args:
        params: The whole of params.yaml.
        section: Where the entry is, as `experiments` or `fold_graph.runs`.
        name: Its key.
        index: File of the index.

    Raises:
        ParamsError: There is no such entry, or no such edition.
        FormatError: The index is missing or breaks its schema.
    """
    spec = entry(attrgetter(section)(params), section, name)
    edition = read_edition(spec.edition)
    return Indexed(spec, edition, read_clips(index, edition))
