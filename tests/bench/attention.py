"""Video Swin's attention within windows: ours against mmaction2's, forward and backward together.

The default network whole, and two blocks (windows unshifted, shifted) of each stage of the full
size; side by side, on the GPU where there is one (float32 and bfloat16), else on the CPU. Beside
other work on the same cores, threads that wait for each other must not spin:

    OMP_WAIT_POLICY=passive python tests/bench/attention.py
"""

from __future__ import annotations

import copy
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import torch
from torch import Tensor, nn

from benchmark.models import mmaction_import as mmaction
from benchmark.models.video_swin import VideoSwin

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH, HEADS, SIDE = 96, 3, 56
"""Of the first stage of Swin-T and Swin-S over 32 x 224 x 224; later ones double and halve them."""


class Case(NamedTuple):
    """A network with mmaction2's attention, and what goes in."""

    name: str
    net: nn.Module
    x: Tensor


def cases() -> Iterator[Case]:
    """The small Swin of params.yaml, then the four stages of the full size."""
    spec = VideoSwin(
        kind="video_swin", embed_dims=48, depths=(2, 2, 2), num_heads=(3, 6, 12),
        patch_size=(2, 4, 4), window_size=(4, 3, 3), drop_path=0.0, dropout=0.1, recompute=False,
    )  # fmt: skip
    net = spec.layers(in_channels=3)
    yield Case("small Swin, batch 8", slow_again(net), torch.randn(8, 3, 8, 48, 48))
    from mmaction.models.backbones.swin import BasicLayer

    for stage in range(4):
        width, side = WIDTH * 2**stage, SIDE // 2**stage
        layer = BasicLayer(width, 2, HEADS * 2**stage, window_size=(8, 7, 7))
        yield Case(
            f"stage {stage + 1}, {width} x 16 x {side} x {side}",
            layer,
            torch.randn(1, width, 16, side, side),
        )


def slow_again(net: nn.Module) -> nn.Module:
    """With mmaction2's attention in the place of ours."""
    plain, ours = mmaction.window_attention_classes()
    for module in net.modules():
        if type(module) is ours:
            module.__class__ = plain
    return net


def milliseconds(net: nn.Module, x: Tensor, mode: Any) -> float:
    """One pass forward and backward."""
    net.zero_grad(set_to_none=True)
    start = now(x)
    with mode:
        y = net(x)
    y.float().sum().backward()
    return 1000 * (now(x) - start)


def now(x: Tensor) -> float:
    """The time when all work on the device is done."""
    if x.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


def compare(case: Case, device: torch.device, mode: Any, rounds: int) -> str:
    """The least time of each way, taken in turn, and by how much what they give differs."""
    theirs = case.net.to(device)
    ours = copy.deepcopy(theirs)
    mmaction.speed_up_attention(ours)
    x = case.x.to(device).requires_grad_()
    taken: dict[str, list[float]] = {"ours": [], "theirs": []}
    for _ in range(rounds):
        taken["ours"].append(milliseconds(ours, x, mode))
        taken["theirs"].append(milliseconds(theirs, x, mode))
    with torch.no_grad(), mode:
        apart = (ours(x) - theirs(x)).abs().max().item()
    fast, slow = (min(taken[who]) for who in ("ours", "theirs"))
    return (
        f"{case.name:<28} ours {fast:8.1f} ms, mmaction2 {slow:8.1f} ms: {slow / fast:.2f} times "
        f"as fast; largest difference {apart:.1e}"
    )


@click.command()
@click.option("--rounds", default=7, show_default=True)
@click.option("--threads", default=2, show_default=True, help="of a CPU")
def main(rounds: int, threads: int) -> None:
    """Print milliseconds of each way, and the ratios."""
    torch.set_num_threads(threads)
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    modes: dict[str, Any] = {"float32": nullcontext()}
    if cuda:
        modes["bfloat16"] = torch.autocast("cuda", torch.bfloat16)
    name = torch.cuda.get_device_name(device) if cuda else f"CPU, {threads} threads"
    for precision, mode in modes.items():
        click.echo(f"{name}, {precision}")
        for case in cases():
            click.echo("  " + compare(case, device, mode, rounds))


if __name__ == "__main__":
    main()
