"""The ranges of the default edition, and what lies outside of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmark.core.errors import FormatError
from benchmark.core.schema import read_yaml
from benchmark.editions.edition import read_edition
from benchmark.params.params import read_params
from benchmark.results.screen import EXPECTED, Expected, places, read_rows, screen
from conftest import REPO

if TYPE_CHECKING:
    from pathlib import Path

MIMIC = read_edition("mimic")
RANGES = """\
edition: mimic
version: {version}
runs: three seeds
rows: {{joint: [0.80, 0.82], convex: [0.90, 0.91], gone: [0.1, 0.2]}}
"""


@pytest.fixture
def ranges(tmp_path: Path) -> Path:
    path = tmp_path / "expected.yaml"
    path.write_text(RANGES.format(version=MIMIC.version), "utf-8")
    return path


HEAD = "name,split,top1,log_loss"


def table(tmp_path: Path, **top1: float) -> Path:
    path = tmp_path / "table.csv"
    rows = [f"{name.replace('_', ' ')},test,{value},1" for name, value in top1.items()]
    path.write_text("\n".join([HEAD, "joint,val,0.1,1", *rows]) + "\n", "utf-8")
    return path


def test_a_row_is_judged_on_test_by_its_name(ranges: Path, tmp_path: Path) -> None:
    runs, found = places(table(tmp_path, convex=0.87, joint=0.815, new=0.5), MIMIC, ranges)
    assert runs == "three seeds"
    assert {place.row: place.inside for place in found} == {"joint": True, "convex": False}


@pytest.mark.parametrize(
    ("top1", "inside"), [(0.789, False), (0.791, True), (0.829, True), (0.831, False)]
)
def test_a_point_beside_the_range_still_counts(
    top1: float, inside: bool, ranges: Path, tmp_path: Path
) -> None:
    _, (place,) = places(table(tmp_path, joint=top1), MIMIC, ranges)
    assert place.inside == inside


def test_another_version_of_the_data_is_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "expected.yaml"
    path.write_text(RANGES.format(version=MIMIC.version - 1), "utf-8")
    assert places(table(tmp_path, joint=0.1), MIMIC, path) == ("", [])
    assert places(table(tmp_path, joint=0.1), MIMIC, tmp_path / "none.yaml") == ("", [])


@pytest.mark.parametrize(
    "text",
    ["a,b\n", "\n", f"{HEAD}\n<<<<<<< HEAD\n", f"{HEAD}\na,val,0.5,1,7\n", f"{HEAD}\na,val,",
     "name,split,top1\na,val,0.5\n"],
)  # fmt: skip
def test_a_table_that_is_cut_or_half_merged_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(text, "utf-8")
    with pytest.raises(FormatError, match="the results table"):
        read_rows(tmp_path / "table.csv")


def test_a_table_without_a_row_says_so(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(f"{HEAD}\n", "utf-8")
    assert "no row" in screen(read_rows(tmp_path / "table.csv"), MIMIC)[0]


def test_the_shipped_ranges_are_of_this_edition_and_of_every_row() -> None:
    if not EXPECTED.is_file():
        pytest.skip("not measured yet: python tests/bench/spread.py")
    shipped = read_yaml(EXPECTED, Expected)
    assert (shipped.edition, shipped.version) == ("mimic", MIMIC.version)
    assert [*shipped.rows] == [row.name for row in read_params(REPO / "params.yaml").table.rows]
    assert all(low <= high for low, high in shipped.rows.values())


def test_the_papers_fusion_lies_above_each_of_its_streams_whatever_the_seed() -> None:
    params, ranges = read_params(REPO / "params.yaml"), read_yaml(EXPECTED, Expected).rows
    streams = [r.name for r in params.table.rows if r.source in params.fusions["convex"].members]
    assert ranges["convex"][0] > max(ranges[name][1] for name in streams) >= 0.8
