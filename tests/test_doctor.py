"""`mgbench doctor` names what is wrong and what mends it."""

from __future__ import annotations

import shutil
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from benchmark import doctor
from benchmark.doctor import machine, packages, project
from benchmark.params.params import read_params
from conftest import REPO, mgbench

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.doctor import Finding

PARAMS = read_params(REPO / "params.yaml")


def by_name(found: list[Finding]) -> dict[str, Finding]:
    return {one.what: one for one in found}


def test_this_environment_is_found_whole() -> None:
    found = [*machine(), *packages()]
    assert [one for one in found if one.level == "fault"] == []
    assert by_name(found)["video"].text == "H.264 written and read: 4 of 4 frames"
    assert by_name(found)["torch"].text.startswith("2.")


def test_a_full_disk_a_slow_torch_and_a_doubled_opencv_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions = {"torch": "2.9.1"}
    monkeypatch.setattr(doctor, "version", lambda name: versions.get(name, "1"))
    names = ["opencv-python", "opencv-contrib-python-headless", "torch"]
    installed = [SimpleNamespace(metadata={"Name": name}) for name in names]
    monkeypatch.setattr(doctor, "distributions", lambda: installed)
    monkeypatch.setattr(doctor, "DISK_GIB", 10**9)
    found = [*machine(), *packages()]
    faults = {one.what: one for one in found if one.level == "fault"}
    assert set(faults) == {"torch", "OpenCV"}
    assert all(one.do for one in faults.values())
    assert by_name(found)["disk"].do == "free some, or 'dvc gc -w'"


def test_a_new_project_is_told_what_to_run(tmp_path: Path) -> None:
    found = by_name(list(project(tmp_path, PARAMS)))
    assert found["data mimic"].do == "dvc repro"
    assert found["MLflow"].do == "mgbench sync"


def test_a_damaged_store_and_a_missing_archive_are_faults(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns/mlflow.db").write_bytes(b"no database at all" * 100)
    use = {"imigue": PARAMS.editions["mimic"]}
    found = by_name(list(project(tmp_path, PARAMS.model_copy(update={"editions": use}))))
    assert found["MLflow"].level == "fault"
    assert "mgbench sync" in found["MLflow"].do
    assert found["data imigue"].level == "fault"
    assert found["data imigue"].do == "see docs/imigue.md"


def test_the_command_prints_a_line_a_finding(tmp_path: Path) -> None:
    shutil.copy(REPO / "params.yaml", tmp_path / "params.yaml")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    done = mgbench(tmp_path, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(line[:5] in {"ok   ", "note ", "FAULT"} for line in done.stdout.splitlines())
    assert "data mimic" in done.stdout


def test_what_is_left_of_an_experiment_that_is_gone_is_named(tmp_path: Path) -> None:
    for name in ("joint", "once"):
        (tmp_path / "predictions/experiments" / name).mkdir(parents=True)
    found = [one for one in project(tmp_path, PARAMS) if one.what == "leftover"]
    assert [one.do for one in found] == ["rm -r predictions/experiments/once"]
