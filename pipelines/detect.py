"""Stage detect: window scores -> gestures in whole videos, with thresholds fitted on validation."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.intervals import labeled, write_intervals
from benchmark.contracts.window_scores import check_windows, read_window_scores
from benchmark.core.errors import FormatError
from benchmark.core.schema import write_json
from benchmark.evaluation.online import online_scores
from benchmark.inference.detect import candidates, detected, fit_detector
from benchmark.params.params import Params
from pipelines._index import indexed


@command("ONLINE", reads=("clips", "windows"), writes=("out", "metrics"))
def main(params: Params, name: str, index: Path, windows: Path, out: Path, metrics: Path) -> None:
    """Find gestures for ONLINE, an entry of section online, in validation and test."""
    spec, edition, clips = indexed(params, "online", name, index)
    part = clips.split("val")
    truth = labeled(part, part.labels(), edition.classes)
    found = {}
    for file in (windows / "val.parquet", *windows.glob("test.parquet")):
        scores = read_window_scores(file)
        check_windows(scores, clips, edition, source=spec.source, where=file)
        found[scores.split] = candidates(scores, spec.grouping)
    if "val" not in found:
        raise FormatError(windows / "val.parquet", "holds another split than validation")
    detector = fit_detector(found["val"], truth, spec)
    write_json(out / "detector.json", detector)
    gestures = {split: detected(each, detector, name) for split, each in found.items()}
    for split, each in gestures.items():
        write_intervals(each, out / f"{split}.parquet")
        counts = f"{len(each.sure())} gestures, {len(each)} candidates"
        click.echo(f"wrote {out}/{split}.parquet: {counts}")
    val = gestures["val"]
    worth = online_scores(truth, val, resamples=params.table.resamples, seed=params.seed)
    write_json(metrics, worth)
    click.echo(f"F1 {100 * worth.f1_reference:.2f} % on {edition.title}, val")


if __name__ == "__main__":
    main()
