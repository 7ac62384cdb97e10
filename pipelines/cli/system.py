"""`mgbench export` and `mgbench install`: a trained system as one file."""

from __future__ import annotations

from pipelines._stage import existing, path

from pathlib import Path

import click

from benchmark.core.half_precision import ZOO_NAME
from pipelines.cli.options import check_ending
from pipelines.cli.predict import is_foreign


def _one_line(_context: click.Context, _option: click.Parameter, text: str) -> str:
    # Bytes of another encoding than the terminal's arrive as characters that no file can hold.
    if not text.isprintable():
        raise click.BadParameter("no line of text")
    return text


@click.command()
@click.argument("name")
@click.argument("file", type=path)
@click.option(
    "--license", default="not stated", show_default=True, callback=_one_line,
    help="Of the weights, as the file says it.",
)  # fmt: skip
@click.option("--onnx", is_flag=True, help="Write ONNX instead of a system.")
def export(name: str, file: Path, license: str, onnx: bool) -> None:
    """Write fusion or experiment NAME, its networks included, as one FILE to hand on.

    With --onnx, other programs run it; that is for single networks. Examples:

    \b
      mgbench export convex system.zip --license Apache-2.0
      mgbench export joint joint.onnx --onnx
    """  # noqa: D301 - click reads the sign that keeps lines apart
    from benchmark.inference.onnx_file import export_onnx
    from benchmark.inference.system_file import export_system
    from benchmark.inference.systems import open_system, open_zoo

    check_ending(file, ".onnx" if onnx else ".zip")
    system = open_zoo() if name == ZOO_NAME else open_system(name)
    if onnx:
        apart = export_onnx(system, file, license=license)
        click.echo(f"wrote {file}: ONNX Runtime answers within {apart:.1g} of torch")
        return
    card = export_system(system, file, license=license)
    networks = sum(len(member.networks) for member in card.members.values())
    size = file.stat().st_size / 2**20
    click.echo(f"wrote {file}: {networks} networks of {len(card.members)} streams, {size:.1f} MiB")


@click.command()
@click.argument("file", type=existing)
@click.option("--as", "name", help="Another name than the one in FILE.")
def install(file: Path, name: str | None) -> None:
    """Check an exported FILE and make it a system that 'mgbench predict' knows by its name.

    Nothing in it is run, and a file that holds anything unexpected is refused.

    Example: mgbench install system.zip
    """
    from benchmark.core.half_precision import systems_folder
    from benchmark.inference.system_file import install_system

    before = {entry.name for entry in systems_folder().glob("*")}
    card = install_system(file, name)
    name = name or card.name
    if name in before:
        click.echo(f"replaced the '{name}' that was installed before")
    click.echo(f"installed '{name}' in {systems_folder() / name}; license: {card.license}")
    classes = f"{len(card.edition.classes)} classes of {card.edition.name}"
    click.echo(f"{', '.join(card.members)}; {classes}")
    if not is_foreign(name):
        click.echo(f"in this project, its own '{name}' goes before it: install it --as OTHER")
    click.echo(f"next: 'mgbench predict VIDEO --with {name}'")
