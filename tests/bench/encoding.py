"""Time, size and loss of stored clips, by the effort of x264: why `core/video.py` has its own.

    python tests/bench/encoding.py VIDEO --size 456x256

One row per effort and layout of colors, on one core.
"""

from __future__ import annotations

import io
import time
from pathlib import Path

import av
import click
import cv2
import numpy as np

from benchmark.core.video import VideoWriter, read_frames

EFFORTS = ("medium", "fast", "faster", "veryfast", "superfast")
STORED = (("yuv420p", 18), ("yuv444p", 14))
"""Colors and crf of modality rgb, and of flow, depth and Taylor videos."""
CLIP = 24


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two pictures."""
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def row(clips: list[list[np.ndarray]], effort: str, pixels: str, crf: int) -> str:
    """Write all clips; measure the last one's loss."""
    start, size, last = time.process_time(), 0, io.BytesIO()
    for clip in clips:
        last = io.BytesIO()
        with VideoWriter(last, 25, crf=crf, gop=8, preset=effort, pixels=pixels) as writer:
            for frame in clip:
                writer.add(frame)
        size += len(last.getvalue())
    count = sum(map(len, clips))
    spent = 1000 * (time.process_time() - start) / count
    last.seek(0)
    stored = [frame.to_ndarray(format="rgb24") for frame in av.open(last).decode(video=0)]
    loss = np.mean([decibels(*pair) for pair in zip(clips[-1], stored, strict=True)])
    return f"{effort:<10} {pixels} {spent:7.2f} ms {size / count:8.0f} bytes {loss:6.2f} dB"


@click.command()
@click.argument("video", type=click.Path(path_type=Path, exists=True))
@click.option("--size", default="192x108", show_default=True, help="Of the stored frames.")
def main(video: Path, size: str) -> None:
    """Print milliseconds and bytes per frame, and the loss, of clips of VIDEO."""
    cv2.setNumThreads(1)
    side = tuple(map(int, size.split("x")))
    frames = [cv2.resize(frame, side, interpolation=cv2.INTER_AREA) for frame in read_frames(video)]
    clips = [frames[k : k + CLIP] for k in range(0, len(frames) - CLIP + 1, CLIP)]
    for pixels, crf in STORED:
        for effort in EFFORTS:
            click.echo(row(clips, effort, pixels, crf))


if __name__ == "__main__":
    main()
