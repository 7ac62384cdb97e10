"""What made a result is known exactly: a change that can move a number counts, no other does."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from benchmark.archives.union import archive_module
from benchmark.params.params import Params, read_params
from benchmark.tracking import provenance
from benchmark.tracking.provenance import (
    CARRIERS,
    OBSERVERS,
    changed_code,
    code_hash,
    digest_of,
    stage_code,
)
from conftest import REPO

if TYPE_CHECKING:
    from pathlib import Path

LRS = """
import math

def lr(rate: float, batch: int) -> float:
    '''Scale the rate.'''
    # Goyal et al. 2017
    log.info("scaling %s", rate)
    if batch < 1:
        raise ValueError("no batch")
    return rate * batch / 256
"""


@pytest.fixture(scope="module")
def params() -> Params:
    return read_params(REPO / "params.yaml")


@pytest.fixture(scope="module")
def code(params: Params) -> dict[str, set[str]]:
    """Stage or entry -> the files that count for it."""
    found = stage_code(REPO, params, archive_module)
    return {key: {line.split()[0] for line in text.splitlines()} for key, text in found.items()}


def hashed(folder: Path, text: str, *, texts: bool = False) -> str:
    path = folder / "module.py"
    path.write_text(text, "utf-8")
    code_hash.cache_clear()
    return code_hash(path, texts=texts)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Scale the rate.", "Multiply the rate with the batch."),
        ("# Goyal et al. 2017", "# another word"),
        ('"scaling %s"', '"the rate of %s is scaled"'),
        ('"no batch"', '"a batch needs a clip"'),
        ("import math\n", "import math\nif TYPE_CHECKING:\n    from x import Y\n"),
        ("    return", "\n\n    return"),
    ],
)
def test_what_only_people_read_changes_nothing(old: str, new: str, tmp_path: Path) -> None:
    assert old in LRS
    assert hashed(tmp_path, LRS) == hashed(tmp_path, LRS.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("batch / 256", "2 * batch / 256"),
        ("batch < 1", "batch < 2"),
        ("import math", "import cmath"),
        ("batch: int", "batch: float"),
        ("log.info(", "log.info(warm(), "),
    ],
)
def test_what_can_move_a_number_counts(old: str, new: str, tmp_path: Path) -> None:
    assert old in LRS
    assert hashed(tmp_path, LRS) != hashed(tmp_path, LRS.replace(old, new))


def test_a_stage_that_quotes_messages_sees_them_change(tmp_path: Path) -> None:
    other = LRS.replace('"no batch"', '"a batch needs a clip"')
    assert hashed(tmp_path, LRS, texts=True) != hashed(tmp_path, other, texts=True)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("train@joint", "benchmark/params/recipes.py"),  # Recipe.lr
        ("train@joint", "benchmark/training/train_step.py"),
        ("train@joint", "benchmark/models/pose_conv3d.py"),
        ("train@joint", "benchmark/data/skeleton_input.py"),
        ("train@joint", "benchmark/modalities/skeleton.py"),
        ("train@swin_flow", "benchmark/models/attention.py"),
        ("train@swin_flow", "benchmark/modalities/flow/flow.py"),  # which channel a mirror turns
        ("predict@joint", "benchmark/inference/predict.py"),
        ("prepare@flow", "benchmark/modalities/flow/dis.py"),
        ("prepare@flow", "benchmark/modalities/packing.py"),
        ("prepare@flow", "benchmark/archives/imigue.py"),
        ("index@mimic", "benchmark/editions/edition.py"),
        ("synthesize@mimic", "benchmark/synthetic/raster.py"),
        ("fuse@convex", "submission/fusion/rules/convex.py"),
        ("table", "benchmark/plots/figures.py"),
        ("report", "benchmark/editions/edition.py"),  # Edition.group_of
        ("submit@final", "benchmark/editions/edition.py"),
        ("submit@final", "submission/leaderboard/checks.py"),
        ("data_report@mimic", "benchmark/data_report/findings.py"),
    ],
)
def test_what_a_stage_runs_counts_for_it(key: str, path: str, code: dict[str, set[str]]) -> None:
    assert (REPO / path).is_file()
    assert path in code[key]


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("train@joint", "benchmark/models/video_swin.py"),
        ("train@joint", "benchmark/data/video_input.py"),
        ("train@joint", "benchmark/modalities/packing.py"),
        ("train@joint", "benchmark/training/monitor/meter.py"),
        ("train@joint", "benchmark/training/monitor/throughput.py"),
        ("train@joint", "benchmark/training/monitor/samples.py"),
        ("train@joint", "benchmark/plots/figures.py"),
        ("train@joint", "benchmark/evaluation/scores.py"),
        ("train@joint", "benchmark/tracking/store.py"),
        ("train@swin_flow", "benchmark/modalities/flow/dis.py"),
        ("predict@joint", "benchmark/training/loop.py"),
        ("prepare@flow", "benchmark/modalities/flow/raft.py"),
        ("prepare@flow", "benchmark/modalities/taylor.py"),
        ("prepare@rgb", "benchmark/synthetic/assets.py"),
        ("prepare@rgb", "benchmark/synthetic/geometry.py"),
        ("prepare@rgb", "benchmark/archives/ma52.py"),
        ("index@mimic", "benchmark/modalities/packing.py"),
        ("fuse@convex", "submission/fusion/rules/stacking.py"),
        ("fuse@convex", "benchmark/models/recognizer.py"),
        ("predict@joint", "benchmark/results/table.py"),
    ],
)
def test_what_others_run_does_not(key: str, path: str, code: dict[str, set[str]]) -> None:
    assert (REPO / path).is_file()
    assert path not in code[key]


def test_no_real_archive_depends_on_the_generator(code: dict[str, set[str]]) -> None:
    allowed = {"synthesize", "synthesize_ma52"}
    for key, paths in code.items():
        if key.partition("@")[0] not in allowed:
            assert not {path for path in paths if path.startswith("benchmark/synthetic/")}, key


@pytest.mark.parametrize("module", sorted(CARRIERS))
def test_a_carrier_holds_no_arithmetic_no_default_and_no_table(module: str) -> None:
    """Otherwise its own lines could move a number without any stage's notice."""
    path = REPO / f"{module.replace('.', '/')}.py"
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp):  # a | b joins types
            assert isinstance(node.op, ast.BitOr), ast.unparse(node)
        assert not isinstance(node, ast.AugAssign | ast.Lambda | ast.Compare) or _is_check(
            node, tree
        ), ast.unparse(node)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            constants = [one for one in ast.walk(node.value) if isinstance(one, ast.Constant)]
            numbers = [one for one in constants if isinstance(one.value, int | float)]
            assert not numbers or _in_call(node.value, numbers), ast.unparse(node)


def _in_call(value: ast.expr, numbers: list[ast.Constant]) -> bool:
    """Whether every number is an argument of `Field(...)`: a bound refuses, and changes none."""
    calls = [one for one in ast.walk(value) if isinstance(one, ast.Call)]
    inside = {id(child) for call in calls for child in ast.walk(call)}
    return all(id(one) in inside for one in numbers)


def _is_check(node: ast.AST, tree: ast.Module) -> bool:
    """Whether a comparison stands in a validator, which refuses and changes no value."""
    for one in ast.walk(tree):
        if isinstance(one, ast.FunctionDef) and any(child is node for child in ast.walk(one)):
            names = {ast.unparse(each).split("(")[0] for each in one.decorator_list}
            return bool(names & {"model_validator", "property"}) or one.name == "folder_of"
    return False


def test_observers_and_carriers_exist() -> None:
    for name in (*CARRIERS, *OBSERVERS):
        path = REPO / name.replace(".", "/")
        assert path.is_dir() or path.with_suffix(".py").is_file(), name


def test_a_checkpoint_depends_on_the_kinds_that_its_training_uses(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = params.experiments["joint"]
    before = digest_of(experiment, start=["benchmark.training.loop"])
    hash_of = provenance.code_hash
    for name, counts in (("pose_conv3d.py", True), ("video_swin.py", False), ("meter.py", False)):
        monkeypatch.setattr(
            provenance, "code_hash", lambda path, name=name, **more: (
                "other" if path.name == name else hash_of(path, **more)
            ),
        )  # fmt: skip
        assert (digest_of(experiment, start=["benchmark.training.loop"]) != before) == counts, name


@pytest.mark.slow
def test_status_parses_a_file_once_and_believes_no_hash_of_another_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dvc.yaml").write_bytes((REPO / "dvc.yaml").read_bytes())
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    params = read_params(REPO / "params.yaml")

    def again() -> dict[str, list[str]]:
        monkeypatch.setattr(provenance, "_KNOWN", {})
        code_hash.cache_clear()
        return changed_code(tmp_path, params, archive_module)

    parsed = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda text: parsed.append(text) or parse(text))
    first = again()
    assert len(parsed) > 100
    parsed.clear()
    assert again() == first
    assert parsed == []
    kept = tmp_path / ".dvc/tmp/code_hashes.json"
    kept.write_text(kept.read_text("utf-8").replace('": "', '0": "'), "utf-8")
    assert again() == first
    assert len(parsed) > 100, "another text has another key"
    kept.write_text("damaged", "utf-8")
    assert again() == first
