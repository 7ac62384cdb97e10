"""Keypoints found in videos are stored like given ones."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from benchmark.archives.archive import read_archive
from benchmark.archives.folder import describe
from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import ArchiveError
from benchmark.core.video import write_video
from benchmark.data.readers import SkeletonReader
from benchmark.modalities.pose import pose
from benchmark.modalities.pose.mediapipe_points import MissingExtra
from benchmark.modalities.pose.pose import PoseModality
from benchmark.synthetic.gestures.gesture import Gesture
from own_clips import write_folder
from record_mediapipe import drawn

MODEL = os.environ.get("MGBENCH_POSE_MODEL")
HAS_MEDIAPIPE = importlib.util.find_spec("mediapipe") is not None


def spec(model: Path) -> PoseModality:
    return PoseModality(
        kind="pose", edition="own", layout="openpose36", pose=str(model), hands=None, face=None,
        shards=2,
    )  # fmt: skip


@pytest.mark.skipif(HAS_MEDIAPIPE, reason="mediapipe is installed")
def test_without_mediapipe_one_is_told_once_how_to_install_it(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")
    own = describe("own", root)
    clips = read_archive(root, own, excluded=(), workers=1)
    (tmp_path / "pose.task").write_bytes(b"model")
    with pytest.raises(MissingExtra) as caught:
        spec(tmp_path / "pose.task").prepare(root, own, clips, tmp_path / "out", workers=1)
    assert str(caught.value).count("pip install --no-deps mediapipe==1.2.2") == 1


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "own")
    own = describe("own", root)
    clips = read_archive(root, own, excluded=(), workers=1)
    with pytest.raises(ArchiveError, match=r"none\.task: no such model"):
        spec(tmp_path / "none.task").prepare(root, own, clips, tmp_path / "out", workers=1)


@pytest.mark.skipif(not HAS_MEDIAPIPE or MODEL is None, reason="needs mediapipe and a model")
def test_live_points_of_every_clip_are_stored_with_the_hash_of_the_model(tmp_path: Path) -> None:
    acted = drawn(5, Gesture.ILLUSTRATE, 16)
    root = tmp_path / "own"
    root.mkdir()
    write_video(root / "a.mp4", acted.frames, 25, crf=10, gop=12)
    (root / "classes.txt").write_text("x\n", "utf-8")
    (root / "clips.csv").write_text(
        "clip_id,split,label,video,start_frame,end_frame\n"
        "a,train,x,a.mp4,0,6\nb,train,x,a.mp4,4,12\n",
        "utf-8",
    )
    write_video(root / "v.mp4", acted.frames[:5], 25, crf=10, gop=12)
    with (root / "clips.csv").open("a", encoding="utf-8") as file:
        file.write("c,val,x,v.mp4,,\n")
    own = describe("own", root)
    clips = read_archive(root, own, excluded=(), workers=1)
    for workers in (1, 2):
        out = tmp_path / f"{workers}"
        pose.prepare(spec(Path(str(MODEL))), root, own, clips, out, workers=workers)
    for path in sorted((tmp_path / "1").iterdir()):
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes(), path.name
    reader = SkeletonReader(tmp_path / "1", clips)
    found = reader.read("a")
    assert found.shape == (6, 36, 3)
    truth = acted.truth[:6, list(OPENPOSE36.points)]
    assert np.median(np.linalg.norm(found[:, 0, :2] - truth[:, 0, :2], axis=1)) < 10
    np.testing.assert_array_equal(reader.read("a")[4:], reader.read("b")[:2])
    assert (
        b"models" in (pq.read_table(tmp_path / "1/manifest.parquet").schema.metadata or {})[b"spec"]
    )
