"""Write docs/cli.md from the commands: run `python tests/write_cli_page.py`."""

from __future__ import annotations

import inspect
from pathlib import Path

import click

from pipelines.cli.main import main

PAGE = Path(__file__).parents[1] / "docs/cli.md"
HEAD = """# Commands

`mgbench COMMAND --help` prints the same text. An error that you can fix ends with exit code 2.

The tab key completes commands and options after `eval "$(_MGBENCH_COMPLETE=bash_source mgbench)"`;
zsh takes `zsh_source`, and fish `_MGBENCH_COMPLETE=fish_source mgbench | source`.
"""


def page() -> str:
    """Return the page: every command, in alphabetical order."""
    return HEAD + "".join(_sections(main, ["mgbench"]))


def _sections(command: click.Command, path: list[str]) -> list[str]:
    context = click.Context(command, info_name=path[-1])
    if isinstance(command, click.Group):
        return [
            text
            for name in sorted(command.commands)
            for text in _sections(command.commands[name], [*path, name])
        ]
    usage = " ".join([*path, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or "")
    lines = [f"\n## {' '.join(path)}\n", f"\n{text}\n", f"\n```\n{usage}\n```\n"]
    options = [param for param in command.params if isinstance(param, click.Option)]
    records = filter(None, (option.get_help_record(context) for option in options))
    # A bar ends a cell, in code too: choices are listed with bars.
    rows = ["| `{}` | {} |\n".format(*(cell.replace("|", r"\|") for cell in record))
            for record in records]  # fmt: skip
    if rows:
        lines += ["\n| option | |\n|---|---|\n", *rows]
    return lines


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
