"""What preparing costs on one core: time and disk of each modality, from a 1280x720 archive.

Decoding, extraction and encoding together, with the entries of preset `paper`; flow by DIS: with
a network, time is the network's (tests/bench/networks.py).

    python tests/bench/preparing.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click
import cv2

from benchmark.archives.union import open_archive
from benchmark.editions.edition import read_edition
from benchmark.modalities.flow.dis import DisFlow
from benchmark.modalities.flow.flow import FlowModality
from benchmark.presets.preset import paper
from benchmark.runtime.parallel import usable_cores
from benchmark.synthetic.archive import write_archive
from benchmark.synthetic.spec import GesturesSpec

MIMIC = read_edition("mimic")
KINDS = ("skeleton", "person", "rgb", "taylor", "flow")


def size(folder: Path, pattern: str = "*") -> int:
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


@click.command()
@click.option("--clips", default=24, show_default=True, help="Training clips; a third more others.")
def main(clips: int) -> None:
    """Print seconds and megabytes per 1,000 frames."""
    cv2.setNumThreads(1)
    modality = paper().modality
    spec = GesturesSpec(
        seed=0, train_clips=clips, val_clips=clips // 6, test_clips=clips // 6, train_people=2,
        val_people=1, test_people=1, width=1280, height=720, fps=25, crf=23, cast="everyone",
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as work:
        root = Path(work)
        write_archive(spec, root / "raw", root / "test_labels", workers=usable_cores())
        index = open_archive(root / "raw", MIMIC).read(excluded=(), workers=1)
        frames = sum(clip.end_frame - clip.start_frame for clip in index)
        videos = size(root / "raw", "*.mp4") / 1e6
        click.echo(
            f"{len(index)} clips, {frames} frames in them; {videos:.0f} MB of 1280x720 video"
        )
        for name in KINDS:
            one = modality[name].model_copy(update={"edition": "mimic", "shards": 1})
            if isinstance(one, FlowModality):
                dis = {"backend": DisFlow(kind="dis", preset="medium"), "work_side": 256}
                one = one.model_copy(update=dis)
            began = time.perf_counter()
            one.prepare(root / "raw", MIMIC, index, root / name, workers=1)
            seconds = time.perf_counter() - began
            click.echo(
                f"  {name:<10} {1000 * seconds / frames:6.1f} s and "
                f"{size(root / name) / 1e3 / frames:7.2f} MB per 1,000 frames"
            )


if __name__ == "__main__":
    main()
