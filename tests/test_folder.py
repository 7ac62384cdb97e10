"""Anyone's own clips: what the folder may hold, and what is said of mistakes in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import REPO
from own_clips import CLASSES, FRAMES, JOINTS, write_folder

from benchmark.datasets import raw_keypoints, read_archive
from benchmark.datasets.folder import describe
from benchmark.editions import Edition
from benchmark.errors import BenchmarkError
from benchmark.modalities import rgb, skeleton
from benchmark.modalities.skeleton_media import SkeletonReader
from benchmark.modalities.video_media import PackedVideos
from benchmark.params import RgbMedia, SkeletonMedia
from benchmark.schema import read_yaml


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "own")


def edition(root: Path) -> Edition:
    return describe("own", root)


def fault(root: Path, known: Edition | None = None) -> str:
    with pytest.raises(BenchmarkError) as caught:
        read_archive(root, known or edition(root), left_out=(), workers=1)
    return str(caught.value)


def edit(root: Path, old: str, new: str) -> None:
    path = root / "clips.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")


def test_the_described_edition_fits_its_folder(root: Path) -> None:
    own = edition(root)
    assert (own.name, own.dataset, own.classes) == ("own", "folder", CLASSES)
    assert own.withheld == ("test",)
    assert own.comparable


def test_every_row_becomes_a_clip(root: Path) -> None:
    clips = read_archive(root, edition(root), left_out=(), workers=2)
    assert len(clips) == 28
    first, second = clips.rows[:2]
    assert (first.clip_id, first.video, first.subject) == ("train0-0", "media/train0.mp4", "s0")
    assert (first.start_frame, first.end_frame, first.label) == (0, FRAMES // 2, 0)
    assert (second.start_frame, second.fps, second.width, second.height) == (12, 15.0, 90, 66)
    assert {clip.label for clip in clips.split("test")} == {None}


def test_without_frame_columns_a_clip_is_its_whole_video(root: Path) -> None:
    rows = ["clip_id,split,label,video"]
    rows += [f"a{k},train,wave,media/train{k}.mp4" for k in range(2)]
    rows += ["b,val,nod,media/val0.mp4"]
    (root / "clips.csv").write_text("\n".join(rows) + "\n", "utf-8")
    clips = read_archive(root, edition(root), left_out=(), workers=1)
    assert [(c.start_frame, c.end_frame, c.subject) for c in clips] == [(0, FRAMES, None)] * 3
    assert edition(root).withheld == ("test",)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("train0-0,", "../x,", "line 2: not a clip id"),
        (",train,", ",training,", "line 2: unknown split; expected train, val, test"),
        (",wave,", ",waving,", "line 2: unknown class; expected one of wave, nod, still"),
        (",wave,", ",,", "edition|line 2: unknown class"),
        ("media/train0.mp4", "media/none.mp4", "line 2: no such video"),
        ("media/train0.mp4", "../../etc/passwd", "line 2: the video lies outside the folder"),
        ("media/train0.mp4", "/etc/passwd", "line 2: the video lies outside the folder"),
        (",0,12,", ",x,12,", "line 2: start_frame is no frame number"),
        (",0,12,", ",-1,12,", "line 2: start_frame is no frame number"),
        (",0,12,", ",12,12,", "line 2: no frame in it"),
        (",12,24,", ",12,25,", "line 3: not inside its video; expected frames within 0 to 24"),
        (",s0\n", ",s0,more\n", "line 2: more cells than columns"),
        ("clip_id,", "id,", "wrong columns; expected clip_id, split, label, video and perhaps"),
    ],
)
def test_a_mistake_in_the_list_is_named_with_its_line(
    root: Path, old: str, new: str, message: str
) -> None:
    known = edition(root)
    edit(root, old, new)
    with pytest.raises(BenchmarkError, match=message):
        read_archive(root, known, left_out=(), workers=1)


def test_all_mistakes_are_named_at_once(root: Path) -> None:
    known = edition(root)
    edit(root, "train0-0,train", "train0-0,nowhere")
    edit(root, "media/val1.mp4", "media/none.mp4")
    assert fault(root, known).count("clips.csv line") == 2


def test_a_split_labelled_in_part_is_refused_when_described(root: Path) -> None:
    edit(root, "val0-0,val,wave", "val0-0,val,")
    with pytest.raises(BenchmarkError, match="split val has labels in 7 of its 8 rows"):
        edition(root)


def test_other_classes_than_the_editions_are_refused(root: Path) -> None:
    known = edition(root)
    (root / "classes.txt").write_text("wave\nnod\n", "utf-8")
    assert "not the classes of edition own; expected wave, nod, still; found wave, nod" in fault(
        root, known
    )


def test_one_video_in_two_splits_is_refused(root: Path, tmp_path: Path) -> None:
    from benchmark.clips import write_clips

    edit(root, "media/val0.mp4", "media/train0.mp4")
    clips = read_archive(root, edition(root), left_out=(), workers=1)
    with pytest.raises(BenchmarkError, match=r"video media/train0\.mp4 is in several splits"):
        write_clips(clips, tmp_path / "clips.parquet", edition(root))


def test_own_skeletons_and_videos_are_prepared(root: Path, tmp_path: Path) -> None:
    own = edition(root)
    clips = read_archive(root, own, left_out=(), workers=1)
    points = SkeletonMedia(kind="skeleton", edition="own", layout="own", shards=3)
    skeleton.prepare(points, root, own, clips, tmp_path / "skeleton", workers=2)
    reader = SkeletonReader(tmp_path / "skeleton", clips)
    assert reader.layout.swap == (0, 2, 1, 4, 3)
    assert reader.layout.edges[0] == (0, 1)
    for clip in clips:
        wanted = np.load(root / f"skeletons/{clip.clip_id}.npy")
        np.testing.assert_array_equal(reader.read(clip.clip_id), wanted)
    video = RgbMedia(kind="rgb", edition="own", short_side=66, gop=4, crf=18, shards=3)
    rgb.prepare(video, root, own, clips, tmp_path / "rgb", workers=2)
    frames = PackedVideos(tmp_path / "rgb", clips).read("train1-1", np.arange(12))
    assert frames.shape == (12, 66, 90, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((12, JOINTS, 2), np.float32), r"expected float32 \(12, 5, 3\)"),
        (np.zeros((11, JOINTS, 3), np.float32), r"found float32 \(11, 5, 3\)"),
        (np.zeros((12, JOINTS, 3), np.float64), "found float64"),
        (np.full((12, JOINTS, 3), np.nan, np.float32), "frame 0, joint 0 is not finite"),
        (np.array([{}]), "not a readable array .*pickle"),
    ],
)
def test_a_wrong_skeleton_is_named(
    root: Path, tmp_path: Path, array: np.ndarray, message: str
) -> None:
    np.save(root / "skeletons/val2-1.npy", array, allow_pickle=True)
    own = edition(root)
    clips = read_archive(root, own, left_out=(), workers=1)
    spec = SkeletonMedia(kind="skeleton", edition="own", layout="own", shards=3)
    with pytest.raises(BenchmarkError, match=rf"val2-1\.npy: .*{message}"):
        skeleton.prepare(spec, root, own, clips, tmp_path / "skeleton", workers=1)


def test_a_missing_skeleton_is_named(root: Path, tmp_path: Path) -> None:
    (root / "skeletons/val2-1.npy").unlink()
    own = edition(root)
    clips = read_archive(root, own, left_out=(), workers=1)
    spec = SkeletonMedia(kind="skeleton", edition="own", layout="own", shards=3)
    with pytest.raises(BenchmarkError, match=r"skeletons/val2-1\.npy: no such file"):
        skeleton.prepare(spec, root, own, clips, tmp_path / "skeleton", workers=1)


def test_openpose_points_are_not_looked_for_in_own_skeletons(root: Path, tmp_path: Path) -> None:
    own = edition(root)
    clips = read_archive(root, own, left_out=(), workers=1)
    spec = SkeletonMedia(kind="skeleton", edition="own", layout="openpose36", shards=3)
    with pytest.raises(BenchmarkError, match="not a layout of this archive; expected own"):
        skeleton.prepare(spec, root, own, clips, tmp_path / "skeleton", workers=1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[left hand, right hand], [", "[left hand, right fist], [", "no joint 'right fist'"),
        ("[left foot, right foot]", "[left hand, right foot]", "a joint is in two pairs"),
        ("joints: [head,", "joints: [left hand,", "two joints have the same name"),
        ("edges:", "limbs:", "limbs: unknown key"),
    ],
)
def test_a_wrong_skeleton_yaml_is_named(root: Path, old: str, new: str, message: str) -> None:
    path = root / "skeleton.yaml"
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(BenchmarkError, match=message):
        raw_keypoints(root, edition(root))


def test_a_folder_without_skeletons_says_so(root: Path) -> None:
    (root / "skeleton.yaml").unlink()
    with pytest.raises(BenchmarkError, match=r"skeleton\.yaml: no such file: these clips have no"):
        raw_keypoints(root, edition(root))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the code: `edition new` writes beside the other editions."""
    for name in ("benchmark", "pipelines", "submission"):
        ignore = shutil.ignore_patterns("__pycache__", "assets")
        shutil.copytree(REPO / name, tmp_path / "project" / name, ignore=ignore)
    return tmp_path / "project"


def new(project: Path, name: str, source: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("mgbench"), "edition", "new", name, "--from", str(source)],
        cwd=project, env={**os.environ, "PYTHONPATH": str(project)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def test_edition_new_writes_the_edition_and_links_the_folder(root: Path, project: Path) -> None:
    done = new(project, "own", root)
    assert done.returncode == 0, done.stderr
    path = project / "benchmark/editions/own.yaml"
    assert read_yaml(path, Edition) == edition(root)
    assert (project / "data/raw/own").resolve() == root.resolve()
    assert (project / "data/sealed/own").is_dir()


def test_edition_new_raises_the_version_only_when_something_changed(
    root: Path, project: Path
) -> None:
    path = project / "benchmark/editions/own.yaml"
    new(project, "own", root)
    new(project, "own", root)
    assert read_yaml(path, Edition).version == 1
    with (root / "classes.txt").open("a", encoding="utf-8") as file:
        file.write("jump\n")
    new(project, "own", root)
    assert read_yaml(path, Edition).version == 2
    assert read_yaml(path, Edition).classes[-1] == "jump"


@pytest.mark.parametrize(
    ("name", "message"),
    [("imigue", "is a published edition"), ("My-Clips", "not a name"), ("../x", "not a name")],
)
def test_edition_new_overwrites_no_published_edition(
    root: Path, project: Path, name: str, message: str
) -> None:
    before = (project / "benchmark/editions/imigue.yaml").read_bytes()
    done = new(project, name, root)
    assert done.returncode == 2
    assert message in done.stderr
    assert (project / "benchmark/editions/imigue.yaml").read_bytes() == before
