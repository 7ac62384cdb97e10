"""No server outlives what started it: neither `mgbench ui` nor one of a test."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import REPO, mgbench
from servers import free_port, wait_until_healthy

UI = [sys.executable, "-m", "pipelines.cli.main", "ui", "--port"]
STARTER = """
import signal, subprocess, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup, nothing follows what started it
subprocess.Popen(sys.argv[1:]).wait()
"""
TEST = "import os, sys; from servers import leashed; leashed(sys.argv[1:], {**os.environ}).wait()"
TWO = """
import socket, subprocess, sys
if sys.argv[2:]:
    subprocess.Popen([sys.executable, __file__, sys.argv[1]]).wait()
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()
"""


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def assert_soon(port: int, *, open_: bool) -> None:
    until = time.monotonic() + 60
    while listens(port) != open_:
        assert time.monotonic() < until, f"port {port} {'closed' if open_ else 'still open'}"
        time.sleep(0.05)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    return tmp_path


def started(project: Path, command: list[str], log: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(REPO), "MLFLOW_TRACKING_URI": ""}
    with log.open("wb") as file:
        return subprocess.Popen(
            command, cwd=project, env=environment, stdout=file, stderr=file, start_new_session=True
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_the_ui_says_where_to_look_and_nothing_else_and_ends_at_once(
    project: Path, number: signal.Signals, code: int
) -> None:
    port, log = free_port(), project / "log"
    with started(project, [*UI, str(port)], log) as process:
        wait_until_healthy(port)
        os.killpg(process.pid, number)
    assert process.returncode == code
    first, *rest = log.read_text("utf-8").splitlines()
    assert first.startswith(f"trainings: http://127.0.0.1:{port}/#/experiments/")
    assert rest == ["Ctrl-C ends it"], "no line per request, warning or traceback"
    assert not listens(port)


@pytest.mark.slow
@pytest.mark.parametrize("starter", [[], [sys.executable, "-c", STARTER]], ids=["ui", "starter"])
def test_a_kill_of_the_ui_or_of_its_starter_leaves_no_server(
    project: Path, starter: list[str]
) -> None:
    port = free_port()
    with started(project, [*starter, *UI, str(port)], project / "log") as process:
        wait_until_healthy(port)
        process.kill()
    assert_soon(port, open_=False)


def test_a_port_that_is_taken_is_one_error(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = mgbench(project, "ui", "--port", str(port))
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: port {port}: another program listens there")
    assert not (project / "mlruns").exists(), "said before any work"


def test_a_killed_test_leaves_no_server_nor_what_that_started(tmp_path: Path) -> None:
    port, server = free_port(), tmp_path / "server.py"
    server.write_text(TWO)
    words = [sys.executable, "-c", TEST, sys.executable, str(server), str(port), "twice"]
    with subprocess.Popen(words, cwd=REPO / "tests") as process:
        assert_soon(port, open_=True)
        process.kill()
    assert_soon(port, open_=False)
