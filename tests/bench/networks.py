"""What flow and depth by a network cost, with random weights: the cost does not depend on them.

One core, or the GPU where there is one; needs `make extras`. Five minutes on a CPU:

    python tests/bench/networks.py
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cv2
import numpy as np
import safetensors.torch
import torch

from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.modalities.depth import depth_anything_network as depth_anything
from benchmark.modalities.depth.depth_anything import (
    DepthAnythingBackend,
    VideoDepthAnythingBackend,
)
from benchmark.modalities.depth.tiny_spec import TinyBackend
from benchmark.modalities.depth.video_depth_anything_network import SIZES, VideoDepthAnything
from benchmark.modalities.flow.memflow import MemFlow
from benchmark.modalities.flow.raft import RaftFlow
from benchmark.modalities.modality import FrameExtractor
from benchmark.runtime.parallel import own_device
from benchmark.synthetic.bench import one_person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.modalities.backends import DepthBackend, FlowBackend

PUBLISHED_CONFIG = {
    "model_type": "depth_anything", "reassemble_hidden_size": 384, "fusion_hidden_size": 64,
    "neck_hidden_sizes": [48, 96, 192, 384],
    "backbone_config": {
        "model_type": "dinov2", "hidden_size": 384, "num_attention_heads": 6, "image_size": 518,
        "reshape_hidden_states": False, "out_indices": [3, 6, 9, 12],
    },
}  # fmt: skip
"""Of Depth Anything V2 Small."""


def pinned(path: Path) -> WeightsFile:
    """The file with its own hash."""
    return WeightsFile(path=str(path), sha256=sha256(path))


def flows(folder: Path) -> Iterator[tuple[str, FlowBackend, int]]:
    """Name, backend and frames of the clip that it is timed on."""
    from torchvision.models.optical_flow import raft_large, raft_small

    for size, network in (("small", raft_small), ("large", raft_large)):
        path = folder / f"raft_{size}.pth"
        torch.save(network(weights=None).state_dict(), path)
        backend = RaftFlow(kind="raft", size=size, weights=pinned(path), updates=12)
        yield f"raft {size}, 12 updates", backend, 8
    from ptlflow.models.memflow.memflow import MemFlow as Network

    path = folder / "MemFlowNet_sintel.pth"
    torch.save(Network().network.state_dict(), path)
    yield (
        "memflow, 15 updates",
        MemFlow(kind="memflow", weights=pinned(path), updates=15, window=64),
        4,
    )


def depths(folder: Path, tiny: Path | None) -> Iterator[tuple[str, DepthBackend, int]]:
    """As `flows`."""
    if tiny is not None:
        yield "tiny", TinyBackend(kind="tiny", network=str(tiny)), 64
    config = folder / "config.json"
    config.write_text(json.dumps(PUBLISHED_CONFIG), "utf-8")
    network = depth_anything.empty_network(depth_anything.read_config(config))
    tensors = {
        depth_anything.published_name(name): torch.randn(x.shape) * 0.02
        for name, x in network.state_dict().items()
    }
    weights = folder / "model.safetensors"
    safetensors.torch.save_file(tensors, weights)
    for side in (252, 518):
        backend = DepthAnythingBackend(
            kind="depth_anything", weights=pinned(weights), config=pinned(config), input_size=side
        )
        yield f"depth_anything small, {side}", backend, 4
    path = folder / "video_depth_anything_vits.pth"
    torch.save(VideoDepthAnything(SIZES["vits"]).state_dict(), path)
    for side in (252, 518):
        backend = VideoDepthAnythingBackend(
            kind="video_depth_anything", weights=pinned(path), input_size=side
        )
        yield f"video_depth_anything small, {side}", backend, 32


def seconds_a_frame(estimator: FrameExtractor, frames: np.ndarray) -> float:
    """From the first frame to the last; the network is loaded already."""
    start = time.perf_counter()
    for frame in frames:
        estimator.add(frame)
    estimator.finish()
    return (time.perf_counter() - start) / len(frames)


@click.command()
@click.option("--tiny", type=click.Path(path_type=Path, exists=True), help="models/tiny_depth.")
def main(tiny: Path | None) -> None:
    """Print seconds per 1,000 frames of 320x180 of each backend."""
    cv2.setNumThreads(1)
    device = own_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "one CPU core"
    video = one_person(320, 180, 12)
    film = np.stack([video.draw(k % 48).rgb.copy() for k in range(64)])
    click.echo(f"320x180, random weights, {name}")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for what, backend, count in flows(folder):
            seconds = seconds_a_frame(backend.estimator(), film[:count])
            click.echo(f"  {what:<32} {1000 * seconds:8.0f} s per 1,000 frames")
        for what, backend, count in depths(folder, tiny):
            seconds = seconds_a_frame(backend.estimator(), film[:count])
            click.echo(f"  {what:<32} {1000 * seconds:8.0f} s per 1,000 frames")


if __name__ == "__main__":
    main()
