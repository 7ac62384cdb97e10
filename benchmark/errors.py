"""What can be the user's mistake. Each message says: where, what is wrong, expected, found, do."""

from __future__ import annotations


class BenchmarkError(Exception):
    """The user can mend this: shown as one message without a traceback."""

    def __init__(
        self, where: object, wrong: str, *, expected: str = "", found: str = "", do: str = ""
    ) -> None:
        parts = [f"{where}: {wrong}"]
        parts += [f"expected {expected}"] if expected else []
        parts += [f"found {found}"] if found else []
        super().__init__("; ".join(parts) + (f". {do}" if do else ""))


class ParamsError(BenchmarkError):
    """params.yaml or an edition file breaks its schema."""


class ArchiveError(BenchmarkError):
    """A raw archive, or a file in it, is missing, damaged or not as published."""


class ClipUnreadable(BenchmarkError):
    """The media of one clip cannot be read."""


class FormatError(BenchmarkError):
    """A file between two stages breaks its schema."""


class MismatchError(BenchmarkError):
    """Two files disagree about clips, classes, edition or split."""


class TrainingError(BenchmarkError):
    """A training cannot start or go on with these settings."""


class SubmissionError(BenchmarkError):
    """A submission file would not be accepted by the challenge."""
