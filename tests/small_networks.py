"""Networks small enough to test, views for them, and recognizers of mmaction2 to compare with."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.data.features_input import FeaturesInput
from benchmark.data.graph_input import GraphInput
from benchmark.data.inputs import Input
from benchmark.data.normalization import DatasetNorm
from benchmark.data.sampling import UniformSampling
from benchmark.data.skeleton_input import SkeletonInput
from benchmark.data.video_input import VideoInput
from benchmark.models.graph import Graph
from benchmark.models.mmaction2 import Mmaction2Backbone
from benchmark.models.network import build
from benchmark.models.probe import AttentiveProbe, LinearProbe
from benchmark.models.recognizer import Recognizer
from benchmark.models.union import Backbone
from benchmark.models.video_swin import VideoSwin
from benchmark.params.params import read_params
from conftest import REPO

CLASSES = 32
NORM = DatasetNorm(kind="dataset", mean=(120.0, 110.0, 100.0), std=(60.0, 50.0, 40.0))


class Network(NamedTuple):
    """What decides about a network."""

    backbone: Backbone
    spec: Input

    def build(self) -> Recognizer:
        torch.manual_seed(0)
        return build(self.backbone, self.spec, OPENPOSE36, num_classes=CLASSES)

    def views(self, count: int, seed: int = 1) -> tuple[Tensor, ...]:
        """As the loader gives them, of the training size."""
        generator = torch.Generator().manual_seed(seed)

        def frames(length: int, side: int) -> Tensor:
            shape = (count, length, side, side, 3)
            return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)

        def keypoints(length: int, side: float) -> Tensor:
            x = torch.rand(count, length, 36, 3, generator=generator)
            return x * torch.tensor([side, side, 1.0])

        if isinstance(self.spec, VideoInput):
            return (frames(self.spec.frames, self.spec.size),)
        if isinstance(self.spec, SkeletonInput):
            return (keypoints(self.spec.frames, self.spec.size),)
        if isinstance(self.spec, GraphInput):
            return (keypoints(self.spec.frames, 2.0) - torch.tensor([1.0, 1.0, 0.0]),)
        if isinstance(self.spec, FeaturesInput):
            return (torch.randn(count, self.spec.tokens, self.spec.width, generator=generator),)
        side = self.spec.size
        points = keypoints(self.spec.pose_frames, side * self.spec.map_scale)
        return frames(self.spec.rgb_frames, side), points


def networks() -> dict[str, Network]:
    """Those of params.yaml, each once, and what the specs allow besides."""
    found: dict[str, Network] = {}
    for name, experiment in read_params(REPO / "params.yaml").experiments.items():
        spec = experiment.input
        if isinstance(spec, VideoInput):
            same = {"sampling": UniformSampling(kind="uniform"), "normalization": NORM}
            spec = spec.model_copy(update=same)
        backbone = experiment.backbone
        if isinstance(backbone, Graph):
            # In evaluation of a fresh network, all ReLUs of a branch of two channels may be dead.
            backbone = backbone.model_copy(update={"base_channels": 48})
        network = Network(backbone, spec)
        if network not in found.values():
            found[name] = network
    found["x3d over rgb"] = Network(
        Mmaction2Backbone(
            kind="mmaction2", name="X3D", arguments={"gamma_w": 0.5}, channels=128,
            time="axis", dropout=0.2,
        ),
        found["swin_rgb"].spec,
    )  # fmt: skip
    found["swin over heat maps"] = Network(
        VideoSwin(
            kind="video_swin", embed_dims=24, depths=(2, 1), num_heads=(2, 4),
            patch_size=(2, 4, 4), window_size=(2, 3, 3), drop_path=0.1, dropout=0.1,
            recompute=True,
        ),
        found["joint"].spec,
    )  # fmt: skip
    rgb = found["swin_rgb"]
    patches = rgb.backbone.model_copy(update={"stem": None})
    found["swin with patches"] = Network(patches, rgb.spec)  # as mmaction2 and the paper have it
    grid: Any = {"lr_factors": (1.0,), "decay_factors": (1.0,), "dropout": 0.1}
    probes = (
        LinearProbe(kind="linear_probe", **grid),
        AttentiveProbe(kind="attentive_probe", width=16, num_heads=2, blocks=1, **grid),
    )
    for probe in probes:
        found[probe.kind] = Network(probe, FeaturesInput(kind="features", tokens=5, width=24))
    return found


NETWORKS = networks()


def alive(net: Recognizer) -> Recognizer:
    """In evaluation, where no drop path cuts a block off, and no residual branch starts at 0."""
    for parameter in net.eval().parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter)
    return net


def theirs(
    kind: str, backbone: dict[str, Any], head: dict[str, Any], **more: Any
) -> torch.nn.Module:
    """A recognizer of mmaction2, every tensor of it random, in evaluation."""
    from benchmark.models import mmaction_import as mmaction

    mmaction.mmaction_models()
    from mmaction.registry import MODELS
    from mmengine.registry import DefaultScope

    config = {"type": kind, "backbone": backbone, "cls_head": {"num_classes": CLASSES, **head}}
    with DefaultScope.overwrite_default_scope("mmaction"):
        net = MODELS.build({**config, **more})
    generator = torch.Generator().manual_seed(5)
    for name, x in net.state_dict().items():
        if name.endswith("running_var"):
            x.uniform_(0.5, 1.5, generator=generator)
        elif x.is_floating_point():
            x.normal_(0, (x.numel() / len(x)) ** -0.5 if x.ndim > 1 else 0.3, generator=generator)
            x.add_(1 if x.ndim == 1 and name.endswith("weight") else 0)
    net.eval()
    return net
