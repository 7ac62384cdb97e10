"""The union of all data sets: what an edition can name."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, get_args

from benchmark.archives.archive import Archive, archive_class
from benchmark.archives.folder import Folder
from benchmark.archives.imigue import Imigue
from benchmark.archives.ma52 import Ma52
from benchmark.archives.smg import Smg
from benchmark.editions.edition import Edition, read_edition

AnyArchive: TypeAlias = Imigue | Ma52 | Smg | Folder
"""To add a data set, write its module and name its class here."""


def open_archive(root: Path, edition: Edition) -> Archive:
    """Open the raw archive of `edition` under `root`; nothing is read yet.

    Raises:
        ParamsError: The edition names a data set that no class reads.
    """
    return archive_class(get_args(AnyArchive), edition)(root, edition)


def archive_module(edition: str) -> str:
    """Return the module that reads the raw archive of an edition, by the edition's name.

    Raises:
        ParamsError: There is no such edition, or no class reads its data set.
    """
    return archive_class(get_args(AnyArchive), read_edition(edition)).__module__
