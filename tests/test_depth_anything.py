"""Depth Anything: published tensors, parity with transformers' own pieces, and refused files.

`fixtures/depth_anything_small.json` holds every tensor's name and shape of Small, versions 1 and 2
alike: transformers' definition with the published config.json, under the names that its
`save_pretrained` writes. The published file of version 2 is reached to the byte, see below.
"""

from __future__ import annotations

import hashlib
import json
import math
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from conftest import REPO

pytest.importorskip("transformers", reason="optional: make extras")
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, DPTImageProcessor

from benchmark.core.errors import ArchiveError, MissingExtra
from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.modalities.depth import depth_anything_network as depth_anything
from benchmark.modalities.depth.depth_anything import DepthAnythingBackend
from benchmark.modalities.depth.depth_anything_network import (
    DepthAnythingEstimator,
    empty_network,
    fitted,
    fitted_size,
    published_name,
    read_config,
)

LAYERS = {"v1": [9, 10, 11, 12], "v2": [3, 6, 9, 12]}
TINY = {
    "backbone_config": {
        "hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2,
        "out_indices": [1, 2, 3, 4], "out_features": ["stage1", "stage2", "stage3", "stage4"],
    },
    "fusion_hidden_size": 16, "head_hidden_size": 8, "neck_hidden_sizes": [8, 8, 16, 16],
    "reassemble_hidden_size": 32,
}  # fmt: skip
SIDE = 70
SIZES = [(180, 320), (97, 61), (33, 200), (70, 70)]


def published(layers: list[int]) -> dict[str, Any]:
    """config.json of depth-anything/Depth-Anything-V2-Small-hf, with the layers of a version."""
    return {
        "_commit_hash": None,
        "architectures": ["DepthAnythingForDepthEstimation"],
        "backbone": None,
        "backbone_config": {
            "architectures": ["Dinov2Model"], "hidden_size": 384, "image_size": 518,
            "model_type": "dinov2", "num_attention_heads": 6,
            "out_features": [f"stage{layer}" for layer in layers], "out_indices": layers,
            "patch_size": 14, "reshape_hidden_states": False, "torch_dtype": "float32",
        },
        "fusion_hidden_size": 64, "head_hidden_size": 32, "head_in_index": -1,
        "initializer_range": 0.02, "model_type": "depth_anything",
        "neck_hidden_sizes": [48, 96, 192, 384], "patch_size": 14,
        "reassemble_factors": [4, 2, 1, 0.5], "reassemble_hidden_size": 384,
        "torch_dtype": "float32", "transformers_version": None, "use_pretrained_backbone": False,
    }  # fmt: skip


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    inner = config["backbone_config"] | changes.get("backbone_config", {})
    return config | changes | {"backbone_config": inner}


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("Depth Anything reached out to the network")

    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)


@pytest.fixture(scope="module")
def tiny() -> Any:
    """Transformers' own network of a few thousand random numbers, far from 0."""
    torch.manual_seed(0)
    config = DepthAnythingConfig.from_dict(changed(published(LAYERS["v2"]), TINY))
    network = DepthAnythingForDepthEstimation(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    torch.nn.init.constant_(network.head.conv3.bias, 1.0)
    return network.eval()


@pytest.fixture
def folder(tiny: Any, tmp_path: Path) -> Path:
    """As published: config.json and model.safetensors."""
    tiny.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def backend(folder: Path, **changes: Any) -> DepthAnythingBackend:
    weights, config = (
        WeightsFile(path=str(path), sha256=changes.get(name) or sha256(path))
        for name, path in (
            ("weights", folder / "model.safetensors"), ("config", folder / "config.json"),
        )
    )  # fmt: skip
    return DepthAnythingBackend(
        kind="depth_anything", weights=weights, config=config, input_size=SIDE
    )


def frames(count: int, height: int, width: int) -> list[np.ndarray]:
    rng = np.random.default_rng(count)
    coarse = rng.integers(0, 256, (count, 6, 6, 3), np.uint8)
    rows, columns = np.arange(height) * 6 // height, np.arange(width) * 6 // width
    return list(coarse[:, rows][:, :, columns])


def maps(estimator: DepthAnythingEstimator, clip: list[np.ndarray]) -> list[np.ndarray]:
    return [out for frame in clip for out in estimator.add(frame)] + list(estimator.finish())


def processor(side: int) -> Any:
    """preprocessor_config.json as published, but for the size."""
    return DPTImageProcessor(
        do_resize=True, size={"height": side, "width": side}, keep_aspect_ratio=True,
        ensure_multiple_of=14, resample=3, do_rescale=True, rescale_factor=0.00392156862745098,
        do_normalize=True, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
        do_pad=False, size_divisor=None,
    )  # fmt: skip


# The published files


def test_the_config_here_is_the_published_one() -> None:
    text = json.dumps(published(LAYERS["v2"]), indent=2, sort_keys=True) + "\n"
    wanted = "c56698d3643dde1f83ea2212759e6b31a22b8f827246a36dd007ee8a22b3ff75"
    assert hashlib.sha256(text.encode()).hexdigest() == wanted


@pytest.mark.parametrize("version", LAYERS)
def test_names_and_shapes_are_the_published_ones(version: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(published(LAYERS[version])))
    network = empty_network(read_config(path))
    found = {published_name(name): list(x.shape) for name, x in network.state_dict().items()}
    fixture = REPO / "tests/fixtures/depth_anything_small.json"
    assert found == json.loads(fixture.read_text("utf-8"))
    assert network.backbone.out_features == [f"stage{layer}" for layer in LAYERS[version]]


def test_a_file_of_these_tensors_has_the_published_size() -> None:
    shapes = json.loads((REPO / "tests/fixtures/depth_anything_small.json").read_text("utf-8"))
    # The names lie in the header: other names would make another size.
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in sorted(shapes):
        start, end = end, end + 4 * math.prod(shapes[name])
        header[name] = {"dtype": "F32", "shape": shapes[name], "data_offsets": [start, end]}
    length = len(json.dumps(header, separators=(",", ":")))
    assert 8 + -(-length // 8) * 8 + end == 99_173_660


# Parity with transformers


@pytest.mark.parametrize("side", [70, 518])
@pytest.mark.parametrize(("height", "width"), [*SIZES, (480, 854), (360, 640), (1080, 1920)])
def test_frames_are_prepared_as_by_the_image_processor(height: int, width: int, side: int) -> None:
    (frame,) = frames(1, height, width)
    found = fitted(frame, fitted_size(height, width, side))
    wanted = processor(side)(frame, return_tensors="pt").pixel_values[0]
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_one_side_becomes_the_input_size_where_that_changes_less() -> None:
    assert fitted_size(480, 854, 518) == (518, 924)
    assert fitted_size(360, 640, 518) == (294, 518)
    assert fitted_size(3, 3000, 518) == (14, 518)  # transformers asks for 0 rows


@pytest.mark.parametrize("at_once", [1, 4])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_maps_are_those_of_transformers(
    tiny: Any, folder: Path, height: int, width: int, at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setitem(depth_anything.FRAMES_AT_ONCE, "cpu", at_once)
    clip, pieces = frames(2, height, width), processor(SIDE)
    found = maps(DepthAnythingEstimator(backend(folder)), clip)
    with torch.no_grad():
        out = tiny(**pieces(clip, return_tensors="pt"))
    wanted = pieces.post_process_depth_estimation(out, [(height, width)] * 2)
    for one, other in zip(found, wanted, strict=True):
        depth = other["predicted_depth"].clamp(min=0).numpy()
        assert one.shape == (height, width)
        assert one.dtype == np.float32
        assert depth.std() > 0.01
        np.testing.assert_allclose(one, depth, rtol=1e-3, atol=1e-3 * depth.max())


def test_the_tensors_are_those_that_from_pretrained_finds(tiny: Any, folder: Path) -> None:
    ours = DepthAnythingEstimator(backend(folder))._network.state_dict()
    theirs = DepthAnythingForDepthEstimation.from_pretrained(folder, local_files_only=True)
    for network in (tiny, theirs):
        assert all(torch.equal(x, ours[name]) for name, x in network.state_dict().items())


# Clips


@pytest.mark.parametrize("at_once", [1, 8])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_every_frame_has_one_map_in_order(
    folder: Path, count: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(depth_anything.FRAMES_AT_ONCE, "cpu", at_once)
    clip = frames(count, 50, 62)
    estimator = DepthAnythingEstimator(backend(folder))
    found = maps(estimator, clip)
    assert len(found) == count
    assert all(depth.min() >= 0 for depth in found)
    for frame, depth in zip(clip, found, strict=True):
        np.testing.assert_array_equal(maps(estimator, [frame])[0], depth)  # nothing is left over


def test_a_batch_changes_nothing_that_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = frames(3, 50, 62)
    alone = maps(DepthAnythingEstimator(backend(folder)), clip)
    monkeypatch.setitem(depth_anything.FRAMES_AT_ONCE, "cpu", 8)
    found = maps(DepthAnythingEstimator(backend(folder)), clip)
    np.testing.assert_allclose(found, alone, rtol=0, atol=1e-5 * np.max(alone))


def test_a_clip_keeps_its_size_and_the_next_may_have_another(folder: Path) -> None:
    estimator = DepthAnythingEstimator(backend(folder))
    estimator.add(frames(1, 50, 62)[0])
    for wrong in (np.zeros((50, 63, 3), np.uint8), np.zeros((50, 62, 3), np.float32)):
        with pytest.raises(ValueError, match="after"):
            estimator.add(wrong)
    with pytest.raises(ValueError, match="no picture"):
        estimator.add(np.zeros((50, 62), np.uint8))
    assert list(estimator.finish()) == []
    assert [x.shape for x in maps(estimator, frames(2, 30, 40))] == [(30, 40)] * 2


# Refused files


def refusal(folder: Path, **changes: Any) -> str:
    with pytest.raises(ArchiveError) as caught:
        DepthAnythingEstimator(backend(folder, **changes))
    return str(caught.value)


def test_missing_and_unpinned_files_are_refused(folder: Path) -> None:
    other = "0" * 64
    assert "model.safetensors: not the file whose hash" in refusal(folder, weights=other)
    assert "config.json: not the file whose hash" in refusal(folder, config=other)
    (folder / "config.json").unlink()
    assert "config.json: no such weights" in refusal(folder, config=other)
    (folder / "model.safetensors").unlink()
    assert "model.safetensors: no such weights" in refusal(folder, weights=other, config=other)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"depth_estimation_type": "metric", "max_depth": 20}, "the network of metric depth"),
        ({"max_depth": 20}, "max_depth: Input should be 1"),
        ({"model_type": "dpt"}, "model_type: Input should be 'depth_anything'"),
        ({"backbone": "facebook/dinov2-small"}, "backbone: Input should be null"),
        ({"use_pretrained_backbone": True}, "use_pretrained_backbone: Input should be False"),
        ({"use_timm_backbone": True}, "use_timm_backbone: Input should be False"),
        ({"backbone_config": {"model_type": "swin"}}, "backbone_config.model_type: Input"),
        ({"backbone_config": {"out_indices": [1, 2, 4, 3]}}, "out_indices are not layers in order"),
        ({"backbone_config": {"out_indices": [1, 2, 3, 5]}}, "out_indices are not layers in order"),
        ({"backbone_config": {"out_features": ["stem"]}}, "out_features are not the layers of"),
        ({"backbone_config": {"num_attention_heads": 5}}, "num_attention_heads does not divide"),
        ({"reassemble_factors": [4, 2, 1, 1.5]}, "reassemble_factors are not"),
        ({"reassemble_hidden_size": 384}, "reassemble_hidden_size is not the hidden_size"),
        ({"fusion_hidden_size": "16"}, "fusion_hidden_size: Input should be a valid integer"),
        ({"neck_hidden_sizes": [8, 8, 16]}, "neck_hidden_sizes.3: Field required"),
        (
            {"fusion_hidden_size": 32},
            "first neck.convs.0.weight (16, 8, 3, 3) for (32, 8, 3, 3)",
        ),
    ],
)
def test_foreign_configurations_are_refused(
    folder: Path, changes: dict[str, Any], said: str
) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(changed(json.loads(path.read_text()), changes)))
    assert said in refusal(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_config_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text, "latin-1")
    assert "config.json: " in refusal(folder)


def test_no_other_key_of_a_config_reaches_transformers(folder: Path) -> None:
    path = folder / "config.json"
    code = {
        "auto_map": {"AutoConfig": "else--where"}, "attn_implementation": "kernels-community/x",
        "_attn_implementation": "kernels-community/x", "quantization_config": {"load_in_8bit": 1},
    }  # fmt: skip
    changes = code | {"backbone_config": code}
    path.write_text(json.dumps(changed(json.loads(path.read_text()), changes)))
    found = DepthAnythingEstimator(backend(folder))._network
    for config in (found.config, found.backbone.config):
        assert not {"auto_map", "quantization_config"} & set(vars(config))
        assert config._attn_implementation in {"eager", "sdpa"}


NAME = "backbone.encoder.layer.0.attention.attention.query.weight"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x: x.pop(NAME), f"tensors do not fit config.json: 1 missing, first {NAME}"),
        (lambda x: x.update({NAME: torch.zeros(32, 31)}), f"{NAME} (32, 31) for (32, 32)"),
        (lambda x: x.update({NAME: torch.full((32, 32), math.nan)}), "1 not finite, first"),
        (lambda x: x.update(more=torch.zeros(2)), "1 unexpected, first more"),
        (lambda x: x.clear(), "missing, first backbone.embeddings.cls_token"),
    ],
)  # fmt: skip
def test_foreign_tensors_are_refused(folder: Path, change: Any, said: str) -> None:
    path = folder / "model.safetensors"
    tensors = {name: x.clone() for name, x in safetensors.torch.load_file(path).items()}
    change(tensors)
    safetensors.torch.save_file(tensors, path)
    assert said in refusal(folder)


@pytest.mark.parametrize("kept", [0, 7, 500, -9])
def test_a_pinned_but_damaged_file_is_refused(folder: Path, kept: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    assert "no safetensors file" in refusal(folder)


def test_a_pickle_is_refused(folder: Path) -> None:
    torch.save({"a": torch.zeros(1)}, folder / "model.safetensors")
    assert "no safetensors file" in refusal(folder)


def test_half_precision_files_load_as_single(folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = {name: x.half() for name, x in safetensors.torch.load_file(path).items()}
    safetensors.torch.save_file(tensors, path)
    found = DepthAnythingEstimator(backend(folder))._network.parameters()
    assert {x.dtype for x in found} == {torch.float32}


def test_without_transformers_the_message_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    wanted = "pip install --no-deps transformers==5.23.0 tokenizers==0.23.3"
    with pytest.raises(MissingExtra, match=wanted):
        DepthAnythingEstimator(backend(folder))
