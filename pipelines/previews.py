"""Stage previews: one clip per class in all modalities, as pictures and a page; one MLflow run."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.core.files import find_root
from benchmark.data_report.previews import PreviewSource, write_previews
from benchmark.params.params import Params
from benchmark.tracking.records import edition_tags, new_record, now_ms
from benchmark.tracking.store import DATA
from benchmark.tracking.sync import show_and_record
from pipelines._index import indexed


@command("PREVIEWS", reads=("clips", "data"), writes=("out", "record"))
def main(params: Params, name: str, index: Path, data: Path, out: Path, record: Path) -> None:
    """Draw PREVIEWS, an entry of section previews: one training clip per class."""
    start = now_ms()
    spec, edition, clips = indexed(params, "previews", name, index)
    source = PreviewSource(spec, data, params.modalities, clips)
    files = write_previews(source, edition, out)
    root = find_root()
    run = new_record(
        root, experiment=DATA, name=f"modalities {name}", start_ms=start,
        params={"previews": spec.model_dump(mode="json")}, metrics={"previews": len(files) - 1},
        tags=edition_tags("data", edition, "One clip per class in all modalities."),
        artifacts=files,
    )  # fmt: skip
    show_and_record(root, record, [run])
    click.echo(f"wrote {files[0]} and {len(files) - 1} pictures")


if __name__ == "__main__":
    main()
