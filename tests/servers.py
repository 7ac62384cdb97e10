"""Servers on loopback that tests start: a free port, and the wait until one answers."""

from __future__ import annotations

import socket
import time
import urllib.request

SECONDS = 120


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


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
