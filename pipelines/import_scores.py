"""Stage import_scores: scores of another program -> probabilities of a stream."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path

import click

from benchmark.challenges.challenge import read_challenge
from benchmark.contracts.predictions import write_probabilities
from benchmark.editions.splits import Split
from benchmark.params.params import Params
from benchmark.results.import_scores import import_scores, target_of

SPLITS: tuple[Split, ...] = ("val", "test")


@command("STREAM", reads=("clips",), writes=("out",))
def main(params: Params, name: str, index: Path, out: Path) -> None:
    """Join the files of STREAM, an entry of section external, to the clips of its edition."""
    spec = entry(params.external, "external", name)
    challenge = read_challenge(spec.edition)
    for split in SPLITS:
        target = target_of(challenge, split, index, None)
        file = Path(spec.val if split == "val" else spec.test)
        found = import_scores(file, name, target, head=spec.head, logits=spec.logits)
        write_probabilities(found.probabilities, out / f"{split}.parquet")
        for line in found.said:
            click.echo(line)
        click.echo(f"wrote {out}/{split}.parquet: {len(found.probabilities)} clips of {file}")


if __name__ == "__main__":
    main()
