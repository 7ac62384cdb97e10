"""Stage check: checks params.yaml and hashes the code of each stage; all others wait for it."""

from __future__ import annotations

from pipelines._stage import command

from importlib.util import find_spec
from pathlib import Path

import click

from benchmark.archives.union import archive_module
from benchmark.core.errors import FaultList, MissingExtra, ParamsError
from benchmark.core.files import replacing_folder, write_text
from benchmark.doctor import packages_of, page_of
from benchmark.params.params import Params
from benchmark.tracking.provenance import stage_code


@command(writes=("out",))
def main(params: Params, out: Path) -> None:
    """Refuse params that do not fit together before DVC clears an output of any other stage."""
    _check_packages(params)
    _check_archives(params)
    code = stage_code(Path.cwd(), params, archive_module)
    with replacing_folder(out) as work:
        for name, text in code.items():
            write_text(work / f"{name}.txt", text)
    click.echo(f"wrote {out}: preset '{params.preset}', code of {len(code)} entries")


def _check_archives(params: Params) -> None:
    """Make sure that the archives are there: DVC would name a missing one by an error number.

    Raises:
        ManyFaults: Each one that is missing and that no stage generates.
    """
    made = {*params.synthetic, *params.synthetic_ma52}
    faults = FaultList()
    for name in params.editions:
        folder = Path("data/raw", name)
        if name in made or folder.exists():
            continue
        users = _users(params, name)
        drop = f", or drop what needs it: 'mgbench experiment remove {' '.join(users)}'"
        # Of the edition that the table scores, next to nothing would be left.
        do = f"Put or link it there ({page_of(name)})"
        do += drop if users and name != params.table.edition else ""
        faults.errors.append(
            ParamsError(folder, f"the archive of edition '{name}' is not there", do=do)
        )
    faults.raise_any("data/raw", do="'mgbench doctor' says what else is missing")


def _users(params: Params, edition: str) -> list[str]:
    """List the experiments of an edition, and those that start from one of them."""
    found = {key for key, run in params.experiments.items() if run.edition == edition}
    while True:
        merged = {key for key, one in params.merges.items() if found & {one.rgb, one.pose}}
        more = {k for k, run in params.experiments.items() if run.init_from in found | merged}
        if more <= found:
            return [key for key in params.experiments if key in found]
        found |= more


def _check_packages(params: Params) -> None:
    """Make sure that optional packages are there before hours of other stages, not after them.

    Raises:
        MissingExtra: One that a modality of params.yaml needs is not installed.
    """
    for package, kind in packages_of(params).items():
        if find_spec(package) is None:
            do = "Install it: make extras"
            raise MissingExtra(package, f"not installed; modalities with '{kind}' need it", do=do)


if __name__ == "__main__":
    main()
