"""Write docs/results.md from a finished run: `python tests/write_results_page.py FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/results.md"
NOTE = """
One run of the default edition, on two cores of the maintainers. Yours is in `RESULTS.md`, which Git
ignores: another processor trains other networks, and `mgbench results` says whether your rows lie
where those of other machines and seeds do.
"""


def page(results: str) -> str:
    """Return the page of one run: its own, with a note below the title."""
    title, rest = results.split("\n", 1)
    return f"{title}\n{NOTE}{rest}"


if __name__ == "__main__":
    found = (Path(sys.argv[1]) / "RESULTS.md").read_text("utf-8")
    PAGE.write_text(page(found), "utf-8")
