"""Stage data_report: raw archives -> a page, a table and pictures of them; one MLflow run."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.clips import read_clips
from benchmark.core.files import find_root
from benchmark.data_report.page import metrics, write_report
from benchmark.data_report.scan import scan_archive
from benchmark.editions.edition import read_edition
from benchmark.params.params import Params
from benchmark.runtime.parallel import usable_cores
from benchmark.tracking.records import edition_tags, new_record, now_ms
from benchmark.tracking.store import DATA
from benchmark.tracking.sync import show_and_record


@command("EDITION", reads=("raw", "clips"), writes=("out", "record"))
def main(params: Params, name: str, raw: Path, index: Path, out: Path, record: Path) -> None:
    """Report what the archives of EDITION hold."""
    start = now_ms()
    edition = read_edition(name)
    scan = scan_archive(raw, edition, read_clips(index, edition), workers=usable_cores())
    files = write_report(scan, out)
    root = find_root()
    run = new_record(
        root, experiment=DATA, name=f"data {edition.name}", start_ms=start,
        params={"edition": edition.stamp, "dataset": edition.dataset},
        tags=edition_tags("data", edition, f"What the archive of {edition.title} holds."),
        metrics=metrics(scan), artifacts=files,
    )  # fmt: skip
    show_and_record(root, record, [run])
    click.echo(f"wrote {files[0]} and {record}")


if __name__ == "__main__":
    main()
