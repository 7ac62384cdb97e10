"""Every data set is one class, found by its name, and naming it costs nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from benchmark.archives.archive import Archive
from benchmark.archives.union import AnyArchive, open_archive
from benchmark.core.errors import ParamsError
from benchmark.editions.edition import edition_names, read_edition
from conftest import REPO


@pytest.mark.parametrize("name", edition_names())
def test_every_edition_has_an_archive_of_its_data_set(name: str) -> None:
    edition = read_edition(name)
    archive = open_archive(Path("raw"), edition)
    assert isinstance(archive, Archive)
    assert (archive.dataset, archive.edition, archive.root) == (
        edition.dataset, edition, Path("raw"),
    )  # fmt: skip


def test_no_two_data_sets_have_one_name() -> None:
    names = [member.dataset for member in get_args(AnyArchive)]
    assert len({*names}) == len(names)


def test_an_unknown_data_set_is_refused_with_the_known_ones() -> None:
    edition = read_edition("mimic").model_copy(update={"dataset": "imigu"})
    with pytest.raises(ParamsError) as caught:
        open_archive(Path("raw"), edition)
    assert str(caught.value) == (
        "edition mimic: dataset: unknown data set; expected one of imigue, ma52, smg, folder; "
        "found imigu"
    )


def test_naming_the_data_sets_loads_no_heavy_library() -> None:
    code = (
        "import sys, benchmark.archives.union; "
        "print(sorted({'av', 'python_calamine', 'pandas', 'torch', 'cv2'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
