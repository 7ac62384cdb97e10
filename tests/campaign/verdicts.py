"""Judge one try of fuzzing: refused with a message, or accepted with a sound result."""

from __future__ import annotations

from pipelines._stage import mistakes_shown

import contextlib
import io
import math
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from pipelines.cli.main import main

from .tries import Tried

T = TypeVar("T")
LONGEST = 2000
"""Characters of a line of a message; a longer one repeats the file."""
LARGEST = 2**63


def judged(what: str, read: Callable[[], T], fault_of: Callable[[T], str]) -> Tried:
    """Read a mutated file as the program does.

    Args:
        what: The mutation.
        read: Reads it.
        fault_of: Says what is unsound in an accepted result; empty if nothing is.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said), mistakes_shown():
            value = read()
    except SystemExit as leave:
        return Tried(what, _fault_of_message(leave.code, said.getvalue()))
    except BaseException as error:
        lines = (str(error).splitlines() or [""])[0][:100]
        place = traceback.extract_tb(error.__traceback__)[-1]
        name = f"{place.filename.split('site-packages/')[-1].split('/campaign/')[-1]}:{place.name}"
        shown = "".join(traceback.format_exception(error, limit=-8))
        return Tried(what, f"traceback: {type(error).__name__} in {name}\n{lines}\n{shown[-2500:]}")
    try:
        fault = fault_of(value)
    except Exception as error:
        shown = traceback.format_exc()[-1500:]
        return Tried(what, f"accepted, but {type(error).__name__} when checked: {error}\n{shown}")
    # The part before the colon is the kind, by which failures are counted.
    return Tried(what, "accepted: " + fault.replace(": ", "\n", 1) if fault else "")


def _fault_of_message(code: object, text: str) -> str:
    if code != 2:
        return f"left with exit code {code}: {text[:300]}"
    if "rror" not in text:
        return f"no message: {text[:300]!r}"
    longest = max(text.splitlines(), key=len)
    if len(longest) > LONGEST:
        return f"a line of the message has {len(longest)} characters: {longest[:200]}"
    return ""


def mgbench(*arguments: object) -> str:
    """Run a command inside this process and return its output; it leaves as the program does."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        main.main([*map(str, arguments)], standalone_mode=False)
    return text.getvalue()


def unlike(raw: Any, parsed: Any, path: str = "") -> str:
    """Say where a parsed value is not what the file holds: no coercion, no number without sense."""
    if hasattr(type(parsed), "model_fields"):
        parsed = {name: getattr(parsed, name) for name in type(parsed).model_fields}
    if isinstance(raw, dict) and isinstance(parsed, dict):
        faults = (
            unlike(value, parsed[key], f"{path}.{key}")
            if key in parsed
            else f"a key is dropped: {path}.{key}"
            for key, value in raw.items()
        )
        return next((fault for fault in faults if fault), "")
    if isinstance(raw, list) and isinstance(parsed, (list, tuple)):
        if len(raw) != len(parsed):
            return f"a list of another length: {path}"
        faults = (
            unlike(a, b, f"{path}.{k}") for k, (a, b) in enumerate(zip(raw, parsed, strict=True))
        )
        return next((fault for fault in faults if fault), "")
    return _unlike_leaf(raw, parsed, path)


def _unlike_leaf(raw: Any, parsed: Any, path: str) -> str:
    if isinstance(raw, bool) != isinstance(parsed, bool):
        return f"a boolean is taken as another value, or the reverse: {path}, {raw!r}, {parsed!r}"
    if isinstance(raw, (int, float)) and isinstance(parsed, (int, float)):
        if not math.isfinite(parsed):
            return f"a number that is not finite: {path}, {parsed!r}"
        if isinstance(parsed, int) and abs(parsed) >= LARGEST:
            return f"an integer beyond 64 bits: {path}"
        return "" if raw == parsed else f"another number: {path}, {raw!r}, {parsed!r}"
    if isinstance(parsed, str) and (
        "\0" in parsed or any("\ud800" <= c <= "\udfff" for c in parsed)
    ):
        return f"a text with a sign that no text file holds: {path}"
    return (
        "" if raw == parsed else f"another value: {path}, {str(raw)[:60]!r}, {str(parsed)[:60]!r}"
    )
