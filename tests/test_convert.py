"""Tensors of checkpoints: renamed, adapted in shape, and loaded whole into a network."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmark.core.errors import FormatError
from benchmark.models import mmaction_import as mmaction
from benchmark.models.check_tensors import read_checkpoint
from benchmark.models.pose_conv3d import PoseConv3d
from benchmark.models.recognizer import Head, Recognizer, TwoHeads
from benchmark.models.rgb_pose_conv3d import PosePathway, RgbPathway, RgbPoseConv3d
from benchmark.models.video_swin import VideoSwin
from benchmark.weights.convert import Filled, convert, fill, merge


class AsIs(nn.Identity):
    """A preprocessor that changes nothing."""

    is_volume = True


CLASSES = 7
DEPTHS, HEADS, WIDTH = (2, 2, 1, 1), (1, 2, 4, 8), 8


def randomized(net: nn.Module, seed: int = 0) -> nn.Module:
    """In eval mode, with no weight, bias, mean or variance at its neutral value."""
    generator = torch.Generator().manual_seed(seed)
    net.eval()
    for name, x in net.state_dict().items():
        if name.endswith("running_var"):
            x.uniform_(0.5, 1.5, generator=generator)
        elif x.is_floating_point():
            scale = 1 / math.sqrt(x[0].numel()) if x.ndim > 1 else 0.5
            x.normal_(0, scale, generator=generator)
            if x.ndim == 1 and name.endswith("weight"):
                x += 1
    return net


def swin(
    window: tuple[int, int, int],
    *,
    depths: tuple[int, ...] = DEPTHS,
    heads: tuple[int, ...] = HEADS,
    classes: int = CLASSES,
    seed: int = 1,
) -> Recognizer:
    spec = VideoSwin(
        kind="video_swin", embed_dims=WIDTH, depths=depths, num_heads=heads, patch_size=(2, 4, 4),
        window_size=window, drop_path=0.1, dropout=0.5, recompute=False,
    )  # fmt: skip
    width = WIDTH * 2 ** (len(depths) - 1)
    net = Recognizer(AsIs(), spec.layers(in_channels=3), Head(width, classes, 0.5))
    return randomized(net, seed)  # pyright: ignore[reportReturnType]


def logits(net: Recognizer, volume: Tensor) -> Tensor:
    return net.cls_head(net.backbone(volume))[:, 0]


def timm_swin(window: int) -> nn.Module:
    from timm.models.swin_transformer import SwinTransformer

    net = SwinTransformer(
        img_size=32 * window, window_size=window, embed_dim=WIDTH, depths=DEPTHS, num_heads=HEADS,
        num_classes=CLASSES,
    )  # fmt: skip
    return randomized(net)


def as_microsoft(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """timm's tensors as Microsoft's published files have them, with their buffers."""
    named = {}
    for name, x in tensors.items():
        if moved := re.match(r"layers\.(\d)\.(downsample\..*)", name):
            name = f"layers.{int(moved[1]) - 1}.{moved[2]}"
        named[name.replace("head.fc.", "head.")] = x
    named["layers.0.blocks.1.attn.relative_position_index"] = torch.arange(16).reshape(4, 4)
    named["layers.0.blocks.1.attn_mask"] = torch.zeros(4, 4, 4)
    return named


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


@torch.no_grad()
def test_a_still_clip_gives_an_inflated_swin_the_features_of_its_frame() -> None:
    flat, deep = timm_swin(2), swin((2, 2, 2))
    done = fill(deep, convert(flat.state_dict(), "swin_2d", where="x"), where="x", head="fresh")
    assert len(done.adapted) == 1 + sum(DEPTHS)
    frame = torch.randn(1, 3, 64, 64)
    still = frame[:, :, None].expand(-1, -1, 8, -1, -1)  # 4 patches of time: 2 shifted windows
    wanted = flat.forward_features(frame).permute(0, 3, 1, 2)[:, :, None]  # pyright: ignore
    found = deep.backbone(still)
    assert wanted.abs().max() > 1
    torch.testing.assert_close(found, wanted.expand_as(found), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("flat", "window"), [(2, (2, 2, 2)), (3, (4, 2, 2)), (2, (3, 3, 4))])
def test_inflation_is_that_of_mmaction2(
    flat: int, window: tuple[int, int, int], tmp_path: Path
) -> None:
    tensors = as_microsoft(timm_swin(flat).state_dict())
    torch.save({"model": tensors}, tmp_path / "swin.pth")
    ours, theirs = swin(window), swin(window, seed=2)
    named = convert(read_checkpoint(tmp_path / "swin.pth").tensors, "swin_2d", where="x")
    done = fill(ours, named, where="x", head="fresh")
    assert done.reinitialized == ("cls_head.fc_cls.weight", "cls_head.fc_cls.bias")

    from mmengine.logging import MMLogger

    backbone: Any = theirs.backbone
    backbone.pretrained = str(tmp_path / "swin.pth")
    backbone.inflate_weights(MMLogger.get_current_instance())
    assert same(ours.backbone.state_dict(), backbone.state_dict())


def test_the_names_of_timm_and_microsoft_are_told_apart() -> None:
    tensors = timm_swin(2).state_dict()
    one = convert(tensors, "swin_2d", where="x")
    other = convert(as_microsoft(tensors), "swin_2d", where="x")
    assert same(one, other)
    assert len(one) == len(tensors) - 2  # the classifier


@torch.no_grad()
@pytest.mark.parametrize("shape", [(8, 64, 64), (9, 50, 46), (5, 37, 81)])
def test_a_converted_swin_of_torchvision_gives_its_logits(shape: tuple[int, int, int]) -> None:
    from torchvision.models.video.swin_transformer import SwinTransformer3d

    depths, heads = (2, 1, 2), (1, 2, 4)
    theirs = randomized(
        SwinTransformer3d(
            patch_size=[2, 4, 4], embed_dim=WIDTH, depths=[*depths], num_heads=[*heads],
            window_size=[2, 3, 3], num_classes=CLASSES,
        )
    )  # fmt: skip
    ours = swin((2, 3, 3), depths=depths, heads=heads)
    named = convert(theirs.state_dict(), "swin_3d", where="x")
    done = fill(ours, named, where="x", head="keep")
    assert (done.adapted, done.reinitialized) == ((), ())
    clip = torch.randn(2, 3, *shape)
    wanted = theirs(clip)
    assert wanted.abs().max() > 0.1
    torch.testing.assert_close(logits(ours, clip), wanted, atol=1e-6, rtol=1e-6)


# ---------------------------------------------------------------- mmaction2's own


def mmaction_swin(classes: int) -> nn.Module:
    mmaction.mmaction_models()
    from mmaction.registry import MODELS
    from mmengine.registry import init_default_scope

    init_default_scope("mmaction")
    arch = {"embed_dims": WIDTH, "depths": [1, 1], "num_heads": [1, 2]}
    backbone = {
        "type": "SwinTransformer3D", "arch": arch, "pretrained2d": False, "window_size": (2, 2, 2),
        "out_indices": (1,),
    }  # fmt: skip
    head = {"type": "I3DHead", "in_channels": 2 * WIDTH, "num_classes": classes}
    step = {"type": "ActionDataPreprocessor", "mean": [1, 2, 3], "std": [1, 2, 3],
            "format_shape": "NCTHW"}  # fmt: skip
    model = {"type": "Recognizer3D", "backbone": backbone, "cls_head": head}
    return randomized(MODELS.build({**model, "data_preprocessor": step}))


def our_swin(classes: int = CLASSES, *, last: int = 1) -> Recognizer:
    return swin((2, 2, 2), depths=(1, last), heads=(1, 2), classes=classes)


def test_the_tensors_of_a_recognizer_of_mmaction2_load_whole() -> None:
    theirs, ours = mmaction_swin(CLASSES).state_dict(), our_swin()
    done = fill(ours, convert(theirs, "mmaction", where="x"), where="x", head="keep")
    assert same(ours.state_dict(), theirs)
    indices = ["relative_position_index" in name for name in done.skipped]
    assert all(indices)
    assert (len(indices), done.adapted, done.reinitialized) == (2, (), ())
    assert len(done.loaded) == len(theirs) - 2


@pytest.mark.parametrize(("classes", "head"), [(CLASSES, "fresh"), (5, "keep"), (5, "fresh")])
def test_a_classifier_of_other_classes_or_a_fresh_one_stays_as_built(
    classes: int, head: Any
) -> None:
    theirs, ours = mmaction_swin(classes).state_dict(), our_swin()
    built = {name: x.clone() for name, x in ours.state_dict().items() if "cls_head" in name}
    done = fill(ours, theirs, where="x", head=head)
    found = ours.state_dict()
    assert all(torch.equal(found[name], x) for name, x in built.items())
    assert set(done.reinitialized) == built.keys() <= set(done.skipped)
    assert all(torch.equal(x, theirs[name]) for name, x in found.items() if name not in built)
    assert "2 of the network left as built (first cls_head.fc_cls.weight)" in str(done)


# ---------------------------------------------------------------- two pathways


RGB, POSE = (2, 1, 2, 1), (1, 2, 1)


def two_pathways(seed: int = 0) -> Recognizer:
    spec = RgbPoseConv3d(
        kind="rgb_pose_conv3d", speed_ratio=4, channel_ratio=4, dropout=0.5,
        rgb=RgbPathway(base_channels=8, stage_blocks=RGB, inflate=(0, 0, 1, 1)),
        pose=PosePathway(base_channels=4, stem_stride=1, stage_blocks=POSE, inflate=(0, 1, 1)),
    )  # fmt: skip
    backbone = spec.layers(in_channels=5)
    net = Recognizer(AsIs(), backbone, TwoHeads((256, 64), CLASSES, 0.5))
    return randomized(net, seed)  # pyright: ignore[reportReturnType]


def single(stream: str, *, last_stride: int = 1) -> Recognizer:
    shared: dict[str, Any] = {"kind": "pose_conv3d", "dropout": 0.5}
    if stream == "rgb":
        spec = PoseConv3d(
            base_channels=8, stem_stride=2, pool_stride=2, stage_blocks=RGB,
            spatial_strides=(1, 2, 2, 2), temporal_strides=(1, 1, 1, 1), inflate=(0, 0, 1, 1),
            **shared,
        )  # fmt: skip
        backbone, width = spec.layers(in_channels=3), 256
    else:
        spec = PoseConv3d(
            base_channels=4, stem_stride=1, pool_stride=1, stage_blocks=POSE,
            spatial_strides=(2, 2, 2), temporal_strides=(1, 1, last_stride), inflate=(0, 1, 1),
            **shared,
        )  # fmt: skip
        backbone, width = spec.layers(in_channels=5), 64
    net = Recognizer(AsIs(), backbone, Head(width, CLASSES, 0.5))
    return randomized(net, seed=3 if stream == "rgb" else 4)  # pyright: ignore[reportReturnType]


@pytest.fixture(scope="module")
def streams() -> dict[str, Recognizer]:
    return {"rgb": single("rgb"), "pose": single("pose")}


@torch.no_grad()
@pytest.mark.parametrize("seed", [0, 1])
def test_a_merged_network_starts_exactly_as_its_two_streams(
    streams: dict[str, Recognizer], seed: int
) -> None:
    both = two_pathways(seed).double()
    laterals = {key: x.clone() for key, x in both.state_dict().items() if "_lateral." in key}
    # In double precision: in single, zeros more or less change the order of a sum.
    double = {name: deepcopy(net).double() for name, net in streams.items()}
    start = merge(streams["rgb"].state_dict(), streams["pose"].state_dict())
    done = fill(both, start, where="x", head="keep")
    assert len(done.adapted) == 8
    assert set(done.reinitialized) == laterals.keys()
    assert all(torch.equal(both.state_dict()[key], x) for key, x in laterals.items())
    assert all(x.any() for x in laterals.values() if x.is_floating_point())
    frames, maps = torch.randn(1, 3, 2, 64, 64).double(), torch.randn(1, 5, 8, 16, 16).double()
    backbone: Any = both.backbone
    inputs, outputs = {"rgb": frames, "pose": maps}, backbone(frames, maps)
    for (stream, x), found in zip(inputs.items(), outputs, strict=True):
        wanted = double[stream].backbone(x)
        assert wanted.abs().max() > 1
        torch.testing.assert_close(found, wanted, atol=1e-12, rtol=1e-12)
    together = both.cls_head(outputs)
    for place, (stream, x) in enumerate(inputs.items()):
        wanted = logits(double[stream], x)
        torch.testing.assert_close(together[:, place], wanted, atol=1e-12, rtol=1e-12)


@torch.no_grad()
def test_a_pose_stream_that_halves_time_in_its_last_stage_merges_too(
    streams: dict[str, Recognizer],
) -> None:
    halving, both = single("pose", last_stride=2), two_pathways()
    fill(both, merge(streams["rgb"].state_dict(), halving.state_dict()), where="x", head="keep")
    frames, maps = torch.randn(1, 3, 2, 64, 64), torch.randn(1, 5, 8, 16, 16)
    backbone: Any = both.backbone
    found, wanted = backbone(frames, maps)[1], streams["pose"].backbone(maps)
    assert halving.backbone(maps).shape[2] == wanted.shape[2] // 2
    torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)


def test_a_trained_network_of_two_pathways_loads_with_its_laterals() -> None:
    one, other = two_pathways(5), two_pathways(6)
    done = fill(other, convert(one.state_dict(), "mmaction", where="x"), where="x", head="keep")
    assert same(one.state_dict(), other.state_dict())
    assert (done.adapted, done.reinitialized) == ((), ())


def test_zeros_are_put_nowhere_but_behind_the_other_pathway(
    streams: dict[str, Recognizer],
) -> None:
    start = merge(streams["rgb"].state_dict(), streams["pose"].state_dict())
    name = "backbone.pose_path.conv1.conv.weight"
    start[name] = start[name][:, :4]
    assert f"1 of another shape, first {name} (4, 4, 1, 7, 7) for (4, 5, 1, 7, 7)" in refusal(
        two_pathways(), start
    )


# ---------------------------------------------------------------- refusals


def refusal(model: nn.Module, tensors: Mapping[str, Tensor], head: Any = "keep") -> str:
    before = {name: x.clone() for name, x in model.state_dict().items()}
    with pytest.raises(FormatError) as caught:
        fill(model, tensors, where="weights/file.pth", head=head)
    assert str(caught.value).startswith("weights/file.pth: ")
    assert "backbone in params.yaml" in str(caught.value)
    assert same(model.state_dict(), before)
    return str(caught.value)


def test_a_tensor_of_a_wrong_shape_is_named() -> None:
    tensors = our_swin().state_dict()
    tensors["backbone.norm1.bias"] = torch.zeros(3)
    assert "1 of another shape, first backbone.norm1.bias (3,) for (16,)" in refusal(
        our_swin(), tensors
    )


def test_a_missing_block_is_named() -> None:
    said = refusal(our_swin(last=2), our_swin().state_dict())
    assert "13 missing, first backbone.layers.1.blocks.1.norm1.weight" in said


def test_an_unexpected_tensor_is_named() -> None:
    said = refusal(our_swin(), our_swin(last=2).state_dict())
    assert "13 unexpected, first backbone.layers.1.blocks.1.norm1.weight" in said


def test_a_classifier_to_keep_must_be_there_and_fit_but_for_its_classes() -> None:
    tensors = our_swin().state_dict()
    backbone = {name: x for name, x in tensors.items() if "cls_head" not in name}
    assert "2 missing, first cls_head.fc_cls.weight" in refusal(our_swin(), backbone)
    fill(our_swin(), backbone, where="x", head="fresh")
    tensors["cls_head.fc_cls.weight"] = torch.zeros(CLASSES, 3)
    assert "1 of another shape, first cls_head.fc_cls.weight" in refusal(our_swin(), tensors)


def test_a_number_that_is_none_is_refused() -> None:
    tensors = our_swin().state_dict()
    tensors["backbone.norm1.bias"] = torch.full((16,), torch.nan)
    assert "1 not finite, first backbone.norm1.bias" in refusal(our_swin(), tensors)


def test_a_3d_swin_of_another_window_is_not_taken_for_a_2d_one() -> None:
    tensors = swin((5, 2, 2), depths=(1,), heads=(1,)).state_dict()
    table = "backbone.layers.0.blocks.0.attn.relative_position_bias_table"
    assert math.isqrt(len(tensors[table])) ** 2 == len(tensors[table])
    said = refusal(swin((2, 2, 2), depths=(1,), heads=(1,)), tensors)
    assert f"1 of another shape, first {table} (81, 1) for (27, 1)" in said


def test_a_2d_swin_of_another_width_is_refused() -> None:
    tensors = convert(timm_swin(2).state_dict(), "swin_2d", where="x")
    tensors["backbone.patch_embed.proj.weight"] = torch.zeros(4, 3, 4, 4)
    table = "backbone.layers.0.blocks.0.attn.relative_position_bias_table"
    tensors[table] = torch.zeros(9, 5)
    said = refusal(swin((2, 2, 2)), tensors, "fresh")
    assert "2 of another shape, first backbone.patch_embed.proj.weight (4, 3, 4, 4)" in said


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("mmaction", "format is swin_2d"), ("swin_3d", "format is swin_2d")],
)
def test_the_wrong_format_is_refused_and_the_right_one_named(wrong: Any, says: str) -> None:
    with pytest.raises(FormatError, match=f"file.pth: not of checkpoint format {wrong}.*{says}"):
        convert(timm_swin(2).state_dict(), wrong, where="file.pth")
    with pytest.raises(FormatError, match="format is none of"):
        convert({"fc.weight": torch.zeros(1)}, wrong, where="file.pth")


def test_the_log_line_counts_everything() -> None:
    done = Filled(("a", "b"), ("c",), (), ("d", "e"))
    assert str(done) == (
        "tensors: 2 loaded, 1 adapted in shape (first c), 0 of the network left as built, "
        "2 of the file not used (first d)"
    )
