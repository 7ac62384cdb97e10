"""Joint and limb volumes of one clip on one core, against mmaction2's numpy transform.

36 maps of 48 frames of 56 x 56; the floor is filling as many bytes with zeros:

    python tests/bench/heatmaps.py
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

import click
import numpy as np
import torch

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.data.person_box import person_box, to_box
from benchmark.models.heatmaps import dense_joints, dense_limbs, joint_volumes, limb_volumes
from benchmark.synthetic.bench import one_person

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES, SIZE, SIGMA = 48, 56, 0.6


def a_view() -> torch.Tensor:
    """Keypoints of a generated person in heat-map pixels: float32 (1, 48, 36, 3)."""
    film = one_person(320, 180, 4)
    for _ in film.frames():
        pass
    points = film.detections()[:FRAMES, list(OPENPOSE36.points)].astype(np.float32)
    return torch.from_numpy(to_box(points, person_box(points, (320.0, 180.0)), SIZE))[None]


def peer(view: torch.Tensor, stream: str) -> Callable[[], Any]:
    """mmaction2's transform of the same view."""
    from benchmark.models import mmaction_import as mmaction

    mmaction.mmaction_models()  # its shim makes mmaction2 importable
    from mmaction.datasets.transforms import GeneratePoseTarget

    target = GeneratePoseTarget(
        sigma=SIGMA, use_score=True, with_kp=stream == "joint", with_limb=stream == "limb",
        skeletons=OPENPOSE36.edges,
    )  # fmt: skip
    points = view.numpy()

    def make() -> Any:
        item = {
            "img_shape": (SIZE, SIZE), "keypoint": points[..., :2].copy(),
            "keypoint_score": points[..., 2],
        }  # fmt: skip
        return target.transform(item)["imgs"]

    return make


def milliseconds(make: Callable[[], Any], rounds: int) -> float:
    """The median of `rounds` calls, after three to warm up."""
    for _ in range(3):
        make()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        make()
        taken.append(1000 * (time.perf_counter() - start))
    return median(taken)


@click.command()
@click.option("--rounds", default=20, show_default=True)
def main(rounds: int) -> None:
    """Print milliseconds a clip of each way, and the ratios."""
    torch.set_num_threads(1)
    view, edges = a_view(), torch.tensor(OPENPOSE36.edges)
    shape = (36, FRAMES, SIZE, SIZE)
    floor = milliseconds(lambda: torch.zeros(shape).add_(0), rounds)
    click.echo(f"36 x {FRAMES} x {SIZE} x {SIZE}, one core; writing zeros twice {floor:.1f} ms")
    ways: dict[str, tuple[Callable[[], torch.Tensor], Callable[[], torch.Tensor]]] = {
        "joint": (
            lambda: joint_volumes(view, SIZE, SIGMA), lambda: dense_joints(view, SIZE, SIGMA),
        ),
        "limb": (
            lambda: limb_volumes(view, edges, SIZE, SIGMA),
            lambda: dense_limbs(view, edges, SIZE, SIGMA),
        ),
    }  # fmt: skip
    for stream, (sparse, dense) in ways.items():
        theirs = peer(view, stream)
        difference = np.abs(sparse()[0].numpy() - theirs().swapaxes(0, 1)).max()
        ours, other, base = (
            milliseconds(sparse, rounds),
            milliseconds(theirs, rounds),
            milliseconds(dense, rounds),
        )  # fmt: skip
        click.echo(
            f"{stream:<6} ours {ours:5.1f} ms, mmaction2 {other:5.1f} ms: {other / ours:.1f} times "
            f"as fast; dense on this CPU {base:.1f} ms; largest difference {difference:.1e}"
        )


if __name__ == "__main__":
    main()
