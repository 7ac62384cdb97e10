"""The graph covers what the stages import and use."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Any, get_args, get_origin

import grimp
import pytest
from ruamel.yaml import YAML

from benchmark.backbone_params import Backbone
from benchmark.input_params import Input
from benchmark.media_params import Media
from benchmark.params import read_params
from conftest import REPO, STAGES

CANNOT_CHANGE_A_NUMBER = {
    # They check, choose, show or carry; every value that they hold comes from a file that DVC sees.
    "benchmark",
    "benchmark.datasets",
    "benchmark.challenges",
    "benchmark.editions",
    "benchmark.errors",
    "benchmark.evaluation",
    "benchmark.evaluation.figures",
    "benchmark.files",
    "benchmark.modalities",
    "benchmark.modalities.tensors",
    "benchmark.models",
    "benchmark.backbone_params",
    "benchmark.input_params",
    "benchmark.media_params",
    "benchmark.params",
    "benchmark.params_faults",
    "benchmark.fusion_params",
    "benchmark.recipe_params",
    "benchmark.run_record",
    "benchmark.saved_views",
    "benchmark.schema",
    "benchmark.tiny_depth_spec",
    "benchmark.weights",
    "benchmark.sync",
    "benchmark.table_runs",
    "benchmark.tracking",
    "benchmark.training",
    "benchmark.workers",
    "pipelines",
    "pipelines._stage",
    "submission",
}
GRAPH = REPO / "dvc.yaml"


@cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("benchmark", "pipelines", "submission", cache_dir=None)


@cache
def dvc() -> dict[str, Any]:
    return YAML(typ="safe").load(GRAPH.read_text("utf-8"))["stages"]


def body(stage: str) -> dict[str, Any]:
    return dvc()[stage].get("do", dvc()[stage])


def kinds(union: Any) -> list[str]:
    """What `kind` of a union of specs can be."""
    (members, *_) = get_args(union) if get_origin(union) is Annotated else (union,)
    return [member.model_fields["kind"].annotation.__args__[0] for member in get_args(members)]


VALUES = {
    "item.kind": kinds(Media),
    "item.input.kind": kinds(Input),
    "item.backbone.kind": kinds(Backbone),
}
"""What stands for a template in a path of code; no other template names code."""


def covers(dep: str, module: str) -> bool:
    """Whether a dependency of dvc.yaml names the module's file or a folder above it."""
    path = module.replace(".", "/")
    pattern = re.escape(dep)
    for name, values in VALUES.items():
        pattern = pattern.replace(re.escape(f"${{{name}}}"), f"({'|'.join(values)})")
    return any(
        re.fullmatch(pattern, "/".join(parts) + end)
        for size in range(1, path.count("/") + 2)
        for parts in [path.split("/")[:size]]
        for end in (("", ".py") if size == path.count("/") + 1 else ("",))
    )


@pytest.mark.parametrize("stage", STAGES)
def test_deps_of_every_stage_cover_what_it_imports(stage: str) -> None:
    deps = body(stage)["deps"]
    module = f"pipelines.{stage}"
    imported = {module} | graph().find_upstream_modules(module)
    # What `params` needs to know of the generator is in params.yaml, not in the other modules.
    through_params = {"benchmark.datasets.mimic", "benchmark.datasets.mimic.spec"}
    wanted = imported - CANNOT_CHANGE_A_NUMBER
    if not stage.startswith(("synthesize", "tiny_depth")):
        wanted -= through_params | {m for m in wanted if m.startswith("benchmark.datasets.mimic.")}
    missing = sorted(m for m in wanted if not any(covers(dep, m) for dep in deps))
    assert missing == []


def test_a_dependency_that_is_taken_away_is_missed() -> None:
    assert covers("benchmark/models/${item.backbone.kind}.py", "benchmark.models.video_swin")
    assert covers("benchmark/training", "benchmark.training.loop")
    assert covers("benchmark/modalities/${item.kind}", "benchmark.modalities.flow.raft")
    assert not covers("benchmark/modalities/${item.kind}", "benchmark.modalities.packing")
    assert not covers("benchmark/models/mmaction.py", "benchmark.models.video_swin")
    assert not covers("benchmark/training", "benchmark.trainings")


@pytest.mark.parametrize("stage", STAGES)
def test_every_path_of_code_in_deps_exists(stage: str) -> None:
    for dep in body(stage)["deps"]:
        if dep.startswith(("benchmark", "pipelines", "submission")):
            assert list(REPO.glob(re.sub(r"\$\{[^}]*\}", "*", dep))), dep


def test_no_stage_names_an_experiment_or_a_fusion_of_params() -> None:
    """Another set of params needs no other graph: own clips, a stream more, one less."""
    params = read_params(REPO / "params.yaml")
    names = {*params.experiments, *params.fusions, *params.merges, *params.editions, *params.media}
    paths = re.findall(
        r"(?:data|models|predictions|reports|runs)/[^\s:]+", GRAPH.read_text("utf-8")
    )
    assert paths
    own = [path for path in paths if names & {*re.split(r"[/.-]", path)}]
    assert own == []


def test_every_stage_waits_for_the_check_of_params() -> None:
    """DVC clears the outputs of a stage before it runs: a typo must be found before the first."""
    made = {out if isinstance(out, str) else next(iter(out)): stage
            for stage in STAGES for out in body(stage).get("outs", [])}  # fmt: skip

    def waits(stage: str) -> bool:
        deps = [dep for dep in body(stage)["deps"] if not dep.startswith("benchmark")]
        return "runs/params.txt" in deps or any(
            waits(maker)
            for dep in deps
            for out, maker in made.items()
            if maker != stage and shape(out).startswith(shape(dep))
        )

    assert [stage for stage in STAGES if stage != "check" and not waits(stage)] == []


def shape(path: str) -> str:
    """A path with one sign for whatever stands for a name."""
    return re.sub(r"\$\{[^}]*\}", "*", path)


def test_no_output_disables_the_run_cache_of_a_costly_stage() -> None:
    written = {"evaluate", "table"}  # small files for Git
    for stage in {*STAGES} - written:
        assert all(isinstance(out, str) for out in body(stage)["outs"]), stage


def test_params_used_by_the_graph_exist() -> None:
    raw = YAML(typ="safe").load((REPO / "params.yaml").read_text("utf-8"))
    for stage in STAGES:
        for name in body(stage).get("params", []):
            assert name.split(".")[0] in raw, f"{stage}: {name}"
