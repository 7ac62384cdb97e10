"""The MLflow UI as `mgbench ui` opens it, in a browser: the results table and the trainings."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import browser
from benchmark.results.runs import table_records
from benchmark.results.writers import Page
from benchmark.tracking import store as tracking
from benchmark.tracking.records import write_records
from benchmark.tracking.run import track
from benchmark.tracking.ui import describe_experiments, ui_links
from conftest import REPO
from golden_rows import MIMIC, RESAMPLING, golden_rows
from servers import free_port, wait_until_healthy

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.CHROMIUM is None, reason="needs chromium"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two trainings and a results table."""
    root = tmp_path_factory.mktemp("ui")
    (root / "params.yaml").write_text("seed: 1\n")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        for place, name in enumerate(("joint", "limb")):
            with track(
                root, experiment=tracking.TRAIN, name=f"train@{name}", tags={"modality": name},
                params={"backbone": {"kind": "pose_conv3d"}, "recipe": {"name": "pose_small"}},
                record=root / f"runs/train-{name}.json",
            ) as run:  # fmt: skip
                for epoch in range(1, 4):
                    run.metrics(epoch, {"val/top1": 0.1 * epoch + 0.05 * place, "lr": 0.01})
                run.metrics(3, {"top1": 61.25 + place})
        page = Page(golden_rows(), MIMIC, RESAMPLING)
        write_records(root / "runs/table.json", table_records(root, page, []))
    return root


@pytest.fixture(scope="module")
def port(root: Path) -> Iterator[int]:
    """The port at which `mgbench ui` listens, on loopback alone."""
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    command = [sys.executable, "-m", "pipelines.cli.main", "ui", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            wait_until_healthy(port)
            yield port
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def run_ids(root: Path) -> list[str]:
    with closing(sqlite3.connect(root / "mlruns/mlflow.db")) as store:
        found = store.execute(
            "SELECT run_uuid FROM runs WHERE name LIKE 'train@%' ORDER BY name"
        ).fetchall()
    return [one for (one,) in found]


def test_two_trainings_stand_side_by_side_on_the_compare_page(
    root: Path, port: int, tmp_path: Path
) -> None:
    ids = json.dumps(run_ids(root), separators=(",", ":"))
    home = ui_links(root, port)["trainings"]
    experiment = re.search(r"experiments/(\d+)", home)[1]
    page = f"http://127.0.0.1:{port}/#/compare-runs?runs={ids}&experiments=[%22{experiment}%22]"
    said = browser.text_of(page, tmp_path, wait=25)
    for word in ("train@joint", "train@limb", "backbone.kind", "recipe.name"):
        assert word in said
    for score in ("61.25", "62.25"):
        assert score in said


def test_the_links_open_the_table_its_rows_and_the_trainings(
    root: Path, port: int, tmp_path: Path
) -> None:
    table, rows, trainings = (
        browser.text_of(link, tmp_path, wait=25) for link in ui_links(root, port).values()
    )
    bare = browser.text_of(f"http://127.0.0.1:{port}/", tmp_path, wait=25)
    names = ("01 rgb | swin", "02 joint", "03 joint+rgb", "04 joint+rgb, uniform")
    for page in (table, rows, bare):
        places = [page.index(name) for name in names]
        assert places == sorted(places), "the rows in the order of the results table"
    for column in ("top1", "low", "high", "macro_f1"):
        assert column in table
    assert "38.33" in table, "a score"
    assert "Model metrics" in rows, "charts"
    for shown in ("train@joint", "train@limb", "val/top1", "lr"):
        assert shown in trainings


def test_every_experiment_says_what_it_holds(root: Path) -> None:
    store = tracking.open_store(root)
    store.client.delete_experiment_tag("1", tracking.NOTE)  # as of an older version
    describe_experiments(store)
    experiments = store.client.search_experiments()
    assert "Default" in {experiment.name for experiment in experiments}
    assert all(experiment.tags.get(tracking.NOTE) for experiment in experiments)
