"""Write docs/api.md, what one may import: run `python tests/write_api_page.py`."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/api.md"
HEAD = """# Python API

The programs are made of these parts; a notebook may use them, too. What is not listed may change
without a word. Each docstring says shapes, units and errors: `help(NAME)` prints it.
"""
PARTS: dict[str, tuple[str, dict[str, tuple[str, ...]]]] = {
    "Scores and fusion": ("No torch is needed.", {
        "benchmark.contracts.predictions": (
            "Probabilities", "read_probabilities", "write_probabilities",
        ),
        "benchmark.contracts.labels": ("Labels", "index_labels", "listed_labels"),
        "benchmark.evaluation.metrics": ("score", "class_scores", "confusion", "log_loss"),
        "benchmark.evaluation.scores": ("all_scores", "calibration"),
        "benchmark.evaluation.bootstrap": ("interval", "paired_interval", "f1_intervals"),
        "benchmark.evaluation.significance": ("mcnemar", "holm"),
        "benchmark.results.table": ("paired",),
        "submission.fusion.fuse": ("fuse", "apply"),
        "submission.fusion.fit": ("fit_fusion",),
        "submission.fusion.fitted": ("read_fitted", "write_fitted"),
    }),
    "Any video": ("With the zoo, or with the networks of a project.", {
        "benchmark.inference.systems": ("open_zoo", "open_system"),
        "benchmark.inference.any_video": ("recognize",),
        "benchmark.inference.segments": ("segments", "to_csv", "to_srt", "to_eaf"),
        "benchmark.core.video": ("read_frames", "write_video", "probe", "timeline"),
    }),
    "Data sets": ("What is on disk, checked.", {
        "benchmark.editions.edition": ("read_edition", "edition_names"),
        "benchmark.archives.union": ("open_archive",),
        "benchmark.contracts.clips": ("read_clips",),
        "benchmark.params.params": ("read_params",),
    }),
    "Leaderboards": ("", {
        "benchmark.challenges.challenge": ("read_challenge", "challenge_names"),
        "submission.leaderboard.writer": ("write_submission",),
    }),
}  # fmt: skip
"""Title -> what it is about, and module -> the names in it that one may import."""


def page() -> str:
    """Return the page."""
    lines = [HEAD]
    for title, (about, modules) in PARTS.items():
        lines.append(f"\n## {title}\n")
        lines += [about, ""] if about else []
        lines += ["| import | what it does |", "|---|---|"]
        for module, names in modules.items():
            lines += [_row(module, name) for name in names]
    return "\n".join(lines) + "\n"


def _row(module: str, name: str) -> str:
    found = getattr(importlib.import_module(module), name)
    first = (inspect.getdoc(found) or "").split("\n\n")[0].replace("\n", " ")
    return f"| `from {module} import {name}` | {first.replace('|', chr(92) + '|')} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
