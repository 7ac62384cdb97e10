"""Video Depth Anything: published tensors, the network's parts, and windows over long clips.

`fixtures/video_depth_anything_{vits,vitb,vitl}.json` hold every tensor's name and shape as the
public definitions give them: DepthAnything/Video-Depth-Anything's video_depth.py, dinov2.py with
dinov2_layers/, dpt.py, dpt_temporal.py, util/blocks.py and motion_module/ were read, what their
constructors make was set up apart from this repository's code, and its state dict listed. The
published files load there with strict=True. The numbers of parameters that upstream's README gives
are reached to the digit, see below.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from benchmark.core.errors import ArchiveError
from benchmark.modalities.depth.dinov2 import DinoV2
from benchmark.modalities.depth.video_depth_anything_network import (
    SIZES,
    MotionModule,
    Size,
    VideoDepthAnything,
    load_weights,
)
from bomb import Bomb
from conftest import REPO

TINY = Size(32, 4, 2, (0, 1, 2, 3), 32, (32, 32, 64, 64))
PUBLISHED_MILLIONS = {"vits": 28.4, "vitb": 113.1, "vitl": 381.8}
every_size = pytest.mark.parametrize("name", SIZES)


def published(name: str) -> dict[str, tuple[int, ...]]:
    text = (REPO / f"tests/fixtures/video_depth_anything_{name}.json").read_text("utf-8")
    return {key: tuple(shape) for key, shape in json.loads(text).items()}


def randomised(network: torch.nn.Module) -> Any:
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval().requires_grad_(False)


# The published tensors


@every_size
def test_names_and_shapes_are_the_published_ones(name: str) -> None:
    with torch.device("meta"):
        network = VideoDepthAnything(SIZES[name])
    assert {key: tuple(x.shape) for key, x in network.state_dict().items()} == published(name)


@every_size
def test_the_published_count_is_reached_without_what_it_leaves_out(name: str) -> None:
    # All three of upstream's figures fit if the table of positions and the residual unit that no
    # map goes through are not counted; the buffers of frame positions are no parameters.
    excluded = ("pretrained.pos_embed", "head.scratch.refinenet4.resConfUnit1", ".pos_encoder.pe")
    counted = [math.prod(s) for key, s in published(name).items() if not _has(key, excluded)]
    assert round(sum(counted) / 1e6, 1) == PUBLISHED_MILLIONS[name]


def _has(key: str, parts: tuple[str, ...]) -> bool:
    return any(part in key for part in parts)


# The encoder


def test_the_encoder_is_timms_with_the_mask_token_left_over() -> None:
    ours = randomised(DinoV2(dim=32, depth=3, num_heads=2))
    timms = VisionTransformer(
        img_size=518, patch_size=14, embed_dim=32, depth=3, num_heads=2, init_values=1.0,
        num_classes=0,
    ).eval()  # fmt: skip
    weights = ours.state_dict()
    del weights["mask_token"]
    timms.load_state_dict(weights, strict=True)
    x = torch.randn(1, 3, 518, 518, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = timms.forward_intermediates(
            x, indices=[0, 2], norm=True, output_fmt="NLC", intermediates_only=True
        )
    found = ours(x, (0, 2))
    for one, other in zip(found, wanted, strict=True):
        assert one.abs().mean() > 0.1
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def cubic(sources: int, points: int) -> np.ndarray:
    """Weights (points, sources) of cubic convolution, a = -0.75, edges repeated."""
    weights = np.zeros((points, sources))
    for i in range(points):
        at = (i + 0.5) * sources / (points + 0.1) - 0.5  # DINOv2 adds 0.1 to the size
        for k in range(math.floor(at) - 1, math.floor(at) + 3):
            d = abs(at - k)
            near = 1.25 * d**3 - 2.25 * d**2 + 1
            far = -0.75 * d**3 + 3.75 * d**2 - 6 * d + 3
            weights[i, min(max(k, 0), sources - 1)] += near if d < 1 else far
    return weights


@pytest.mark.parametrize(("rows", "columns"), [(4, 9), (37, 66), (66, 37), (1, 1), (50, 50)])
def test_positions_are_resized_with_the_offset_of_the_training(rows: int, columns: int) -> None:
    encoder = randomised(DinoV2(dim=4, depth=1, num_heads=1))
    found = encoder.positions(rows, columns)
    learnt = encoder.pos_embed[0, 1:].double().numpy().reshape(37, 37, 4)
    wanted = np.einsum("rR,RCd,cC->rcd", cubic(37, rows), learnt, cubic(37, columns))
    assert found.shape == (1, 1 + rows * columns, 4)
    assert torch.equal(found[:, 0], encoder.pos_embed[:, 0])
    np.testing.assert_allclose(found[0, 1:].numpy(), wanted.reshape(-1, 4), atol=1e-5)


def test_positions_of_the_learnt_size_are_as_stored() -> None:
    encoder = randomised(DinoV2(dim=4, depth=1, num_heads=1))
    assert torch.equal(encoder.positions(37, 37), encoder.pos_embed)


# Attention between frames


def test_a_motion_module_takes_one_frame() -> None:
    x = torch.randn(2, 64, 3, 2)
    y = randomised(MotionModule(64))(x, 1)
    assert y.shape == x.shape
    assert y.isfinite().all()
    assert not torch.equal(x, y)


def test_a_motion_module_mixes_frames_but_neither_places_nor_clips() -> None:
    module, x = randomised(MotionModule(64)), torch.randn(6, 64, 3, 2)
    # Group norm is over a whole frame: a change that keeps mean and variance stays in its place.
    changed = x.clone()
    changed[1, 0::2, 0, 0], changed[1, 1::2, 0, 0] = x[1, 1::2, 0, 0], x[1, 0::2, 0, 0]
    differs = (module(changed, 3) - module(x, 3)).abs().amax(1) > 1e-4
    assert differs[:3, 0, 0].all()
    assert differs.sum() == 3


# The network


@pytest.mark.parametrize(("frames", "height", "width"), [(1, 28, 42), (6, 42, 28), (32, 14, 14)])
def test_depth_has_the_frames_shape_and_is_not_negative(
    frames: int, height: int, width: int
) -> None:
    network, x = randomised(VideoDepthAnything(TINY)), torch.randn(2, frames, 3, height, width)
    depth = network(x)
    assert depth.shape == (2, frames, height, width)
    assert depth.dtype == torch.float32
    assert depth.isfinite().all()
    assert (depth >= 0).all()
    assert depth.std() > 0
    alone = network(x[1:])
    torch.testing.assert_close(depth[1:], alone, rtol=0, atol=1e-5 * float(depth.max()))


@pytest.mark.parametrize("shape", [(1, 1, 3, 28, 30), (1, 33, 3, 14, 14)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=f"{shape[1]} frames of {shape[3]} x {shape[4]}"):
        VideoDepthAnything(TINY)(torch.zeros(shape))


# The weights' file


def stored(name: str) -> dict[str, torch.Tensor]:
    """Tensors of the published shapes, a number each, of which torch.save keeps little."""
    keys = published(name)
    return {k: torch.tensor([i / 1000]).expand(s) for i, (k, s) in enumerate(keys.items())}


def refusal(path: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@every_size
def test_a_file_tells_which_network_it_is(tmp_path: Path, name: str) -> None:
    tensors = stored(name)
    torch.save(tensors, tmp_path / "any.pth")
    network = load_weights(tmp_path / "any.pth")
    assert network.layers == SIZES[name].layers
    assert not network.training
    found = network.state_dict()
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[key].flatten()[:1], x.flatten()[:1]) for key, x in tensors.items())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_half_precision_is_read_as_single(tmp_path: Path) -> None:
    torch.save({key: x.half() for key, x in stored("vits").items()}, tmp_path / "half.pth")
    assert {x.dtype for x in load_weights(tmp_path / "half.pth").state_dict().values()} == {
        torch.float32
    }


def test_a_loaded_network_gives_depth(tmp_path: Path) -> None:
    torch.save(stored("vits"), tmp_path / "any.pth")
    depth = load_weights(tmp_path / "any.pth")(torch.zeros(1, 2, 3, 28, 28))
    assert depth.shape == (1, 2, 28, 28)


def test_other_tensors_are_named(tmp_path: Path) -> None:
    tensors, path = stored("vits"), tmp_path / "other.pth"
    del tensors["head.projects.0.bias"], tensors["pretrained.norm.bias"]
    tensors["head.extra"] = torch.zeros(1)
    tensors["pretrained.norm.weight"] = torch.zeros(7)
    tensors["pretrained.mask_token"] = torch.full((1, 384), torch.nan)
    torch.save(tensors, path)
    said = refusal(path)
    assert "2 missing, first pretrained.norm.bias" in said
    assert "1 unexpected, first head.extra" in said
    assert "1 of another shape, first pretrained.norm.weight (7,) for (384,)" in said
    assert "1 not finite, first pretrained.mask_token" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "something else than named tensors"),
        ({"encoder.weight": torch.zeros(2)}, "found encoder.weight"),
        ({"pretrained.cls_token": torch.zeros(1, 1, 1536)}, "found 1536 channels"),
        ({"pretrained.cls_token": 3}, "something else than named tensors"),
        ([torch.zeros(2)], "something else than named tensors"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: object, said: str) -> None:
    torch.save(content, tmp_path / "foreign.pth")
    assert said in refusal(tmp_path / "foreign.pth")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    assert "No such file" in refusal(path)
    torch.save({"pretrained.cls_token": torch.ones(1, 1, 384)}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in refusal(path)
    place = whole.index(np.ones(384, np.float32).tobytes())
    path.write_bytes(whole[:place] + b"\1" + whole[place + 1 :])
    assert "checksum" in refusal(path)
    path.write_bytes(b"")
    assert "cannot be read" in refusal(path)


def test_whole_numbers_in_the_place_of_weights_are_refused(tmp_path: Path) -> None:
    tensors, path = dict(stored("vits")), tmp_path / "whole.pth"
    tensors["pretrained.cls_token"] = torch.zeros(1, 1, 384, dtype=torch.int32)
    torch.save(tensors, path)
    assert "1 not finite, first pretrained.cls_token" in refusal(path)


def test_the_metric_network_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "metric_video_depth_anything_vits.pth"
    torch.save(stored("vits"), path)
    assert "metric" in refusal(path)


def test_a_file_that_would_run_something_runs_nothing(tmp_path: Path) -> None:
    path, mark = tmp_path / "bomb.pth", tmp_path / "went-off"
    torch.save({"pretrained.cls_token": Bomb(mark)}, path)
    assert "cannot be read" in refusal(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # it is a real one
