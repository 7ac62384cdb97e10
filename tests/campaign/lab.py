"""The place of the tries: one finished tiny project, copies of it, and commands that run there."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import tiny_project
from conftest import REPO

VOLATILE = ("runs/", "history.csv", "history.png", "report.html", "metrics.csv")
"""Outs that hold times: equal trainings differ there."""


class Lab:
    """A folder with the finished project, and copies of it in the folder of a lane."""

    def __init__(self, folder: Path, lane: int = 0) -> None:
        self.folder = folder.resolve()
        self.finished = self.folder / "finished"
        self.work = self.folder / f"work{lane}"
        # Numba keys compiled code by path: copies of one name share what it compiled.
        os.environ["NUMBA_CACHE_DIR"] = str(self.folder / "numba")

    def build(self) -> None:
        """Make the finished project, unless that of the same code is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(
                f"another campaign runs in {self.folder}: wait for it, or choose another --lab"
            )
        self.clear()
        key, stored = _code_hash(), self.folder / "code.txt"
        if stored.is_file() and stored.read_text("utf-8") == key:
            return
        print(
            f"making the tiny project in {self.finished}: some minutes, once per code", flush=True
        )
        stored.unlink(missing_ok=True)
        shutil.rmtree(self.finished, ignore_errors=True)
        tiny_project.project(self.finished, kept=tiny_project.KEPT)
        tiny_project.command(self.finished, "dvc", "repro", cold=True)
        tiny_project.command(self.finished, "mgbench", "sync", cold=True)
        stored.write_text(key, "utf-8")

    def clear(self) -> None:
        """Delete the copies."""
        if self.work.is_dir():
            # A try may have taken the right to write away.
            subprocess.run(
                ["chmod", "-R", "u+rwX", str(self.work)], check=False, capture_output=True
            )
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True, exist_ok=True)

    def copy(self, to: Path | str, *, cache: bool = True) -> Path:
        """Copy the finished project to `work / to`, with DVC's cache or without."""
        root = self.work / to
        if root.exists():
            shutil.rmtree(root)
        root.parent.mkdir(parents=True, exist_ok=True)
        without = None if cache else lambda folder, _: ["cache"] * folder.endswith(".dvc")
        shutil.copytree(self.finished, root, symlinks=True, ignore=without)
        return root

    @cached_property
    def stages(self) -> dict[str, dict[str, Any]]:
        """The stages of the finished project as dvc.lock lists them: cmd, deps, outs."""
        return read_lock(self.finished)

    def outs(self, stage: str) -> list[str]:
        """Return the paths of the outs of a stage."""
        return [out["path"] for out in self.stages[stage].get("outs", ())]


def read_lock(root: Path) -> dict[str, dict[str, Any]]:
    """Return the stages of a project's dvc.lock."""
    return YAML(typ="safe").load((root / "dvc.lock").read_text("utf-8"))["stages"]


def tree_hash(path: Path) -> str:
    """Return a hash of a file or of all files of a folder; of nothing if there is none."""
    digest = hashlib.md5(usedforsecurity=False)
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        if file.is_file():
            digest.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest() if path.exists() else "nothing"


def forget(root: Path, outs: list[str]) -> None:
    """Delete the outs of a stage."""
    for out in outs:
        if (root / out).is_dir():
            shutil.rmtree(root / out)
        else:
            (root / out).unlink(missing_ok=True)


def is_volatile(path: str) -> bool:
    """Tell whether an out holds times or keys, so that no two runs write the same bytes."""
    return (path.startswith("runs/") and "code" not in path) or path.endswith(VOLATILE[1:])


def parts(root: Path) -> list[str]:
    """Return the unfinished files in a project, such as `.name.123.part`."""
    skipped = (".dvc", ".git")
    return [
        str(path.relative_to(root))
        for path in root.rglob(".*.part")
        if not str(path.relative_to(root)).startswith(skipped)
    ]


def _code_hash() -> str:
    digest = hashlib.sha256()
    for name in (*tiny_project.CODE, "tests/tiny_project.py"):
        path = REPO / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(str(file.relative_to(REPO)).encode() + file.read_bytes())
    return digest.hexdigest()
