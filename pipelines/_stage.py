"""The frame around every stage: params, log, signals, and which errors show a traceback."""

from __future__ import annotations

import errno
import functools
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from benchmark.core.errors import BenchmarkError, ParamsError
from benchmark.params.params import read_params
from benchmark.runtime.parallel import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType


PARAMS = Path("params.yaml")
USER_FAULT = 2
"""Exit code of a mistake that the user can mend."""

existing = click.Path(path_type=Path, exists=True)
"""A path that a stage reads."""
path = click.Path(path_type=Path)
"""A path that a stage writes."""


def stage(function: Callable[..., None]) -> Callable[..., None]:
    """Give a click command its checked params and turn users' mistakes into one message."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        die_with_parent()
        signal.signal(signal.SIGTERM, _stop)
        with mistakes_shown():
            function(read_params(PARAMS), *args, **kwargs)

    return run


class mistakes_shown:  # noqa: N801 - reads as a statement
    """Within: `BenchmarkError` and a full disk become one line and exit code 2."""

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Turn a user's mistake into an exit; let everything else pass."""
        if isinstance(error, BenchmarkError):
            _exit(str(error))
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            _exit(f"{error.filename or 'the disk'}: {error.strerror}. Free some space, run again")
        if isinstance(error, PermissionError):
            _exit(f"{error.filename}: {error.strerror}. Let this user read and write it")
        if isinstance(error, KeyboardInterrupt):
            click.echo("Stopped. What is finished is kept: run it again to go on", err=True)
            sys.exit(128 + signal.SIGINT)


def _exit(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(USER_FAULT)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def entry(section: Mapping[str, Any], kind: str, name: str) -> Any:
    """`section[name]`, or the names that there are.

    Raises:
        ParamsError: params.yaml has no such entry.
    """
    if name not in section:
        known = ", ".join(section) or "none"
        raise ParamsError(PARAMS, f"{kind}: no '{name}'", expected=f"one of {known}")
    return section[name]
