"""Train the tiny depth network on generated people, whose exact depth is known."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from benchmark.core.files import write_png
from benchmark.core.half_precision import LICENSE, SUFFIX, write_half
from benchmark.core.schema import write_json
from benchmark.modalities.depth.tiny import FORMAT, DepthCard, DepthNet, TinyDepth
from benchmark.modalities.depth.tiny_judging import film_unseen, judge, sheet
from benchmark.runtime.seeding import keep_freed_memory
from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.gestures.gesture import Gesture
from benchmark.synthetic.plan import Performance, Video, generator, plan
from benchmark.synthetic.raster import FAR

if TYPE_CHECKING:
    from benchmark.modalities.depth.tiny_spec import TinyDepthSpec
    from benchmark.synthetic.spec import GesturesSpec

    Report: TypeAlias = Callable[[int, Mapping[str, float]], None]

log = logging.getLogger(__name__)

_FIRST_TAKE = 100_000
"""Number of the first take: no video of the data set has a take's clothes, place or noise."""
REPORT_STEPS = 25
FRAMES_PER_PERSON = 4
_LEAD, _CAP_SHARE = 4, 0.2
_WEIGHT_DECAY, _WARMUP = 0.01, 0.05


class Examples(NamedTuple):
    """Frames with their ground truth. Legend: N frames."""

    frames: NDArray[np.uint8]
    """(N, h, w, 3) RGB."""
    targets: NDArray[np.float32]
    """(N, h, w) relative inverse depth."""


def train(
    spec: TinyDepthSpec, people: GesturesSpec, card: Path, *, picture: Path, report: Report
) -> DepthCard:
    """Film takes of `people`'s train split, train on them, write the card and the weights.

    The weights depend on the two specs and on the machine's arithmetic alone.

    Args:
        spec: The network and its training.
        people: The data set.
        card: Path of the card; the weights go beside it.
        picture: PNG of estimated depth on people of the val split.
        report: Takes a step and metrics: losses on the way, in the end the scores on people of val,
            beside those of a map that knows only the mean.
    """
    begun = time.perf_counter()
    examples = film_examples(spec, people)
    filmed = time.perf_counter()
    log.info("tiny depth: %d frames filmed in %.0f s", len(examples.frames), filmed - begun)
    net, losses = fit(spec, examples, report)
    # One step's loss is mostly its batch's luck.
    tail = losses[-max(1, len(losses) // 10) :]
    loss = round(float(np.mean(tail)), 6)
    log.info("tiny depth: loss %.4f after %.0f s", loss, time.perf_counter() - filmed)
    scores = _judge(TinyDepth(spec, net), people, examples, picture)
    report(spec.steps, scores)
    told = DepthCard(
        format=FORMAT, spec=spec, people=people.model_dump(mode="json"), license=LICENSE,
        minutes=round((time.perf_counter() - begun) / 60, 1), scores=scores, loss=loss,
        sha256=write_half(card.with_suffix(SUFFIX), dict(net.state_dict())),
    )  # fmt: skip
    write_json(card, told)
    return told


def mean_map(examples: Examples, size: tuple[int, int]) -> NDArray[np.float32]:
    """Average the targets of all examples, at `size` (height, width): knows nothing of a frame."""
    mean = examples.targets.mean(0)
    return np.asarray(cv2.resize(mean, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _judge(
    net: TinyDepth, people: GesturesSpec, examples: Examples, picture: Path
) -> dict[str, float]:
    seen = film_unseen(people, {"val"}, net.spec.backdrop_metres, FRAMES_PER_PERSON)
    guesses = net.depth(seen.frames)
    write_png(picture, sheet(seen, guesses))
    flat = np.broadcast_to(mean_map(examples, guesses.shape[1:]), guesses.shape)
    return {
        f"{name}/{key}": round(value, 4)
        for name, maps in (("val", guesses), ("mean_map", flat))
        for key, value in judge(maps, seen)._asdict().items()
    }


def plan_takes(spec: TinyDepthSpec, people: GesturesSpec) -> tuple[Video, ...]:
    """Plan short videos of one gesture each, by people of the train split in turn."""
    identities = [video.identity for video in plan(people) if video.split == "train"]
    takes = []
    for k in range(spec.takes):
        rng = generator(spec.seed, "depth take", k)
        gesture = Gesture(int(rng.integers(len(Gesture))))
        # Only those who wear a cap can touch it; some others wear one too, as in the data set.
        cap = gesture is Gesture.TOUCH_HAT or bool(rng.random() < _CAP_SHARE)
        last = _LEAD + round(1.3 * people.fps)
        performance = Performance(gesture, _LEAD, last)
        name, identity = str(_FIRST_TAKE + k), identities[k % len(identities)]
        takes.append(Video(name, "train", identity, cap, (performance,), last + _LEAD))
    return tuple(takes)


def film_examples(spec: TinyDepthSpec, people: GesturesSpec) -> Examples:
    """Film random frames of every take, at the size of the network's input."""
    # Filmed small, not scaled down: grain and edges are those of a small camera, and it is faster.
    camera = people.model_copy(update={"width": spec.width, "height": spec.height})
    num_frames = spec.takes * spec.frames_per_take
    frames = np.empty((num_frames, spec.height, spec.width, 3), np.uint8)
    targets = np.empty((num_frames, spec.height, spec.width), np.float32)
    at = 0
    takes = plan_takes(spec, people)
    for k, take in enumerate(tqdm(takes, "film people", unit="take", disable=None)):
        film = VideoFilm(camera, take)
        rng = generator(spec.seed, "depth frames", k)
        for frame in rng.choice(take.num_frames, spec.frames_per_take, replace=False):
            picture = film.draw(int(frame))
            frames[at] = picture.rgb
            targets[at] = relative_inverse(
                picture.depth, film.camera.rows[frame], spec.backdrop_metres
            )
            at += 1
    return Examples(frames, targets)


def relative_inverse(
    depth: NDArray[np.float32], camera: NDArray[np.float32], backdrop_metres: float
) -> NDArray[np.float32]:
    """Compute inverse depth (H, W), 0 at the backdrop and 1 at the pelvis' distance.

    One picture shows neither scale nor distance, so shift and scale take them out of the target.

    Args:
        depth: (H, W) meters; `raster.FAR` or inf on the backdrop.
        camera: (15,) row of `scene.Camera`.
        backdrop_metres: Assumed distance of the backdrop behind the pelvis, which is the origin.
    """
    distance = -float(camera[6:9] @ camera[9:12])
    zero = 1 / (distance + backdrop_metres)
    inverse = np.where(depth < FAR, 1 / depth, zero)
    return (np.maximum(inverse - zero, 0) / (1 / distance - zero)).astype(np.float32)


def fit(spec: TinyDepthSpec, examples: Examples, report: Report) -> tuple[DepthNet, list[float]]:
    """Train a network; return it and the loss of every step. Torch's generator stays as it was."""
    keep_freed_memory()
    with _alone(spec):
        net = DepthNet(spec.channels).to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(net.parameters(), lr=spec.lr, weight_decay=_WEIGHT_DECAY)
        # One step more than there are, whose rate would be as good as 0.
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, spec.lr, total_steps=spec.steps + 1, pct_start=_WARMUP
        )
        losses = []
        batches = _batches(spec, examples)
        for frames, targets in tqdm(batches, "tiny depth", spec.steps, unit="step", disable=None):
            loss = depth_loss(net(frames), targets, spec.edge_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
            if len(losses) % REPORT_STEPS == 0:
                report(len(losses), {"train/loss": float(np.mean(losses[-REPORT_STEPS:]))})
    return net.eval(), losses


def depth_loss(depth: Tensor, target: Tensor, edge_weight: float) -> Tensor:
    """Compute the mean absolute error of depth and of its differences between next pixels.

    At the backdrop, 0, every value below 0 is right: `TinyDepth` clamps it later.

    Source: the gradient matching of MiDaS (Ranftl et al., TPAMI 2022, equation 11), whose scale
    and shift are already taken out of the target here.
    """
    error = torch.where(target > 0, depth, depth.clamp(min=0)) - target
    edges = error.new_zeros(())
    for stride in (1, 2):  # at two scales: outlines, and the slant of surfaces
        part = error[:, ::stride, ::stride]
        edges = edges + part.diff(dim=1).abs().mean() + part.diff(dim=2).abs().mean()
    return error.abs().mean() + edge_weight * edges


def _batches(spec: TinyDepthSpec, examples: Examples) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield flipped, relit batches; every frame comes once before any comes again."""
    rng = generator(spec.seed, "depth batches", 0)
    order = np.empty(0, np.int64)
    for _ in range(spec.steps):
        while len(order) < spec.batch_size:
            order = np.concatenate([order, rng.permutation(len(examples.frames))])
        chosen, order = order[: spec.batch_size], order[spec.batch_size :]
        frames = torch.from_numpy(examples.frames[chosen]).permute(0, 3, 1, 2).float() / 255
        targets = torch.from_numpy(examples.targets[chosen])
        # Cameras differ in exposure and white balance; depth does not depend on either.
        shape = (spec.batch_size, 1, 1, 1)
        gamma = torch.from_numpy(rng.uniform(0.75, 1.35, shape).astype(np.float32))
        gain = rng.uniform(0.85, 1.15, (spec.batch_size, 3, 1, 1)).astype(np.float32)
        frames = (frames**gamma * torch.from_numpy(gain)).clamp(0, 1)
        flipped = torch.from_numpy(rng.random(spec.batch_size) < 0.5)
        frames = torch.where(flipped[:, None, None, None], frames.flip(3), frames)
        targets = torch.where(flipped[:, None, None], targets.flip(2), targets)
        yield frames.contiguous(memory_format=torch.channels_last), targets


@contextmanager
def _alone(spec: TinyDepthSpec) -> Iterator[None]:
    """Run seeded, deterministic, on the spec's threads; restore all settings afterwards."""
    # These are settings of the whole process, which a test or another command shares.
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        torch.set_num_threads(spec.threads)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict)
            torch.set_num_threads(threads)
