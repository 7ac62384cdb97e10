"""Stage folds: the labeled clips of an edition, dealt into folds."""

from __future__ import annotations

from pipelines._stage import command, entry

from pathlib import Path

import click

from benchmark.contracts.clips import read_clips
from benchmark.contracts.folds import write_folds
from benchmark.core.errors import FormatError
from benchmark.core.files import write_text
from benchmark.core.pinned_file import verified
from benchmark.data.draw_folds import (
    class_counts,
    counts_csv,
    draw_folds,
    given_folds,
    lone_classes,
    sparse_classes,
)
from benchmark.editions.edition import read_edition
from benchmark.params.params import Params


@command("EDITION", reads=("clips",), writes=("out", "counts"))
def main(params: Params, name: str, index: Path, out: Path, counts: Path) -> None:
    """Draw the folds of EDITION, or check those of your own."""
    edition, spec = read_edition(name), entry(params.folds, "folds", name)
    clips, ask = read_clips(index, edition), {"groups": spec.groups, "over": spec.over}
    if spec.file is not None:
        file = verified(spec.file, expected="the folds that `file` in params.yaml names")
        folds = given_folds(file, clips, number=spec.number, **ask)
    else:
        folds = draw_folds(clips, number=spec.number, seed=spec.seed, **ask)
    lone = lone_classes(folds, clips, edition.classes)
    if lone and spec.lone_classes == "refuse":
        raise FormatError(
            f"folds of {name}", f"all clips of '{lone[0]}' are of one {spec.groups}: the"
            " networks that are asked about them have never learned the class",
            found=f"{len(lone)} such classes: {', '.join(lone)}",
            do=f"Add clips, leave the classes out, or set folds.{name}.lone_classes: keep",
        )  # fmt: skip
    found = class_counts(folds, clips, len(edition.classes))
    write_text(counts, counts_csv(found, edition.classes))
    write_folds(folds, out)
    for line in sparse_classes(found, edition.classes):
        click.echo(f"note: {line}")
    sizes = ", ".join(map(str, found.sum(axis=0)))
    click.echo(f"wrote {out}: {folds.number} folds of {sizes} clips by {folds.groups}")


if __name__ == "__main__":
    main()
