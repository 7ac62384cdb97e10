"""`mgbench doctor` names what is wrong and what mends it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from benchmark import doctor
from benchmark.core.errors import ManyFaults, MissingExtra
from benchmark.doctor import machine, packages, project
from benchmark.params import needs
from benchmark.params.needs import check_archives, check_packages, missing_packages
from benchmark.params.params import read_params
from benchmark.presets.preset import paper
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
    monkeypatch.setattr(doctor, "installed", lambda name: versions.get(name, "1"))
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
    assert "FAULT DVC               dvc.yaml is missing" in mgbench(tmp_path, "doctor").stdout
    shutil.copy(REPO / "dvc.yaml", tmp_path / "dvc.yaml")
    done = mgbench(tmp_path, "doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(line[:5] in {"ok   ", "note ", "FAULT"} for line in done.stdout.splitlines())
    assert "data mimic" in done.stdout


def test_what_is_left_of_an_experiment_that_is_gone_is_named(tmp_path: Path) -> None:
    for name in ("joint", "once"):
        (tmp_path / "predictions/experiments" / name).mkdir(parents=True)
    found = [one for one in project(tmp_path, PARAMS) if one.what == "leftover"]
    assert [one.do for one in found] == ["rm -r predictions/experiments/once"]


def git(root: Path, *arguments: str) -> None:
    names = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", str(root), *names, *arguments], check=True)


def test_a_project_without_git_is_told_both_ways_out(tmp_path: Path) -> None:
    def found() -> Finding:
        return by_name(list(project(tmp_path, PARAMS)))["Git"]

    assert (found().level, found().do.count("git init")) == ("fault", 1)
    assert "dvc config core.no_scm true" in found().do
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n['remote \"a\"']\nurl = %x\n")
    assert found().level == "ok"
    (tmp_path / ".dvc/config").unlink()
    git(tmp_path, "init", "-q")
    assert (found().level, found().do) == ("note", "git commit")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    assert found().level == "ok"
    (tmp_path / "sub").mkdir()
    assert by_name(list(project(tmp_path / "sub", PARAMS)))["Git"].level == "ok"


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_repository_of_another_user_is_named_with_its_cure(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    for path in (tmp_path, tmp_path / ".git"):
        os.chown(path, 54321, 54321)
    finding = by_name(list(project(tmp_path, PARAMS)))["Git"]
    assert finding.level == "note"
    assert finding.do == f"git config --global --add safe.directory {tmp_path}"


@pytest.mark.parametrize(
    ("uri", "level", "said"),
    [
        ("postgresql://u:hunter2@db/x", "note", "not followed"),
        ("file:/elsewhere?hunter2", "note", "not followed"),
        ("hunter2", "note", "not followed"),
        ("http://u:hunter2@127.0.0.1:9", "fault", "http://127.0.0.1:9 does not answer"),
        ("https://u:hunter2@[", "fault", "is not an address"),
        ("http://u:hunter2/3@h", "fault", "is not an address"),
    ],
)
def test_the_place_of_the_runs_is_told_as_it_is_and_without_a_password(
    uri: str, level: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    finding = next(one for one in project(tmp_path, PARAMS) if one.what == "MLflow")
    assert finding.level == level
    assert said in finding.text
    assert "hunter2" not in finding.line()
    if "://" in uri:
        assert "hunter2" not in caplog.text


def test_a_server_that_answers_is_the_place_of_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://u:hunter2@127.0.0.1:{port}")
        (finding,) = [one for one in project(tmp_path, PARAMS) if one.what == "MLflow"]
    assert finding.text == f"runs go to http://127.0.0.1:{port}, which answers"


def test_a_user_without_a_name_is_told_what_dvc_needs(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root becomes another user")
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from benchmark.tracking.records import origin, user_name\n"
        "origin(Path(sys.argv[1]))  # imports what the other user may not read\nos.setuid(54321)\n"
        "print(repr(user_name()), origin(Path(sys.argv[1]))['mlflow.user'])"
    )
    names = ("LOGNAME", "USER", "LNAME", "USERNAME")
    nameless = {key: value for key, value in os.environ.items() if key not in names}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=nameless | {"PYTHONPATH": str(REPO)},
        cwd=REPO, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "'' uid 54321\n", done.stderr


@pytest.mark.parametrize("name", ["a{b", "a}"])
def test_a_path_that_dvc_cannot_bear_is_a_fault(name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    root.mkdir()
    assert by_name(list(project(root, PARAMS)))["path"].level == "fault"
    assert "path" not in by_name(list(project(tmp_path, PARAMS)))


def test_a_package_that_params_need_is_missed_before_the_first_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    params = paper()
    assert {*missing_packages(params)} <= {"ptlflow", "transformers"}
    monkeypatch.setattr(needs, "find_spec", lambda name: None)
    assert missing_packages(params) == {
        "ptlflow": "memflow", "transformers": "video_depth_anything",
    }  # fmt: skip
    assert missing_packages(read_params(REPO / "params.yaml")) == {}
    with pytest.raises(MissingExtra, match="ptlflow: not installed; .*'memflow' need it"):
        check_packages(params)


def test_what_starts_from_an_experiment_of_a_missing_archive_goes_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/raw/imigue").mkdir(parents=True)
    with pytest.raises(ManyFaults, match="'mgbench experiment remove swin_ma52 swin_rgb_star'"):
        check_archives(paper())
