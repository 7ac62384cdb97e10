"""Stage analyse: confusion, calibration, complementarity and the hardest clips; one MLflow run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.test_labels import read_test_labels
from benchmark.core.files import replacing_folder
from benchmark.editions.edition import read_edition
from benchmark.results.analysis import Analysed, Frames, write_analysis
from benchmark.results.runs import analysis_record
from benchmark.results.table import known_truths, read_source
from benchmark.tracking.records import write_records
from benchmark.tracking.store import find_root
from benchmark.tracking.sync import log_records
from pipelines._stage import existing, path, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.params.params import Params

VIDEOS = {"rgb", "taylor", "flow", "depth"}


@click.command()
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--probabilities", type=existing, required=True, help="Folder of all of them.")
@click.option(
    "--test-labels", type=path, required=True, help="CSV of withheld test labels, where it exists."
)
@click.option("--data", type=existing, required=True, help="Folder of all prepared modalities.")
@click.option("--out", type=path, required=True, help="Folder of pictures and tables.")
@click.option("--record", type=path, required=True, help="The run's record.")
@stage
def main(
    params: Params, index: Path, probabilities: Path, test_labels: Path, data: Path, out: Path,
    record: Path,
) -> None:  # fmt: skip
    """Analyse what params.yaml's section analysis names."""
    spec = params.analysis
    edition = read_edition(spec.edition)
    clips = read_clips(index, edition)
    drawn = params.all_modalities[spec.modality].kind in VIDEOS
    frames = Frames(data / spec.modality, clips) if drawn else None
    known = {}
    with replacing_folder(out) as work:
        for truth in known_truths(clips, read_test_labels(test_labels, clips, edition)):
            names = (spec.source, *spec.members)
            source, *members = (read_source(params, probabilities, n, truth.split) for n in names)
            found = Analysed(source, members, truth)
            known[truth.split] = write_analysis(
                found, edition, work / truth.split, frames=frames, shown=spec.hardest
            )
    root = find_root()
    run = analysis_record(root, spec, edition, known, out)
    log_records(root, [run])
    write_records(record, [run])
    click.echo(f"wrote {out}: {', '.join(known)}")


if __name__ == "__main__":
    main()
