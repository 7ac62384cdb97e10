"""The `mgbench` command. Its commands serve people; only DVC's stages make results."""

from __future__ import annotations

from pipelines._stage import PARAMS, read_params

from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from benchmark.core.files import check_not_inside, find_root
from pipelines.cli.data import data, edition
from pipelines.cli.doctor import doctor
from pipelines.cli.evaluate import best, compare, evaluate
from pipelines.cli.experiment import experiment
from pipelines.cli.fuse import fuse
from pipelines.cli.group import SectionedGroup
from pipelines.cli.modality import modality
from pipelines.cli.predict import predict
from pipelines.cli.preset import preset
from pipelines.cli.profile import profile
from pipelines.cli.scale import graph, plan, run
from pipelines.cli.scores import scores
from pipelines.cli.submit import submit
from pipelines.cli.system import export, install
from pipelines.cli.weights import weights
from pipelines.cli.zoo import zoo
from pipelines.scale.graph import ran_here, read_graph

PORT = 5000
"""MLflow's usual port."""
BRING_BACK = (
    "To bring them back, set the filter 'State' above the UI's list of runs to 'Deleted' and"
    " restore them; an experiment with 'mlflow experiments restore'"
)


@click.group(cls=SectionedGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("mm-gesture-benchmark"), prog_name="mgbench")
def main() -> None:
    """Benchmark for micro-gesture recognition.

    'dvc repro' makes the results, MLflow shows the runs, 'mgbench' does the rest.
    """


for _command in (
    best, compare, data, doctor, edition, evaluate, experiment, export, fuse, graph, install,
    modality, plan, predict, preset, profile, run, scores, submit, weights, zoo,
):  # fmt: skip
    main.add_command(_command)


@main.command()
@click.option("--why", is_flag=True, help="Name what changed.")
def status(why: bool) -> None:
    """Show per stage whether it is up to date, stale or never run here.

    Example: mgbench status --why
    """
    from benchmark.archives.union import archive_module
    from benchmark.tracking.provenance import changed_code

    # A broken params.yaml gets our message, with all its problems, instead of DVC's.
    params = read_params(PARAMS)
    # DVC sees changed code only after stage check has hashed it, so compare it here.
    code = changed_code(Path.cwd(), params, archive_module)
    ran = ran_here(Path.cwd())
    graph = read_graph(Path.cwd())
    stale, width = 0, max(map(len, graph.upstream), default=0)
    for name in graph.upstream:
        reasons = _reasons(graph.changes.get(name, []))
        if files := code.get(name):
            reasons.append("changed code: " + _first_three(files))
        stale += bool(reasons) or name not in ran
        text = "never run" if name not in ran else "stale" if reasons else "up to date"
        click.echo(
            f"{name:<{width}}  {text}" + (f": {'; '.join(reasons)}" if why and reasons else "")
        )
    advice = "run 'dvc repro'; --why says what changed" if stale else "nothing to do"
    count = len(graph.upstream)
    click.echo(f"{count - stale} of {count} stages are up to date: {advice}")


def _reasons(entries: list[Any]) -> list[str]:
    """Shorten what `dvc status --json` says of one stage to phrases.

    An entry is a text, such as "changed command", or maps "changed deps" or "changed outs" to
    {path: state}, where changed params have a mapping instead of a state.
    """
    reasons = []
    for entry in entries:
        if isinstance(entry, str):
            reasons.append(entry)
            continue
        for kind, paths in entry.items():
            if isinstance(paths, dict):
                states = [
                    f"{path} {state if isinstance(state, str) else 'modified'}"
                    for path, state in paths.items()
                ]
            else:
                states = [str(paths)]
            reasons.append(f"{kind}: {_first_three(states)}")
    return reasons


def _first_three(names: list[str]) -> str:
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


@main.command()
def sync() -> None:
    """Create in MLflow every run of runs/ that it lacks, and close runs that were killed.

    Example: mgbench sync
    """
    from benchmark.tracking.sync import sync as sync_runs

    root = find_root()
    report = sync_runs(root, lock=root / "dvc.lock")
    click.echo(f"{report.created} created, {report.present} present, {report.closed} closed")
    if report.deleted:
        click.echo(f"{report.deleted} of them are deleted in the UI. {BRING_BACK}")


@main.command()
@click.option(
    "--port", type=click.IntRange(1, 65535), default=PORT, show_default=True,
    help="Port of the MLflow server.",
)  # fmt: skip
def ui(port: int) -> None:
    """Sync, then serve MLflow on 127.0.0.1 until Ctrl-C.

    To see the UI of another machine, first run there 'mgbench ui', and here
    'ssh -N -L 5000:127.0.0.1:5000 HOST'.

    Example: mgbench ui --port 5001
    """
    from benchmark.tracking.sync import sync as sync_runs
    from benchmark.tracking.ui import listen, serve, ui_links

    root = find_root()
    listener = listen(port)
    sync_runs(root, lock=root / "dvc.lock")
    links = ui_links(root, port)
    for what, link in links.items():
        click.echo(f"{what}: {link}")
    click.echo("Ctrl-C ends it")
    serve(root, listener, next(iter(links.values())))


@main.command()
@click.option("--full", is_flag=True, help="Print the whole page, RESULTS.md.")
def results(full: bool) -> None:
    """Print the results table, say whether it is as expected, and list the submission files.

    Example: mgbench results --full
    """
    from benchmark.core.text_files import read_text
    from benchmark.editions.edition import read_edition
    from benchmark.results.screen import read_rows, screen

    check_not_inside()
    page, table = Path("RESULTS.md"), Path("reports/table/table.csv")
    if not page.is_file() or not table.is_file():
        click.echo("no results yet: run 'dvc repro'; docs/results.md shows a run of ours")
    elif full:
        click.echo(read_text(page))
    else:
        edition = read_edition(read_params(PARAMS).table.edition)
        click.echo("\n".join(screen(read_rows(table), edition)))
        click.echo("all of it: 'mgbench results --full', or reports/report.html")
    _echo_expected(table)
    for file in sorted(Path("submissions").glob("*/*.csv")):
        click.echo(f"submission file: {file}, zipped as {file.with_suffix('.zip').name}")
    click.echo("to see the runs: 'make ui', or 'mgbench ui' inside the environment")


def _echo_expected(table: Path) -> None:
    """Say which rows of the default edition lie outside of what other seeds and machines gave."""
    from benchmark.editions.edition import read_edition
    from benchmark.results.screen import places

    params = read_params(PARAMS) if PARAMS.is_file() else None
    if params is None or params.preset != "default" or not table.is_file():
        return
    runs, found = places(table, read_edition(params.table.edition))
    odd = [place for place in found if not place.inside]
    for place in odd:
        span = f"{100 * place.low:.1f} to {100 * place.high:.1f} %"
        click.echo(f"not as expected: {place.row} {100 * place.top1:.2f} %, others got {span}")
    if found:
        inside = len(found) - len(odd)
        click.echo(f"{inside} of {len(found)} rows of test are as expected ({runs})")


if __name__ == "__main__":
    main()
