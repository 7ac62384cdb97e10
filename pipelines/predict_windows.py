"""Stage predict_windows: a model -> probabilities of windows that slide over whole videos."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.archives.union import open_archive
from benchmark.contracts.window_scores import write_window_scores
from benchmark.inference.systems import Member
from benchmark.inference.windows import score_windows, window_clips
from benchmark.params.params import Params
from benchmark.runtime.memory import lack_of_memory_named
from benchmark.weights.model_folder import Network
from pipelines._index import indexed

WORK = Path(".ckpt/.windows")  # an experiment may be called `windows`, but not this


@command("ONLINE", reads=("raw", "clips", "model"), writes=("out",))
def main(params: Params, name: str, raw: Path, index: Path, model: Path, out: Path) -> None:
    """Score windows of validation and test for ONLINE, an entry of section online."""
    spec, edition, clips = indexed(params, "online", name, index)
    experiment = params.experiments[spec.source]
    recipe, prepared = params.recipes[experiment.recipe], index.parent / experiment.modality
    source = Member((Network.read(model),), prepared, recipe)
    windows = window_clips(
        open_archive(raw, edition), clips.without("train"), window=spec.window, step=spec.step,
        points=source.metadata.modality.needs_points,
    )  # fmt: skip
    with lack_of_memory_named(spec.source, f"recipes.{experiment.recipe}", recipe):
        for scores in score_windows(source, raw, windows, edition, work=WORK / name):
            write_window_scores(scores, out / f"{scores.split}.parquet")
            click.echo(f"wrote {out}/{scores.split}.parquet: {len(scores.video)} windows")


if __name__ == "__main__":
    main()
