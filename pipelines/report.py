"""Stage report: all results as one page that needs no file beside it."""

from __future__ import annotations

from pipelines._stage import PARAMS, command

from pathlib import Path

import click

from benchmark.archives.union import open_archive
from benchmark.contracts.clips import read_clips
from benchmark.contracts.test_labels import read_test_labels
from benchmark.core.files import find_root, write_text
from benchmark.editions.edition import read_edition
from benchmark.params.params import Params
from benchmark.results.entries import Scoring
from benchmark.results.online import read_online
from benchmark.results.report.gallery import Archive, gallery
from benchmark.results.report.page import answers, online_view, provenance, render
from benchmark.results.runs import report_record
from benchmark.results.table import Resampling
from benchmark.tracking.sync import show_and_record


@command(
    reads=("raw", "clips", "probabilities", "reports"),
    writes=("out", "record"),
    perhaps=("test-labels",),
)
def main(
    params: Params, raw: Path, index: Path, probabilities: Path, test_labels: Path, reports: Path,
    out: Path, record: Path,
) -> None:  # fmt: skip
    """Write the page from the files of other stages."""
    edition = read_edition(params.analysis.edition)
    clips = read_clips(index, edition)
    test = read_test_labels(test_labels, clips, edition)
    scoring = Scoring(params, clips, probabilities, test)
    truths = scoring.truths({params.analysis.scores})
    compared = scoring.truths({row.scores for row in params.table.rows})
    archive = Archive(open_archive(raw, edition).video_files(), edition, clips)
    if not archive.videos:
        click.echo(f"no clips that play: edition {edition.name} has no videos", err=True)
        truths = []
    resampling = Resampling(params.table.resamples, params.seed)
    fps = {clip.video: clip.fps for clip in clips}
    online = online_view(read_online(scoring), resampling, fps)
    text = render(
        reports, edition, params, online=online,
        galleries=[gallery(scoring, truth, archive) for truth in truths],
        answers={truth.split: answers(scoring, truth) for truth in compared},
        provenance=provenance(params, PARAMS, probabilities),
    )  # fmt: skip
    write_text(out, text)
    root = find_root()
    show_and_record(root, record, [report_record(root, edition, out)])
    click.echo(f"wrote {out}: {len(text) / 2**20:.1f} MiB, needs no file beside it")


if __name__ == "__main__":
    main()
