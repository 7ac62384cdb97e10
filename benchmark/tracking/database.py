"""The file `mlruns/mlflow.db`: its address, whether it is whole, and how it follows its project."""

from __future__ import annotations

import fcntl
import logging
import re
import sqlite3
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shlex import quote
from typing import Literal

from benchmark.core.errors import BenchmarkError

log = logging.getLogger(__name__)

DATABASE = "mlflow.db"
BUSY_SECONDS = 20
"""How long MLflow waits for a locked SQLite file; our own connections wait as long."""
LOCK_SECONDS = 60
"""How long a stage waits for another process that is making or filling the store."""
TEXT_COLUMNS = """
    SELECT t.name, c.name FROM sqlite_master t, pragma_table_info(t.name) c
    WHERE t.type = 'table' AND (c.type = 'TEXT' OR c.type LIKE 'VARCHAR%')
"""
REBUILD = "Rename it (mv {0} {0}.broken); then 'mgbench sync' rebuilds it from runs/"
CURES = {
    r"not a database|malformed|no such": REBUILD,
    r"locked": "Another program holds it: end that program",
    r"disk is full|no space": "Free some space",
    r"readonly|read-only|unable to open|permission": "Give your user write access to it",
    r"https?:|API request": "See that the server runs and admits you, or unset MLFLOW_TRACKING_URI",
}
"""Words of MLflow, SQLite or the system -> what the user can do."""

Whole = Literal["absent", "whole", "half made"]


class StoreError(BenchmarkError):
    """MLflow's store does not answer, or answers with an error."""


def without_password(text: str) -> str:
    """Remove user, password and query from every URI in a text; a query may hold a token."""
    return re.sub(r"(://[^\s'\"?]*)\?[^\s'\"]*", r"\1", re.sub(r"://[^\s'\"]*@", "://", text))


def store_error(where: object, error: object) -> StoreError:
    """Describe a failure of the store in one line, without passwords, with its cure."""
    text = without_password(str(error)).strip().partition("\n")[0].rstrip(".") or repr(error)
    cures = (do for words, do in CURES.items() if re.search(words, f"{where} {text}", re.I))
    shown = without_password(str(where))
    return StoreError(f"MLflow's store {shown}", text, do=next(cures, "").format(quote(shown)))


def escaped(path: Path) -> str:
    """Write a path as in a URI: SQLAlchemy and MLflow decode %xx, and cut a path at `?` and `#`.

    MLflow also pastes the path into a statement of SQL, which quotes and colons would break.
    """
    return re.sub(r"""[%?#'":\\]""", lambda found: f"%{ord(found[0]):02X}", str(path))


def address(file: Path) -> str:
    """Return the address of a database for MLflow."""
    # With the name of the driver. Of an address without it, MLflow makes the folders, and takes an
    # escaped path for the name of a folder.
    return f"sqlite+pysqlite:///{escaped(file)}"


@contextmanager
def locked(
    home: Path | None, name: Literal["init", "sync"], seconds: float = LOCK_SECONDS
) -> Iterator[None]:
    """Let one process of this machine at a time into the `with`. A server keeps order itself.

    Raises:
        StoreError: Another process stays in it for longer than `seconds`.
    """
    if home is None:
        yield
        return
    # The kernel drops the lock of a process that dies, so a kill leaves no stale lock behind.
    with (home / f".{name}.lock").open("w") as handle:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise store_error(home, f"locked for {seconds:.0f} seconds") from None
                time.sleep(0.05)
        yield


def examine(file: Path, schema: str, tables: Collection[str]) -> Whole:
    """Tell whether a database has the tables and the version of its schema that MLflow expects.

    One that lacks them and holds no run is half made: the process that made it was killed.

    Raises:
        StoreError: The file is no database, cannot be opened, or holds runs of another schema.
    """
    if not file.exists() or file.stat().st_size == 0:
        return "absent"
    found: dict[str, list[object]] = {}
    try:
        # Writable, because SQLite must roll back what a killed process left in the journal.
        uri = f"{file.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as base:
            names = {name for (name,) in base.execute("SELECT name FROM sqlite_master")}
            for table, what in (("alembic_version", "version_num"), ("runs", "count(*)")):
                rows = base.execute(f"SELECT {what} FROM {table}") if table in names else ()
                found[table] = [value for (value,) in rows]
    except sqlite3.Error as error:
        raise store_error(file, error) from None
    if found["alembic_version"] == [schema] and names.issuperset(tables):
        return "whole"
    if found["runs"] in ([], [0]):
        return "half made"
    raise StoreError(
        f"MLflow's store {file}", "its tables are not those of this MLflow",
        expected=f"schema {schema}", found=", ".join(map(str, found["alembic_version"])) or "none",
        do=f"{REBUILD.format(quote(str(file)))}, or use the MLflow that wrote it",
    )  # fmt: skip


def move_aside(file: Path) -> None:
    """Rename a database, and what SQLite keeps beside it.

    A journal that stayed would be rolled back into the next database of that name.
    """
    mark = f"half-made-{time.time_ns()}"
    for path in (Path(f"{file}{end}") for end in ("", "-journal", "-wal", "-shm")):
        if path.exists():
            log.warning("%s: half made, by a process that was killed; kept as *.%s", path, mark)
            path.rename(f"{path}.{mark}")


def rewrite_paths(file: Path, old: str, new: str) -> None:
    """Replace the folder `old` by `new` at the beginning of every text of a database."""
    with closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as base, base:
        # Every text that begins with the old folder, in whichever column MLflow keeps it.
        for table, column in base.execute(TEXT_COLUMNS).fetchall():
            base.execute(
                f'UPDATE "{table}" SET "{column}" = ? || substr("{column}", ?) '
                f'WHERE substr("{column}", 1, ?) = ?',
                (f"{new}/", len(old) + 2, len(old) + 1, f"{old}/"),
            )
