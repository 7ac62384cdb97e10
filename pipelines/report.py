"""Stage report: everything a run has found, as one page that needs nothing beside it."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import click
import numpy as np

from benchmark.clips import read_clips
from benchmark.editions import read_edition
from benchmark.files import write_text
from benchmark.predictions import read_probabilities
from benchmark.report.gallery import Streams, choose, playable, shown
from benchmark.report.page import Galleries, Sources, render
from benchmark.results import known_answers
from benchmark.run_record import origin
from benchmark.sealed import test_labels
from benchmark.tracking import find_root
from benchmark.weights import sha256
from pipelines._stage import PARAMS, existing, path, stage

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.clips import Clips
    from benchmark.editions import Edition
    from benchmark.params import Params
    from benchmark.results import Answers


@click.command()
@click.option("--raw", type=existing, required=True, help="Folder of the archives.")
@click.option("--clips", "index", type=existing, required=True, help="The index.")
@click.option("--probabilities", type=existing, required=True, help="Folder of all of them.")
@click.option("--answers", type=path, required=True, help="Sealed answers of test, if any.")
@click.option("--reports", type=existing, required=True, help="Folder of all reports.")
@click.option("--out", type=path, required=True, help="The page.")
@stage
def main(
    params: Params, raw: Path, index: Path, probabilities: Path, answers: Path, reports: Path,
    out: Path,
) -> None:  # fmt: skip
    """Put the page together from the files of other stages."""
    spec = params.analysis
    edition = read_edition(spec.edition)
    clips = read_clips(index, edition)
    galleries = [
        _gallery(params, truth, edition, probabilities, raw, clips)
        for truth in known_answers(clips, test_labels(answers, clips, edition))
    ]
    sheets = next((key for key, one in params.sheets.items() if one.edition == edition.name), None)
    sources = Sources(
        table=reports / "table",
        analysis=reports / "analysis",
        reports=reports,
        sheets=reports / "modalities" / sheets if sheets else None,
        survey=reports / "data" / edition.name,
    )
    train = np.bincount(clips.split("train").labels(), minlength=len(edition.classes))
    text = render(
        sources, edition, list(params.experiments), galleries=galleries,
        provenance=_provenance(params, edition, probabilities), train=train,
    )  # fmt: skip
    write_text(out, text)
    click.echo(f"wrote {out}: {len(text) / 2**20:.1f} MiB, needs nothing beside it")


def _gallery(
    params: Params, truth: Answers, edition: Edition, folder: Path, raw: Path, clips: Clips
) -> Galleries:
    """The clips of one split that play in the page."""
    spec = params.analysis

    def read(name: str) -> np.ndarray:
        found = read_probabilities(folder / name / f"{truth.split}.parquet")
        return found.aligned(truth.clip_id).p.astype(np.float64)

    members = np.stack([read(name) for name in spec.members])
    best = int((members.argmax(2) == truth.label).sum(1).argmax())
    streams = Streams(read(spec.source), members, members[best], spec.members[best])
    hard, better = choose(streams, truth, spec.hardest)
    ids = [truth.clip_id[row] for row, _ in (*hard, *better)]
    videos = playable(raw, edition, clips, ids)
    return Galleries(
        truth.split,
        shown(hard, streams.fused, truth, edition, videos),
        shown(better, streams.fused, truth, edition, videos),
    )


def _provenance(params: Params, edition: Edition, folder: Path) -> dict[str, str]:
    """Code, machine, knobs and the hashes of what was scored."""
    tags = origin(find_root())
    dirty = " with changes" if tags["git.dirty"] == "true" else ""
    files = {name: folder / name / "val.parquet" for name in (*params.experiments, *params.fusions)}
    return {
        "edition": f"{edition.name}, version {edition.version}; {edition.source}",
        "commit": tags["git.commit"] + dirty,
        "machine": f"{platform.system()} {platform.machine()}, Python {tags['python']}",
        "packages": ", ".join(
            f"{key.removeprefix('version.')} {value}"
            for key, value in tags.items()
            if key.startswith("version.")
        ),
        "params.yaml": f"SHA-256 {sha256(PARAMS)}, profile {params.profile}, seed {params.seed}",
        **{
            f"predictions/{name}/val.parquet": f"SHA-256 {sha256(file)}"
            for name, file in files.items()
            if file.is_file()
        },
    }


if __name__ == "__main__":
    main()
