"""`mgbench edition import`: the clips of a folder of videos, from what people annotated."""

from __future__ import annotations

from pipelines._stage import existing

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import ParamsError
from benchmark.editions.splits import SPLITS
from pipelines.cli.group import echo_columns
from pipelines.cli.video_inputs import videos_in

if TYPE_CHECKING:
    from benchmark.archives.annotations.write import GroupBy, Row, Shares


@click.command("import")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("annotations", metavar="[ANNOTATIONS]...", type=existing, nargs=-1)
@click.option("--tier", "tiers", multiple=True, help="Tier of an .eaf file; may be repeated.")
@click.option("--rest", help="Make clips of this class of the time between annotations.")
@click.option(
    "--split-by", type=click.Choice(["subject", "video"]),
    help="Draw train, val and test so that no person, or no video, is in two of them.",
)  # fmt: skip
@click.option(
    "--shares", default="70,15,15", show_default=True, help="Percent of train, val and test."
)
@click.option("--seed", default=0, show_default=True, help="Of the draw.")
@click.option("--replace", is_flag=True, help="Replace a clips.csv that is there.")
def import_(
    folder: Path, annotations: tuple[Path, ...], tiers: tuple[str, ...], rest: str | None,
    split_by: GroupBy | None, shares: str, seed: int, replace: bool,
) -> None:  # fmt: skip
    """Write clips.csv and classes.txt of the videos in FOLDER, from what you have annotated.

    ANNOTATIONS are tables (CSV of any separator, .xlsx, exports of BORIS), or .eaf files of ELAN.
    Without any, each video lies in a folder named after its class.

    \b
    Examples:
      mgbench edition import talks talks/events.csv --split-by subject --rest nothing
      mgbench edition import talks talks/anna.eaf talks/ben.eaf --tier gestures --split-by video
    """  # noqa: D301 - click reads the sign that keeps lines apart
    from benchmark.archives.annotations.read import check_tiers, read_elan, read_table
    from benchmark.archives.annotations.write import make_rows, read_class_folders, write_rows
    from benchmark.archives.folder import CLASSES, CLIPS

    for path in (folder / CLIPS, folder / CLASSES):
        if path.exists() and not replace:
            raise ParamsError(path, "is there already", do="Say --replace to replace it")
    if not 0 <= seed < 2**32:
        raise ParamsError("--seed", "no seed", expected="0 to 4294967295", found=str(seed))
    videos = list(videos_in([folder]))
    found = [] if annotations else read_class_folders(folder, videos)
    documents = [path for path in annotations if path.suffix.lower() == ".eaf"]
    check_tiers(documents, tiers)
    for path in annotations:
        found += read_elan(path, tiers) if path in documents else read_table(path)
    rows = make_rows(
        folder, videos, found, rest=rest, split_by=split_by, shares=_shares(shares), seed=seed
    )  # fmt: skip
    write_rows(folder, rows)
    _echo_rows(rows)
    click.echo(f"wrote {folder / CLIPS}; next: 'mgbench edition new NAME --from {folder}'")


def _shares(text: str) -> Shares:
    from benchmark.archives.annotations.write import Shares

    parts = text.split(",")
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        raise ParamsError("--shares", "no three numbers", expected="such as 70,15,15", found=text)
    shares = Shares(*map(int, parts))
    if sum(shares) != 100 or not shares.train or not shares.val:
        wanted = "a sum of 100, some of it train and some val"
        raise ParamsError("--shares", "do not split the clips", expected=wanted, found=text)
    return shares


def _echo_rows(rows: Sequence[Row]) -> None:
    """Print how many clips and persons each class has in each split."""
    counted = Counter((row.label, row.split) for row in rows)
    cells = [
        (label, *(str(counted[label, split]) for split in SPLITS))
        for label in sorted({row.label for row in rows})
    ]
    echo_columns([("class", *SPLITS), *cells])
    for split in SPLITS:
        persons = {row.subject for row in rows if row.split == split and row.subject}
        videos = {row.video for row in rows if row.split == split}
        told = f", persons {len(persons)}" if persons else ""
        click.echo(f"{split}: videos {len(videos)}{told}")
    if alone := [label for label, train, *_ in cells if train == "0"]:
        click.echo(f"no clip to learn from: {', '.join(alone)}", err=True)
