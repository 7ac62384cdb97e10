"""What a campaign is: seeded tries, each of which can be repeated alone by its seed."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from .lab import Lab


class Tried(NamedTuple):
    """The outcome of one try."""

    what: str
    """What was done, in a few words."""
    fault: str = ""
    """What went wrong; empty if nothing did."""


Attempt: TypeAlias = Callable[[int], Tried]
"""Does one try; everything that it draws depends on its seed alone."""


@dataclass(frozen=True)
class Campaign:
    """Tries of one kind."""

    name: str
    title: str
    """What is tried, for the page."""
    tries: int
    """Number of tries of a whole campaign."""
    minutes: float
    """Time that a whole campaign may take."""
    start: Callable[[Lab], Attempt]
    """Prepares the place of the tries."""
    forked: bool = False
    """Whether the tries run inside a child of this process, which may die or hang."""


class Failure(NamedTuple):
    """A try that went wrong."""

    seed: int
    what: str
    fault: str


@dataclass
class Outcome:
    """The figures of one campaign."""

    campaign: Campaign
    tries: int = 0
    seconds: float = 0.0
    skipped: str = ""
    """Why it could not run here; empty if it ran."""
    failures: list[Failure] = field(default_factory=list)

    def add(self, seed: int, tried: Tried) -> bool:
        """Count one try; tell whether it failed in a way that none before it did."""
        self.tries += 1
        if not tried.fault:
            return False
        known = self.kinds()
        self.failures.append(Failure(seed, *tried))
        return kind_of(tried.fault) not in known

    def kinds(self) -> dict[str, list[Failure]]:
        """Group the failures by their first line without numbers: the same fault, many seeds."""
        groups: dict[str, list[Failure]] = {}
        for failure in self.failures:
            groups.setdefault(kind_of(failure.fault), []).append(failure)
        return dict(sorted(groups.items(), key=lambda item: -len(item[1])))


def kind_of(fault: str) -> str:
    """Return the first line of a fault, with every number as `#` and without quoted values."""
    line = fault.split("\n", 1)[0][:160]
    return "".join("#" if sign.isdigit() else sign for sign in line)


class NotHere(Exception):
    """This machine lacks what a campaign needs; the campaign is skipped, with this reason."""


def attempts(attempt: Attempt, seeds: range, until: float) -> Iterator[tuple[int, Tried]]:
    """Do the tries of `seeds` one after the other, up to the time `until` (monotonic seconds)."""
    for seed in seeds:
        if time.monotonic() > until:
            return
        yield seed, guarded(attempt, seed)


def guarded(attempt: Attempt, seed: int) -> Tried:
    """Do one try; an error of the campaign itself counts as a failure and is shown whole."""
    try:
        return attempt(seed)
    except Exception:
        return Tried("the campaign itself", "error in the campaign\n" + traceback.format_exc())
