"""DVC's graph: which stages there are, what each waits for, and which are out of date."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.core.errors import BenchmarkError
from benchmark.core.schema import load_yaml

STEP = "STEP"
"""Variable of the makefile: a command that `mgbench run` puts before each recipe."""


def kind_of(stage: str) -> str:
    """Return `train` of `train@joint`."""
    return stage.partition("@")[0]


class Graph(NamedTuple):
    """The stages in the order in which a plain `dvc repro` runs them."""

    upstream: dict[str, tuple[str, ...]]
    """Stage -> the stages that it reads from directly."""
    changes: Mapping[str, list[Any]]
    """Stages that are out of date by themselves -> what DVC says of them."""

    def to_run(self, targets: Collection[str] = ()) -> list[str]:
        """Return the stages that are out of date, and all that depend on one, in order.

        With `targets` only these, as `train@joint` or `train` for all of its entries, and what
        they wait for.

        Raises:
            BenchmarkError: There is no such stage.
        """
        wanted = self._upstream_of(targets) if targets else {*self.upstream}
        run: dict[str, None] = {}
        for stage, before in self.upstream.items():
            if stage not in wanted:
                continue
            if stage in self.changes or any(name in run for name in before):
                run[stage] = None
        return list(run)

    def _upstream_of(self, targets: Collection[str]) -> set[str]:
        known = {*self.upstream, *map(kind_of, self.upstream)}
        if unknown := sorted({*targets} - known):
            do = "'mgbench graph' lists them"
            raise BenchmarkError("stages", f"there is no {', '.join(unknown)}", do=do)
        wanted: set[str] = set()
        for stage in reversed(self.upstream):  # what reads a stage comes after it
            if stage in wanted or {stage, kind_of(stage)} & {*targets}:
                wanted |= {stage, *self.upstream[stage]}
        return wanted


def read_graph(root: Path, *, stale: bool = True) -> Graph:
    """Ask DVC for its graph and, unless `stale` is False, for what is out of date.

    Raises:
        BenchmarkError: dvc.yaml or dvc.lock is not valid, another program holds DVC's lock, or this
            is no project of DVC.
    """
    from dvc.exceptions import DvcException
    from dvc.repo.reproduce import plan_repro

    if not (root / "dvc.yaml").is_file():
        do = "Go to the project's folder, or bring the file back: git checkout dvc.yaml"
        raise BenchmarkError(root, "holds no dvc.yaml, so there are no stages", do=do)
    locked(root)  # DVC's own words on a damaged dvc.lock say less
    try:
        return _read_graph(root, stale, plan_repro)
    except DvcException as error:
        raise BenchmarkError("DVC", str(error), do="'dvc status' says more") from error


def _read_graph(root: Path, stale: bool, plan_repro: Any) -> Graph:
    from dvc.repo import Repo, lock_repo

    # One lock around both, or DVC reads dvc.yaml and dvc.lock a second time.
    with Repo(str(root)) as repo, lock_repo(repo):
        graph = repo.index.graph
        order = plan_repro(graph)
        upstream = {
            stage.addressing: tuple(before.addressing for before in graph.successors(stage))
            for stage in order
        }
        with _params_read_once():
            changes: dict[str, list[Any]] = repo.status() if stale else {}
    return Graph(upstream, changes)


@contextmanager
def _params_read_once() -> Iterator[None]:
    """Let DVC parse params.yaml once, and not once per stage: a third of the time of its status."""
    from dvc.dependency import param

    load = param.load_path
    param.load_path = cache(load)
    try:
        yield
    finally:
        param.load_path = load


def makefile(upstream: Mapping[str, Iterable[str]], stages: Iterable[str]) -> str:
    """Write the makefile of some stages; those that are not among them count as done.

    Names of stages are letters, digits, `_`, `-` and `@`, which mean nothing to make.
    """
    names = list(stages)
    among = set(names)
    lines = [f".PHONY: all {' '.join(names)}", f"all: {' '.join(names)}"]
    for name in names:
        before = " ".join(stage for stage in upstream[name] if stage in among)
        lines += [f"{name}: {before}".rstrip(), f"\t@$({STEP}) dvc --wait-for-lock repro -s $@"]
    return "\n".join(lines) + "\n"


def recorded(root: Path) -> list[str]:
    """Return the stages of dvc.lock, in its order."""
    return list(locked(root))


def ran_here(root: Path) -> set[str]:
    """Return the stages of dvc.lock of whose outputs one at least is here.

    A clone brings the records of runs elsewhere, without what they wrote.
    """
    return {
        name for name, stage in locked(root).items()
        if any((root / out["path"]).exists() for out in stage.get("outs", ()))
    }  # fmt: skip


def locked(root: Path) -> dict[str, Any]:
    """Read the stages of dvc.lock; none before the first run.

    Raises:
        BenchmarkError: It is damaged.
    """
    lock = root / "dvc.lock"
    if not lock.is_file():
        return {}
    content = load_yaml(lock)
    stages = content.get("stages") if isinstance(content, dict) else None
    if not isinstance(stages, dict):
        raise BenchmarkError(lock, "holds no stages", do="Bring it back: git checkout dvc.lock")
    return stages


def order_lock(root: Path, before: list[str], order: list[str]) -> None:
    """Order dvc.lock as a plain `dvc repro` would have: new stages last, in the order of the graph.

    Side by side, stages are recorded as they end.

    `before` are the stages that it had, `order` all, as a plain `dvc repro` runs them.
    """
    from dvc.repo import Repo
    from dvc.utils.serialize import modify_yaml

    now = recorded(root)
    wanted = [*(s for s in before if s in now), *(s for s in order if s not in before and s in now)]
    if now == wanted:
        return
    with Repo(str(root)) as repo, repo.lock, modify_yaml(root / "dvc.lock") as lock:
        for stage in wanted:
            lock["stages"].move_to_end(stage)
