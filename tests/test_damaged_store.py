"""A store that is damaged, locked or half made stops no work and loses no value."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmark.tracking import database
from benchmark.tracking import store as tracking
from benchmark.tracking.sync import sync
from conftest import REPO, mgbench
from tracked import WHOLE, assert_only_warned, place, shown, warnings, work

pytestmark = pytest.mark.slow

OPEN = """
import sys
from pathlib import Path
from benchmark.tracking.store import open_store
open_store(Path(sys.argv[1]))
"""


@pytest.fixture
def root(tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return place(tmp_path / "project", tables, monkeypatch)


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
