"""Errors that the user can fix. Each message says: where, what is wrong, expected, found, do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

LONGEST = 1000
"""Letters of a line of a message, at most."""


class BenchmarkError(Exception):
    """The user can fix this: the program shows one message without a traceback.

    Args:
        where: The file, entry or option that is wrong.
        wrong: What is wrong with it.
        expected: What would be right.
        found: What is there instead.
        do: What the user can do, as a sentence without its period.
    """

    def __init__(
        self, where: object, wrong: str, *, expected: str = "", found: str = "", do: str = ""
    ) -> None:
        parts = [f"{where}: {wrong}"]
        parts += [f"expected {expected}"] if expected else []
        parts += [f"found {found}"] if found else []
        message = "; ".join(parts) + (f". {do}" if do else "")
        super().__init__("\n".join(map(_shortened, message.split("\n"))))

    def rename(self, old: str, new: str) -> None:
        self.args = tuple(part.replace(old, new) for part in self.args)

    def __reduce__(self) -> tuple[object, ...]:
        """Return what pickles the error between processes: its type and the finished message."""
        # Pickle would otherwise call __init__ with the finished message as its only argument.
        return (revive, (type(self), self.args))


def _shortened(line: str) -> str:
    """Leave out the middle of a line that a cell of a foreign file has made longer than a page."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 2 :]}"


def revive(kind: type[BenchmarkError], args: tuple[object, ...]) -> BenchmarkError:
    """Make an error again from its type and its finished message."""
    error = kind.__new__(kind)
    error.args = args
    return error


def one_per_line(faults: Sequence[object]) -> str:
    """Write how many faults there are, then one fault per line."""
    count = f"{len(faults)} fault{'s' * (len(faults) > 1)}"
    return "\n  ".join([count, *map(str, faults)])


class ParamsError(BenchmarkError):
    """params.yaml or an edition file breaks its schema."""


class ArchiveError(BenchmarkError):
    """A raw archive, or a file in it, is missing, damaged or not as published."""


class ManyFaults(ArchiveError):
    """All faults that were found, one per line; faults within `ManyFaults` are spread out."""

    def __init__(self, where: object, faults: Sequence[BenchmarkError], *, do: str = "") -> None:
        lines: list[str] = []
        for fault in faults:
            lines += fault.lines if isinstance(fault, ManyFaults) else [str(fault)]
        end = f"\n{do}" if do else ""
        super().__init__(where, one_per_line(lines) + end)
        # In `args`, which is all that travels between processes: another one may spread them out.
        self.args = (*self.args, *lines)

    @property
    def lines(self) -> list[str]:
        return [str(line) for line in self.args[1:]]

    def __str__(self) -> str:
        """Return the whole message; `args` would show every line twice."""
        return str(self.args[0])


class FaultList:
    """Collects faults while the caller continues, so that one message names them all."""

    def __init__(self) -> None:
        self.errors: list[BenchmarkError] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Note a `BenchmarkError` that the block raises; it does not reach the caller."""
        try:
            yield
        except BenchmarkError as error:
            self.errors.append(error)

    def raise_any(self, where: object, *, do: str = "") -> None:
        if self.errors:
            raise ManyFaults(where, self.errors, do=do)


class MissingExtra(BenchmarkError):
    """A library that only some uses need is not installed, or does not load."""


class ClipUnreadable(BenchmarkError):
    """The prepared data of one clip cannot be read."""


class FormatError(BenchmarkError):
    """A file between two stages breaks its schema."""


class MismatchError(BenchmarkError):
    """Two files disagree about clips, classes, edition or split."""


class TrainingError(BenchmarkError):
    """A training cannot start or resume with these settings."""


class SubmissionError(BenchmarkError):
    """The challenge would not accept a submission file."""
