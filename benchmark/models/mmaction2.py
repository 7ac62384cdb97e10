"""Any other backbone of mmaction2, by the name of its class; its features pooled to one vector."""

from __future__ import annotations

import copy
import difflib
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from benchmark.core.errors import TrainingError
from benchmark.models.mmaction_import import backbone_by_name, backbone_names
from benchmark.models.recognizer import Head, Recognizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmark.models.specs import Mmaction2Backbone

FAULTS = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, RuntimeError,
          TypeError, ValueError)  # fmt: skip
"""What mmaction2's classes raise at arguments that they were not written for."""
PROBED_CLIPS = 2


class Volume(NamedTuple):
    """The shape of one view as a network takes it."""

    channels: int
    frames: int
    side: int

    def __str__(self) -> str:
        return f"{self.channels} x {self.frames} x {self.side} x {self.side}"


def build(
    spec: Mmaction2Backbone, step: nn.Module, *, volumes: list[Volume], num_classes: int
) -> Recognizer:
    """The network from scratch: any of `volumes` -> `num_classes` logits.

    Raises:
        TrainingError: mmaction2 has no such backbone, its arguments are wrong, it does not take
            these volumes, or its features are not of the channels that the spec says.
    """
    where = f"backbone.name '{spec.name}'"
    backbone = _backbone(where, spec)
    frames = volumes[0].frames
    if spec.time == "batch":
        _check_segments(where, backbone, frames)
        backbone.register_forward_pre_hook(_as_images)
    backbone.register_forward_hook(partial(_pool, frames=frames if spec.time == "batch" else None))
    for volume in volumes:
        _probe(where, spec, backbone, volume)
    return Recognizer(step, backbone, Head(spec.channels, num_classes, spec.dropout))


def _backbone(where: str, spec: Mmaction2Backbone) -> nn.Module:
    known = backbone_names()
    if spec.name not in known:
        near = difflib.get_close_matches(spec.name, known, n=3, cutoff=0.4)
        raise TrainingError(
            where,
            "mmaction2 has no such backbone",
            do=f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(known)}.",
        )
    for key, value in _weights_named(spec.arguments):
        if not Path(value).is_file():
            raise TrainingError(
                where,
                f"argument {key}: no such file '{value}'",
                do="Nothing is fetched from the net: bring the file, or start from `published`.",
            )
    try:
        return backbone_by_name(spec.name, copy.deepcopy(spec.arguments))
    except FAULTS as error:
        raise TrainingError(
            where, "cannot be built with these arguments", found=_reason(error)
        ) from None


def _weights_named(arguments: Any) -> Iterator[tuple[str, str]]:
    """Every file of weights that arguments name, at any depth."""
    if isinstance(arguments, list):
        for value in arguments:
            yield from _weights_named(value)
    if isinstance(arguments, dict):
        for key, value in arguments.items():
            if key in ("pretrained", "checkpoint") and isinstance(value, str):
                yield key, value
            yield from _weights_named(value)


def _check_segments(where: str, backbone: nn.Module, frames: int) -> None:
    """Another number would mix the clips of a batch without a word."""
    segments = getattr(backbone, "num_segments", frames)
    if segments != frames:
        raise TrainingError(
            where,
            "argument num_segments is not the frames of a view",
            expected=str(frames),
            found=str(segments),
        )


def _probe(where: str, spec: Mmaction2Backbone, backbone: nn.Module, volume: Volume) -> None:
    """Follow the shapes of a view through the network, without computing."""
    shadow = copy.deepcopy(backbone).to("meta")
    shadow.eval()
    shape = (PROBED_CLIPS, volume.channels, volume.frames, volume.side, volume.side)
    try:
        with torch.no_grad():
            features = shadow(torch.empty(shape, device="meta"))
    except FAULTS as error:
        raise TrainingError(
            where, f"does not take views of {volume}", found=_reason(error)
        ) from None
    if len(features) != PROBED_CLIPS:
        raise TrainingError(
            where,
            f"gives {len(features)} rows of features for {PROBED_CLIPS} views of {volume}",
            do="Its arguments may name another number of frames.",
        )
    if features.shape[1] != spec.channels:
        raise TrainingError(
            "backbone.channels",
            f"not the channels of the features of {spec.name}",
            expected=str(features.shape[1]),
            found=str(spec.channels),
        )


def _reason(error: BaseException) -> str:
    """In one line; an assertion without a text is quoted."""
    text = str(error) or traceback.extract_tb(error.__traceback__)[-1].line
    return " ".join(f"{type(error).__name__}: {text}".split())


def _as_images(_: nn.Module, args: tuple[Tensor]) -> Tensor:
    """(B, C, T, H, W) -> (B * T, C, H, W)."""
    return args[0].transpose(1, 2).flatten(0, 1)


def _pool(_: nn.Module, args: tuple[Tensor], out: Any, *, frames: int | None) -> Tensor:
    """What a backbone gives -> (B, C): the mean over places or tokens, and over `frames` images."""
    features = torch.cat([_vectors(part) for part in _parts(out)], dim=1)
    if frames is None:
        return features
    return features.reshape(len(args[0]) // frames, -1, features.shape[1]).mean(1)


def _vectors(part: Tensor) -> Tensor:
    """(R, C, ...) or tokens (R, N, C) -> (R, C)."""
    if part.ndim == 3:
        return part.mean(1)
    return part if part.ndim == 2 else part.flatten(2).mean(2)


def _parts(out: Any) -> Iterator[Tensor]:
    """The tensors to join, as mmaction2's heads do: SlowFast's fast pathway comes first."""
    if isinstance(out, Tensor):
        yield out
    elif _is_pair(out):
        yield out[1]
    else:
        for part in reversed(out):
            yield from _parts(part)


def _is_pair(out: Any) -> bool:
    """Whether MViT gives places and their class token: its head reads the token alone."""
    return len(out) == 2 and all(isinstance(x, Tensor) for x in out) and out[1].ndim == 2
