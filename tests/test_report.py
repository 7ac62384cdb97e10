"""What the report chooses to show, and that its clips are whole videos."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.figure import Figure

from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.core.video import probe, write_video
from benchmark.editions.edition import read_edition
from benchmark.params.recipes import SelectCheckpoint
from benchmark.plots.analysis import curves_figure
from benchmark.plots.figures import svg
from benchmark.results.entries import GroundTruth
from benchmark.results.online import Found
from benchmark.results.report.gallery import Archive, Streams, choose, playable, shown
from benchmark.results.report.page import _read, _row, kept_epoch, online_view, typical_video
from benchmark.results.screen import chosen
from benchmark.results.table import Resampling
from conftest import a_clip
from test_online_scores import intervals

if TYPE_CHECKING:
    from pathlib import Path

MIMIC = read_edition("mimic")


def sure(answers: list[int], p: float) -> np.ndarray:
    found = np.full((len(answers), 32), (1 - p) / 31)
    found[np.arange(len(answers)), answers] = p
    return found


LABEL = np.array([0, 1, 2, 3])
SINGLE, OTHER, FUSED = sure([0, 9, 9, 9], 0.6), sure([9, 9, 2, 9], 0.6), sure([9, 1, 2, 9], 0.8)
STREAMS = Streams(FUSED, np.stack([SINGLE, OTHER]), SINGLE, "joint")
TRUTH = GroundTruth("mimic", "val", ("a", "b", "c", "d"), ("v",) * 4, LABEL, np.array([0]))


def test_improved_clips_are_right_in_the_fusion_and_wrong_in_the_single_stream() -> None:
    _, better = choose(STREAMS, TRUTH, 5)
    assert [row for row, _ in better] == [1, 2]
    assert better[0][1] == "probability of the label 1 -> 80 % against joint"


def test_hard_clips_come_with_the_members_that_are_right() -> None:
    hard, _ = choose(STREAMS, TRUTH, 3)
    assert [note for _, note in hard] == [
        "0 of 2 members are right", "0 of 2 members are right", "1 of 2 members are right",
    ]  # fmt: skip
    assert {row for row, _ in hard[:2]} == {1, 3}


def test_a_shown_clip_names_its_three_best_predictions() -> None:
    (clip,) = shown([(2, "why")], FUSED, TRUTH, MIMIC, {"c": "data:"})
    assert clip.predictions[0] == (MIMIC.classes[2], 0.8)
    assert (len(clip.predictions), clip.label, clip.note) == (3, MIMIC.classes[2], "why")


def test_a_clip_that_plays_has_its_frames_and_its_rate(tmp_path: Path) -> None:
    own = MIMIC.model_copy(update={"dataset": "folder"})
    pictures = [np.full((360, 640, 3), 20 * k, np.uint8) for k in range(10)]
    write_video(tmp_path / "v.mp4", pictures, 5, crf=18, gop=5)
    rows = "clip_id,split,label,video,start_frame,end_frame\nx,test,,v.mp4,2,8\n"
    (tmp_path / "clips.csv").write_text(rows, "utf-8")
    clip = a_clip("x", video="v.mp4", split="test", label=None, start_frame=2, end_frame=8, fps=5.0)
    files = open_archive(tmp_path, own).video_files()
    archive = Archive(files, own, Clips("mimic", (clip,)))
    found = playable(archive, ["x"])["x"]
    head, _, data = found.partition(",")
    assert head == "data:video/mp4;base64"
    (tmp_path / "out.mp4").write_bytes(base64.b64decode(data))
    info = probe(tmp_path / "out.mp4")
    assert (info.frames, info.fps, info.height, info.width) == (6, 5, 180, 320)


def test_only_a_significant_difference_gets_a_word() -> None:
    row = {
        "name": "all", "best_single": "joint", "best_single_difference": 0.1,
        "best_single_low": 0.02, "best_single_high": 0.2, "best_single_holm": 0.01,
    }  # fmt: skip
    assert _row(row, {"joint"})["verdict"] == "better"
    assert _row({**row, "best_single_holm": 0.2}, {"joint"})["verdict"] == "not significant"
    assert _row({**row, "best_single_low": -0.01}, {"joint"})["verdict"] == "not significant"
    first = _row({**row, "name": "joint", "best_single": float("nan")}, {"joint"})
    assert (first["verdict"], first["points"], first["best"]) == ("", None, True)


def test_a_figure_takes_the_ink_of_its_page_and_keeps_the_words_of_users_as_text() -> None:
    figure = Figure()
    figure.add_subplot().set_title("<script>alert(1)</script>")
    drawn = svg(figure)
    assert drawn.startswith('<svg fill="currentColor" ')
    assert "#000000" not in drawn
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
    again = Figure()
    again.add_subplot().set_title("<script>alert(1)</script>")
    assert svg(again) == drawn, "equal figures, equal text"


def test_every_point_of_every_curve_is_in_its_panel_with_the_kept_epoch() -> None:
    import pandas as pd

    low = pd.DataFrame({"epoch": [1, 2], "train/top1": [0.1, 0.2], "val/top1": [0.3, np.nan],
                        "train/loss": [3.0, 2.0], "val/loss": [3.5, np.nan]})  # fmt: skip
    high = low.assign(**{"train/top1": [0.8, 0.9], "train/loss": [9.0, 1.0]})
    once = low.iloc[:1]
    histories = {"a": low, "b": high, "c": once}
    figure = curves_figure(histories, {"a": 1, "b": 2, "c": 1})
    panels = [axes for axes in figure.axes if axes.get_title("left")]
    assert [axes.get_title("left") for axes in panels] == [*histories]
    assert [axes.lines[2].get_xdata()[0] for axes in panels] == [1, 2, 1], "the kept epoch"
    assert list(panels[0].lines[1].get_ydata()) == [30]
    for axes in figure.axes:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for line in axes.lines[:2]:
            assert all(left < x < right for x in line.get_xdata())
            assert all(bottom <= y <= top for y in line.get_ydata())


@pytest.mark.parametrize(("epoch", "kept"), [("best", 2), ("last", 3)])
def test_the_kept_epoch_is_the_first_of_the_best_or_the_last(epoch: str, kept: int) -> None:
    import pandas as pd

    history = pd.DataFrame({"epoch": [1, 2, 3], "val/top1": [0.1, 0.4, 0.4]})
    assert kept_epoch(history, SelectCheckpoint(epoch=epoch, metric="top1", patience=None)) == kept


def test_one_system_is_reported_on_all_splits_and_validation_chooses_it() -> None:
    def row(name: str, split: str, top1: float, loss: float = 1.0) -> dict[str, str]:
        return {"name": name, "split": split, "top1": str(top1), "log_loss": str(loss)}

    rows = [row("a", "val", 0.5, 1.2), row("b", "val", 0.5), row("a", "test", 0.9),
            row("b", "test", 0.3)]  # fmt: skip
    assert chosen(rows) == "b"
    assert chosen(rows[2:]) is None


def test_the_timeline_shows_the_video_of_median_f1_and_what_counts_as_found_there() -> None:
    truth = intervals([(v, 25 * k, 25 * k + 20, 1, 1) for v in range(3) for k in range(2)])
    sure = [(0, 0, 20, 1, 0.9), (0, 25, 45, 1, 0.9), (1, 25, 45, 1, 0.9), (1, 75, 95, 2, 0.2)]
    found = replace(intervals(sure), least=(0.5, 0.5, 0.5))
    one = Found("online_joint", "test", truth, found)
    assert typical_video(one) == "v1"
    view = online_view([one], Resampling(50, 0), {f"v{k}": 25.0 for k in range(3)})
    assert view is not None
    (entry,) = view.entries
    assert (entry.video, [name for name, _ in entry.classes]) == ("v1", ["wave"])
    assert "wave" in entry.timeline
    assert "rub" not in entry.timeline, "a candidate below the threshold is not found"
    assert "online_joint, test" in view.overlaps
    assert online_view([], Resampling(50, 0), {}) is None


def test_two_figures_of_a_page_share_no_id() -> None:
    pages = []
    for height in (1, 2):
        figure = Figure()
        figure.add_subplot().bar([0], [height], hatch="///")
        pages.append(set(re.findall(r'\bid="([^"]+)"', svg(figure))))
        used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg(figure)))
        assert used <= pages[-1]
    assert not pages[0] & pages[1]


def test_classes_may_be_called_none_or_na(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("class,clips\nNone,3\nNA,\nnull,2\n", "utf-8")
    found = _read(tmp_path / "x.csv")
    assert [*found["class"]] == ["None", "NA", "null"]
    assert found["clips"].isna().tolist() == [False, True, False]
