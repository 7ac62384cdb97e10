"""Names of systems that can look at a video; they are checked before seconds of imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark.core.errors import ParamsError

if TYPE_CHECKING:
    from benchmark.params.params import Params

ZOO_NAME = "zoo"


def check_system(name: str, params: Params) -> None:
    """Make sure that a name is that of an experiment, or of a fusion of experiments alone.

    Raises:
        ParamsError: It is none.
    """
    if name in params.fusions:
        foreign = [member for member in params.fusions[name].members if member in params.external]
        if foreign:
            wrong = f"'{name}' needs {', '.join(foreign)}: scores of another program, not a network"
            raise ParamsError("--with", wrong, do="Choose a fusion of experiments alone")
    elif name not in params.experiments:
        names = ", ".join([ZOO_NAME, *params.fusions, *params.experiments])
        raise ParamsError("--with", f"no fusion or experiment '{name}'", expected=f"one of {names}")
