"""`mgbench run` and `graph`: DVC's own graph through GNU make, on a project of shell commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.core.errors import BenchmarkError
from benchmark.core.schema import load_yaml
from conftest import REPO
from pipelines.scale.graph import Graph, makefile
from pipelines.scale.plan import schedule

GRAPH = """\
stages:
  first:
    cmd: sleep 0.2; echo 1 > first.txt
    outs: [first.txt]
  middle:
    foreach: [z, x, y]
    do:
      cmd: "{middle}"
      deps: [first.txt]
      outs:
        - middle_${{item}}.txt
  other:
    cmd: echo o > other.txt
    outs: [other.txt]
  last:
    cmd: cat middle_x.txt middle_y.txt middle_z.txt > last.txt
    deps: [middle_x.txt, middle_y.txt, middle_z.txt]
    outs: [last.txt]
"""
COPY = "sleep 0.3; cat first.txt > middle_${item}.txt"
RUN = """\
import sys
from pathlib import Path
from pipelines._stage import mistakes_shown
from pipelines.scale.graph import read_graph
from pipelines.scale.run import run
with mistakes_shown():
    sys.exit(run(read_graph(Path.cwd()), 2))
"""


def project(root: Path, middle: str = COPY) -> Path:
    root.mkdir()
    for words in (["git", "init", "-q"], ["dvc", "init", "-q"]):
        subprocess.run(words, cwd=root, check=True)
    (root / "dvc.yaml").write_text(GRAPH.format(middle=middle))
    return root


def environment() -> dict[str, str]:
    bin_folder = str(Path(sys.executable).parent)
    return os.environ | {"PYTHONPATH": str(REPO), "PATH": f"{bin_folder}:{os.environ['PATH']}"}


def start(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=root, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def side_by_side(root: Path) -> tuple[int, str, str]:
    process = start(root)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def repro(root: Path) -> str:
    done = subprocess.run(
        ["dvc", "repro"], cwd=root, env=environment(), capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.slow
def test_side_by_side_gives_the_lock_file_of_a_plain_repro_byte_for_byte(tmp_path: Path) -> None:
    plain, ours = project(tmp_path / "plain"), project(tmp_path / "ours")
    repro(plain)
    code, out, err = side_by_side(ours)
    assert (code, err) == (0, "")
    assert out.count("done  ") == 6
    assert (ours / "dvc.lock").read_bytes() == (plain / "dvc.lock").read_bytes()
    assert "Running stage" not in repro(ours)
    for root in (plain, ours):  # again, after a change
        text = (root / "dvc.yaml").read_text()
        (root / "dvc.yaml").write_text(text.replace("echo o >", "echo oo >"))
    repro(plain)
    code, out, _ = side_by_side(ours)
    assert code == 0
    assert out.count("done  ") == 1, "what is up to date is not even asked"
    assert (ours / "dvc.lock").read_bytes() == (plain / "dvc.lock").read_bytes()
    assert side_by_side(ours)[1] == "every stage is up to date: nothing to do\n"


@pytest.mark.slow
def test_a_failed_stage_stops_only_what_waits_for_it_and_the_end_names_both(tmp_path: Path) -> None:
    root = project(tmp_path / "p", middle="test ${item} != x && cat first.txt > middle_${item}.txt")
    code, out, err = side_by_side(root)
    assert code == 1
    assert (root / "middle_y.txt").is_file()
    assert (root / "other.txt").is_file()
    assert "FAILED middle@x" in out
    assert "middle@x failed; the end of .run/logs/middle@x.log:" in err
    assert "exited with 1" in err
    assert "not run: last" in err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_every_child_and_the_next_run_goes_on(tmp_path: Path, number: int) -> None:
    root = project(tmp_path / "p", middle="sleep 33; cat first.txt > middle_${item}.txt")
    # As behind nohup, and as a shell starts what it does not wait for.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    process = start(root)
    signal.signal(signal.SIGINT, before)
    until = time.monotonic() + 60
    while not _sleepers(root):
        assert time.monotonic() < until
        time.sleep(0.1)
    code, _, err = side_by_side(root)
    assert (code, "is busy" in err or "already runs" in err) == (2, True), err
    process.send_signal(number)
    assert process.wait(20) == 128 + number, "the third one, which waited, was begun"
    time.sleep(0.5)
    assert not _sleepers(root)
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(text.replace("sleep 33", "true"))
    code, out, _ = side_by_side(root)
    assert code == 0
    assert "first" not in out, "what was done stays done"


def _sleepers(root: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            here = (process / "cwd").resolve() == root.resolve()
            if here and b"33" in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(process.name)
        except OSError:
            continue
    return found


def test_the_makefile_has_every_edge_that_the_files_of_dvc_lock_have(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("mgbench"), "graph", "--make"],
        cwd=REPO, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if ":" in line and line[0] not in "\t."]
    before = {name: set(rest.split()) for name, _, rest in (line.partition(":") for line in lines)}
    recorded = load_yaml(REPO / "dvc.lock")["stages"]
    stages = {name: body for name, body in recorded.items() if name in before}
    makers = {out["path"]: name for name, body in stages.items() for out in body.get("outs", ())}
    read = 0
    for name, body in stages.items():
        for dep in body.get("deps", ()):
            if dep["path"] in makers:
                read += 1
                assert makers[dep["path"]] in before[name], f"{name} reads {dep['path']}"
    assert read > 60


GRAPHS = st.lists(st.tuples(st.floats(0.1, 9), st.sets(st.integers(0, 11))), min_size=1).map(
    lambda rows: (
        {f"s{k}": tuple(f"s{u}" for u in before if u < k) for k, (_, before) in enumerate(rows)},
        {f"s{k}": seconds for k, (seconds, _) in enumerate(rows)},
    )
)


@given(graph=GRAPHS, slots=st.integers(1, 4))
def test_a_schedule_lies_between_its_bounds(
    graph: tuple[dict[str, tuple[str, ...]], dict[str, float]], slots: int
) -> None:
    upstream, seconds = graph
    found = schedule(upstream, upstream, seconds, slots=slots)
    assert found.length <= found.makespan + 1e-6
    assert found.makespan <= found.total + 1e-6
    # Graham's bound of list scheduling.
    assert found.makespan <= found.total / slots + found.length + 1e-6
    assert all(a in upstream[b] for a, b in zip(found.path, found.path[1:], strict=False))
    assert schedule(upstream, upstream, seconds, slots=len(seconds)).makespan == pytest.approx(
        found.length
    )


def test_targets_bring_what_they_wait_for_and_nothing_else() -> None:
    upstream = {"a": (), "b@x": ("a",), "b@y": ("a",), "c": ("b@x",), "d": ("c", "b@y")}
    graph = Graph(upstream, {"a": [], "d": []})
    assert graph.to_run() == ["a", "b@x", "b@y", "c", "d"]
    assert graph.to_run(["c"]) == ["a", "b@x", "c"]
    assert graph.to_run(["b"]) == ["a", "b@x", "b@y"]
    assert Graph(upstream, {"d": []}).to_run(["c"]) == []
    with pytest.raises(BenchmarkError, match="there is no b@z, e"):
        graph.to_run(["e", "b@z", "a"])


def test_a_makefile_of_some_stages_waits_for_none_that_is_done() -> None:
    text = makefile({"a": (), "b": ("a",), "c": ("a", "b")}, ["b", "c"])
    assert "b:\n" in text
    assert "c: b\n" in text
