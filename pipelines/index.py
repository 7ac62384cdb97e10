"""Stage index: raw archives -> clips.parquet."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path

import click

from benchmark.archives.archive import label_differences
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import check_subjects, write_clips
from benchmark.core.files import write_text
from benchmark.editions.edition import edition_file, read_edition
from benchmark.editions.splits import SPLITS
from benchmark.params.params import Params
from benchmark.runtime.parallel import usable_cores


@command("EDITION", reads=("raw",), writes=("out", "edition-out"))
def main(params: Params, name: str, raw: Path, out: Path, edition_out: Path) -> None:
    """List every clip of EDITION, after checking the archives."""
    edition = read_edition(name)
    use = entry(params.editions, "editions", name)
    clips = open_archive(raw, edition).read(excluded=use.excluded, workers=usable_cores())
    check_subjects(clips, use.shared_subjects)
    write_clips(clips, out, edition)
    # Later stages depend on the copy: the file itself is the package's or the project's.
    if file := edition_file(name):
        write_text(edition_out, file.read_text("utf-8"))
    for note in label_differences(clips, edition):
        click.echo(f"note: {note}")
    if clips.excluded:
        click.echo(f"excluded: {len(clips.excluded)} clips of {', '.join(use.excluded)}")
    sizes = ", ".join(f"{len(clips.split(split))} {split}" for split in SPLITS)
    click.echo(f"wrote {out}: {sizes} clips")


if __name__ == "__main__":
    main()
