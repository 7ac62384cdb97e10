"""Stage analyse: confusion, calibration, complementarity and the hardest clips; one MLflow run."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.test_labels import read_test_labels
from benchmark.core.files import find_root, replacing_folder
from benchmark.data.readers import PackedVideos
from benchmark.editions.edition import read_edition
from benchmark.params.params import Params
from benchmark.results.analysis import write_analyses
from benchmark.results.entries import Scoring
from benchmark.results.runs import analysis_record
from benchmark.tracking.sync import show_and_record


@command(
    reads=("clips", "probabilities", "data"), writes=("out", "record"), perhaps=("test-labels",)
)
def main(
    params: Params, index: Path, probabilities: Path, test_labels: Path, data: Path, out: Path,
    record: Path,
) -> None:  # fmt: skip
    """Write the analysis that params.yaml's section analysis asks for."""
    spec = params.analysis
    edition = read_edition(spec.edition)
    clips = read_clips(index, edition)
    test = read_test_labels(test_labels, clips, edition)
    scoring, frames = Scoring(params, clips, probabilities, test), None
    if (modality := params.modalities[spec.modality]).content in ("video", "person"):
        frames = PackedVideos(modality.frames_folder(data / spec.modality), clips)
    else:
        click.echo(f"no hardest.png: {spec.modality} ({modality.kind}) stores no frames", err=True)
    with replacing_folder(out) as work:
        members = write_analyses(scoring, work, frames=frames)
    root = find_root()
    show_and_record(root, record, [analysis_record(root, spec, edition, members, out)])
    click.echo(f"wrote {out}: {', '.join(members)}")


if __name__ == "__main__":
    main()
