"""The graph covers what the stages import and use, and names nothing that params.yaml names."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from benchmark.archives.union import archive_module
from benchmark.core.files import write_text
from benchmark.params.params import read_params
from benchmark.presets.edit import document_text, keep_experiments, read_document
from benchmark.tracking.provenance import CODE, PACKAGES, changed_code, stage_code
from conftest import REPO, STAGES

if TYPE_CHECKING:
    from pathlib import Path

GRAPH = REPO / "dvc.yaml"
OPTIONAL = {
    key for group in YAML(typ="safe").load(GRAPH.read_text("utf-8"))["vars"] for key in group
}
"""Sections that params.yaml may lack."""
WAITING = [stage for stage in STAGES if stage != "check"]


@cache
def dvc() -> dict[str, Any]:
    return YAML(typ="safe").load(GRAPH.read_text("utf-8"))["stages"]


def body(stage: str) -> dict[str, Any]:
    return dvc()[stage].get("do", dvc()[stage])


@cache
def code_of_default() -> dict[str, str]:
    return stage_code(REPO, read_params(REPO / "params.yaml"), archive_module)


def test_every_stage_of_the_graph_is_known() -> None:
    assert sorted(dvc()) == sorted(STAGES)


@pytest.mark.parametrize("stage", WAITING)
def test_every_stage_waits_for_the_check_and_watches_its_own_code(stage: str) -> None:
    """DVC clears a stage's outputs before it runs: a typo in params.yaml must be found before."""
    per_entry = "@${key}" if "foreach" in dvc()[stage] else ""
    assert f"{CODE}/{stage}{per_entry}.txt" in body(stage)["deps"]
    own = [text for key, text in code_of_default().items() if key.partition("@")[0] == stage]
    assert all(f"pipelines/{stage}.py " in text for text in own)
    unused = {"import_scores", "import_weights", "pretrain", "synthesize_ma52", "windows"}
    assert own or stage in unused or "fold" in stage or stage == "fuse_oof", (
        "the default has no entry of it"
    )


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("synthesize", "benchmark/synthetic/assets"),
        ("table", "benchmark/results/leaderboards.yaml"),
        ("report", "benchmark/results/report/report.html.j2"),
        ("data_report", "benchmark/data_report/report.html.j2"),
        ("previews", "benchmark/data_report/previews.html.j2"),
        ("index", "benchmark/editions"),  # with the ids that a leaderboard wants
        ("submit", "benchmark/challenges"),
    ],
)
def test_files_that_are_no_python_are_dependencies(stage: str, path: str) -> None:
    assert path in body(stage)["deps"]


def test_a_change_is_named_with_the_entries_that_run_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(GRAPH, tmp_path)
    params = read_params(REPO / "params.yaml")
    code = stage_code(REPO, params, archive_module)
    for key, text in code.items():
        write_text(tmp_path / CODE / f"{key}.txt", text)
    assert changed_code(tmp_path, params, archive_module) == {}
    path = "benchmark/models/pose_conv3d.py"
    for key, text in code.items():
        write_text(tmp_path / CODE / f"{key}.txt", text.replace(f"{path} ", f"{path} 0"))
    changed = changed_code(tmp_path, params, archive_module)
    assert set(map(tuple, changed.values())) == {(path,)}
    assert {"train@joint", "predict@joint", "train@rgb"} <= changed.keys()
    assert not {"train@swin_rgb", "prepare@skeleton", "fuse@convex", "table"} & changed.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_of_code_in_deps_exists(stage: str) -> None:
    for dep in body(stage)["deps"]:
        if dep.startswith(PACKAGES):
            assert list(REPO.glob(re.sub(r"\$\{[^}]*\}", "*", dep))), dep


def test_no_stage_names_an_experiment_or_a_fusion_of_params() -> None:
    """Another set of params needs no other graph: own clips, a stream more, one less."""
    params = read_params(REPO / "params.yaml")
    names = {
        *params.experiments, *params.fusions, *params.merges, *params.editions, *params.modalities,
    }  # fmt: skip
    path = r"(?:data|models|predictions|reports|runs)/[^\s:]+"
    paths = re.findall(path, GRAPH.read_text("utf-8"))
    assert paths
    assert [path for path in paths if names & {*re.split(r"[/.-]", path)}] == []


@pytest.mark.parametrize("stage", STAGES)
def test_dvc_caches_every_output_and_git_tracks_none(stage: str) -> None:
    """So the run cache works for every stage, and one's own run changes dvc.lock alone."""
    written = [out for key in ("outs", "metrics", "plots") for out in body(stage).get(key, [])]
    settings = [out for out in written if isinstance(out, dict)]
    assert not [out for out in settings if any("cache" in each for each in out.values())]
    paths = [next(iter(out)) if isinstance(out, dict) else out for out in written]
    named = [re.sub(r"\$\{[^}]*\}", "x", path) for path in paths]
    ignored = subprocess.run(["git", "check-ignore", *named], cwd=REPO, capture_output=True,
                             text=True, check=False).stdout.splitlines()  # fmt: skip
    assert ignored == named


def test_params_used_by_the_graph_exist() -> None:
    raw = YAML(typ="safe").load((REPO / "params.yaml").read_text("utf-8"))
    for stage in STAGES:
        for name in body(stage).get("params", []):
            assert name.split(".")[0] in raw.keys() | OPTIONAL, f"{stage}: {name}"


def test_a_project_with_an_empty_section_online_has_no_stage_of_it(tmp_path: Path) -> None:
    raw = YAML(typ="safe").load((REPO / "params.yaml").read_text("utf-8"))
    raw["online"].clear()
    YAML(typ="safe").dump(raw, tmp_path / "params.yaml")
    shutil.copy(GRAPH, tmp_path)
    run = partial(subprocess.run, cwd=tmp_path, capture_output=True, text=True, check=True)
    run([sys.executable, "-m", "dvc", "init", "--no-scm"])
    listed = run([sys.executable, "-m", "dvc", "stage", "list", "--name-only"]).stdout.split()
    kinds = {name.partition("@")[0] for name in listed}
    assert {"train", "table"} <= kinds
    assert not {"predict_windows", "detect"} & kinds


def test_an_experiment_that_goes_takes_its_entry_of_online_along() -> None:
    document, params = read_document(REPO / "params.yaml"), read_params(REPO / "params.yaml")
    keep_experiments(document, params, ["limb", "rgb"])
    left = YAML(typ="safe").load(document_text(document))
    assert left["online"] == {}


def test_two_fusions_that_become_one_stay_once() -> None:
    document, params = read_document(REPO / "params.yaml"), read_params(REPO / "params.yaml")
    assert {"convex", "convex_graphs"} <= params.fusions.keys()
    keep_experiments(document, params, ["swin_rgb", "swin_flow"])
    left = YAML(typ="safe").load(document_text(document))
    assert [*left["fusions"]] == ["uniform", "winner", "convex"]
    assert "convex_graphs" not in {row.get("source") for row in left["table"]["rows"]}
