"""Where systems lie that a user has installed: one folder each, for all projects."""

from __future__ import annotations

from pathlib import Path

import click

CARD = "system.json"


def systems_folder() -> Path:
    """Return the user's folder of installed systems."""
    return Path(click.get_app_dir("mgbench")) / "systems"


def is_installed(name: str) -> bool:
    """Tell whether a system of that name is installed."""
    return "/" not in name and (systems_folder() / name / CARD).is_file()
