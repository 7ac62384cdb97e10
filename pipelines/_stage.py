"""Shared frame of all commands: checked params, logging, signals, errors without a traceback."""

from __future__ import annotations

from pipelines._start import INTERRUPTED, follow_starter, interrupt, is_command

import errno
import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

import click

from benchmark.core.errors import BenchmarkError, ParamsError
from benchmark.core.files import braces_fault, name_fault
from benchmark.runtime.parallel import is_helper

if TYPE_CHECKING:
    from benchmark.params.params import Params

PARAMS = Path("params.yaml")
USER_FAULT = 2
"""Exit code for an error that the user can fix."""

ACCESS = "Give your user read and write access"
NO_FOLDER = "A file, or a dead link, lies where a folder is needed: rename it, or choose another"
SPACE = "Free some space and run it again"
CURES = {
    errno.EACCES: ACCESS,
    errno.EPERM: ACCESS,
    errno.EROFS: "Its file system is read-only: mount it writable, or work in a copy",
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EISDIR: "A folder has this name: name a file",
    errno.ENOTDIR: NO_FOLDER,
    errno.EEXIST: NO_FOLDER,
    errno.ENAMETOOLONG: "Give it a shorter name: the system allows 255 bytes, and we need some 40",
    errno.EFBIG: "The system limits the size of files: raise 'ulimit -f'",
    errno.EMFILE: "Too few files may be open at once: raise 'ulimit -n'",
    errno.ENFILE: "Other programs hold all files that the system may open: end some",
    errno.EAGAIN: "The system gives no more memory or threads: free some, or raise its limits",
    errno.EIO: "The disk or its network fails: copy what it still reads",
    errno.ESTALE: "The network file system lost it: mount it again",
}
"""Error of the system -> what the user can do; other OSErrors may be bugs of ours."""

existing = click.Path(path_type=Path, exists=True)
"""Type of an option whose path the command reads."""
path = click.Path(path_type=Path)
"""Type of an option whose path the command writes, or reads if it exists."""

PATHS = {
    "clips": "Index (clips.parquet).",
    "counts": "CSV of each class's clips per fold.",
    "data": "Folder of all prepared modalities.",
    "edition-out": "Copy of the edition's file.",
    "folds": "Folds of the edition.",
    "init-from": "Folder of the initial weights.",
    "members": "Probabilities of each experiment.",
    "metrics": "Scores on validation.",
    "modality": "Folder of the prepared data.",
    "model": "Folder of the model.",
    "out": "What the stage makes: a file or a folder.",
    "page": "The page to write.",
    "parts": "Probabilities of each fold.",
    "pose": "Model of the pose pathway.",
    "probabilities": "Folder of all of them.",
    "raw": "Folder of the raw archives.",
    "record": "Record of the MLflow run.",
    "reports": "Folder of scores, curves and pictures.",
    "rgb": "Model of the RGB pathway.",
    "scratch": "Folder that means no initial weights.",
    "test-labels": "Labels of test, where the archives withhold them.",
    "windows": "Folder of windows, or of their scores.",
    "zoo": "Folder for the networks of the zoo.",
}
"""Every option of the stages, and its help."""


def read_params(path: Path = PARAMS) -> Params:
    """Read params.yaml, which takes a third of a second to import: only when it is needed.

    Raises:
        ParamsError: The file is missing or invalid.
    """
    from benchmark.params.params import read_params as read

    return read(path)


def command(
    argument: str = "", *, reads: Sequence[str] = (), writes: Sequence[str] = (),
    perhaps: Sequence[str] = (),
) -> Callable[[Callable[..., None]], click.Command]:  # fmt: skip
    """Make a stage of a function; every path that it takes is an option of `PATHS`.

    The function gets the checked params, ARGUMENT as `name`, `--clips` as `index`, and any other
    option under its own name.

    Args:
        argument: What the stage runs for, an entry of params.yaml; none if empty.
        reads: Options whose path must exist.
        writes: Options whose path the stage writes.
        perhaps: Options whose path may exist.
    """

    def made(function: Callable[..., None]) -> click.Command:
        run = stage(function)
        # Backward, because click lists the option first that it gets last.
        for option in reversed((*reads, *writes, *perhaps)):
            name = "index" if option == "clips" else option.replace("-", "_")
            kind, told = existing if option in reads else path, PATHS[option]
            run = click.option(f"--{option}", name, type=kind, required=True, help=told)(run)
        return click.command()(click.argument("name", metavar=argument)(run) if argument else run)

    return made


def stage(function: Callable[..., None]) -> Callable[..., None]:
    """Pass the checked params to a stage as its first argument, and show errors as messages."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        follow_starter()
        # Python dies of SIGTERM at once; SystemExit runs the `finally` blocks that remove
        # unfinished files.
        signal.signal(signal.SIGTERM, _stop)
        with mistakes_shown():
            _refuse(braces_fault(Path.cwd()))  # DVC would run the stage, then fail
            with _under_dvc():
                function(read_params(PARAMS), *args, **kwargs)

    return run


@contextmanager
def _under_dvc() -> Iterator[None]:
    """Keep other hosts and a second process of this stage out, and note how long it takes.

    What DVC does not run, a user did by hand, and may do as often as wished.
    """
    from pipelines.scale import state

    state.check_launched()
    name = os.environ.get("DVC_STAGE")
    if name is None or not _is_first():
        yield
        return
    with ExitStack() as stack:
        if state.LAUNCHED not in os.environ:
            stack.enter_context(state.one_host())
        stack.enter_context(state.only_one(f"stage {name}"))
        yield
        state.record_seconds(name)


def _is_first() -> bool:
    """Tell whether no other process leads this one: rank 0, and no helper."""
    rank = os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))
    return rank == "0" and not is_helper()


@contextmanager
def mistakes_shown() -> Iterator[None]:
    """Turn errors that the user can fix into one message and exit code 2, without a traceback."""
    before = signal.getsignal(signal.SIGINT)
    try:
        if before is interrupt:
            # From here on, files may be open that `finally` blocks remove.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _refuse(name_fault(Path.cwd()))
        with _ended_in_order():
            yield
    except BenchmarkError as error:
        _exit(str(error))
    except OSError as error:
        if (cure := CURES.get(error.errno or 0)) is None:
            raise
        files = " -> ".join(str(name) for name in (error.filename, error.filename2) if name)
        _exit(f"{files or 'a file'}: {error.strerror}. {cure}")
    except MemoryError as error:
        _exit(f"memory: {error or 'not enough'}. Free some and run it again")
    except KeyboardInterrupt:
        click.echo(INTERRUPTED, err=True)
        sys.exit(128 + signal.SIGINT)
    finally:
        if before is interrupt:
            signal.signal(signal.SIGINT, before)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM run the `finally` blocks that remove unfinished files."""
    # Another handler, as of a stage, knows better; only the main thread may set one.
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _refuse(fault: str) -> None:
    if fault:
        raise BenchmarkError("project", fault)


def _exit(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(USER_FAULT)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def entry(section: Mapping[str, Any], kind: str, name: str) -> Any:
    """Return `section[name]`; `kind` is the name of the section in params.yaml.

    Raises:
        ParamsError: There is no such entry.
    """
    if name not in section:
        names = ", ".join(section) or "none"
        raise ParamsError(PARAMS, f"no entry '{name}' in {kind}", expected=f"one of {names}")
    return section[name]


def _launch() -> None:
    """Let another machine do the work, if launch.yaml says so, before anything heavy is loaded."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    if "DVC_STAGE" not in os.environ or spec is None or not is_command():
        return
    from pipelines.scale import launch

    if launch.is_wanted():
        with mistakes_shown():
            code = launch.launch_stage(spec.name, sys.argv[1:])
        if code is not None:
            sys.exit(code)


_launch()
