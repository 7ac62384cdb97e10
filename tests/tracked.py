"""A project that tracks a small training, for the tests of MLflow's store."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.tracking import store as tracking
from benchmark.tracking.database import StoreError
from benchmark.tracking.records import new_record, read_records
from benchmark.tracking.run import track
from benchmark.tracking.sync import show_and_record, sync

SECRET = "hunter2"
"""The password of every address in these tests: no message shows it."""


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
