"""The graph covers what the stages import and use, and names nothing that params.yaml names."""

from __future__ import annotations

import re
import shutil
from functools import cache
from typing import TYPE_CHECKING, Any

import grimp
import pytest
from ruamel.yaml import YAML

from benchmark.core.files import write_text
from benchmark.params.params import read_params
from benchmark.tracking.provenance import (
    CARRIERS,
    CODE,
    PACKAGES,
    changed_code,
    covers,
    run_modules,
    stage_digests,
)
from conftest import REPO, STAGES, copy_code

if TYPE_CHECKING:
    from pathlib import Path

GRAPH = REPO / "dvc.yaml"
WAITING = [stage for stage in STAGES if stage != "check"]


@cache
def dvc() -> dict[str, Any]:
    return YAML(typ="safe").load(GRAPH.read_text("utf-8"))["stages"]


def body(stage: str) -> dict[str, Any]:
    return dvc()[stage].get("do", dvc()[stage])


@cache
def digests() -> dict[str, str]:
    return stage_digests(REPO)


def watched(stage: str, path: str) -> bool:
    """Whether DVC runs the stage again when the file changes."""
    lines = digests()[stage].splitlines()
    return any(line.split()[0] == path for line in lines) or any(
        covers(dep, path) for dep in body(stage)["deps"]
    )


def test_every_stage_of_the_graph_is_known() -> None:
    assert sorted(dvc()) == sorted(STAGES)


@pytest.mark.parametrize("stage", WAITING)
def test_every_stage_waits_for_the_check_and_watches_its_own_code(stage: str) -> None:
    """DVC clears a stage's outputs before it runs: a typo in params.yaml must be found before."""
    assert f"{CODE}/{stage}.txt" in body(stage)["deps"]
    assert watched(stage, f"pipelines/{stage}.py")


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("train", "benchmark/training/loop.py"),
        ("train", "benchmark/models/video_swin.py"),
        ("train", "benchmark/models/attention.py"),
        ("train", "benchmark/data/skeleton_views.py"),
        ("predict", "benchmark/inference/predict.py"),
        ("prepare", "benchmark/modalities/flow/raft.py"),
        ("prepare", "benchmark/modalities/packing.py"),
        ("index", "benchmark/archives/ma52.py"),
        ("synthesize", "benchmark/synthetic/raster.py"),
        ("table", "submission/fusion/rules.py"),
        ("table", "benchmark/results/leaderboards.yaml"),
        ("report", "benchmark/results/report/report.html.j2"),
        ("survey", "benchmark/data_report/findings.py"),
        ("submit", "submission/leaderboard/id_checks.py"),
    ],
)
def test_code_of_a_stage_is_watched(stage: str, path: str) -> None:
    assert (REPO / path).is_file()
    assert watched(stage, path)


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("predict", "benchmark/training/loop.py"),
        ("fuse", "benchmark/models/recognizer.py"),
        ("index", "benchmark/modalities/packing.py"),
        ("train", "submission/fusion/rules.py"),
        ("train", "benchmark/synthetic/raster.py"),
        ("evaluate", "benchmark/results/table.py"),
    ],
)
def test_code_of_others_is_not(stage: str, path: str) -> None:
    assert (REPO / path).is_file()
    assert not watched(stage, path)


def test_a_path_of_one_kind_covers_its_own_files_alone() -> None:
    assert covers("benchmark/models/${item.backbone.kind}.py", "benchmark/models/video_swin.py")
    assert covers("benchmark/modalities/${item.kind}", "benchmark/modalities/flow/raft.py")
    assert not covers("benchmark/modalities/${item.kind}", "benchmark/modalities/packing.py")
    assert not covers(
        "benchmark/models/${item.backbone.kind}.py", "benchmark/models/mmaction_import.py"
    )
    assert not covers("benchmark/training", "benchmark/trainings.py")


def test_carriers_are_modules_and_hide_only_what_they_alone_import() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)
    assert graph.modules >= CARRIERS
    found = run_modules(graph, "pipelines.fuse")
    assert not found & CARRIERS
    assert "benchmark.synthetic.spec" not in found, "only params know it there"


def test_a_change_is_named_with_the_stages_that_run_it(tmp_path: Path) -> None:
    root = copy_code(tmp_path)
    shutil.copy(GRAPH, root)
    for stage, text in stage_digests(root).items():
        write_text(root / CODE / f"{stage}.txt", text)
    assert changed_code(root) == {}
    path = root / "benchmark/evaluation/floor.py"
    path.write_text(path.read_text("utf-8") + "# another\n", "utf-8")
    changed = changed_code(root)
    assert set(map(tuple, changed.values())) == {("benchmark/evaluation/floor.py",)}
    assert {"train", "evaluate", "fuse", "table", "submit"} <= changed.keys()
    assert not {"predict", "index", "prepare", "synthesize", "scratch"} & changed.keys()


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_of_code_in_deps_exists(stage: str) -> None:
    for dep in body(stage)["deps"]:
        if dep.startswith(PACKAGES):
            assert list(REPO.glob(re.sub(r"\$\{[^}]*\}", "*", dep))), dep


def test_no_stage_names_an_experiment_or_a_fusion_of_params() -> None:
    """Another set of params needs no other graph: own clips, a stream more, one less."""
    params = read_params(REPO / "params.yaml")
    names = {
        *params.experiments,
        *params.fusions,
        *params.merges,
        *params.editions,
        *params.modalities,
    }
    path = r"(?:data|models|predictions|reports|runs)/[^\s:]+"
    paths = re.findall(path, GRAPH.read_text("utf-8"))
    assert paths
    assert [path for path in paths if names & {*re.split(r"[/.-]", path)}] == []


def test_no_output_disables_the_run_cache_of_a_costly_stage() -> None:
    written = {"evaluate", "table"}  # small files for Git
    for stage in {*STAGES} - written:
        assert all(isinstance(out, str) for out in body(stage)["outs"]), stage


def test_params_used_by_the_graph_exist() -> None:
    raw = YAML(typ="safe").load((REPO / "params.yaml").read_text("utf-8"))
    for stage in STAGES:
        for name in body(stage).get("params", []):
            assert name.split(".")[0] in raw, f"{stage}: {name}"
