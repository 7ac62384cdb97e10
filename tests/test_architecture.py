"""Decisions that a test keeps."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import subprocess
import sys
from functools import cache
from pathlib import Path

import click
import pytest

from conftest import REPO, STAGES

TOPS = ("benchmark", "pipelines", "submission")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SOURCES = sorted(path for top in TOPS for path in (REPO / top).rglob("*.py"))
FRONT_DOORS = {
    "mlflow": {"benchmark/tracking/store.py"},
    "mmaction": {"benchmark/models/mmaction_import.py"},
    "mmengine": {"benchmark/models/mmaction_import.py"},
    "decord": {"benchmark/data/readers.py"},
    "av": {"benchmark/core/video.py"},
    "mediapipe": {"benchmark/modalities/pose/mediapipe_points.py"},
    "ptlflow": {"benchmark/modalities/flow/memflow.py"},
    "transformers": {"benchmark/modalities/hugging_face.py"},
    "onnxruntime": {"benchmark/inference/onnx_file.py"},
    "onnxscript": {"benchmark/inference/onnx_file.py"},
    "timm": {"benchmark/training/optimizer.py", "benchmark/modalities/depth/dinov2.py"},
    "python_calamine": {"benchmark/archives/sheet.py"},
}


def short(path: Path) -> str:
    return path.relative_to(REPO).as_posix()


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("library", FRONT_DOORS)
def test_every_heavy_library_has_one_front_door(library: str) -> None:
    users = {short(path) for path in SOURCES if library in imports(path)}
    assert users <= FRONT_DOORS[library]
    assert users, f"nothing imports {library}: drop the rule"


def test_no_file_is_longer_than_400_lines() -> None:
    lengths = {short(path): len(path.read_text("utf-8").splitlines()) for path in SOURCES}
    assert {path: length for path, length in lengths.items() if length > 400} == {}


def test_no_function_is_longer_than_50_lines() -> None:
    lengths = {
        f"{short(path)}: {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in SOURCES for node in ast.walk(parsed(path)) if isinstance(node, FUNCTIONS)
    }  # fmt: skip
    assert {name: length for name, length in lengths.items() if length > 50} == {}


def test_modules_and_public_names_have_docstrings() -> None:
    public = [
        (f"{short(path)}: {getattr(node, 'name', 'the module')}", node)
        for path in SOURCES
        for node in [*[parsed(path)] * (path.name != "__init__.py"), *parsed(path).body]
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS))
    ]
    named = [(name, node) for name, node in public if not name.partition(": ")[2].startswith("_")]
    assert [name for name, node in named if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_stages_are_thin(stage: str) -> None:
    assert len((REPO / f"pipelines/{stage}.py").read_text("utf-8").splitlines()) <= 66


@pytest.mark.parametrize("stage", STAGES)
def test_no_knob_is_a_flag(stage: str) -> None:
    command = importlib.import_module(f"pipelines.{stage}").main
    for parameter in command.params:
        is_name = isinstance(parameter, click.Argument)
        assert is_name or isinstance(parameter.type, click.Path), parameter.name


def test_scoring_and_fusing_do_not_import_torch() -> None:
    code = (
        "import sys, submission.fusion.fuse, submission.leaderboard.writer, "
        "benchmark.results.table, "
        "benchmark.evaluation.metrics, pipelines.fuse, pipelines.submit; "
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, check=False)
    assert done.returncode == 0


@pytest.mark.slow
def test_training_and_predicting_start_without_torchmetrics_and_torchs_compiler() -> None:
    assert importlib.util.find_spec("torchmetrics") is not None
    code = (
        "import sys, pipelines.predict, pipelines.train; "
        "sys.exit(bool({'torchmetrics', 'torch._dynamo'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPO, check=False).returncode == 0


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-extras.lock"])
def test_a_lock_names_no_registry_and_pins_everything(name: str) -> None:
    lines = (REPO / name).read_text("utf-8").splitlines()
    packages = [line for line in lines if not line.startswith("#")]
    assert all(line.count("==") == 1 and "://" not in line for line in packages)


@pytest.mark.parametrize("file", sorted((REPO / "tests/bench").glob("*.py")), ids=lambda p: p.stem)
def test_what_a_bench_imports_from_us_exists(file: Path) -> None:
    """No other test runs them: they would break unseen. Programs in their strings count too."""
    tree = ast.parse(file.read_text("utf-8"))
    texts = [
        node.value for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and str(node.value).startswith("\nimport ")
    ]  # fmt: skip
    for part in (tree, *map(ast.parse, texts)):
        for node in ast.walk(part):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in TOPS:
                module = importlib.import_module(str(node.module))
                for name in (alias.name for alias in node.names):
                    if not hasattr(module, name):
                        importlib.import_module(f"{node.module}.{name}")
