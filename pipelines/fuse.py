"""Stage fuse: probabilities of several experiments -> one, with weights fitted on validation."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.labels import index_labels
from benchmark.contracts.predictions import read_probabilities, write_probabilities
from benchmark.core.pinned_file import sha256
from benchmark.params.params import Params
from pipelines._index import indexed
from submission.fusion.fit import fit_fusion
from submission.fusion.fitted import write_fitted
from submission.fusion.fuse import apply


@command("FUSION", reads=("clips", "members"), writes=("out",))
def main(params: Params, name: str, index: Path, members: Path, out: Path) -> None:
    """Fit FUSION, an entry of section fusions, on validation; apply it to validation and test."""
    fusion, _, clips = indexed(params, "fusions", name, index)
    truth = index_labels(clips, "val")
    val = [read_probabilities(members / member / "val.parquet") for member in fusion.members]
    fitted = fit_fusion(fusion.rule, fusion.temperature, val, truth)
    files = {member: members / member / "test.parquet" for member in fusion.members}
    test = [read_probabilities(file) for file in files.values()]
    # The hashes let submission.json name the exact files that a fused result comes from.
    hashes = {member: sha256(file) for member, file in files.items()}
    write_fitted(fitted.model_copy(update={"test_files": hashes}), out / "weights.json")
    write_probabilities(apply(fitted, val, source=name), out / "val.parquet")
    write_probabilities(apply(fitted, test, source=name), out / "test.parquet")
    weights = ", ".join(f"{member} {weight:.3f}" for member, weight in fitted.weights.items())
    click.echo(f"wrote {out}: {weights}")


if __name__ == "__main__":
    main()
