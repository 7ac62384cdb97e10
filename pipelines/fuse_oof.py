"""Stage fuse_oof: probabilities of several experiments -> one, with weights fitted out of fold."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.folds import read_folds
from benchmark.contracts.predictions import write_probabilities
from benchmark.params.params import Params
from benchmark.results.join_folds import fuse_oof
from pipelines._index import indexed
from submission.fusion.fitted import write_fitted


@command("FUSION", reads=("clips", "folds", "members"), writes=("out",))
def main(params: Params, name: str, index: Path, folds: Path, members: Path, out: Path) -> None:
    """Fit FUSION, an entry of section oof_fusions, out of fold; apply it to test."""
    fusion, _, clips = indexed(params, "oof_fusions", name, index)
    fused = fuse_oof(name, fusion, clips, read_folds(folds, clips), members)
    write_fitted(fused.fitted, out / "weights.json")
    write_probabilities(fused.oof, out / "oof.parquet")
    write_probabilities(fused.test, out / "test.parquet")
    weights = ", ".join(f"{member} {weight:.3f}" for member, weight in fused.fitted.weights.items())
    click.echo(f"wrote {out}: {weights}")


if __name__ == "__main__":
    main()
