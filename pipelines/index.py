"""Stage index: raw archives -> clips.parquet."""

from __future__ import annotations

from pipelines._stage import entry, existing, path, stage

from pathlib import Path

import click

from benchmark.archives.expected_counts import label_differences
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import check_subjects, write_clips
from benchmark.core.files import write_text
from benchmark.editions.edition import edition_file, read_edition
from benchmark.editions.splits import SPLITS
from benchmark.params.params import Params
from benchmark.runtime.parallel import usable_cores


@click.command()
@click.argument("edition_name", metavar="EDITION")
@click.option("--raw", type=existing, required=True, help="Folder of the archives.")
@click.option("--out", type=path, required=True, help="The index to write.")
@click.option("--edition-out", type=path, required=True, help="Copy of the edition's file.")
@stage
def main(params: Params, edition_name: str, raw: Path, out: Path, edition_out: Path) -> None:
    """List every clip of EDITION, after checking the archives."""
    edition = read_edition(edition_name)
    use = entry(params.editions, "editions", edition_name)
    clips = open_archive(raw, edition).read(excluded=use.excluded, workers=usable_cores())
    check_subjects(clips, use.shared_subjects)
    write_clips(clips, out, edition)
    # Later stages depend on the copy: the file itself is the package's or the project's.
    if file := edition_file(edition_name):
        write_text(edition_out, file.read_text("utf-8"))
    for note in label_differences(clips, edition):
        click.echo(f"note: {note}")
    if clips.excluded:
        click.echo(f"excluded: {len(clips.excluded)} clips of {', '.join(use.excluded)}")
    sizes = ", ".join(f"{len(clips.split(split))} {split}" for split in SPLITS)
    click.echo(f"wrote {out}: {sizes} clips")


if __name__ == "__main__":
    main()
