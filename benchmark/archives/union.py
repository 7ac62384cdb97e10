"""The union of all data sets: what an edition can name."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, get_args

from benchmark.archives.folder import Folder
from benchmark.archives.imigue import Imigue
from benchmark.archives.ma52 import Ma52
from benchmark.archives.smg import Smg
from benchmark.core.errors import ParamsError
from benchmark.editions.edition import Edition, read_edition

AnyArchive: TypeAlias = Imigue | Ma52 | Smg | Folder
"""To add a data set, write its module and name its class here."""


def open_archive(root: Path, edition: Edition) -> AnyArchive:
    """Open the raw archive of `edition` under `root`; nothing is read yet.

    Raises:
        ParamsError: The edition names a data set that no class reads.
    """
    return _class_of(edition)(root, edition)


def archive_module(edition: str) -> str:
    """Return the module that reads the raw archive of an edition, by the edition's name.

    Raises:
        ParamsError: There is no such edition, or no class reads its data set.
    """
    return _class_of(read_edition(edition)).__module__


def _class_of(edition: Edition) -> type[AnyArchive]:
    by_name: dict[str, type[AnyArchive]] = {one.dataset: one for one in get_args(AnyArchive)}
    if edition.dataset not in by_name:
        where, expected = f"edition {edition.name}: dataset", "one of " + ", ".join(by_name)
        raise ParamsError(where, "unknown data set", expected=expected, found=edition.dataset)
    return by_name[edition.dataset]
