"""Stage windows: raw archives and index -> clips without labels, cut over whole videos."""

from __future__ import annotations

from pipelines._stage import command

from pathlib import Path

import click

from benchmark.contracts.clips import write_clips
from benchmark.modalities.windows import FRAMES, INDEX, unlabeled
from benchmark.params.params import Params
from benchmark.runtime.parallel import usable_cores
from pipelines._index import indexed


@command("WINDOWS", reads=("raw", "clips"), writes=("out",))
def main(params: Params, name: str, raw: Path, index: Path, out: Path) -> None:
    """Cut WINDOWS, an entry of section windows, and prepare their frames."""
    spec, edition, clips = indexed(params, "windows", name, index)
    windows = spec.cut(raw, edition, clips, workers=usable_cores())
    modality = params.modalities[spec.modality]
    modality.prepare(raw, edition, windows, out / FRAMES, workers=usable_cores())
    write_clips(windows, out / INDEX, unlabeled(edition))
    click.echo(f"wrote {out}: {len(windows)} windows of {len({*windows.videos})} videos")


if __name__ == "__main__":
    main()
