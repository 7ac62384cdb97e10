"""The campaigns see what they look for; each check here fails on a fault that is put in."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from benchmark.core.errors import FormatError
from campaign import forked, page_checks
from campaign.commands import MARK, alive, environment, run
from campaign.fuzz_params import yaml_of
from campaign.mutations import mutated_bytes, mutated_text, mutated_tree
from campaign.page import table, write_page
from campaign.tries import Campaign, Outcome, Tried
from campaign.verdicts import judged, unlike

TREE = {"a": [1, 2.5, {"b": "text", "c": None}], "d": True}


def soon(seconds: float = 60.0) -> float:
    return time.monotonic() + seconds


@pytest.mark.parametrize("seed", range(100))
def test_a_mutation_depends_on_its_seed_alone(seed: int) -> None:
    text = b"clip_id,label\na,1\nb,2\n"
    for mutate in (mutated_bytes, mutated_text):
        assert mutate(text, Random(seed)) == mutate(text, Random(seed))
    first, second = (yaml_of(mutated_tree(TREE, Random(seed))) for _ in range(2))
    assert first == second
    assert TREE == {"a": [1, 2.5, {"b": "text", "c": None}], "d": True}


def _dies_at_two(seed: int) -> Tried:
    if seed == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    return Tried(f"try {seed}")


def test_a_try_that_dies_costs_only_itself() -> None:
    results = dict(forked.forked_attempts(_dies_at_two, range(5), soon()))
    assert [seed for seed, tried in results.items() if tried.fault] == [2]
    assert results[2].fault == "signal SIGSEGV"
    assert results[4].what == "try 4"


def test_a_try_that_hangs_is_ended_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "HANG_SECONDS", 0.5)
    sleeps = lambda seed: time.sleep(30 * (seed == 1)) or Tried("")  # noqa: E731
    results = dict(forked.forked_attempts(sleeps, range(3), soon()))
    assert [bool(tried.fault) for tried in results.values()] == [False, True, False]


def _refuse() -> None:
    raise FormatError("file", "is wrong")


def _break() -> None:
    raise KeyError("x")


def test_a_refusal_is_right_and_a_traceback_or_an_unsound_result_is_not() -> None:
    assert judged("", _refuse, str).fault == ""
    assert judged("", _break, str).fault.startswith("traceback: KeyError in ")
    assert judged("", lambda: 1, lambda value: "").fault == ""
    assert judged("", lambda: 1, lambda value: "odd: one").fault == "accepted: odd\none"


@pytest.mark.parametrize(
    ("raw", "parsed", "fault"),
    [
        ({"a": 1}, {"a": 1.0}, ""),
        ({"a": [1, 2]}, {"a": (1, 2)}, ""),
        ({"a": True}, {"a": 1.0}, "a boolean is taken"),
        ({"a": float("nan")}, {"a": float("nan")}, "not finite"),
        ({"a": 2**63}, {"a": 2**63}, "beyond 64 bits"),
        ({"a": "1"}, {"a": 1}, "another value"),
        ({"a": 1, "b": 2}, {"a": 1}, "a key is dropped"),
    ],
)
def test_a_parsed_value_is_compared_with_what_the_file_holds(
    raw: object, parsed: object, fault: str
) -> None:
    found = unlike(raw, parsed)
    assert fault in found if fault else found == ""


def test_a_page_with_an_element_from_a_name_is_found(tmp_path: Path) -> None:
    page, pristine = tmp_path / "page.html", tmp_path / "pristine.html"
    pristine.write_text("<p>zz &lt;zz9 qq=1&gt;</p><script></script>", "utf-8")
    assert page_checks.html_fault(pristine, pristine, "zz <zz9 qq=1>") == ""
    for text in ("<p>zz <zz9></p>", "<p qq=1>zz</p>", "<script></script><script></script>zz"):
        page.write_text(text, "utf-8")
        assert page_checks.html_fault(page, pristine, "zz"), text


@pytest.mark.parametrize("cell", ["a | b", "a\nb", "<script>"])
def test_a_name_that_breaks_a_table_of_markdown_is_found(cell: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("| a | b |\n|---|---|\n| x \\| y | 1 |\n\ntext\n", "utf-8")
    assert page_checks.markdown_faults(page) == []
    page.write_text(f"| a | b |\n|---|---|\n| {cell} | 1 |\n", "utf-8")
    assert page_checks.markdown_faults(page)


def test_processes_of_a_try_are_known_by_their_mark(tmp_path: Path) -> None:
    variables = environment(tmp_path)
    done = run(tmp_path, "sh", "-c", "sleep 30 & echo started", variables=variables, stdout=None,
               timeout=0.5)  # fmt: skip
    assert done.timed_out
    assert "hang" in done.fault
    assert alive(variables[MARK]) == {}


def test_the_page_keeps_its_text_and_the_other_column(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Title\n\ntext\n\n## Figures\n", "utf-8")
    outcome = Outcome(Campaign("fuzz-x", "mutations", 2, 1, lambda lab: lambda seed: Tried("")))
    outcome.add(7, Tried("cut", "traceback: KeyError in 5\nmore"))
    outcome.add(8, Tried("cut"))
    write_page(page, [outcome], "before", 7)
    outcome.failures.clear()
    write_page(page, [outcome], "after", 7)
    text = page.read_text("utf-8")
    assert text.startswith("# Title\n\ntext\n\n## Figures\n")
    assert "| `fuzz-x` | mutations | 1 of 2 | 0 of 2 |" in text
    assert text.count("\n- before: ") == text.count("\n- after: ") == 1


def test_the_table_names_the_command_that_repeats_a_failure() -> None:
    outcome = Outcome(Campaign("fuzz-x", "mutations", 2, 1, lambda lab: lambda seed: Tried("")))
    for seed in (7, 9):
        outcome.add(seed, Tried("cut", f"traceback: KeyError in {seed}\nmore"))
    text = table([outcome])
    assert "fuzz-x: 2 x traceback: KeyError in #" in text
    assert "python -m tests.campaign --only fuzz-x --seed 7 --tries 1" in text
