"""Checks of written pages and tables: nothing in them came from data but text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

LATEX_SPECIAL = re.compile(r"(?<!\\)[&%#_^~$]")


class _Elements(HTMLParser):
    """Counts scripts and notes what only a payload names."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.foreign, self.text = 0, list[str](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        names = [name for name, _ in attrs]
        if tag == "zz9" or any(name.startswith(("qq", "on")) for name in names):
            self.foreign.append(f"<{tag} {' '.join(names)}>")
        if any((value or "").strip().lower().startswith("javascript:") for _, value in attrs):
            self.foreign.append(f"<{tag}> with a javascript: address")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def html_fault(page: Path, pristine: Path | None, name: str) -> str:
    """Say which element or attribute of a page came from data, or that a name is missing."""
    elements = _Elements()
    text = page.read_text("utf-8")
    elements.feed(text)
    if elements.foreign:
        return f"{page.name} holds elements from data: {elements.foreign[:2]}"
    if pristine is not None:
        plain = _Elements()
        plain.feed(pristine.read_text("utf-8"))
        if plain.scripts != elements.scripts:
            return f"{page.name} holds {elements.scripts} scripts"
    if "zz49" in text or "zz 49" in text:
        return f"{page.name} computed a name"
    shown = " ".join("".join(elements.text).split())
    return "" if " ".join(name.split())[:60] in shown else f"{page.name} does not show the name"


def markdown_faults(page: Path) -> list[str]:
    """Say where a table of a Markdown page loses its columns, and where HTML stands in the text."""
    faults, width = [], 0
    for line in page.read_text("utf-8").split("\n"):
        bars = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))
        if not line.startswith("|"):
            if width and line.strip():
                faults.append(f"{page.name}: a row of a table is broken: {line[:60]!r}")
            width = 0
        elif width and bars != width:
            faults.append(f"{page.name}: a row has {bars} bars, its header {width}: {line[:80]!r}")
        else:
            width = width or bars
        if re.search(r"(?<!\\)<(?:zz9|/?script|!--|!\[CDATA)", line):
            faults.append(f"{page.name} holds HTML from a name: {line[:60]!r}")
    return faults[:3]


def latex_faults(file: Path) -> list[str]:
    """Say which row of a LaTeX table has other cells, or a sign that LaTeX does not print."""
    faults = []
    lines = file.read_text("utf-8").split("\n")
    rows = [line for line in lines if line.startswith("    ") and "&" in line]
    for row in rows:
        if len(re.findall(r"(?<!\\)&", row)) != 5 or not row.endswith(r"\\"):
            faults.append(f"{file.name}: another number of cells: {row[:80]!r}")
        elif LATEX_SPECIAL.search(row.split(" & ")[0].replace("$^\\dagger$", "")):
            faults.append(f"{file.name}: a sign that is not escaped: {row[:80]!r}")
    if any(sign in "\n".join(lines) for sign in "\x00\x0b\r"):
        faults.append(f"{file.name} holds control characters")
    return faults[:2]
