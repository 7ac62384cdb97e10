"""Writes docs/cli.md from the commands themselves: run `python tests/write_cli_page.py`."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli.main import main

PAGE = Path(__file__).parents[1] / "docs/cli.md"
HEAD = """# Commands

Every command says the same with `--help`. A mistake of yours ends with exit code 2.
"""


def page() -> str:
    """Every command, groups in alphabetical order."""
    return HEAD + "".join(_of(main, ["mgbench"]))


def _of(command: click.Command, path: list[str]) -> list[str]:
    context = click.Context(command, info_name=path[-1])
    if isinstance(command, click.Group):
        return [
            text
            for name in sorted(command.commands)
            for text in _of(command.commands[name], [*path, name])
        ]
    usage = " ".join([*path, *command.collect_usage_pieces(context)])
    said = (command.help or "").strip()
    lines = [f"\n## {' '.join(path)}\n", f"\n{said}\n", f"\n```\n{usage}\n```\n"]
    options = [param for param in command.params if isinstance(param, click.Option)]
    shown = [option.get_help_record(context) for option in options]
    rows = [f"| `{name}` | {text} |\n" for name, text in filter(None, shown)]
    if rows:
        lines += ["\n| option | |\n|---|---|\n", *rows]
    return lines


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
