"""MLflow is the window, not the ledger: no failure of its store stops work or loses a value."""

from __future__ import annotations

import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.tracking import store as tracking
from benchmark.tracking.database import store_error, without_password
from benchmark.tracking.records import read_records
from benchmark.tracking.sync import sync
from benchmark.tracking.ui import ui_links
from conftest import REPO, mgbench
from servers import free_port, mlflow_server
from tracked import SECRET, WHOLE, assert_only_warned, assert_recorded, place, shown, warnings, work

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return place(tmp_path / "project", tables, monkeypatch)


# ---------------------------------------------------------------- servers


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A web server that gives one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = answer  # noqa: N815 - http.server's names

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://user:{SECRET}@127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:{port}", "no.such.host.invalid", "[", "", "127.0.0.1:port", "127.0.0.1:99999"],
)
def test_a_server_that_is_away_from_the_start_stops_no_work(
    address: str, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    where = address.format(port=free_port())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:{SECRET}@{where}")
    assert_only_warned(root, caplog)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"oops"), (403, b"no"), (404, b""), (200, b"<html>"), (200, b"{}"), (200, b"[1]"),
        (200, b"\xff\xfe"),
    ],
)  # fmt: skip
def test_a_server_that_answers_nonsense_stops_no_work(
    status: int, body: bytes, root: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    with answering(status, body) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert_only_warned(root, caplog)


def sqlite_server(folder: Path, port: int) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """An MLflow server whose runs and artifacts lie in `folder`."""
    where = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--workers", "1"]
    return mlflow_server(port, *where, "--default-artifact-root", str(folder / "artifacts"))


def test_a_server_that_dies_in_mid_training_is_caught_up_with_later(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(tracking, "SAMPLING_SECONDS", 0.05)
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    with sqlite_server(tmp_path, port) as server:

        def die(epoch: int) -> None:
            time.sleep(0.2)
            if epoch == 1:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()

        work(root, die)
        assert_recorded(root)
        assert len(warnings(caplog)) == 2, "one for the training, one for the table"
        assert "Traceback" not in capfd.readouterr().err + caplog.text
        server.poll()
    (record,) = read_records(root / "runs/train-joint.json")
    steps = {
        item.step for item in record.metrics if item.key == "system/cpu_utilization_percentage"
    }
    assert len(steps) > 4, "the load of the machine is recorded without the server"
    with sqlite_server(tmp_path, port):
        report = sync(root, lock=root / "dvc.lock")
        assert (report.created, report.present) == (2, 0)
        assert shown(root) == WHOLE
        store = tracking.open_store(root)
        (run,) = tracking.search(store, "", tracking.TRAIN)
        assert len(store.client.get_metric_history(run.info.run_id, "top1")) == 3
        assert sync(root, lock=root / "dvc.lock").created == 0
        # `mgbench ui` serves nothing here, and says so before it prints any link.
        done = mgbench(root, "ui")
        assert done.returncode == 2
        assert "MLFLOW_TRACKING_URI: names a server" in done.stderr
        assert done.stdout == ""
        with pytest.raises(BenchmarkError, match=f"Open http://127.0.0.1:{port}"):
            ui_links(root, 5000)


@pytest.mark.parametrize(
    "uri",
    [f"postgresql://u:{SECRET}@db/x", "file:/elsewhere", "databricks", "garbage", "sqlite:///x"],
)
def test_an_address_that_is_not_followed_is_one_warning_and_the_runs_are_in_the_project(
    uri: str, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    tracking._warn_of_kind.cache_clear()  # it warns once per process
    work(root)
    (said,) = warnings(caplog)
    assert "the runs go to mlruns/" in said
    assert SECRET not in said
    assert shown(root) == WHOLE
    assert sorted(path.name for path in root.iterdir()) == [
        "a.txt", "mlflow.db", "mlruns", "params.yaml", "runs",
    ]  # fmt: skip


def test_no_uri_shows_user_password_or_query() -> None:
    text = f"GET https://me:{SECRET}@host:1/a?token={SECRET}&b=1 and postgresql://u:p@{SECRET}@db/x"
    assert without_password(text) == "GET https://host:1/a and postgresql://db/x"
    assert SECRET not in str(
        store_error(f"http://u:{SECRET}@h", OSError(f"no http://u:{SECRET}@h"))
    )


# ---------------------------------------------------------------- a run that is there in part


def test_sync_completes_a_run_that_has_a_record_but_no_end(root: Path) -> None:
    work(root)
    store = tracking.open_store(root)
    (run,) = tracking.search(store, "", tracking.TRAIN)
    store.client.set_tag(run.info.run_id, "mlflow.note.content", "a note of the user")
    store.client.set_terminated(run.info.run_id, "KILLED")
    assert sync(root, lock=root / "dvc.lock").created == 1
    assert shown(root) == WHOLE
    (run,) = tracking.search(store, "", tracking.TRAIN)
    assert run.data.tags["mlflow.note.content"] == "a note of the user"
    assert sync(root, lock=root / "dvc.lock").created == 0


def test_sync_says_how_many_runs_are_deleted_in_the_ui(root: Path) -> None:
    work(root)
    store = tracking.open_store(root)
    (run,) = tracking.search(store, "", tracking.TABLE)
    assert "deleted" not in mgbench(root, "sync").stdout
    store.client.delete_run(run.info.run_id)
    said = mgbench(root, "sync").stdout
    assert said.startswith("0 created, 2 present, 0 closed\n1 of them are deleted in the UI.")
    assert "Deleted" in said


# ---------------------------------------------------------------- places


@pytest.mark.parametrize(
    "name",
    [
        "feature%2Fx",
        "a%20b",
        "100%",
        "a?b",
        "c#d",
        "g[h]",
        "&;+=,",
        "x:y z",
        "a\\b",
        'it\'s "mine"',
        "é 日本 ~",
    ],
)
def test_the_store_of_a_project_in_any_folder_is_inside_of_it(
    name: str, tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = place(tmp_path / name / "p", tables, monkeypatch)
    (root / "mlruns/mlflow.db").unlink()
    work(root)
    assert shown(root) == WHOLE
    (artifact,) = (root / "mlruns/artifacts").rglob("a.txt")
    assert artifact.read_text() == "an artifact"
    assert list(tmp_path.iterdir()) == [tmp_path / name]
    assert list((tmp_path / name).iterdir()) == [root]
    moved = root.parent.rename(tmp_path / "moved %41?#") / "p"
    monkeypatch.chdir(moved)
    work(moved)
    assert len(list((moved / "mlruns/artifacts").rglob("a.txt"))) == 2
    assert list(tmp_path.iterdir()) == [tmp_path / "moved %41?#"]


@pytest.mark.parametrize("name", ["x{y}", "{", "a}b"])
def test_a_folder_that_dvc_cannot_work_in_is_refused_before_any_stage(
    name: str, tmp_path: Path
) -> None:
    root = tmp_path / name
    root.mkdir()
    shutil.copy(REPO / "params.yaml", root)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.check", "--out", "runs/code"], cwd=root, text=True,
        env={**os.environ, "PYTHONPATH": str(REPO)}, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "DVC fails in a folder with { or }" in done.stderr
    assert "rename it" in done.stderr
