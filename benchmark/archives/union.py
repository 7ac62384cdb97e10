"""The names of all data sets. It holds no values: DVC need not watch this module."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, get_args

from benchmark.archives.folder import Folder
from benchmark.archives.imigue import Imigue
from benchmark.archives.ma52 import Ma52
from benchmark.core.errors import ParamsError

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.archives.archive import Archive
    from benchmark.editions.edition import Edition

AnyArchive: TypeAlias = Imigue | Ma52 | Folder
"""Every data set that the harness reads. To add one, write its module and name its class here."""


def open_archive(root: Path, edition: Edition) -> Archive:
    """Open the raw archive of `edition` under `root`; nothing is read yet.

    Raises:
        ParamsError: The edition names a data set that no class reads.
    """
    # The union itself is the registry: a type checker and this loop read the same names.
    for member in get_args(AnyArchive):
        if member.dataset == edition.dataset:
            return member(root, edition)
    expected = "one of " + ", ".join(member.dataset for member in get_args(AnyArchive))
    where = f"edition {edition.name}: dataset"
    raise ParamsError(where, "unknown data set", expected=expected, found=repr(edition.dataset))
