"""Packed clips to ready tensors: our loader against mmaction2's pipeline on 1280x720 cuts.

The same clips, the same frames and size out, one thread each, side by side:

    python tests/bench/loader.py
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cv2
import numpy as np
import torch

from benchmark.contracts.clips import Clip, Clips
from benchmark.core.video import write_video
from benchmark.data.normalization import DatasetNorm
from benchmark.data.readers import PackedVideos
from benchmark.data.sampling import IntervalSampling
from benchmark.data.video_input import VideoInput, VideoViews
from benchmark.editions.edition import read_edition
from benchmark.modalities.rgb import RgbModality
from benchmark.models.preprocessors import VideoPreprocessor
from benchmark.synthetic.bench import one_person

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

MEAN, STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
INPUT = VideoInput(
    kind="video", frames=32, sampling=IntervalSampling(kind="interval", interval=2),
    size=224, resize=256, region="frame", crop_area=(0.08, 1.0), crop_ratio=(0.75, 4 / 3),
    flip=0.0, normalization=DatasetNorm(kind="dataset", mean=MEAN, std=STD), views=1, crops=1,
)  # fmt: skip
"""Video Swin's test view: 32 frames of distance 2, short side 256, the central 224x224."""


def film(clips: int, frames: int) -> NDArray[np.uint8]:
    """A generated person in 1280x720: uint8 (clips * frames, 720, 1280, 3)."""
    video = one_person(1280, 720, 3 * clips)
    wanted = min(clips * frames, len(video.exact))
    return np.stack([video.draw(k).rgb.copy() for k in range(wanted)])


def prepare(root: Path, pictures: NDArray[np.uint8], frames: int) -> Clips:
    """One raw video, its 1280x720 cuts in `cuts/`, its packed clips in `rgb/`."""
    (root / "raw").mkdir()
    write_video(root / "raw/long.mp4", pictures, 25, crf=18, gop=250)
    (root / "cuts").mkdir()
    rows, lines = [], ["clip_id,split,label,video,start_frame,end_frame\n"]
    for start in range(0, len(pictures) - frames + 1, frames):
        end, name = start + frames, f"c{len(rows)}"
        write_video(root / f"cuts/{name}.mp4", pictures[start:end], 25, crf=18, gop=250)
        lines.append(f"{name},train,,long.mp4,{start},{end}\n")
        rows.append(Clip(name, "long.mp4", None, "train", 0, start, end, 25.0, 1280, 720, False))
    (root / "raw/clips.csv").write_text("".join(lines), "utf-8")
    clips = Clips("own", tuple(rows))
    spec = RgbModality(kind="rgb", edition="own", short_side=256, gop=8, crf=18, shards=1)
    own = read_edition("mimic").model_copy(update={"dataset": "folder", "name": "own"})
    spec.prepare(root / "raw", own, clips, root / "rgb", workers=1)
    return clips


def peer_pipeline() -> Callable[[dict[str, Any]], dict[str, Any]]:
    """mmaction2's transforms for the same view."""
    from benchmark.models import mmaction_import as mmaction

    mmaction.mmaction_models()  # its shim makes mmaction2 importable
    from mmaction.datasets.transforms import (
        CenterCrop,
        DecordDecode,
        DecordInit,
        FormatShape,
        Resize,
        SampleFrames,
    )  # fmt: skip
    from mmcv.transforms import Compose

    return Compose(
        [
            DecordInit(num_threads=1),
            SampleFrames(clip_len=32, frame_interval=2, num_clips=1, test_mode=True),
            DecordDecode(),
            Resize(scale=(-1, 256)),
            CenterCrop(crop_size=224),
            FormatShape(input_format="NCTHW"),
        ]
    )


@click.command()
@click.option("--clips", default=12, show_default=True)
@click.option("--frames", default=70, show_default=True, help="Of each clip.")
@click.option("--rounds", default=3, show_default=True)
def main(clips: int, frames: int, rounds: int) -> None:
    """Print clips a second of both and their ratio."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        index = prepare(root, film(clips, frames), frames)
        views = VideoViews(INPUT, PackedVideos(root / "rgb", index), no_motion=None)
        step = VideoPreprocessor(INPUT.normalization)
        peer = peer_pipeline()
        mean, std = (torch.tensor(v).view(3, 1, 1, 1) for v in (MEAN, STD))

        def ours(clip: str) -> torch.Tensor:
            return step(torch.from_numpy(views.test(clip, quick=True).views[0]))[0]

        def theirs(clip: str) -> torch.Tensor:
            item = {"filename": str(root / f"cuts/{clip}.mp4"), "start_index": 0, "modality": "RGB"}
            return (torch.from_numpy(peer(item)["imgs"]) - mean) / std

        one, other = ours("c0"), theirs("c0")
        assert one.shape == other.shape, (one.shape, other.shape)
        difference = float((one - other).abs().mean())
        seconds: dict[str, float] = {}
        for name, load in (("ours", ours), ("mmaction2", theirs)):
            start = time.perf_counter()
            for _ in range(rounds):
                for clip in index.ids:
                    load(clip)
            seconds[name] = time.perf_counter() - start
    total = rounds * len(index)
    click.echo(f"{len(index)} clips of {frames} frames -> {tuple(one.shape)}, one thread")
    click.echo(f"mean difference of the tensors {difference:.3f} (of standard deviation 1)")
    click.echo(f"ours, packed 256 short side    {total / seconds['ours']:7.2f} clips/s")
    click.echo(
        f"mmaction2, 1280x720 cuts       {total / seconds['mmaction2']:7.2f} clips/s   "
        f"ours is {seconds['mmaction2'] / seconds['ours']:.1f} times as fast"
    )


if __name__ == "__main__":
    main()
