"""What options may say: finite numbers, and no file to write that the command reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from benchmark.core.errors import ParamsError


class _Finite(click.ParamType):
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is no finite number", param, ctx)
        return number


class Finite(_Finite, click.types.FloatParamType):
    """A number. Click's own takes NaN and infinity."""


class FiniteRange(_Finite, click.FloatRange):
    """A number within limits. Click's own lets NaN through, which no limit is above."""


def check_ending(path: Path, *endings: str) -> None:
    """Refuse a file to write whose name says that it holds something else, such as params.yaml.

    Raises:
        ParamsError: Its name ends otherwise.
    """
    if path.suffix not in endings:
        expected, found = " or ".join(endings), path.suffix or "no ending"
        raise ParamsError(path, "unknown file type", expected=expected, found=found)


def check_outputs(written: Mapping[str, Path | None], read: Iterable[Path | None]) -> None:
    """Refuse, before any work, to replace a file that the command reads.

    Args:
        written: Option -> the file that it writes; None for one that is not given.
        read: Files that the command reads; None for options that are not given.

    Raises:
        ParamsError: A file is written and read, or written by two options.
    """
    taken = {file.resolve(): "which the command reads" for file in read if file is not None}
    for option, file in written.items():
        if file is None:
            continue
        if why := taken.get(file.resolve()):
            raise ParamsError(option, f"would replace {file}, {why}", expected="another file")
        taken[file.resolve()] = f"which {option} writes"
