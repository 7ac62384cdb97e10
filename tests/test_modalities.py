"""What every video modality owes, whatever makes it; and depth, whose scale is one for all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.data.manifest import FILE, read_manifest
from benchmark.data.normalization import DatasetNorm, TrainSplitNorm
from benchmark.data.readers import PackedVideos
from benchmark.data.statistics import train_statistics
from benchmark.data.video_input import VideoInput
from benchmark.editions.edition import Edition
from benchmark.modalities.depth.depth import (
    DepthModality,
    FixedScale,
    SampledScale,
    gray,
)
from benchmark.modalities.depth.depth_anything import VideoDepthAnythingBackend
from benchmark.modalities.depth.tiny_spec import TinyBackend
from benchmark.modalities.depth.video_depth_anything_network import SIZES, VideoDepthAnything
from benchmark.modalities.flow.dis import DisFlow
from benchmark.modalities.flow.flow import FlowModality
from benchmark.modalities.flow.sparse_to_dense import SparseToDenseFlow
from benchmark.modalities.person_crop import PersonCropModality
from benchmark.modalities.region_crop import RegionCropModality
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.taylor import TaylorModality
from benchmark.modalities.union import Modality
from own_clips import write_folder

pytestmark = pytest.mark.slow

SIDE = 32
STORED = {"edition": "own", "short_side": SIDE, "gop": 4, "crf": 4, "shards": 2}
FLOW = {"kind": "flow", "work_side": 48, "rendering": "components", "limit": 8.0, **STORED}
SCALE = FixedScale(kind="fixed", low=0.0, high=2.0)
DEPTH = {"kind": "depth", "work_side": 48, "scale": SCALE, **STORED}
KINDS = (
    "rgb", "taylor paper", "taylor mm_gesture", "taylor signed", "flow dis", "flow wheel",
    "flow sparse_to_dense", "depth tiny", "depth video_depth_anything", "person", "region",
)  # fmt: skip


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("raw") / "own")


@pytest.fixture(scope="module")
def own(raw: Path) -> Edition:
    return describe("own", raw)


@pytest.fixture(scope="module")
def clips(raw: Path, own: Edition) -> Clips:
    """All clips; one of them is cut to one frame, one to three."""
    found = list(open_archive(raw, own).read(excluded=(), workers=1))
    for k, frames in ((0, 1), (3, 3)):
        found[k] = replace(found[k], end_frame=found[k].start_frame + frames)
        points = raw / f"skeletons/{found[k].clip_id}.npy"
        np.save(points, np.load(points)[:frames])
    return Clips("own", tuple(found))


TINY = TinyBackend(kind="tiny", network="depth")


@pytest.fixture(scope="module")
def video_depth(tmp_path_factory: pytest.TempPathFactory) -> VideoDepthAnythingBackend:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vda") / "video_depth_anything_vits.pth"
    network = VideoDepthAnything(SIZES["vits"])
    torch.nn.init.constant_(network.head.scratch.output_conv2[2].bias, 1.0)  # not all is far
    torch.save(network.state_dict(), path)
    weights = WeightsFile(path=str(path), sha256=sha256(path))
    return VideoDepthAnythingBackend(kind="video_depth_anything", weights=weights, input_size=28)


@pytest.fixture(scope="module")
def specs(video_depth: VideoDepthAnythingBackend) -> dict[str, Modality]:
    dis = DisFlow(kind="dis", preset="fast")
    sparse = SparseToDenseFlow(kind="sparse_to_dense")
    sampled = SampledScale(kind="sampled", clips=3, quantile=0.99)
    found: dict[str, Modality] = {
        f"taylor {variant}": TaylorModality(
            kind="taylor", variant=variant, terms=3, window=6, **STORED
        )
        for variant in ("paper", "mm_gesture", "signed")
    }
    return found | {
        "rgb": RgbModality(kind="rgb", **STORED),
        "flow dis": FlowModality(backend=dis, **FLOW),
        "flow wheel": FlowModality(backend=dis, **FLOW | {"rendering": "wheel"}),
        "flow sparse_to_dense": FlowModality(backend=sparse, **FLOW),
        "depth tiny": DepthModality(backend=TINY, **DEPTH),
        "depth video_depth_anything": DepthModality(
            backend=video_depth, **DEPTH | {"scale": sampled}
        ),
        "person": PersonCropModality(
            kind="person_crop", edition="own", layout="own", side=SIDE, gop=4, crf=4, shards=2
        ),
        "region": RegionCropModality(
            kind="region_crop",
            edition="own",
            layout="own",
            side=SIDE,
            gop=4,
            crf=4,
            shards=2,
            points=("left hand", "head"),
            margin=1.5,
            smoothing=2.0,
        ),
    }


CROPS = ("person", "region")
SPREAD = {"taylor signed", "flow dis", "depth tiny", "person"}
"""Made by two processes too, which take seconds to start; test_media does so with RGB."""


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_every_clip_is_stored_whole_and_comes_out_the_same_again(
    name: str, specs: dict[str, Modality], raw: Path, own: Edition, clips: Clips, tmp_path: Path
) -> None:
    if name == "depth video_depth_anything":  # 28 M parameters on a CPU
        clips = Clips("own", tuple(clips)[:6])
    specs[name].prepare(raw, own, clips, tmp_path / "1", workers=1)
    specs[name].prepare(raw, own, clips, tmp_path / "2", workers=2 if name in SPREAD else 1)
    made, again = files_of(tmp_path / "1"), files_of(tmp_path / "2")
    assert made.keys() == again.keys()
    assert [file for file in made if made[file] != again[file]] == []
    folder = tmp_path / "1" / ("video" if name in CROPS else "")
    videos = PackedVideos(folder, clips)
    for clip in clips:
        frames = videos.read(clip.clip_id, np.arange(clip.frames))
        width = SIDE if name in CROPS else 44
        assert frames.shape == (clip.frames, SIDE, width, 3), clip.clip_id
    kept = json.loads(pq.read_schema(folder / FILE).metadata[b"spec"])
    wanted = specs[name].model_dump(mode="json")
    assert json.loads(json.dumps(wanted)).items() <= json.loads(json.dumps(kept)).items()


def test_statistics_are_those_of_the_stored_training_frames_and_of_no_other_split(
    specs: dict[str, Modality], raw: Path, own: Edition, clips: Clips, tmp_path: Path
) -> None:
    specs["rgb"].prepare(raw, own, clips, tmp_path / "rgb", workers=1)
    modality = read_manifest(tmp_path / "rgb", clips)
    found = train_statistics(modality, clips)
    videos = PackedVideos(tmp_path / "rgb", clips)
    pixels = np.concatenate(
        [
            videos.read(clip.clip_id, np.arange(clip.frames)).reshape(-1, 3)
            for clip in clips.split("train")
        ]
    ).astype(float)
    np.testing.assert_allclose(found.mean, pixels.mean(0), atol=1.5)  # encoding loses a little
    np.testing.assert_allclose(found.std, pixels.std(0), atol=1.5)
    others = {
        clip: medium._replace(sums=[0, 0, 0], squares=[0, 0, 0])
        for clip, medium in modality.items()
        if clip in set(clips.split("val").ids) | set(clips.split("test").ids)
    }
    assert train_statistics(modality | others, clips) == found
    first = clips.split("train").ids[0]
    changed = {first: modality[first]._replace(sums=[0, 0, 0])}
    assert train_statistics(modality | changed, clips) != found


def test_a_normalization_by_the_train_split_becomes_its_numbers(
    specs: dict[str, Modality], raw: Path, own: Edition, clips: Clips, tmp_path: Path
) -> None:
    specs["rgb"].prepare(raw, own, clips, tmp_path / "rgb", workers=1)
    spec = VideoInput.model_validate(
        {
            "kind": "video", "frames": 4, "sampling": {"kind": "uniform"},
            "size": 32, "resize": 32, "region": "frame", "crop_area": (0.5, 1.0),
            "crop_ratio": (0.9, 1.1), "flip": 0.5, "normalization": {"kind": "train_split"},
            "views": 1, "crops": 1,
        }
    )  # fmt: skip
    assert isinstance(spec.normalization, TrainSplitNorm)
    made = spec.with_numbers(specs["rgb"], tmp_path / "rgb", clips)
    assert isinstance(made, VideoInput)
    mean, std = train_statistics(read_manifest(tmp_path / "rgb", clips), clips)
    assert made.normalization == DatasetNorm(kind="dataset", mean=mean, std=std)
    assert made.with_numbers(specs["rgb"], tmp_path / "nowhere", clips) is made


# Depth


def test_gray_is_one_scale_for_all_and_clips_to_it() -> None:
    depth = np.array([[0.0, 0.5, 1.0, 2.0, 9.0, -1.0]], np.float32)
    found = gray(depth, SCALE)
    assert found.shape == (1, 6, 3)
    assert (found == found[..., :1]).all()
    assert found[0, :, 0].tolist() == [0, 64, 128, 255, 255, 0]


@pytest.mark.parametrize("length", [1, 16, 17])
def test_depth_gives_as_many_frames_as_it_takes_in_order(length: int) -> None:
    spec = DepthModality(backend=TINY, **DEPTH)
    frames = np.random.default_rng(0).integers(0, 255, (length, 48, 64, 3)).astype(np.uint8)
    extractor = spec.extractor()
    found = [out for frame in frames for out in extractor.add(frame)]
    found += extractor.finish()
    found = [gray(depth[..., 0], SCALE) for depth in found]
    assert len(found) == length
    alone = spec.extractor()
    last = gray([*alone.add(frames[-1]), *alone.finish()][0][..., 0], SCALE)
    assert np.abs(found[-1].astype(int) - last).max() <= 1


def test_a_sampled_scale_is_the_quantiles_over_training_clips_and_is_kept(
    specs: dict[str, Modality], raw: Path, own: Edition, clips: Clips, tmp_path: Path
) -> None:
    spec = specs["depth tiny"].model_copy(
        update={"scale": SampledScale(kind="sampled", clips=4, quantile=0.9)}
    )
    spec.prepare(raw, own, clips, tmp_path / "all", workers=1)
    kept = json.loads(pq.read_schema(tmp_path / "all" / FILE).metadata[b"spec"])
    assert kept["levels"]["low"] < kept["levels"]["high"]
    assert len(kept["network"]) == 64, "the SHA-256 of the file"
    rows = [replace(clip, label=None) if clip.split == "test" else clip for clip in clips]
    some = Clips("own", tuple(clip for clip in rows if clip.split != "test"))
    spec.prepare(raw, own, some, tmp_path / "some", workers=1)
    again = json.loads(pq.read_schema(tmp_path / "some" / FILE).metadata[b"spec"])
    assert again["levels"] == kept["levels"]  # no test clip had a part in it
