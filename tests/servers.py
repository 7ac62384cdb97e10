"""Servers on loopback that tests start: a free port, a leash, and the wait until one answers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

SECONDS = 120
LEASH = """
import os, signal, subprocess, sys, threading
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: server.send_signal(number))

def follow():
    sys.stdin.read()  # ends when the test's process does, however that ends
    os.killpg(0, signal.SIGKILL)

threading.Thread(target=follow, daemon=True).start()
sys.exit(server.wait())
"""
"""A program that runs a server, passes signals on, and kills it with all that it started when the
test's process is gone. Linux's own way (`die_with_parent`) reaches no process of a server."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def free_port() -> int:
    return free_ports(1)[0]


def leashed(command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a server, in a process group of its own, that no killed test leaves behind."""
    return subprocess.Popen(
        [sys.executable, "-c", LEASH, *command], env=env, stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


@contextmanager
def mlflow_server(port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """An MLflow server; `options` say where it keeps what."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    settings = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment = {**os.environ, **settings, "MLFLOW_TRACKING_URI": ""}
    server = leashed([*command, *options], environment)
    try:
        wait_until_healthy(port)
        yield server
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_until_healthy(port: int) -> None:
    """MLflow answers /health as soon as it can answer anything."""
    deadline = time.monotonic() + SECONDS
    while not _answers(port):
        assert time.monotonic() < deadline, f"nothing answers at port {port}"
        time.sleep(0.2)


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
    except OSError:
        return False
    return True
