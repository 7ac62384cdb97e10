"""launch.yaml: where the heavy command of a stage runs, on engines that really run."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from benchmark.core.errors import BenchmarkError, ParamsError
from benchmark.core.schema import validate
from engines import ray_cluster, slurm, ssh_server, wait_until
from pipelines.scale import state
from pipelines.scale.launch import Settings, check_stages, read_settings, resources_of, take
from pipelines.scale.launchers import Job, Resources, Slots
from tiny_project import KEPT, change, command, copied, project, python_path

NEEDS = Resources(cores=1, gpus=0, memory_gib=1.0, hours=1.0)
SMALL = {"cores": 1, "gpus": 0, "memory_gib": 0.5, "hours": 1}


def job(*words: str, gpus: int = 0) -> Job:
    return Job("job", words, {}, NEEDS.model_copy(update={"gpus": gpus}))


@given(words=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=4))
def test_the_far_side_gets_every_word_as_it_is(words: list[str]) -> None:
    show = "import sys; sys.stdout.buffer.write(repr(sys.argv[1:]).encode('utf-8', 'replace'))"
    spelled = job(sys.executable, "-I", "-S", "-c", show, *words).spelled()
    # As ssh and sbatch do it: one text, for a shell.
    done = subprocess.run(["sh", "-c", shlex.join(spelled)], capture_output=True, check=True)
    assert done.stdout == repr(words).encode("utf-8", "replace")


def test_what_a_stage_needs_comes_from_its_kind_and_then_from_itself() -> None:
    raw = {
        "launcher": {"kind": "here"},
        "resources": {"train": {"gpus": 2}, "train@a": {"gpus": 4}},
    }
    settings = validate(Path("launch.yaml"), raw, Settings)
    assert resources_of("train@a", settings).gpus == 4
    assert resources_of("train@b", settings).gpus == 2
    assert resources_of("train@b", settings).memory_gib == 64, "of resources.yaml"
    assert resources_of("fuse@x", settings) is None, "light stages stay where DVC is"
    two = settings.model_copy(update={"resources": {"predict": {"processes": 2}}})
    with pytest.raises(ParamsError, match="predict@a: 2 processes; expected 1, except for prepare"):
        resources_of("predict@a", two)
    with pytest.raises(ParamsError, match="gpu"):
        resources_of("train@c", settings.model_copy(update={"resources": {"train@c": {"gpu": 1}}}))


@pytest.mark.parametrize(
    ("resources", "says"),
    [
        ("{train@swinrgb: {gpus: 2}}", "no stage 'train@swinrgb'. Did you mean 'train@swin_rgb'?"),
        ("{trains: {gpus: 2}}", "no stage 'trains'. Did you mean 'train'?"),
        ("{train: {gpu: 2}}", "unknown key; did you mean 'gpus'?"),
        ("{predict: {processes: 2}}", "predict: 2 processes; expected 1"),
    ],
)
def test_what_launch_yaml_misspells_is_told_before_any_stage_runs(
    resources: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stages = ["check", "train@swin_rgb", "predict@swin_rgb"]
    check_stages(stages)
    file = tmp_path / "launch.yaml"
    file.write_text("launcher: {kind: slots, gpus: [0, 1]}\nresources: {train: {gpus: 2}}\n")
    check_stages(stages)
    assert read_settings().launcher.gpus == ("0", "1")
    file.write_text(f"launcher: {{kind: here}}\nresources: {resources}\n")
    with pytest.raises(ParamsError) as error:
        check_stages(stages)
    assert says in str(error.value)


def test_a_launcher_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "launch.yaml").write_text("launcher: {kind: srun}\n")
    with pytest.raises(ParamsError, match="launcher 'srun' needs 'srun', which is not here"):
        read_settings()
    (tmp_path / "launch.yaml").write_text("launcher: {kind: slurm}\n")
    with pytest.raises(ParamsError, match="srun"):
        read_settings()


def test_no_two_jobs_hold_the_same_gpu_and_half_of_what_one_needs_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    launcher = Slots(kind="slots", gpus=("0", "1", "2"))
    with ExitStack() as first, ExitStack() as second, ExitStack() as third:
        taken = take(launcher, job("x", gpus=2), first)
        assert taken == {"CUDA_VISIBLE_DEVICES": "0,1"}
        assert take(launcher, job("x", gpus=2), second) is None
        last = take(launcher, job("x", gpus=1), third)
        assert last == {"CUDA_VISIBLE_DEVICES": "2"}
        first.close()
        again = take(launcher, job("x", gpus=2), second)
        assert again == {"CUDA_VISIBLE_DEVICES": "0,1"}
    with pytest.raises(ParamsError, match="needs 4 slots; there are 3"):
        take(launcher, job("x", gpus=4), ExitStack())


def test_another_host_in_the_same_folder_is_refused_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with state.one_host(), state.one_host():  # the same host may
        monkeypatch.setattr(state, "BOOT", tmp_path / "other")
        (tmp_path / "other").write_text("another boot")
        with pytest.raises(BenchmarkError, match="runs DVC in this folder"), state.one_host():
            pytest.fail("entered")
    with state.one_host():
        pass  # the lock of a dead host is gone with it


def test_a_second_process_of_one_stage_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with state.only_one("train@joint"), state.only_one("train@limb"):
        says = f"already runs: process {os.getpid()} on"
        with pytest.raises(BenchmarkError, match=says), state.only_one("train@joint"):
            pytest.fail("entered")
    with state.only_one("train@joint"):
        pass


@pytest.mark.parametrize(
    ("there", "says"),
    [("copy", "is not the folder in which DVC runs"), ("nowhere", "is not on that machine")],
)
def test_a_machine_without_this_disk_is_told_so_and_does_no_work(
    tmp_path: Path, there: str, says: str
) -> None:
    here, bin_ = tmp_path / "here", tmp_path / "bin"
    for folder in (here, tmp_path / "copy", bin_):
        folder.mkdir()
    launch(here, {"kind": "ssh", "hosts": ["far"]}, check={})
    # A machine on which the folder `here` is another one: ssh that swaps it in the command.
    swap = f"s#{here}#{tmp_path / there}#"
    (bin_ / "ssh").write_text(
        f'#!/bin/sh\nfor last; do :; done\neval "$(echo "$last" | sed {swap})"\n'
    )
    (bin_ / "ssh").chmod(0o755)
    environment = _env(Path(__file__).parents[1]) | {"DVC_STAGE": "check"}
    environment["PATH"] = f"{bin_}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.check", "--out", "runs/code"], cwd=here, check=False,
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "copy/runs").exists()
    assert not list((here / ".run/launched").iterdir())


# ---------------------------------------------------------------- engines that run


@pytest.fixture(scope="module")
def ready(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny project of its own."""
    root = tmp_path_factory.mktemp("launched") / "p"
    copied(finished, root)
    return root


def launch(root: Path, launcher: dict[str, Any], **resources: dict[str, Any]) -> None:
    """Write launch.yaml; `resources` may name a stage with `__` for `@`."""
    named = {stage.replace("__", "@"): SMALL | more for stage, more in resources.items()}
    with (root / "launch.yaml").open("w") as file:
        YAML().dump({"launcher": launcher, "resources": named}, file)


def anew(root: Path, stage: str, check: bool = True) -> str:
    """Run a stage again although nothing changed; return what it said."""
    done = command(root, "dvc", "repro", "--force", "--single-item", "--no-run-cache", stage,
                   check=check, cold=True)  # fmt: skip
    return done.stdout + done.stderr


def lock(root: Path) -> bytes:
    return (root / "dvc.lock").read_bytes()


@pytest.mark.slow
@pytest.mark.engines
@pytest.mark.parametrize("kind", ["srun", "sbatch"])
def test_slurm_runs_a_stage_to_the_same_bytes_and_passes_output_and_exit_code_on(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    before = lock(ready)
    with slurm(tmp_path) as environment:
        monkeypatch.setenv("SLURM_CONF", environment["SLURM_CONF"])
        launch(ready, {"kind": kind}, index={})
        assert "wrote data/mimic/clips.parquet: 24 train" in anew(ready, "index@mimic")
        assert lock(ready) == before
        _wait_for_slurm(environment, 1)
        labels = next((ready / "data/raw/mimic").rglob("*.csv"))
        kept = labels.read_bytes()
        labels.unlink()
        labels.write_bytes(b"nonsense\n")
        said = anew(ready, "index@mimic", check=False)
        assert "exited with 2" in said
        assert f"Error: {labels.relative_to(ready)}" in said or labels.name in said
        labels.write_bytes(kept)
        anew(ready, "index@mimic")


def _wait_for_slurm(environment: dict[str, str], least: int) -> None:
    """Until so many jobs have ended well: the last one may still be COMPLETING."""

    def completed() -> int:
        jobs = ["scontrol", "show", "jobs", "--oneliner"]
        done = subprocess.run(jobs, env=os.environ | environment, capture_output=True, check=False)
        return done.stdout.count(b"JobState=COMPLETED")

    wait_until(lambda: completed() >= least, f"{least} completed jobs")


@pytest.mark.slow
@pytest.mark.engines
def test_a_job_that_slurm_cancels_resumes_to_the_same_bytes(
    ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ready / "models/joint/weights.safetensors"
    before = model.read_bytes()
    with slurm(tmp_path) as environment:
        monkeypatch.setenv("SLURM_CONF", environment["SLURM_CONF"])
        launch(ready, {"kind": "sbatch"}, train={})
        words = ["dvc", "repro", "--force", "--single-item", "--no-run-cache", "train@joint"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(words, cwd=ready, stdout=log, stderr=log, env=_env(ready))
        wait_until(lambda: b"initial weights" in (tmp_path / "log").read_bytes(), "training")
        time.sleep(1)
        names = subprocess.run(["squeue", "-h", "-o", "%j"], capture_output=True, text=True,
                               check=True).stdout.split()  # fmt: skip
        subprocess.run(["scancel", f"--name={names[0]}"], check=True)
        assert process.wait(180) != 0
        said = (tmp_path / "log").read_text()
        assert "lost, stopped from outside or refused. Run the same command again" in said
        assert list((ready / ".ckpt/joint").glob("*/last.pt"))
        anew(ready, "train@joint")
    assert model.read_bytes() == before


def _env(root: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(root), *python_path()]), "PATH": path}


@pytest.mark.slow
@pytest.mark.engines
def test_another_host_runs_a_stage_and_a_stop_of_dvc_ends_it_there(
    ready: Path, tmp_path: Path
) -> None:
    model = ready / "models/joint/weights.safetensors"
    before, weights = lock(ready), model.read_bytes()
    with ssh_server(tmp_path) as options:
        # The variables of this test must not reach the other end by inheritance.
        launch(ready, {"kind": "ssh", "hosts": ["127.0.0.1"], "options": options},
               index={}, train={})  # fmt: skip
        assert "wrote data/mimic/clips.parquet: 24 train" in anew(ready, "index@mimic")
        assert lock(ready) == before
        words = ["dvc", "repro", "--force", "--single-item", "--no-run-cache", "train@joint"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                words, cwd=ready, stdout=log, stderr=log, env=_env(ready), start_new_session=True
            )
        wait_until(lambda: b"initial weights" in (tmp_path / "log").read_bytes(), "training")
        os.killpg(process.pid, signal.SIGINT)
        process.wait(180)
        wait_until(lambda: not _trainings(ready), "the end of the training there")
        anew(ready, "train@joint")
    assert model.read_bytes() == weights


def _trainings(root: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").resolve() == root.resolve()
            if here and b"pipelines.train" in (process / "cmdline").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.engines
def test_ray_runs_a_stage_to_the_same_bytes_and_passes_its_output_on(ready: Path) -> None:
    before = lock(ready)
    # Its sockets need a short path.
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, ray_cluster(Path(folder)) as address:
        launch(ready, {"kind": "ray", "address": address}, index={}, prepare={"processes": 2})
        assert "wrote data/mimic/clips.parquet: 24 train" in anew(ready, "index@mimic")
        anew(ready, "prepare@skeleton")
        assert lock(ready) == before


@pytest.mark.slow
@pytest.mark.engines
def test_the_tiny_edition_goes_through_slurm_four_stages_at_once(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(tmp_path / "p", kept=KEPT)
    with slurm(tmp_path / "slurm") as environment:
        monkeypatch.setenv("SLURM_CONF", environment["SLURM_CONF"])
        needs = {kind: {} for kind in ("synthesize", "index", "prepare", "train", "predict")}
        launch(root, {"kind": "sbatch"}, **needs)
        command(root, "mgbench", "run", "-j", "4", cold=True)
        _wait_for_slurm(environment, 15)
    assert "up to date" in command(root, "dvc", "status").stdout
    for path in sorted((finished / "predictions").rglob("*.parquet")):
        assert (root / path.relative_to(finished)).read_bytes() == path.read_bytes(), path


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["prepare@skeleton", "prepare@flow"])
def test_several_processes_share_the_shards_of_a_stage_to_the_same_bytes(
    ready: Path, stage: str
) -> None:
    before = lock(ready)
    # Two slots for three processes: the last one waits.
    launch(ready, {"kind": "slots", "gpus": ["0", "1"]}, prepare={"processes": 3, "gpus": 1})
    anew(ready, stage)
    assert lock(ready) == before
    assert not list((ready / "data/mimic").rglob("*.lock"))


@pytest.mark.slow
def test_two_nodes_train_to_the_result_of_one_and_a_killed_rank_ends_both(ready: Path) -> None:
    change(ready, ("recipes", "pose_small"), {"micro_batch_size": 4, "batch_size": 8})
    command(ready, "dvc", "repro", "-s", "check")
    launch(ready, {"kind": "here"})
    anew(ready, "train@joint")
    alone = (ready / "reports/experiments/joint/history.csv").read_text().splitlines()
    launch(ready, {"kind": "here"}, train={"processes": 2, "ranks": 1})
    words = ["dvc", "repro", "--force", "--single-item", "--no-run-cache", "train@joint"]
    process = subprocess.Popen(words, cwd=ready, env=_env(ready), start_new_session=True)
    checkpoints = ready / ".ckpt/joint"
    wait_until(lambda: len(_ranks(ready)) == 2, "two ranks")
    wait_until(lambda: bool(list(checkpoints.glob("*/last.pt"))), "a checkpoint")
    os.kill(int(_ranks(ready)[1]), signal.SIGKILL)
    assert process.wait(120) != 0
    assert not _trainings(ready), "no rank hangs"
    anew(ready, "train@joint")
    shared = (ready / "reports/experiments/joint/history.csv").read_text().splitlines()
    assert [float(v) for v in shared[-1].split(",")] == pytest.approx(
        [float(v) for v in alone[-1].split(",")], rel=1e-3
    )


def _ranks(root: Path) -> list[str]:
    def is_rank(number: str) -> bool:
        try:
            return b"LOCAL_RANK=" in Path(f"/proc/{number}/environ").read_bytes()
        except OSError:
            return False

    return [number for number in _trainings(root) if is_rank(number)]
