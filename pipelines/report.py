"""Stage report: everything a run has found, as one page that needs nothing beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import numpy as np

from benchmark.contracts.clips import read_clips
from benchmark.contracts.test_labels import read_test_labels
from benchmark.core.files import write_text
from benchmark.editions.edition import read_edition
from benchmark.results.report.gallery import Archive, gallery
from benchmark.results.report.page import Sources, provenance, render
from benchmark.results.table import known_truths
from pipelines._stage import PARAMS, existing, path, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params


@click.command()
@click.option("--raw", type=existing, required=True, help="Folder of the archives.")
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--probabilities", type=existing, required=True, help="Folder of all of them.")
@click.option(
    "--test-labels", type=path, required=True, help="CSV of withheld test labels, where it exists."
)
@click.option("--reports", type=existing, required=True, help="Folder of all reports.")
@click.option("--out", type=path, required=True, help="The page.")
@stage
def main(
    params: Params, raw: Path, index: Path, probabilities: Path, test_labels: Path, reports: Path,
    out: Path,
) -> None:  # fmt: skip
    """Put the page together from the files of other stages."""
    spec = params.analysis
    edition = read_edition(spec.edition)
    clips = read_clips(index, edition)
    truths = known_truths(clips, read_test_labels(test_labels, clips, edition))
    archive = Archive(raw, edition, clips)
    galleries = [gallery(params, truth, probabilities, archive) for truth in truths]
    sheets = next(
        (key for key, one in params.previews.items() if one.edition == edition.name), None
    )
    sources = Sources(
        table=reports / "table",
        analysis=reports / "analysis",
        curves=reports / "experiments",
        sheets=reports / "modalities" / sheets if sheets else None,
        survey=reports / "data" / edition.name,
    )
    train = np.bincount(clips.split("train").labels(), minlength=len(edition.classes))
    text = render(
        sources, edition, params, galleries=galleries,
        provenance=provenance(params, edition, PARAMS, probabilities), train=train,
    )  # fmt: skip
    write_text(out, text)
    click.echo(f"wrote {out}: {len(text) / 2**20:.1f} MiB, needs nothing beside it")


if __name__ == "__main__":
    main()
