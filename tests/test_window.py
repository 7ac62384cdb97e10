"""MLflow is the window, not the ledger: no failure of its store stops work or loses a value."""

from __future__ import annotations

import http.server
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest

from benchmark.core.errors import BenchmarkError
from benchmark.tracking import database
from benchmark.tracking import store as tracking
from benchmark.tracking.database import StoreError, store_error, without_password
from benchmark.tracking.records import new_record, read_records
from benchmark.tracking.run import track
from benchmark.tracking.sync import show_and_record, sync
from benchmark.tracking.ui import ui_links
from conftest import REPO, mgbench
from servers import free_port, mlflow_server

pytestmark = pytest.mark.slow

SECRET = "hunter2"
OPEN = """
import sys
from pathlib import Path
from benchmark.tracking.store import open_store
open_store(Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store: making its tables takes seconds, copying it does not."""
    root = tmp_path_factory.mktemp("tables")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        tracking.open_store(root)
    return root / "mlruns" / "mlflow.db"


@pytest.fixture
def root(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return place(tmp_path / "project", tables, monkeypatch)


def place(project: Path, tables: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    (project / "mlruns").mkdir(parents=True)
    (project / "params.yaml").write_text("seed: 1\n")
    (project / "a.txt").write_text("an artifact")
    shutil.copy(tables, project / "mlruns" / "mlflow.db")
    monkeypatch.chdir(project)
    return project


def work(root: Path, during: Callable[[int], object] = lambda epoch: None) -> None:
    """A training of three epochs, and a stage that shows complete runs."""
    with track(
        root, experiment=tracking.TRAIN, name="train@joint", params={"lr": 0.1}, tags={},
        record=root / "runs/train-joint.json", artifacts=[root / "a.txt"],
    ) as run:  # fmt: skip
        for epoch in (1, 2, 3):
            run.metrics(epoch, {"top1": 50.0 + epoch})
            during(epoch)
        run.tag("initial_weights", "scratch")
    table = new_record(root, experiment=tracking.TABLE, name="table", start_ms=1, end_ms=2)
    show_and_record(root, root / "runs/table.json", [table])


def assert_recorded(root: Path) -> None:
    (record,) = read_records(root / "runs/train-joint.json")
    points = [(item.step, item.value) for item in record.metrics if item.key == "top1"]
    assert points == [(1, 51.0), (2, 52.0), (3, 53.0)]
    assert record.tags["initial_weights"] == "scratch"
    assert record.artifacts == ("a.txt",)
    assert record.status == "FINISHED"
    assert len(read_records(root / "runs/table.json")) == 1


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    logs = [item for item in caplog.records if item.levelno >= logging.WARNING]
    return [item.getMessage() for item in logs if "no Git commit" not in item.getMessage()]


def shown(root: Path) -> dict[str, object]:
    store = tracking.open_store(root)
    return {
        run.info.run_name: (
            run.info.status,
            run.data.metrics.get("top1"),
            [item.path for item in store.client.list_artifacts(run.info.run_id)],
        )
        for run in tracking.search(store, "")
    }


WHOLE = {"train@joint": ("FINISHED", 53.0, ["a.txt"]), "table": ("FINISHED", None, [])}


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


def assert_only_warned(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The work is recorded, with one warning for each run, and `sync` says one message."""
    work(root)
    assert_recorded(root)
    said = warnings(caplog)
    assert len(said) == 2, said
    assert all("'mgbench sync' shows it afterwards" in line for line in said)
    with pytest.raises(StoreError) as caught:
        sync(root, lock=root / "dvc.lock")
    for text in (*said, str(caught.value)):
        assert SECRET not in text
        assert "\n" not in text


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


# ---------------------------------------------------------------- the file


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:50_000])


def zeros_inside(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:4096] + bytes(len(data) - 4096))


def no_database(file: Path) -> None:
    file.write_bytes(b"no database at all" * 100)


def of_a_newer_mlflow(file: Path) -> None:
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("UPDATE alembic_version SET version_num = 'feedbeef1234'")
        base.execute("INSERT INTO runs (run_uuid, experiment_id) VALUES ('a', 0)")


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def no_folder(file: Path) -> None:
    shutil.rmtree(file.parent)
    file.parent.write_text("a file in the place of mlruns/")


def denied(file: Path) -> None:
    shutil.rmtree(file.parent)
    # No user, not even root, makes a file there.
    file.parent.symlink_to("/sys/kernel")


@pytest.mark.parametrize(
    ("damage", "cure"),
    [
        (cut, "sync' rebuilds it"), (zeros_inside, "sync' rebuilds it"),
        (no_database, "sync' rebuilds it"), (of_a_newer_mlflow, "expected schema"),
        (a_folder, "write access"), (no_folder, "File exists"), (denied, "write access"),
    ],
)  # fmt: skip
def test_a_store_that_cannot_be_opened_stops_no_work_and_sync_says_the_cure(
    damage: Callable[[Path], None], cure: str, root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    damage(root / "mlruns/mlflow.db")
    assert_only_warned(root, caplog)
    done = mgbench(root, "sync")
    assert done.returncode == 2
    assert cure in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_a_damaged_store_comes_back_by_what_the_message_says(root: Path) -> None:
    no_database(root / "mlruns/mlflow.db")
    work(root)
    done = mgbench(root, "sync")
    rename = done.stderr.partition("Rename it (")[2].partition(")")[0]
    subprocess.run(rename, shell=True, check=True)  # noqa: S602 - the command of our own message
    assert mgbench(root, "sync").stdout.startswith("2 created")
    assert shown(root) == WHOLE
    assert (root / "mlruns/mlflow.db.broken").exists()


def test_a_locked_store_stops_no_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    with closing(sqlite3.connect(root / "mlruns/mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert_only_warned(root, caplog)
    assert sync(root, lock=root / "dvc.lock").created == 2
    assert shown(root) == WHOLE


def test_another_process_that_holds_the_store_for_long_stops_no_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with database.locked(root / "mlruns", "init"):
        monkeypatch.setattr(database.locked.__wrapped__, "__defaults__", (0.1,))
        assert_only_warned(root, caplog)


def test_a_bug_of_ours_is_no_failure_of_the_store(root: Path) -> None:
    client = tracking.open_store(root).client
    with pytest.raises(TypeError):
        client.create_run(nonsense=1)
    with pytest.raises(AttributeError):
        client.no_such_method()


# ---------------------------------------------------------------- half of a store


def half_made(file: Path) -> None:
    """As a process leaves it that is killed while MLflow goes from schema to schema."""
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("PRAGMA foreign_keys = OFF")
        base.execute("UPDATE alembic_version SET version_num = '7ac759974ad8'")
        for table in ("trace_info", "model_versions", "registered_models", "datasets"):
            base.execute(f"DROP TABLE {table}")


def only_version(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")


def no_version(file: Path) -> None:
    with closing(sqlite3.connect(file)) as base, base:
        base.execute("DELETE FROM alembic_version")


@pytest.mark.parametrize("damage", [half_made, only_version, no_version])
def test_a_half_made_store_is_kept_under_another_name_and_made_anew(
    damage: Callable[[Path], None], root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = root / "mlruns/mlflow.db"
    damage(file)
    before = file.read_bytes()
    journal = file.with_name("mlflow.db-journal")
    journal.write_bytes(b"")
    work(root)
    (said, *_) = warnings(caplog)
    assert "half made" in said
    (kept,) = root.glob("mlruns/mlflow.db.half-made-*")
    assert kept.read_bytes() == before
    assert kept.name.rpartition(".")[2] in said
    assert shown(root) == WHOLE


def test_a_kill_while_the_store_is_made_leaves_no_half_of_it(root: Path) -> None:
    shutil.rmtree(root / "mlruns")
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    process = subprocess.Popen([sys.executable, "-c", OPEN, str(root)], env=environment)
    part = root / "mlruns/.mlflow.db.part"
    deadline = time.monotonic() + 120
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < deadline
        assert process.poll() is None, "it was made before it could be killed"
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert not (root / "mlruns/mlflow.db").exists()
    work(root)
    assert shown(root) == WHOLE
    assert not list(root.glob("mlruns/.mlflow.db.part*"))


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
