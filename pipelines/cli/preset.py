"""`mgbench preset`: switch params.yaml between complete sets of parameters."""

from __future__ import annotations

from pipelines._stage import PARAMS, read_params

import shutil

import click

from benchmark.core.errors import BenchmarkError, ParamsError
from benchmark.core.files import replacing
from pipelines.cli.group import Group


@click.group(cls=Group)
def preset() -> None:
    """List presets, which are complete params files, and switch between them."""


@preset.command("list")
def list_() -> None:
    """List the presets and their files; a star marks the one in use.

    Example: mgbench preset list
    """
    from benchmark.presets.preset import current_preset, preset_file, preset_names

    current = current_preset(PARAMS)
    for name in preset_names(current, PARAMS):
        mark = "*" if name == current else " "
        try:
            file = str(preset_file(name, current, PARAMS))
        except ParamsError:  # preset default, of which git may have the only copy
            file = f"git checkout {PARAMS}"
        click.echo(f"{mark} {name:<12} {file}")


@preset.command()
@click.argument("name", metavar="PRESET")
def use(name: str) -> None:
    """Make PRESET the params.yaml of this project.

    The current file is kept beside it, broken or not, named params.NAME.yaml after its own preset;
    another file of that name becomes params.NAME.yaml.old.
    A broken one is replaced by another copy of PRESET, and kept as params.broken.yaml.
    PRESET is beyond, default, masked, paper, zoo, or one of yours from 'mgbench edition new'.

    Example: mgbench preset use paper
    """
    from benchmark.presets.preset import (
        current_preset,
        make_test_labels_folder,
        preset_file,
        stored_path,
    )

    current = current_preset(PARAMS)
    source = preset_file(name, current, PARAMS)
    try:
        edition = read_params(source).table.edition
    except BenchmarkError:
        if name == "default":
            click.echo(f"git has the whole one: git checkout {PARAMS}", err=True)
        raise
    if source == PARAMS:
        click.echo(f"{PARAMS} already holds preset '{name}'")
        return
    # A broken file must not replace what it is restored from.
    kept = stored_path("broken" if name == current else current, PARAMS)
    if kept != source and kept.is_file() and kept.read_bytes() != PARAMS.read_bytes():
        # params.yaml may have come from git, and the kept file hold the user's only edits.
        older = kept.with_name(f"{kept.name}.old")
        kept.replace(older)
        click.echo(f"{older} keeps what {kept} was")
    for old, new in ((PARAMS, kept), (source, PARAMS)):
        with replacing(new) as work:
            shutil.copyfile(old, work)
    make_test_labels_folder(edition)
    click.echo(f"{PARAMS} now holds preset '{name}'; {kept} keeps preset '{current}'")
