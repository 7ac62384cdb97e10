"""Write the end of docs/submissions.md: run `python tests/write_leaderboards_page.py`."""

from __future__ import annotations

from pathlib import Path

from benchmark.results.leaderboards import leaderboard_page, published

PAGE = Path(__file__).parents[1] / "docs/submissions.md"
HEAD = "## Published leaderboards\n"
START = "<!-- written by tests/write_leaderboards_page.py -->\n"


def page() -> str:
    """Return the whole page with its last part replaced."""
    written = PAGE.read_text("utf-8").partition(START)[0]
    boards = published().boards
    parts = ["\n".join([f"### {board.name}", *leaderboard_page(board, {})]) for board in boards]
    return written + START + "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
