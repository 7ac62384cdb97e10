"""Networks of experiments: an input's preprocessor, then the backbone with its head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from benchmark.core.errors import TrainingError, one_per_line
from benchmark.data.inputs import (
    FeaturesInput,
    GraphInput,
    Input,
    RgbPoseInput,
    SkeletonInput,
    VideoInput,
)
from benchmark.models.group_head import GroupProduct
from benchmark.models.preprocessors import (
    FeaturesPreprocessor,
    GraphPreprocessor,
    HeatmapGenerator,
    Preprocessor,
    RgbPosePreprocessor,
    VideoPreprocessor,
)  # fmt: skip

if TYPE_CHECKING:
    from benchmark.contracts.skeletons import Layout
    from benchmark.models.backbone import BackboneSpec
    from benchmark.models.recognizer import Recognizer


def build(
    backbone: BackboneSpec,
    input_spec: Input,
    layout: Layout | None,
    *,
    num_classes: int,
    groups: Sequence[int] | None = None,
) -> Recognizer:
    """Build the network of an experiment, its weights drawn from torch's global generator.

    Args:
        backbone: The spec that builds the layers.
        input_spec: The spec of the views that the loader delivers.
        layout: The skeleton of the keypoints, for an input that has some.
        num_classes: Logits per head.
        groups: Group of each class, 0 to G - 1, for a head of groups; None for a flat one.

    Raises:
        TrainingError: The backbone and the input do not go together.
    """
    if faults := backbone.faults(input_spec):
        raise TrainingError("backbone and input", one_per_line(faults))
    preprocessor = _preprocessor(input_spec, layout)
    if groups is None:
        return backbone.build(preprocessor, input_spec, num_classes=num_classes)
    outputs = num_classes + 1 + max(groups)
    network = backbone.build(preprocessor, input_spec, num_classes=outputs)
    network.groups = GroupProduct(groups)
    return network


def _preprocessor(spec: Input, layout: Layout | None) -> Preprocessor:
    if isinstance(spec, VideoInput):
        return VideoPreprocessor(spec.normalization)
    if isinstance(spec, FeaturesInput):
        return FeaturesPreprocessor(spec.width)
    if layout is None:
        raise TypeError("an input of skeletons needs their layout")
    match spec:
        case SkeletonInput():
            sizes = (spec.size, spec.test_size)
            return HeatmapGenerator(spec.stream, layout, sizes=sizes, sigma=spec.sigma)
        case RgbPoseInput():
            return RgbPosePreprocessor(spec, layout)
        case GraphInput():
            return GraphPreprocessor(layout)
        case _:
            assert_never(spec)
