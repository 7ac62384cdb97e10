"""Any other backbone of mmaction2, by the name of its class; its features pooled to one vector."""

from __future__ import annotations

import copy
import difflib
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import JsonValue

from benchmark.core.errors import TrainingError
from benchmark.core.schema import Positive, Share
from benchmark.data.inputs import FeaturesInput, GraphInput, Input, RgbPoseInput, SkeletonInput
from benchmark.models.backbone import BackboneSpec

if TYPE_CHECKING:
    from torch import nn

    from benchmark.models.preprocessors import Preprocessor
    from benchmark.models.recognizer import Recognizer

FAULTS = (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, RuntimeError,
          TypeError, ValueError)  # fmt: skip
"""What mmaction2's classes raise at arguments that nobody wrote them for."""
PROBED_CLIPS = 2


class Volume(NamedTuple):
    """The shape of one view as a network takes it."""

    channels: int
    frames: int
    side: int

    def __str__(self) -> str:
        return f"{self.channels} x {self.frames} x {self.side} x {self.side}"


class Mmaction2Backbone(BackboneSpec):
    """Any other backbone of mmaction2's recognizers, by the name of its class."""

    kind: Literal["mmaction2"]
    name: str
    """A class of mmaction.models.backbones, such as X3D."""
    arguments: dict[str, JsonValue]
    """Arguments of the class, as in mmaction2's configurations."""
    channels: Positive
    """Channels of its features; of several outputs, all channels together."""
    time: Literal["axis", "batch"]
    """How it takes the frames: as an axis (3-D networks), or as more images (2-D networks)."""
    dropout: Share
    """Dropout before the last layer, in training."""

    def build(
        self, preprocessor: Preprocessor, input_spec: Input, *, num_classes: int
    ) -> Recognizer:
        """Build the network from scratch: colors or maps -> `num_classes` logits.

        Raises:
            TrainingError: mmaction2 has no such backbone, its arguments are wrong, it does not take
                these views, or its features have another number of channels than the spec says.
        """
        from benchmark.models.pooling import pool_features
        from benchmark.models.recognizer import Head, Recognizer

        volumes = _volumes(input_spec, preprocessor.out_channels)
        backbone = self._layers()
        images_per_clip = volumes[0].frames if self.time == "batch" else None
        if images_per_clip:
            self._check_segments(backbone, images_per_clip)
        pool_features(backbone, images_per_clip)
        for volume in volumes:
            self._probe(backbone, volume)
        return Recognizer(preprocessor, backbone, Head(self.channels, num_classes, self.dropout))

    @property
    def _where(self) -> str:
        return f"backbone.name '{self.name}'"

    def _layers(self) -> nn.Module:
        from benchmark.models.mmaction_import import build_backbone, mmaction_models

        names = sorted(mmaction_models().backbones.__all__)
        if self.name not in names:
            near = difflib.get_close_matches(self.name, names, n=3, cutoff=0.4)
            do = f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(names)}."
            raise TrainingError(self._where, "mmaction2 has no such backbone", do=do)
        for key, value in _weights_named(self.arguments):
            if not Path(value).is_file():
                raise TrainingError(
                    self._where, f"argument {key}: no such file '{value}'",
                    do="The harness downloads nothing: put the file there, or start from an entry "
                    "of `pretrained`.",
                )  # fmt: skip
        try:
            # A copy, because some classes write into their arguments.
            return build_backbone(self.name, copy.deepcopy(self.arguments))
        except FAULTS as error:
            raise TrainingError(
                self._where, "cannot be built with these arguments", found=_reason(error)
            ) from None

    def _check_segments(self, backbone: nn.Module, frames: int) -> None:
        # A temporal shift over another number of frames would mix clips of a batch silently.
        segments = getattr(backbone, "num_segments", frames)
        if segments != frames:
            raise TrainingError(
                self._where, "argument num_segments is not the frames of a view",
                expected=str(frames), found=str(segments),
            )  # fmt: skip

    def _probe(self, backbone: nn.Module, volume: Volume) -> None:
        """Follow the shape of a view through the network on the meta device, without computing."""
        import torch

        shadow = copy.deepcopy(backbone).to("meta")
        shadow.eval()  # not chained: mmaction2's ResNets return None
        shape = (PROBED_CLIPS, volume.channels, volume.frames, volume.side, volume.side)
        try:
            with torch.no_grad():
                features = shadow(torch.empty(shape, device="meta"))
        except FAULTS as error:
            raise TrainingError(
                self._where, f"does not take views of {volume}", found=_reason(error)
            ) from None
        if len(features) != PROBED_CLIPS:
            wrong = f"gives {len(features)} rows of features for {PROBED_CLIPS} views of {volume}"
            do = "Its arguments may name another number of frames."
            raise TrainingError(self._where, wrong, do=do)
        if features.shape[1] != self.channels:
            raise TrainingError(
                "backbone.channels", f"not the channels of the features of {self.name}",
                expected=str(features.shape[1]), found=str(self.channels),
            )  # fmt: skip


def _volumes(input_spec: Input, channels: int) -> list[Volume]:
    """List the shapes that views of training and test have."""
    if isinstance(input_spec, RgbPoseInput | GraphInput | FeaturesInput):
        raise TypeError("one pathway takes one volume")
    sides = {input_spec.size}
    if isinstance(input_spec, SkeletonInput):
        sides.add(input_spec.test_size)
    return [Volume(channels, input_spec.frames, side) for side in sorted(sides)]


def _weights_named(arguments: JsonValue) -> Iterator[tuple[str, str]]:
    """Yield every file of weights that arguments name, at any depth."""
    if isinstance(arguments, list):
        for value in arguments:
            yield from _weights_named(value)
    if isinstance(arguments, dict):
        for key, value in arguments.items():
            if key in ("pretrained", "checkpoint") and isinstance(value, str):
                yield key, value
            yield from _weights_named(value)


def _reason(error: BaseException) -> str:
    """Write an error in one line; an assertion without a text is quoted from the source."""
    text: Any = str(error) or traceback.extract_tb(error.__traceback__)[-1].line
    return " ".join(f"{type(error).__name__}: {text}".split())
