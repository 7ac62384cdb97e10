"""What can be the user's mistake. Each message says: where, what is wrong, expected, found, do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class BenchmarkError(Exception):
    """The user can mend this: shown as one message without a traceback."""

    def __init__(
        self, where: object, wrong: str, *, expected: str = "", found: str = "", do: str = ""
    ) -> None:
        parts = [f"{where}: {wrong}"]
        parts += [f"expected {expected}"] if expected else []
        parts += [f"found {found}"] if found else []
        super().__init__("; ".join(parts) + (f". {do}" if do else ""))

    def rename(self, old: str, new: str) -> None:
        """Call a file by another name in the message."""
        self.args = tuple(part.replace(old, new) for part in self.args)

    def __reduce__(self) -> tuple[object, ...]:
        """Travel between processes as the finished message."""
        return (_revive, (type(self), self.args))


def _revive(kind: type[BenchmarkError], args: tuple[object, ...]) -> BenchmarkError:
    error = kind.__new__(kind)
    error.args = args
    return error


def listed(faults: Sequence[object]) -> str:
    """How many there are, then each in a line of its own."""
    count = f"{len(faults)} fault{'s' * (len(faults) > 1)}"
    return "\n  ".join([count, *map(str, faults)])


class ParamsError(BenchmarkError):
    """params.yaml or an edition file breaks its schema."""


class ArchiveError(BenchmarkError):
    """A raw archive, or a file in it, is missing, damaged or not as published."""


class ManyFaults(ArchiveError):
    """Everything that was found wrong, one line a fault."""

    def __init__(self, where: object, faults: Sequence[BenchmarkError], *, do: str = "") -> None:
        lines: list[str] = []
        for fault in faults:
            lines += fault.lines if isinstance(fault, ManyFaults) else [str(fault)]
        end = f"\n{do}" if do else ""
        super().__init__(where, listed(lines) + end)
        self.args = (*self.args, *lines)

    @property
    def lines(self) -> list[str]:
        """One message a fault."""
        return [str(line) for line in self.args[1:]]

    def __str__(self) -> str:
        """All of them."""
        return str(self.args[0])


class FaultList:
    """Goes on after a fault, so that all are named at the end."""

    def __init__(self) -> None:
        self.found: list[BenchmarkError] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Within: a `BenchmarkError` is noted and does not stop the caller."""
        try:
            yield
        except BenchmarkError as error:
            self.found.append(error)

    def raise_any(self, where: object, *, do: str = "") -> None:
        """Raise `ManyFaults` if there was one."""
        if self.found:
            raise ManyFaults(where, self.found, do=do)


class MissingExtra(BenchmarkError):
    """A library that only some uses need is not installed, or does not load."""


class ClipUnreadable(BenchmarkError):
    """The modality of one clip cannot be read."""


class FormatError(BenchmarkError):
    """A file between two stages breaks its schema."""


class MismatchError(BenchmarkError):
    """Two files disagree about clips, classes, edition or split."""


class TrainingError(BenchmarkError):
    """A training cannot start or go on with these settings."""


class SubmissionError(BenchmarkError):
    """A submission file would not be accepted by the challenge."""
