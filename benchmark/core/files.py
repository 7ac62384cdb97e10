"""Write files so that half a file never passes for a whole one: write beside, then rename."""

from __future__ import annotations

import csv
import errno
import fcntl
import io
import logging
import os
import platform
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from benchmark.core.errors import BenchmarkError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

_WORK = re.compile(r"\..*\.(\d+)(?:@(.*))?\.part")
DAY = 24 * 3600


def _beside(path: Path) -> Path:
    """Return the path to write to; it names the process, so that two writers do not meet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    # Beside, not in /tmp: renaming is atomic only within one file system.
    return path.with_name(f".{path.name}.{os.getpid()}@{platform.node()}.part")


@cache  # once per process: a folder may take thousands of files
def _remove_leftovers(folder: Path) -> None:
    """Delete what killed processes left half written; what a live one writes stays."""
    for path in folder.glob(".*.part"):
        if (match := _WORK.fullmatch(path.name)) and _is_left(path, int(match[1]), match[2]):
            log.info("remove %s, which a killed process left half written", path)
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _is_left(path: Path, process: int, host: str | None) -> bool:
    import psutil  # not at the top: leftovers are rare

    try:
        changed = path.stat().st_mtime
        if host not in {None, platform.node()}:
            # A shared disk: the processes of other hosts cannot be seen.
            return time.time() - changed > DAY
        # A process that began after the last change only has the number of the one that is gone.
        return psutil.Process(process).create_time() > changed + 1
    except psutil.NoSuchProcess:
        return True
    except (OSError, psutil.AccessDenied):
        return False


FULL = 2**16
"""Bytes: a disk with less free space after an error was full when the error came."""


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name `path` in errors of the system, also where errors of libraries hide them."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise
    except Exception as error:
        if isinstance(error, BenchmarkError):
            raise  # it says already what is wrong, and with which file
        if (hidden := _behind(error)) is not None:
            raise OSError(hidden.errno, hidden.strerror, str(path)) from error
        # Libraries in Rust say it in words, and may have freed the space again by now.
        full = f"os error {errno.ENOSPC}" in str(error)
        if not full and shutil.disk_usage(path.parent).free > FULL:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error


def _behind(error: BaseException) -> OSError | None:
    """Find the system's error during whose handling a library raised its own."""
    while error.__context__ is not None and not error.__suppress_context__:
        error = error.__context__
        if isinstance(error, OSError) and error.errno is not None:
            return error
    return None


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file to; the file takes `path`'s place on success."""
    work = _beside(path)
    try:
        # First, because libraries that write name neither the file nor the system's reason.
        work.touch()
        with _named(path):
            yield work
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; it takes `path`'s place on success.

    Of a link, the folder that it points to is replaced.
    """
    path = path.resolve() if path.is_symlink() else path
    with _work_folder(_beside(path)) as work:
        with _named(path):
            yield work
        # Unlike a file, a folder cannot be replaced in one step: for a moment there is none.
        # Another process may put its own there in that moment; the last one stays.
        old = work.with_name(work.name.removesuffix(".part") + ".old.part")
        while True:
            with suppress(FileNotFoundError):
                path.rename(old)
            try:
                work.rename(path)
                break
            except OSError as error:
                if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
            finally:
                shutil.rmtree(old, ignore_errors=True)


def scratch_folder(path: Path) -> AbstractContextManager[Path]:
    """Yield an empty folder beside `path` for files on the way to it; it is gone afterwards."""
    return _work_folder(_beside(path.with_name(f"{path.name}.scratch")))


@contextmanager
def _work_folder(work: Path) -> Iterator[Path]:
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def held(path: Path) -> Iterator[tuple[IO[str], bool]]:
    """Yield a lock file, at its begin, and whether this process has it for itself.

    The system frees what a dead process held: a kill leaves no stale lock behind.

    Raises:
        BenchmarkError: The disk has no locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = True
        except BlockingIOError:
            mine = False
        except OSError as error:
            do = "Mount the disk with locks (NFS 4, Lustre with 'flock')"
            raise BenchmarkError(path, f"cannot be locked: {error.strerror}", do=do) from error
        file.seek(0)
        yield file, mine


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, atomically."""
    with replacing(path) as work:
        work.write_text(text, encoding="utf-8", newline="\n")  # equal bytes on every system


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write an RGB picture, uint8 (H, W, 3), atomically; equal pictures give equal bytes."""
    import cv2  # not at the top: params.yaml is read without OpenCV

    ok, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not ok:
        raise RuntimeError("OpenCV cannot write a PNG")
    with replacing(path) as work:
        work.write_bytes(data.tobytes())


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a CSV table with Unix line ends; cells with commas or quotes are quoted."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def inside(root: Path, relative: str) -> Path:
    """Join `root / relative`, and refuse a path that leaves `root`.

    Raises:
        ValueError: `relative` is absolute or climbs out of `root`.
    """
    # A link inside may lead out: that is the user's own will. Hence no resolve(), which follows it.
    path = Path(os.path.abspath(root / relative))  # noqa: PTH100
    # An absolute path below `root` leaves it as soon as the folder has another name.
    if Path(relative).is_absolute() or not path.is_relative_to(
        Path(os.path.abspath(root))  # noqa: PTH100
    ):
        raise ValueError(f"{relative!r} leaves {root}")
    return path


def find_root(start: Path | None = None) -> Path:
    """Return the nearest folder with a params.yaml, from `start` (or the working folder) upward.

    Raises:
        BenchmarkError: No folder has one.
    """
    if (root := project_root(start)) is None:
        here = (start or Path.cwd()).resolve()
        raise BenchmarkError(here, "not inside a project", expected="a params.yaml here or above")
    return root


def check_not_inside() -> None:
    """Refuse to work in a subfolder of a project, where all of its files would seem to be missing.

    Raises:
        BenchmarkError: The working folder is one.
    """
    here = Path.cwd().resolve()
    if (root := project_root(here)) not in {None, here}:
        expected = "the project's own folder"
        raise BenchmarkError(here, "lies inside a project", expected=expected, do=f"cd {root}")


def project_root(start: Path | None = None) -> Path | None:
    """Return what `find_root` does; None where no folder has a params.yaml."""
    start = (start or Path.cwd()).resolve()
    above = (start, *start.parents)
    return next((folder for folder in above if (folder / "params.yaml").is_file()), None)


def name_fault(root: Path) -> str:
    """Return why Python cannot work in the folder of a project; empty where it can."""
    try:
        str(root).encode()
    except UnicodeEncodeError:
        return "Python cannot read the folder's name in this locale: set PYTHONUTF8=1"
    return ""


def braces_fault(root: Path) -> str:
    """Return why DVC cannot work in the folder of a project; empty where it can."""
    # DVC puts the path into a format string of its progress bar, and fails after the stage ran.
    braces = "DVC fails in a folder with { or } in its path: rename it"
    return f"{root}: {braces}" if {"{", "}"} & {*str(root)} else ""
