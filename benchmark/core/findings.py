"""Findings of a check: what it saw, how bad that is, and what fixes it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

Level: TypeAlias = Literal["ok", "note", "fault"]

# All of one width, and the only capitals in a list: the eye finds a fault among a hundred lines.
MARKS: dict[Level, str] = {"ok": "ok   ", "note": "note ", "fault": "FAULT"}


class Finding(NamedTuple):
    """One sentence of a check."""

    level: Level
    text: str
    what: str = ""
    """The thing that the sentence describes, where a list has a column of such names."""
    do: str = ""
    """The command or action that fixes it; empty where there is nothing to fix."""

    def line(self, width: int = 0) -> str:
        """Write the finding as one line; `width` is that of the column of names."""
        what = f"{self.what:<{width}}  " if self.what else ""
        do = f"  ->  {self.do}" if self.do else ""
        return f"{MARKS[self.level]} {what}{self.text}{do}"


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings: what is wrong, what to know, what is fine; the order within each is kept."""
    order = ("fault", "note", "ok")
    return sorted(findings, key=lambda finding: order.index(finding.level))


def has_fault(findings: Iterable[Finding]) -> bool:
    """Tell whether one of the findings is a fault."""
    return any(finding.level == "fault" for finding in findings)
