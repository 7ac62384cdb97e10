"""`mgbench` in a project that never ran, and outside of a project."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from conftest import REPO, copy_code, mgbench
from pipelines.cli.main import main
from pipelines.scale.state import SECONDS, read_seconds


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that never ran here, with the record of a run elsewhere, as in a clone."""
    for name in ("dvc.yaml", "dvc.lock", "params.yaml", ".dvcignore"):
        shutil.copy(REPO / name, tmp_path / name)
    shutil.copytree(REPO / ".dvc", tmp_path / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache"))
    copy_code(tmp_path)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
def test_status_of_a_new_project_says_that_nothing_ran(project: Path) -> None:
    lines = mgbench(project, "status").stdout.splitlines()
    assert len(lines) == 49
    assert all(line.endswith("never run") for line in lines[:-1])
    assert lines[-1] == "0 of 48 stages are up to date: run 'dvc repro'; --why says what changed"


def test_results_of_a_new_project_say_what_to_do(project: Path) -> None:
    assert "no results yet: run 'dvc repro'" in mgbench(project, "results").stdout


@pytest.mark.parametrize(
    "words",
    [
        "results", "weights check", "edition list", "graph", "plan --all", "run",
        "run -j 0", "plan --gpus 0",
    ],
)  # fmt: skip
def test_inside_a_folder_of_a_project_a_command_does_not_say_that_nothing_is_there(
    project: Path, words: str
) -> None:
    (project / "docs").mkdir(exist_ok=True)
    done = mgbench(project / "docs", *words.split())
    assert done.returncode == 2, done.stdout
    assert done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", "[]", "stages: 3", "schema: '2.0'"])
def test_a_damaged_lock_of_dvc_is_named_with_its_cure(project: Path, text: str) -> None:
    (project / "dvc.lock").write_text(text, "utf-8")
    for words in ("status", "graph"):
        done = mgbench(project, words)
        assert done.returncode == 2, done.stdout
        assert "git checkout dvc.lock" in done.stderr


@pytest.mark.parametrize("assumed", ["train=nan", "train@joint=-5", "train", "train="])
def test_hours_that_are_none_are_refused(project: Path, assumed: str) -> None:
    done = mgbench(project, "plan", "--assume", assumed)
    assert done.returncode == 2
    assert f"--assume: '{assumed}'" in done.stderr


def test_what_a_plan_does_not_know_is_asked_for_by_kind_and_light_stages_are_not(
    project: Path,
) -> None:
    done = mgbench(project, "plan", "--assume", "trains=1")
    assert "there is no stage 'trains'" in done.stderr
    done = mgbench(project, "plan", "--assume", "prepare=1")
    assert done.returncode == 2
    assert "nothing is known of 1 stages synthesize, 1 stages index, 12 stages train" in done.stderr
    assert "--assume synthesize=HOURS --assume index=HOURS --assume train=HOURS" in done.stderr
    assert "fuse" not in done.stderr


def test_durations_that_a_crash_damaged_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    SECONDS.mkdir(parents=True)
    for name, text in {"a": "", "b": "[]", "c": '{"seconds": "x"}', "d": '{"seconds": 3}'}.items():
        (SECONDS / name).write_text(text, "utf-8")
    assert read_seconds() == {"d": 3.0}


@pytest.mark.parametrize(
    "words",
    [
        "export zoo params.yaml", "export zoo a.onnx", "export zoo a.zip --onnx",
        "modality preview 0_0 --out params.yaml", "zoo depth --picture params.yaml",
    ],
)  # fmt: skip
def test_no_output_takes_the_place_of_another_kind_of_file(project: Path, words: str) -> None:
    before = (project / "params.yaml").read_bytes()
    done = mgbench(project, *words.split())
    assert done.returncode == 2
    assert "unknown file type" in done.stderr
    assert (project / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("name", ["status", "sync"])
def test_outside_of_a_project_a_command_says_so_without_traceback(
    tmp_path: Path, name: str
) -> None:
    done = mgbench(tmp_path, name)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def _parameters(command: click.Command) -> Iterator[click.Parameter]:
    yield from command.params
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from _parameters(one)


def test_no_option_takes_a_number_that_is_not_finite() -> None:
    numbers = [
        each for each in _parameters(main) if isinstance(each.type, click.types.FloatParamType)
    ]
    assert {"threshold", "least", "sigma"} <= {each.name for each in numbers}
    for number in numbers:
        for text in ("nan", "inf", "-inf"):
            with pytest.raises(click.BadParameter):
                number.type.convert(text, number, None)
