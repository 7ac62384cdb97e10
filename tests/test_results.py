"""The results table: joined by clip id, compared in words, never mistaken for iMiGUE."""

from __future__ import annotations

import csv
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from benchmark.contracts.clips import Clips
from benchmark.contracts.predictions import Probabilities
from benchmark.core.errors import FormatError, MismatchError
from benchmark.evaluation.bootstrap import Interval, interval, paired_interval
from benchmark.evaluation.metrics import correctness
from benchmark.evaluation.scores import all_scores
from benchmark.evaluation.significance import McNemar, holm, mcnemar
from benchmark.plots.figures import confusion_figure, history_figure, results_figure, save
from benchmark.results.entries import Entry, GroundTruth
from benchmark.results.table import Comparison, ResultRow, score_rows
from benchmark.results.writers import to_csv, to_latex, to_markdown
from conftest import a_clip
from golden_rows import (
    GOLDEN,
    MIMIC,
    RESAMPLING,
    entries_of,
    joint_stream,
    read_truth,
    rgb_stream,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@pytest.fixture(scope="module")
def truth() -> GroundTruth:
    return read_truth()


@pytest.fixture(scope="module")
def joint() -> Probabilities:
    return joint_stream()


@pytest.fixture(scope="module")
def rgb(joint: Probabilities) -> Probabilities:
    return rgb_stream(joint)


@pytest.fixture(scope="module")
def entries(joint: Probabilities, rgb: Probabilities) -> list[Entry]:
    return entries_of(joint, rgb)


@pytest.fixture(scope="module")
def rows(entries: list[Entry], truth: GroundTruth) -> list[ResultRow]:
    return score_rows(entries, truth, RESAMPLING)


def test_one_video_gives_no_interval_and_no_verdict_anywhere(
    entries: list[Entry], truth: GroundTruth, tmp_path: Path
) -> None:
    alone = replace(truth, videos=("v",) * len(truth.videos))
    rows = score_rows(entries, alone, RESAMPLING)
    verdicts = {other.verdict for row in rows for other in row.comparisons}
    assert ({row.interval for row in rows}, verdicts) == ({None}, {"none"})
    page = to_markdown(rows, MIMIC, RESAMPLING)
    assert not any(f"| {word} |" in page for word in ("better", "worse", "not significant"))
    assert "| none | " in page
    assert "no verdict: all videos alike, or one" in page
    table = pd.read_csv(StringIO(to_csv(rows)))
    assert table[["top1_low", "top1_high", "best_single_low"]].isna().all(axis=None)
    assert " & none & " in to_latex(rows, MIMIC)
    save(results_figure(rows, MIMIC), tmp_path / "x.png")


def test_a_name_of_markup_and_line_ends_breaks_no_table(rows: list[ResultRow]) -> None:
    odd = [rows[0].model_copy(update={"name": "a|b\n<script>x</script> & c"})]
    page = to_markdown(odd, MIMIC, RESAMPLING)
    assert "| a&#124;b &lt;script&gt;x&lt;/script&gt; &amp; c |" in page
    assert "<script" not in page


def test_each_row_scores_its_probabilities_joined_by_clip_id(
    rows: list[ResultRow], joint: Probabilities, truth: GroundTruth
) -> None:
    assert joint.clip_id != truth.clip_id
    p = joint.aligned(truth.clip_id).p
    assert rows[1].metrics == all_scores(p, truth.label, MIMIC.group_of())
    correct = correctness(p, truth.label)
    assert rows[1].interval == interval(correct, truth.videos, resamples=500, seed=7)
    assert rows[1].majority_baseline == np.mean(truth.label == 0)
    assert [row.index for row in rows] == [1, 2, 3, 4]
    assert (rows[1].rule, rows[1].weights, rows[1].members) == (None, None, ())
    assert (rows[2].source, rows[2].members) == ("both", ("joint", "rgb"))
    assert rows[0].num_videos == 5


def test_every_row_is_compared_with_the_best_single_stream_and_with_equal_weights(
    rows: list[ResultRow], entries: list[Entry], truth: GroundTruth
) -> None:
    named = [[(one.role, one.name) for one in row.comparisons] for row in rows]
    best, even = ("best single", "joint"), ("uniform", "joint+rgb, uniform")
    member = ("best member", "joint")
    assert named == [[best, even], [even], [best, even, member], [best, member]]
    joint, fused = (
        correctness(entries[i].probabilities.aligned(truth.clip_id).p, truth.label) for i in (1, 2)
    )
    found = rows[2].comparisons[0]
    assert found.difference == pytest.approx(fused.mean() - joint.mean())
    assert found.test == mcnemar(fused, joint)
    assert found.interval == paired_interval(fused, joint, truth.videos, resamples=500, seed=7)


def test_a_fusion_is_compared_with_the_best_of_its_own_members(
    entries: list[Entry], truth: GroundTruth
) -> None:
    """The best stream of the table, joint, is no member here."""
    rgb = entries[0].probabilities.source
    other = replace(entries[2], weights={rgb: 0.7, "no row": 0.3})
    rows = score_rows([*entries[:2], other], truth, RESAMPLING)
    named = [(one.role, one.name) for one in rows[2].comparisons]
    assert ("best single", "joint") in named
    assert ("best member", entries[0].name) in named
    apart = replace(entries[2], weights={"no row": 0.5, "nor this": 0.5})
    (alone,) = score_rows([*entries[:2], apart], truth, RESAMPLING)[2:]
    assert "best member" not in {one.role for one in alone.comparisons}


def test_p_values_are_corrected_for_all_comparisons_of_one_role(rows: list[ResultRow]) -> None:
    every = [one for row in rows for one in row.comparisons]
    assert len(every) == 8
    for role, count in {"best single": 3, "uniform": 3, "best member": 2}.items():
        family = [one for one in every if one.role == role]
        assert len(family) == count
        assert [one.holm for one in family] == holm([one.test.p_value for one in family])
    assert any(one.holm > one.test.p_value for one in every)


def test_a_table_of_one_fusion_alone_compares_nothing(
    entries: list[Entry], truth: GroundTruth
) -> None:
    rows = score_rows(entries[2:3], truth, RESAMPLING)
    assert [row.comparisons for row in rows] == [()]
    assert "in words" not in to_markdown(rows, MIMIC, RESAMPLING)


def test_rows_survive_the_json_round_trip(rows: list[ResultRow]) -> None:
    assert [ResultRow.model_validate_json(row.model_dump_json()) for row in rows] == rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"edition": "miga25"}, "row 'joint': another edition; expected mimic; found miga25"),
        ({"split": "test"}, "row 'joint': another split; expected val; found test"),
    ],
)
def test_probabilities_of_other_clips_get_no_row(
    change: dict[str, str], message: str, joint: Probabilities, truth: GroundTruth
) -> None:
    with pytest.raises(MismatchError) as error:
        score_rows([Entry(1, "joint", replace(joint, **change))], truth, RESAMPLING)
    assert str(error.value).startswith(message)


def test_labels_come_from_the_index_where_it_has_them() -> None:
    rows = (
        a_clip("a", video="1", label=3),
        a_clip("b", video="1", label=3),
        a_clip("c", video="2", label=5, split="val"),
        a_clip("d", video="3", label=None, split="test"),
    )
    clips = Clips("mimic", rows)
    truth = GroundTruth.of(clips, "val")
    assert (truth.clip_id, truth.videos, truth.split) == (("c",), ("2",), "val")
    assert (truth.label.tolist(), truth.train_label.tolist()) == ([5], [3, 3])
    with pytest.raises(FormatError, match=r"^clips of mimic: the label of d is withheld"):
        GroundTruth.of(clips, "test")
    assert GroundTruth.of(clips, "test", np.array([4])).label.tolist() == [4]
    with pytest.raises(MismatchError, match=r"^labels of test: not one label per clip; expected 1"):
        GroundTruth.of(clips, "test", np.array([4, 4]))


@pytest.mark.parametrize(
    ("p_value", "low", "high", "says"),
    [
        (0.01, 0.01, 0.05, "better"),
        (0.01, -0.05, -0.01, "worse"),
        (0.06, 0.01, 0.05, "not significant"),
        (0.01, 0.0, 0.05, "not significant"),
    ],
)
def test_a_difference_must_pass_both_tests(
    p_value: float, low: float, high: float, says: str, rows: list[ResultRow]
) -> None:
    one = Comparison(
        role="best single",
        name="joint",
        difference=low + 0.02,
        interval=Interval(low=low, high=high),
        test=McNemar(only_first=9, only_second=2, p_value=0.001),
        holm=p_value,
    )
    page = to_markdown([rows[2].model_copy(update={"comparisons": (one,)})], MIMIC, RESAMPLING)
    shown = f"| {100 * (low + 0.02):+.2f} |"
    assert f"| joint+rgb | joint (the best single stream) {shown}" in page
    assert f"| 9, 2 | 0.001 | {p_value:.3f} | {says} |" in page


def test_results_page_equals_the_golden_one(rows: list[ResultRow]) -> None:
    page = to_markdown(rows, MIMIC, RESAMPLING)
    assert page == (GOLDEN / "RESULTS-mimic.md").read_text("utf-8")


def test_generated_data_are_named_first_and_only_where_they_are(rows: list[ResultRow]) -> None:
    warning = "never comparable with results on iMiGUE"
    page = to_markdown(rows, MIMIC, RESAMPLING)
    assert warning in " ".join(page.splitlines()[:5])
    published = MIMIC.model_copy(update={"comparable": True, "title": "MiGA 2025"})
    page = to_markdown(rows, published, RESAMPLING)
    assert warning not in page
    assert "enerated" not in page


def test_the_page_has_a_block_for_each_split(rows: list[ResultRow]) -> None:
    test = [row.model_copy(update={"split": "test"}) for row in rows]
    page = to_markdown([*rows, *test], MIMIC, RESAMPLING)
    validation, rest = page.split("## Test")
    assert "flatter" in validation
    assert "flatter" not in rest
    assert validation.count("| 02 | joint |") == rest.count("| 02 | joint |") == 1
    assert "scored by its leaderboard" not in page
    assert "scored by its leaderboard" in to_markdown(rows, MIMIC, RESAMPLING)


def test_csv_has_one_line_a_row_with_plain_fractions(rows: list[ResultRow]) -> None:
    lines = list(csv.DictReader(to_csv(rows).splitlines()))
    assert [line["name"] for line in lines] == [row.name for row in rows]
    for line, row in zip(lines, rows, strict=True):
        assert line["top1"] == f"{row.metrics.top1:.6f}"
        assert line["n"] == "60"
        roles = {one.role for one in row.comparisons}
        assert (line["best_single_p"] == "") == ("best single" not in roles)
        assert (line["uniform_holm"] == "") == ("uniform" not in roles)
    assert lines[2]["weights"] == "joint=0.750000 rgb=0.250000"
    assert lines[2]["rule"] == "convex"
    assert to_csv([]) == ""


# ---------------------------------------------------------------- pictures


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]


def test_every_picture_has_the_same_bytes_each_time(rows: list[ResultRow], tmp_path: Path) -> None:
    history = pd.DataFrame({"epoch": [1, 2], "train_loss": [3.0, 2.0], "val_top1": [None, 0.4]})
    for name in ("a", "b"):
        folder = tmp_path / name
        matrix = np.array([[3, 1], [0, 0]])
        save(confusion_figure(matrix, ["head up", "arms akimbo"]), folder / "confusion.png")
        curves = history_figure(history, losses=["train_loss"], scores=["val_top1"])
        save(curves, folder / "history.png")
        save(results_figure(rows, MIMIC), folder / "results.png")
    for path in (tmp_path / "a").iterdir():
        data = path.read_bytes()
        assert data.startswith(b"\x89PNG")
        assert b"Software" not in data
        assert data == (tmp_path / "b" / path.name).read_bytes()


def test_the_confusion_picture_shows_counts_names_and_absent_classes() -> None:
    shown = texts(confusion_figure(np.array([[3, 1], [0, 0]]), ["head up", "arms akimbo"]))
    assert {"3", "1", "3 of 4 clips right; numbers are clips"} <= set(shown)
    assert "head up   0  (n=4)" in shown
    assert "arms akimbo   1  (n=0)" in shown
    with pytest.raises(FormatError, match=r"^confusion figure: wrong shape; expected 3 classes"):
        confusion_figure(np.zeros((2, 2), np.int64), ["a", "b", "c"])


@pytest.mark.parametrize("comparable", [False, True])
def test_the_results_picture_says_itself_that_data_are_generated(
    comparable: bool, rows: list[ResultRow]
) -> None:
    edition = MIMIC.model_copy(update={"comparable": comparable})
    figure = results_figure(rows[1:2], edition)
    said = any("GENERATED DATA, not comparable with iMiGUE" in text for text in texts(figure))
    assert said == (not comparable)
    assert "50.00" in texts(figure)
    with pytest.raises(FormatError, match=r"^results figure: no rows"):
        results_figure([], edition)


def test_a_history_without_a_named_column_is_refused() -> None:
    history = pd.DataFrame({"epoch": [1], "train_loss": [3.0]})
    with pytest.raises(
        FormatError, match=r"^history: no column 'val_loss'; found epoch, train_loss"
    ):
        history_figure(history, losses=["train_loss", "val_loss"], scores=[])
