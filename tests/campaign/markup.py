"""Markup in names: it stays text on every page and in every table, or is refused with a message."""

from __future__ import annotations

import csv
import shlex
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import own_clips
from benchmark.contracts.predictions import read_probabilities, write_probabilities

from .commands import Done, run
from .lab import Lab
from .page_checks import html_fault, latex_faults, markdown_faults
from .tries import Attempt, Campaign, Tried

PAYLOADS = (
    "zz <zz9 qq=1>",
    'zz "><zz9 qq="1">',
    "zz ' qq='1",
    "zz <script>zz9()</script>",
    "zz </script><zz9>",
    "zz &lt;zz9&gt; & co",
    "zz `touch CANARY` $(touch CANARY)",
    "zz {{7*7}} {% x %} ${7*7}",
    "=cmd|' /C calc'!A0",
    "zz a | b || c",
    "zz \\| c \\",
    "zz **b** [l](javascript:zz9()) ![i](x)",
    "zz 100 % of #1_a^b~c {d} \\e $f$",
    "zz \u202eabc\u202c é日本",
    "zz a\nb\n| c | d |",
    "zz a\r\nb",
    "zz a\tb\x0bc",
    "zz a\x00b",
    "zz a,b;c\"d'e",
    "zz %s %(x)s {0} {x}",
    "zz ; touch CANARY #",
    "-zz",
    "zz <!-- a",
    "zz <![CDATA[ a",
    "zz " + "x" * 600,
)
RESULTS = ("table", "report", "submit@final")


def _start_results(lab: Lab) -> Attempt:
    return lambda seed: _results(lab, PAYLOADS[seed % len(PAYLOADS)])


def _results(lab: Lab, name: str) -> Tried:
    """Put the name into rows, the leaderboard, the edition's title, a class and a body part."""
    what = f"names of results: {name[:50]!r}"
    root = lab.copy("project", cache=False)
    _rename(root, name)
    for stage in RESULTS:
        done = run(root, *shlex.split(lab.stages[stage]["cmd"]))
        if done.fault or (done.rc and not _refused(done)):
            return Tried(what, f"{stage}: {done.fault or done.out[-500:]}")
        if done.rc:
            return Tried(f"{what}, refused")
    faults = [
        html_fault(root / "reports/report.html", lab.finished / "reports/report.html", name),
        *markdown_faults(root / "RESULTS.md"),
        _csv_fault(root / "reports/table/table.csv", name),
        *latex_faults(root / "reports/table/table.tex"),
        _mlflow_fault(root, name),
        _canary(root),
    ]
    return Tried(what, "\n".join(fault for fault in faults if fault))


def _refused(done: Done) -> bool:
    return done.rc == 2 and "Error" in done.out


def _rename(root: Path, name: str) -> None:
    yaml = YAML(typ="safe")
    file = root / "benchmark/editions/mimic.yaml"
    edition = yaml.load(file.read_text("utf-8"))
    edition["title"] = name
    edition["classes"][2] = name
    first = next(iter(edition["groups"]))
    edition["groups"] = {
        name if key == first else key: value for key, value in edition["groups"].items()
    }
    _dump(edition, file)
    for path in (root / "predictions").rglob("*.parquet"):
        old = read_probabilities(path)
        write_probabilities(replace(old, classes=tuple(edition["classes"])), path)
    params = yaml.load((root / "params.yaml").read_text("utf-8"))
    params["table"]["rows"][0]["name"] = name
    params["table"]["leaderboard"] = {name: 0.5}
    _dump(params, root / "params.yaml")


def _dump(value: Any, file: Path) -> None:
    yaml = YAML(typ="safe")
    yaml.allow_unicode = True
    with file.open("w", encoding="utf-8") as target:
        yaml.dump(value, target)


def _csv_fault(file: Path, name: str) -> str:
    with file.open(newline="", encoding="utf-8") as text:
        header, *rows = list(csv.reader(text))
    if any(len(row) != len(header) for row in rows):
        return f"{file.name}: rows of another width than the header"
    return (
        "" if any(name in row for row in rows) else f"{file.name} does not hold the name as it is"
    )


def _mlflow_fault(root: Path, name: str) -> str:
    synced = run(root, "mgbench", "sync")
    if synced.rc:
        return f"mgbench sync: {synced.fault or synced.out[-300:]}"
    with closing(sqlite3.connect(root / "mlruns/mlflow.db")) as store:
        names = [row[0] for row in store.execute("SELECT name FROM runs")]
    return (
        ""
        if any(name[:50] in (stored or "") for stored in names)
        else "MLflow shows no run of that name"
    )


def _canary(root: Path) -> str:
    return "a name ran as a command" if next(root.rglob("CANARY"), None) else ""


def _start_data(lab: Lab) -> Attempt:
    return lambda seed: _data(lab, PAYLOADS[seed % len(PAYLOADS)])


def _data(lab: Lab, name: str) -> Tried:
    """Put the name into a class, a video file and a subject of a folder of own clips."""
    what = f"names of own clips: {name[:50]!r}"
    root = lab.copy("project", cache=False)
    shutil.rmtree(lab.work / "clips", ignore_errors=True)
    folder = own_clips.write_folder(lab.work / "clips")
    try:
        _rename_clips(folder, name)
    except (OSError, ValueError):
        return Tried(f"{what}: no file can have this name")
    commands = (
        ("mgbench", "edition", "new", "own", "--from", folder),
        ("mgbench", "preset", "use", "own"),
        ("mgbench", "data", "check", "own"),
        (
            "python",
            "-m",
            "pipelines.index",
            "own",
            "--raw",
            "data/raw/own",
            "--out",
            "data/own/clips.parquet",
        ),
        (
            "python",
            "-m",
            "pipelines.data_report",
            "own",
            "--raw",
            "data/raw/own",
            "--clips",
            "data/own/clips.parquet",
            "--out",
            "reports/data/own",
            "--record",
            "runs/data-own.json",
        ),
        ("mgbench", "submit", "list"),
        ("mgbench", "sync"),
    )
    for command in commands:
        done = run(root, *command)
        if done.fault or (done.rc and not _refused(done)):
            return Tried(
                what, f"{' '.join(map(str, command[:4]))}: {done.fault or done.out[-500:]}"
            )
        if done.rc:
            return Tried(f"{what}, refused")
    page = root / "reports/data/own/report.html"
    with (page.parent / "videos.csv").open(newline="", encoding="utf-8") as text:
        widths = {len(row) for row in csv.reader(text)}
    faults = [
        html_fault(page, lab.finished / "reports/data/mimic/report.html", name),
        _canary(root),
    ]
    if len(widths) != 1:
        faults.append("videos.csv: rows of different widths")
    return Tried(what, "\n".join(fault for fault in faults if fault))


def _rename_clips(folder: Path, name: str) -> None:
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as text:
        header, *rows = list(csv.reader(text))
    (folder / "classes.txt").write_text("\n".join([name, *own_clips.CLASSES[1:]]) + "\n", "utf-8")
    video = f"videos/{name.replace('/', '_')}.mp4"
    (folder / "videos/train0.mp4").rename(folder / video)
    for row in rows:
        row[2] = name if row[2] == own_clips.CLASSES[0] else row[2]
        row[3] = video if row[3] == "videos/train0.mp4" else row[3]
        row[6] = name
    with (folder / "clips.csv").open("w", newline="", encoding="utf-8") as text:
        csv.writer(text, lineterminator="\n").writerows([header, *rows])


CAMPAIGNS = (
    Campaign(
        "markup-results",
        "markup in names of rows, titles and classes",
        len(PAYLOADS),
        7,
        _start_results,
    ),
    Campaign("markup-data", "markup in names of own clips", len(PAYLOADS), 6, _start_data),
)
