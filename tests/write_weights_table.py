"""Write the table of docs/weights.md: run `python tests/write_weights_table.py`."""

from __future__ import annotations

import re
from pathlib import Path

from benchmark.weights.catalogue import Catalogue, PublishedWeights, read_catalogue

PAGE = Path(__file__).parents[1] / "docs/weights.md"
TABLE = re.compile(r"(?<=<!-- catalogue -->\n).*(?=<!-- end of catalogue -->)", re.S)


def table_text(catalogue: Catalogue) -> str:
    head = "| name | file, in folder `weights` | used by | source | license | SHA-256 begins |\n"
    rows = [_row(entry) for entry in catalogue.entries]
    return head + "|---|---|---|---|---|---|\n" + "".join(rows)


def _row(entry: PublishedWeights) -> str:
    license = f"**{entry.license}, research only**" if entry.research_only else entry.license
    known = " or ".join(f"`{digits[:8]}`" for digits in entry.sha256_begins or ())
    origin = " (others)" if entry.digits_from == "others" else ""
    file = f"`{entry.place.as_posix()}`"
    linked = f"[{file}]({entry.url})" if entry.url else file
    cells = (
        entry.name, linked, entry.used_by, entry.source, license,
        known + origin or "not published",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    page = PAGE.read_text("utf-8")
    PAGE.write_text(TABLE.sub(lambda _: table_text(read_catalogue()), page), "utf-8")
