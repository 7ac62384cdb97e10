"""What a person sees of a project after its `dvc repro`: pages, pictures, what it recognizes."""

from __future__ import annotations

import copy
import json
import re
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import browser
import notebook
from benchmark.contracts.predictions import read_probabilities
from benchmark.core.errors import ParamsError
from benchmark.params.params import read_params
from benchmark.results import ship as shipping
from tiny_project import KEPT, ROWS, command

pytestmark = pytest.mark.slow

BY_HAND = """
import json, sys
import numpy as np
from pathlib import Path
from benchmark.contracts.clips import read_clips
from benchmark.modalities.one_file import Span
from benchmark.inference.any_video import read_points, recognize
from benchmark.inference.systems import open_system
from dataclasses import replace
system = replace(open_system("convex"), val_score=None)
clips = [c for c in read_clips(Path("data/mimic/clips.parquet"), system.edition).split("test")]
own = [clip for clip in clips if clip.video == clips[0].video]
raw = Path("data/raw/mimic")
video = next(raw.rglob(f"{own[0].video}.mp4"))
points = read_points(next(raw.rglob(f"{own[0].video}_openpose.xlsx")))
windows = [Span(clip.start_frame, clip.end_frame) for clip in own]
found = recognize(system, video, windows, points)
print(json.dumps({clip.clip_id: one.p.tolist() for clip, one in zip(own, found)}))
"""


def test_a_video_by_hand_gets_what_the_stages_predict_of_its_clips(finished: Path) -> None:
    """Three lines of Python, on the raw video and its sheet, against `dvc repro`."""
    told = json.loads(command(finished, sys.executable, "-c", BY_HAND).stdout.splitlines()[-1])
    assert len(told) >= 4
    whole = read_probabilities(finished / "predictions/fusions/convex/test.parquet")
    row = {clip: place for place, clip in enumerate(whole.clip_id)}
    for clip, p in told.items():
        np.testing.assert_allclose(p, whole.p[row[clip]], atol=1e-6)


def test_predict_writes_what_it_sees(finished: Path) -> None:
    video = next((finished / "data/raw/mimic").rglob("imigue_rgb_phase2/**/*.mp4"))
    command(
        finished,
        "mgbench",
        "predict",
        str(video),
        "--window",
        "2",
        "--end",
        "5",
        "--out",
        "seen_by_hand",
    )
    told = json.loads((finished / "seen_by_hand/recognized.json").read_text("utf-8"))
    assert len(told["windows"]) == 4
    assert told["calibrated"] is True
    assert told["members"] == {"swin_rgb": 1.0}, "the only one that needs no skeleton"
    names = {path.name for path in (finished / "seen_by_hand").iterdir()}
    assert names == {
        "recognized.json", "recognized.csv", "segments.csv", "segments.srt", "segments.eaf",
        "timeline.png", "annotated.mp4", "gestures.csv",
    }  # fmt: skip


def test_every_cell_of_the_notebook_runs_and_says_what_it_said_where_the_page_was_made(
    finished: Path,
) -> None:
    shown = json.loads(notebook.NOTEBOOK.read_text("utf-8"))
    here = copy.deepcopy(shown)
    notebook.run(here, finished)
    kinds = [
        [[output["output_type"] for output in cell["outputs"]] for cell in notebook.code_cells(one)]
        for one in (here, shown)
    ]
    assert kinds[0] == kinds[1] == [["stream"], ["stream"], ["display_data"], *[["stream"]] * 3]
    assert (finished / "submissions/notebook/prediction.csv").is_file()


def test_the_zoo_changes_only_once_all_that_goes_into_it_is_read(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shipping, "ZOO", tmp_path)
    params = read_params(finished / "params.yaml")
    with pytest.raises(ParamsError, match="expected cast: training"):
        shipping.ship(["joint"], params, finished, system=None)
    people = params.synthetic["mimic"].model_copy(update={"cast": "training"})
    params = params.model_copy(update={"synthetic": {"mimic": people}})
    for names, system in ((["joint", "nosuch"], None), (["joint"], "nosuch")):
        with pytest.raises(ParamsError, match="nosuch"):
            shipping.ship(names, params, finished, system=system)
    assert [*tmp_path.iterdir()] == []
    shipping.ship(["joint"], params, finished, system="convex")
    made = sorted(file.name for file in tmp_path.iterdir())
    assert made == ["joint.json", "joint.safetensors", "system.json"]


def test_the_report_needs_nothing_beside_it(finished: Path) -> None:
    page = unescape((finished / "reports/report.html").read_text("utf-8"))
    assert re.findall(r'(?:src|href)="(?!data:|#)([^"]{0,40})', page) == []
    assert page.count("data:video/mp4") >= 6
    for name in ROWS:
        assert name in page
    assert "never comparable with results on iMiGUE" in page


SORTED = """
const table = document.querySelector("table.sortable");
const column = () => [...table.tBodies[0].rows].map(row => parseFloat(row.cells[2].textContent));
table.tHead.rows[0].cells[2].click();
const down = column();
table.tHead.rows[0].cells[2].click();
const links = [...document.querySelectorAll("nav a")];
return {down, up: column(), links: links.length,
        lost: links.filter(a => !document.querySelector(a.getAttribute("href"))).map(a => a.href)};
"""
# The page plays what comes into view, and pauses the rest: a play() of a test would race with it.
PLAYED = """
const played = [];
for (const video of document.querySelectorAll("video")) {
  const moved = new Promise(done => video.addEventListener("timeupdate", done, {once: true}));
  video.scrollIntoView({block: "center"});
  await moved;
  played.push(video.duration > 0.2 && video.videoWidth > 0);
}
return played;
"""
WIDTH = "return [document.documentElement.scrollWidth, innerWidth]"
needs_chromium = pytest.mark.skipif(browser.CHROMIUM is None, reason="needs chromium")


@needs_chromium
def test_the_report_sorts_links_and_plays_in_a_browser(finished: Path, tmp_path: Path) -> None:
    page = finished / "reports/report.html"
    told = browser.ask(page, SORTED, tmp_path)
    assert told["down"] == sorted(told["down"], reverse=True)
    assert told["up"] == sorted(told["up"])
    assert (told["lost"], told["links"]) == ([], 9)
    played = browser.ask(page, PLAYED, tmp_path)
    assert len(played) >= 6
    assert all(played)


@needs_chromium
@pytest.mark.parametrize("width", [500, 1400])
def test_the_report_is_no_wider_than_a_screen(finished: Path, tmp_path: Path, width: int) -> None:
    wide, window = browser.ask(finished / "reports/report.html", WIDTH, tmp_path, width=width)
    assert wide <= window


DRAWN = """
await new Promise(done => setTimeout(done, 2000));
const charts = [...document.querySelectorAll(".vega-embed canvas, .vega-embed svg.marks")];
return charts.map(one => one.getBoundingClientRect().width);
"""


@needs_chromium
def test_dvc_plots_draws_every_plot_without_a_network(finished: Path, tmp_path: Path) -> None:
    command(finished, "dvc", "plots", "show", "--out", "plots")
    page = finished / "plots/index.html"
    assert "https://cdn" not in page.read_text("utf-8")
    widths = browser.ask(page, DRAWN, tmp_path)
    assert len(widths) == 2 * len(KEPT) + 1, "curves and confusions, and the table"
    assert min(widths) > 100
