"""The table's other forms: LaTeX, subsets, leaderboards, several seeds, MLflow's columns."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark.results.runs import table_records
from benchmark.results.subsets import SubsetScore
from benchmark.results.table import ResultRow, score_rows
from benchmark.results.writers import Page, to_csv, to_latex, to_markdown, write_table
from golden_rows import (
    MIMIC,
    RESAMPLING,
    entries_of,
    golden_rows,
    joint_stream,
    read_truth,
    rgb_stream,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def rows() -> list[ResultRow]:
    return golden_rows()


def test_latex_has_a_line_a_row_with_its_specials_escaped(rows: list[ResultRow]) -> None:
    named = [rows[0].model_copy(update={"name": "50 % & _{x}"}), *rows[1:]]
    text = to_latex(named, MIMIC)
    lines = [line.strip() for line in text.splitlines() if line.count(" & ") == 5]
    assert len(lines) == 1 + len(rows)
    assert lines[1].startswith(r"50 \% \& \_\{x\} & 38.33 & 28.3--48.3 & ")
    assert "Generated data, not comparable with iMiGUE" in text
    assert r"\label{tab:mimic-val}" in text
    assert r"\label{tab:mimic-test}" not in text


def test_latex_marks_only_what_is_significantly_better(rows: list[ResultRow]) -> None:
    assert to_latex(rows, MIMIC).count(r"$^\dagger$") == 0
    one = rows[2].comparisons[0]
    sure = one.model_copy(update={"holm": 0.01, "difference": 0.2, "interval": rows[2].interval})
    marked = rows[2].model_copy(update={"comparisons": (sure,)})
    assert r"joint+rgb$^\dagger$ & " in to_latex([*rows[:2], marked], MIMIC)


def test_a_table_writes_every_form_and_tells_which(rows: list[ResultRow], tmp_path: Path) -> None:
    subsets = [SubsetScore(("joint",), {"val": 0.5}), SubsetScore(("rgb",), {"val": 0.25})]
    page = Page(rows, MIMIC, RESAMPLING, subsets, ["a published line"])
    files = write_table(page, tmp_path / "table", tmp_path / "RESULTS.md")
    text = (tmp_path / "RESULTS.md").read_text("utf-8")
    assert text.startswith(to_markdown(rows, MIMIC, RESAMPLING))
    assert "## Subsets" in text
    assert "| 1 | joint | 50.00 |" in text
    assert text.endswith("## Published leaderboards\n\na published line\n")
    assert {file.name for file in files} == {
        "table.csv", "table.tex", "subsets.csv", "val.png", "val.svg",
    }  # fmt: skip
    assert all(file.is_file() for file in files)


def test_a_table_without_subsets_and_boards_has_neither_section(
    rows: list[ResultRow], tmp_path: Path
) -> None:
    write_table(Page(rows, MIMIC, RESAMPLING), tmp_path / "t", tmp_path / "RESULTS.md")
    assert (tmp_path / "RESULTS.md").read_text("utf-8") == to_markdown(rows, MIMIC, RESAMPLING)
    assert (tmp_path / "t/subsets.csv").read_text("utf-8") == "rank,members,number\n"


def test_repeats_with_other_seeds_are_told_with_mean_and_spread() -> None:
    joint, truth = joint_stream(), read_truth()
    entries = entries_of(joint, rgb_stream(joint))
    other = replace(joint, source="joint_seed2", p=np.roll(joint.p, 1, axis=0))
    entries[1] = replace(entries[1], repeats=[other])
    rows = score_rows(entries, truth, RESAMPLING)
    shares = [
        float((one.aligned(truth.clip_id).p.argmax(1) == truth.label).mean())
        for one in (joint, other)
    ]
    assert list(rows[1].seeds) == shares
    assert rows[0].seeds == ()
    line = next(
        line for line in to_markdown(rows, MIMIC, RESAMPLING).splitlines() if "2 seeds" in line
    )
    mean, spread = 100 * np.mean(shares), 100 * np.std(shares, ddof=1)
    assert line.startswith(
        f"- **joint**: 2 seeds give {100 * shares[0]:.2f}, {100 * shares[1]:.2f}"
    )
    assert line.endswith(f"(mean {mean:.2f}, standard deviation {spread:.2f})")
    assert " ".join(f"{share:.6f}" for share in shares) in to_csv(rows)


def test_the_rows_of_mlflow_carry_their_comparisons(rows: list[ResultRow], tmp_path: Path) -> None:
    parent, *children = table_records(tmp_path, Page(rows, MIMIC, RESAMPLING), [])
    assert parent.table is not None
    assert {"vs_single", "vs_single_p", "vs_even", "vs_even_p", "ece"} <= set(parent.table.columns)
    metrics = {point.key: point.value for point in children[0].metrics}
    one = rows[0].comparisons[0]
    assert metrics["vs_single"] == round(100 * one.difference, 2)
    assert metrics["vs_single_p"] == round(one.holm, 4)
    best = {point.key for point in children[1].metrics}
    assert "vs_single" not in best, "the best stream is not compared with itself"


@pytest.mark.parametrize("name", [r"a | b", r"a \| b", "a \\", r"\\| \\|| x"])
def test_no_name_of_a_row_ends_a_cell_of_the_page(rows: list[ResultRow], name: str) -> None:
    named = [rows[0].model_copy(update={"name": name}), *rows[1:]]
    lines = to_markdown(named, MIMIC, RESAMPLING).splitlines()
    cells = {line.count("|") for line in lines if line.startswith("| 0")}
    assert cells == {line.count("|") for line in lines if line.startswith("| # |")}
