"""Commands of tiny projects that start by fork, from a server that holds the large libraries.

Loading torch takes seconds, and the tests start hundreds of stages and commands. Each process still
loads the project's own code from where it lies; tests of launchers start real processes instead.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import multiprocessing.process
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from pathlib import Path

from filelock import FileLock

LIBRARIES = (
    "av", "click", "cv2", "jinja2", "matplotlib.figure", "mlflow",
    "mlflow.store.tracking.sqlalchemy_store", "pandas", "pyarrow.parquet", "pydantic",
    "ruamel.yaml", "scipy.optimize", "scipy.stats", "sklearn.metrics", "timm.optim", "torch",
    "torch._dynamo", "torchvision", "tqdm",
)  # fmt: skip
"""Libraries without threads, and without settings of the environment that a test changes."""
CLIENT = """\
import json, os, socket, sys
program, *words = sys.argv[1:]
if program == "python" and not (words[0] == "-m" and words[1].startswith("pipelines.")):
    os.execv({python!r}, [{python!r}, *words])
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.connect({door!r})
asked = json.dumps([program, words, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [asked], [0, 1, 2])
sys.exit(int(server.recv(16) or 1))
"""
LONGEST = 200_000
"""Bytes of a message, most of them the environment."""


@cache
def programs() -> Path:
    """Return the folder of `python` and `mgbench`, for the head of PATH.

    The first process of a run of tests starts the server, which ends with that run.
    """
    of_xdist = os.environ.get("PYTEST_XDIST_TESTRUNUID")
    run = f"{of_xdist or os.getpid()}-{os.getuid()}"
    folder = Path(tempfile.gettempdir()) / f"warm-{run}"
    with FileLock(f"{folder}.lock"):
        if not folder.exists():
            _start(folder, keeper=os.getppid() if of_xdist else os.getpid())
    return folder


def _start(folder: Path, *, keeper: int) -> None:
    door, client = folder / "door", folder / "client.py"
    folder.mkdir(mode=0o700)
    client.write_text(CLIENT.format(python=sys.executable, door=str(door)), "utf-8")
    for name in ("python", "mgbench"):
        line = f'exec "{sys.executable}" -IS "{client}" {name} "$@"'
        (folder / name).write_text(f"#!/bin/sh\n{line}\n", "utf-8")
        (folder / name).chmod(0o755)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, __file__, str(door), str(keeper)], env=environment, cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert server.stdout is not None
    assert server.stdout.read() == b"open"


def _serve(door: Path, keeper: int) -> None:
    """Start what clients ask for while the keeper lives; end what a client no longer awaits."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server,
        selectors.DefaultSelector() as events,
    ):
        server.bind(str(door))
        server.listen(64)
        os.write(1, b"open")
        os.dup2(2, 1)
        for library in LIBRARIES:
            importlib.import_module(library)
        assert threading.active_count() == 1, "a fork would lose the other threads"
        gc.freeze()
        run = os.pidfd_open(keeper)
        for file in (server, run):
            events.register(file, selectors.EVENT_READ)
        while True:
            ready = [key for key, _ in events.select()]
            if any(key.fd == run for key in ready):
                break
            for key in ready:
                if key.fileobj is server:
                    _begin(server.accept()[0], events)
                elif key.fd in events.get_map():  # its process may have ended a moment ago
                    _finish(key, events)
    shutil.rmtree(door.parent)
    Path(f"{door.parent}.lock").unlink(missing_ok=True)
    os.killpg(0, signal.SIGTERM)


def _begin(client: socket.socket, events: selectors.BaseSelector) -> None:
    message, files, _, _ = socket.recv_fds(client, LONGEST, 3)
    if not (process := os.fork()):
        _become(*json.loads(message), files)
    for file in files:
        os.close(file)
    ended = os.pidfd_open(process)
    for file in (client, ended):
        events.register(file, selectors.EVENT_READ, (process, client, ended))


def _finish(key: selectors.SelectorKey, events: selectors.BaseSelector) -> None:
    """Tell the client of the end of its process, or end the process of a client that is gone."""
    process, client, ended = key.data
    if key.fileobj is client:
        os.kill(process, signal.SIGTERM)
        events.unregister(client)
        return
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    events.unregister(ended)
    if client in events.get_map():
        events.unregister(client)
    with suppress(BrokenPipeError):
        client.send(str(code if code >= 0 else 128 - code).encode())
    client.close()
    os.close(ended)


def _become(
    program: str, words: list[str], folder: str, environment: dict[str, str], files: list[int]
) -> None:
    """Turn this fork into the process that the client was started as."""
    for here, there in enumerate(files):
        os.dup2(there, here)
    os.closerange(3, max(files) + 100)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    multiprocessing.process.ORIGINAL_DIR = folder
    places = [place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[:0] = [folder, *places] if program == "python" else places
    code = 1
    try:
        if program == "python":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = [program, *words]
            importlib.import_module("pipelines.cli.main").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201
    except BaseException:
        sys.excepthook(*sys.exc_info())
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    sys.path.pop(0)
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
