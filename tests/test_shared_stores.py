"""One object store and one MLflow server for several machines: nothing lost, nothing twice."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from engines import PASSWORD, object_store, postgres, wait_until
from servers import free_port, mlflow_server
from tiny_project import command, copied

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.slow, pytest.mark.engines]
WRITERS = 8


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """S3 in memory, and the environment of its clients."""
    with object_store() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database of a PostgreSQL server."""
    pytest.importorskip("psycopg2", reason="needs psycopg2 (make extras)")
    with postgres(tmp_path_factory.mktemp("sql") / "p") as address:
        yield address


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    """A finished project, committed, with an S3 remote that holds its data."""
    root = copied(finished, tmp_path / "project")
    shutil.rmtree(root / "mlruns")
    command(root, "dvc", "remote", "add", "-f", "-d", "shared", f"s3://store/{tmp_path.name}")
    command(root, "git", "add", "-A")
    command(root, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "results")
    return root


def shared_server(address: str, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """An MLflow server with its runs in PostgreSQL and its artifacts in S3."""
    where = ["--backend-store-uri", address, "--artifacts-destination", "s3://store/artifacts"]
    return mlflow_server(port, *where, "--workers", "2")


def recorded(root: Path) -> int:
    """How many runs the records of a project hold."""
    return sum(
        path.read_text("utf-8").count('"run_key"') for path in (root / "runs").glob("*.json")
    )


def runs(port: int) -> Counter[str]:
    """How often each run is on the server, by its key."""
    client = MlflowClient(f"http://127.0.0.1:{port}")
    experiments = [item.experiment_id for item in client.search_experiments()]
    found = client.search_runs(experiments, max_results=1000)
    assert all("restoring" not in run.data.tags for run in found), "all are whole"
    return Counter(run.data.tags["run_key"] for run in found)


def test_a_second_clone_gets_the_data_from_s3_and_eight_writers_show_each_run_once(
    project: Path, store: dict[str, str], database: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    said = command(project, "dvc", "push", "-q").stderr
    clone = tmp_path / "clone"
    command(tmp_path, "git", "clone", "-q", str(project), str(clone))
    said += command(clone, "dvc", "pull", "-q").stderr
    assert command(clone, "dvc", "status").stdout.startswith("Data and pipelines are up to date")
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with shared_server(database, port):
        mgbench = [str(Path(sys.executable).with_name("mgbench")), "sync"]
        writers = [
            subprocess.Popen(
                mgbench, cwd=clone if k % 2 else project, env=os.environ | {"PYTHONPATH": "."},
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )
            for k in range(WRITERS)
        ]  # fmt: skip
        outputs = [writer.communicate(timeout=300)[0] for writer in writers]
        assert [writer.returncode for writer in writers] == [0] * WRITERS, outputs
        shown = runs(port)
        assert set(shown.values()) == {1}, "none is there twice"
        assert len(shown) == recorded(project), "none is lost"
        assert command(clone, "mgbench", "sync").stdout.startswith("0 created")
    for root in (project, clone):
        for path in (
            *root.glob("*.*"),
            *(root / "runs").rglob("*.json"),
            *root.glob(".dvc/config"),
        ):
            assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    assert PASSWORD not in said + "".join(outputs)


def test_a_server_that_dies_in_mid_sync_is_completed_by_the_next_one(
    project: Path, store: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg2", reason="needs psycopg2 (make extras)")
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with postgres(tmp_path / "sql") as address:
        with shared_server(address, port) as server:
            words = [str(Path(sys.executable).with_name("mgbench")), "sync"]
            writer = subprocess.Popen(words, cwd=project, stderr=subprocess.PIPE, text=True)
            client = MlflowClient(f"http://127.0.0.1:{port}")
            wait_until(lambda: len(_all(client)) >= 3, "some runs")
            os.killpg(server.pid, signal.SIGKILL)
            assert "Traceback" not in writer.communicate(timeout=200)[1]
            assert writer.returncode == 2
            server.wait()
        with shared_server(address, port):
            command(project, "mgbench", "sync")
            shown = runs(port)
    assert set(shown.values()) == {1}
    assert len(shown) == recorded(project)


def test_a_database_that_refuses_is_one_error_and_no_record_is_lost(
    project: Path, store: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg2", reason="needs psycopg2 (make extras)")
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    before = recorded(project)
    with ExitStack() as running:
        address = running.enter_context(postgres(tmp_path / "sql"))
        with shared_server(address, port):
            running.close()
            done = command(project, "mgbench", "sync", check=False)
    assert done.returncode == 2
    assert done.stderr.count("Error: ") == 1
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    assert recorded(project) == before


def _all(client: MlflowClient) -> list[object]:
    return list(client.search_runs([item.experiment_id for item in client.search_experiments()]))
