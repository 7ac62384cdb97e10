"""The frame of the stages: a user's mistake has no traceback, a bug keeps it, signals stop."""

from __future__ import annotations

from pipelines._start import INTERRUPTED

import os
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

from conftest import REPO

ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{REPO}"}


def stage(tmp_path: Path, body: str) -> subprocess.Popen[str]:
    """A real stage in a process of its own, with `body` as its work."""
    (tmp_path / "params.yaml").write_text((REPO / "params.yaml").read_text("utf-8"), "utf-8")
    code = (
        "import click, os, time, pathlib\n"
        "from pipelines._stage import stage\n"
        "from benchmark.core.errors import *\n"
        "@click.command()\n@stage\ndef main(params):\n" + textwrap.indent(body, "    ") + "\nmain()"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_users_mistake_is_one_message_without_traceback(tmp_path: Path) -> None:
    body = "raise ArchiveError('a.xlsx', 'wrong width', expected='411', found='410')"
    process = stage(tmp_path, body)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error == "Error: a.xlsx: wrong width; expected 411; found 410\n"


def test_a_bug_keeps_its_traceback(tmp_path: Path) -> None:
    process = stage(tmp_path, "raise KeyError('bug')")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Traceback" in error


def test_a_full_disk_is_one_message(tmp_path: Path) -> None:
    process = stage(tmp_path, "pathlib.Path('/dev/full').write_text('x' * 100)")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "No space left on device" in error
    assert "Traceback" not in error


def test_a_full_disk_that_a_library_tells_only_in_words_is_one_message(tmp_path: Path) -> None:
    body = (
        "from benchmark.core.files import replacing\n"
        "with replacing(pathlib.Path('m.safetensors')):\n"
        "    raise RuntimeError('I/O error: No space left on device (os error 28)')"
    )
    process = stage(tmp_path, body)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2
    assert error.startswith("Error: m.safetensors: No space left on device")


@pytest.mark.parametrize(
    ("body", "file", "cure"),
    [
        ("write_text(pathlib.Path('/sys/kernel/new/x'), 'x')", "/sys/kernel/new", "write access"),
        ("write_text(pathlib.Path('/sys/kernel/x'), 'x')", "/sys/kernel/.x.", "write access"),
        ("f = [open('params.yaml') for _ in range(99)]", "params.yaml", "raise 'ulimit -n'"),
        ("write_text(pathlib.Path('big'), 'x' * 99_999)", "big", "raise 'ulimit -f'"),
        ("write_text(pathlib.Path('x' * 250), 'x')", ".xxx", "Give it a shorter name"),
        ("pathlib.Path('d').mkdir(); write_text(pathlib.Path('d'), 'x')", ".d.", "A folder has"),
        ("write_text(pathlib.Path('params.yaml/x'), 'x')", "params.yaml", "where a folder is"),
        (
            "write_text(pathlib.Path('params.yaml/x/y'), 'x')",
            "params.yaml/x",
            "lies where a folder",
        ),
    ],
    ids=[
        "no folder may be made",
        "no file may be made",
        "too many files",
        "a limit of size",
        "a long name",
        "a folder instead of a file",
        "a file instead of a folder",
        "and above",
    ],
)
def test_what_the_system_refuses_is_one_message_with_file_and_cure(
    body: str, file: str, cure: str, tmp_path: Path
) -> None:
    limits = (
        "import resource\nfrom benchmark.core.files import write_text\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9999, 9999))\n"
    )
    process = stage(tmp_path, limits + body)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2, error
    assert error.startswith(f"Error: {file}"), error
    assert cure in error
    assert error.count("\n") == 1, "no traceback"
    assert not list(tmp_path.glob(".*.part"))


def test_broken_params_stop_a_stage_before_it_works(tmp_path: Path) -> None:
    process = stage(tmp_path, "raise AssertionError('ran')")
    process.communicate(timeout=60)
    (tmp_path / "params.yaml").write_text("seed: 1\nsead: 2\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.fuse", "uniform", "--clips", ".", "--members", ".",
         "--out", "x"],
        cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "  line 2: sead: unknown key; did you mean 'seed'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_a_stage_and_leaves_no_output(
    tmp_path: Path, number: int, code: int
) -> None:
    body = (
        "from benchmark.core.files import replacing\n"
        "with replacing(pathlib.Path('out.bin')) as work:\n"
        "    work.write_bytes(b'half'); pathlib.Path('started').touch(); time.sleep(60)"
    )
    process = stage(tmp_path, body)
    deadline = time.monotonic() + 60
    while not (tmp_path / "started").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, shown = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in (shown or "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml", "started"]


def test_a_command_that_is_ended_by_sigterm_leaves_no_half_written_file(tmp_path: Path) -> None:
    code = (
        "import pathlib, time\nfrom pipelines._stage import mistakes_shown\n"
        "from benchmark.core.files import replacing\n"
        "with mistakes_shown(), replacing(pathlib.Path('out.bin')):\n"
        "    print('started', flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.terminate()
        assert process.wait(60) == 143
    assert list(tmp_path.iterdir()) == []


def test_a_stage_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    body = "pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    (tmp_path / "params.yaml").write_text((REPO / "params.yaml").read_text("utf-8"), "utf-8")
    code = "import click, os, time, pathlib\nfrom pipelines._stage import stage\n@click.command()\n"
    code += "@stage\ndef main(params):\n" + textwrap.indent(body, "    ") + "\nmain()"
    (tmp_path / "inner.py").write_text(code, "utf-8")
    starter = f"import subprocess; subprocess.run([{sys.executable!r}, 'inner.py'])"
    # Under nohup a stage stays by design: the starter is to be an ordinary one, however we run.
    ordinary = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)
    outer = subprocess.Popen(
        [sys.executable, "-c", starter], cwd=tmp_path, env=ENVIRONMENT, preexec_fn=ordinary
    )
    deadline = time.monotonic() + 60
    pid_file = tmp_path / "pid"
    while not pid_file.exists() or not pid_file.read_text("utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    inner = int(pid_file.read_text("utf-8"))
    outer.kill()
    outer.wait(timeout=60)
    while Path(f"/proc/{inner}").exists() and "Z" not in _state(inner):
        assert time.monotonic() < deadline, "the stage outlived its parent"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("shell", ["", "sh -c '{}; true'"], ids=["alone", "in a shell"])
def test_a_stage_whose_dvc_is_killed_in_its_first_second_writes_nothing(
    tmp_path: Path, shell: str, delay: float
) -> None:
    command = f"{sys.executable} -m pipelines.check --out {tmp_path}/code"
    command = shell.format(command) if shell else command
    starter = f"import subprocess; subprocess.run({command!r}, shell=True)"
    dvc = subprocess.Popen(
        [sys.executable, "-c", starter], cwd=REPO, env={**ENVIRONMENT, "DVC_STAGE": "check"}
    )
    process, deadline = psutil.Process(dvc.pid), time.monotonic() + 60
    while not (
        stages := [p for p in process.children(recursive=True) if "check" in " ".join(p.cmdline())]
    ):
        assert time.monotonic() < deadline
    time.sleep(delay)
    dvc.kill()
    dvc.wait()
    _, alive = psutil.wait_procs(stages, timeout=60)
    assert not alive
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("how", ["nohup", "setsid", ""])
def test_a_stage_that_was_started_by_hand_outlives_its_shell(tmp_path: Path, how: str) -> None:
    (tmp_path / "inner.py").write_text(
        "import click, os, time, pathlib\nfrom pipelines._stage import stage\n@click.command()\n"
        "@stage\ndef main(params):\n    pathlib.Path('pid').write_text(str(os.getpid()))\n"
        "    time.sleep(60)\nmain()"
    )
    (tmp_path / "params.yaml").write_text((REPO / "params.yaml").read_text("utf-8"), "utf-8")
    shell = subprocess.Popen(
        ["bash", "-c", f"{how} {sys.executable} inner.py & sleep 60"], cwd=tmp_path,
        env=ENVIRONMENT, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shell.kill()
    shell.wait()
    time.sleep(1)
    inner = psutil.Process(int((tmp_path / "pid").read_text()))
    assert inner.status() != psutil.STATUS_ZOMBIE
    inner.kill()


@pytest.mark.parametrize("name", ["check", "train"])
def test_ctrl_c_while_a_stage_loads_its_modules_is_one_line(name: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", f"pipelines.{name}"], cwd=REPO, env=ENVIRONMENT, text=True,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    # The stage loads it right after it has begun to hear signals.
    while "_ctypes" not in Path(f"/proc/{process.pid}/maps").read_text():
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    _, shown = process.communicate(timeout=60)
    assert (process.returncode, shown) == (130, f"{INTERRUPTED}\n")


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").split(") ")[1][0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def test_too_little_memory_for_a_library_is_one_message() -> None:
    command = f"ulimit -v 307200; exec {sys.executable} -m pipelines.predict --help"
    done = subprocess.run(
        ["bash", "-c", command], env=ENVIRONMENT, cwd=REPO, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("Error: memory: ")
    assert done.stderr.endswith(". Free some and run it again\n")
    assert "Traceback" not in done.stderr
