"""A group of commands whose help says each of them in a whole sentence, and columns of text."""

from __future__ import annotations

from pipelines._stage import mistakes_shown

from typing import Any

import click

LONGEST = 200
"""Letters of a first sentence; click cuts it at 45 by itself."""

SECTIONS = {
    "Project": ("doctor", "status", "run", "plan", "graph", "results", "ui", "sync"),
    "Data": ("data", "edition", "modality", "weights"),
    "Training": ("experiment", "preset", "profile", "zoo"),
    "Scores and submissions": ("evaluate", "compare", "fuse", "best", "scores", "submit"),
    "Any video": ("predict", "export", "install"),
}
"""Sections of the help; a test checks that every command is in one."""


class Group(click.Group):
    """A group that cuts no sentence of its commands."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(self.told(self.list_commands(ctx)))

    def told(self, names: list[str]) -> list[tuple[str, str]]:
        """Return each command with its first sentence."""
        return [(name, self.commands[name].get_short_help_str(LONGEST)) for name in names]


class SectionedGroup(Group):
    """The group at the top: its help lists the commands by section, and mistakes are messages."""

    def invoke(self, ctx: click.Context) -> Any:
        with mistakes_shown():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(self.told([*names]))


def echo_columns(rows: list[tuple[str, ...]]) -> None:
    """Print rows as columns; the first row names them."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())
