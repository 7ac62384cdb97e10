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
