"""`mgbench`: the commands for people. Stages are DVC's; nothing here changes a result."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
from ruamel.yaml import YAML

from pipelines._stage import PARAMS, USER_FAULT, mistakes_shown
from pipelines.cli.data import data, edition
from pipelines.cli.doctor import doctor
from pipelines.cli.experiment import profile, recipe
from pipelines.cli.modality import modality
from pipelines.cli.predict import predict
from pipelines.cli.scores import evaluate, fuse, scores
from pipelines.cli.submit import submit
from pipelines.cli.weights import weights

PORT = 5000


SECTIONS = {
    "Where you are": ("doctor", "status", "results", "ui", "sync"),
    "Data": ("data", "edition", "modality", "weights"),
    "Training": ("profile", "recipe"),
    "Scores and submissions": ("evaluate", "fuse", "scores", "submit"),
    "Any video": ("predict",),
}
"""How the help is laid out; a test sees that no command is left out."""


class Contents(click.Group):
    """A group whose help reads like a table of contents."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section."""
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(
                    [(name, self.commands[name].get_short_help_str(limit=100)) for name in names]
                )


@click.group(cls=Contents, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("mm-gesture-benchmark"), prog_name="mgbench")
def main() -> None:
    """Micro-gesture benchmark: results by `dvc repro`, runs in MLflow, leaderboard files."""


main.add_command(data)
main.add_command(doctor)
main.add_command(edition)
main.add_command(evaluate)
main.add_command(fuse)
main.add_command(modality)
main.add_command(predict)
main.add_command(profile)
main.add_command(recipe)
main.add_command(scores)
main.add_command(submit)
main.add_command(weights)


@main.command()
def status() -> None:
    """Say of every stage whether it is up to date, and what made it old."""
    from benchmark.archives.archive import archive_module
    from benchmark.params.params import read_params
    from benchmark.tracking.provenance import changed_code

    with mistakes_shown():
        code = changed_code(Path.cwd(), read_params(PARAMS), archive_module)
    changed = json.loads(_dvc("status", "--json"))
    stages = _dvc("stage", "list", "--name-only").split()
    known = _locked_stages()
    old = 0
    for name in stages:
        reasons = _reasons(changed.get(name, []))
        if files := code.get(name):
            reasons.append("changed code: " + _first(files))
        old += bool(reasons) or name not in known
        told = "; ".join(reasons) or "up to date"
        click.echo(f"{name:<26} {told if name in known else 'not run yet'}")
    advice = "run 'dvc repro'" if old else "nothing to do"
    click.echo(f"{len(stages) - old} of {len(stages)} stages are up to date: {advice}")


def _locked_stages() -> set[str]:
    """Stages that ran at least once."""
    lock = Path("dvc.lock")
    return set(YAML(typ="safe").load(lock)["stages"]) if lock.is_file() else set()


def _reasons(entries: list[Any]) -> list[str]:
    """DVC's list of changes as short phrases."""
    found = []
    for entry in entries:
        if isinstance(entry, str):
            found.append(entry)
            continue
        for kind, paths in entry.items():
            short = (
                [
                    f"{key} {value if isinstance(value, str) else 'modified'}"
                    for key, value in paths.items()
                ]
                if isinstance(paths, dict)
                else [str(paths)]
            )
            found.append(f"{kind}: {_first(short)}")
    return found


def _first(names: list[str]) -> str:
    """Three of them at most."""
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _dvc(*arguments: str) -> str:
    """Standard output of a dvc command; its own message where it fails."""
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        click.echo(done.stderr.strip(), err=True)
        sys.exit(USER_FAULT)
    return done.stdout


@main.command()
def sync() -> None:
    """Show in MLflow every run recorded in runs/, once; close runs that were killed."""
    from benchmark.tracking.store import find_root
    from benchmark.tracking.sync import sync as sync_runs

    with mistakes_shown():
        root = find_root()
        report = sync_runs(root, lock=root / "dvc.lock")
        click.echo(f"{report.created} created, {report.present} present, {report.closed} closed")


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True)
def ui(port: int) -> None:
    """Sync, print links to the results table and the trainings, then serve MLflow on 127.0.0.1."""
    from benchmark.tracking.store import find_root
    from benchmark.tracking.sync import sync as sync_runs
    from benchmark.tracking.ui import serve, ui_links

    with mistakes_shown():
        root = find_root()
        sync_runs(root, lock=root / "dvc.lock")
        for what, link in ui_links(root, port).items():
            click.echo(f"{what}: {link}")
        serve(root, port)


@main.command()
def results() -> None:
    """Print the results table, where the submission files lie, and how to see the runs."""
    page = Path("RESULTS.md")
    with mistakes_shown():
        click.echo(page.read_text("utf-8") if page.is_file() else "no RESULTS.md: run 'dvc repro'")
    for file in sorted(Path("submissions").glob("*/*.csv")):
        click.echo(f"submission file: {file} and {file.with_suffix('.zip').name} beside it")
    click.echo("runs: 'make ui', or 'mgbench ui' inside the environment")


if __name__ == "__main__":
    main()
