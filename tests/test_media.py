"""Prepared clips hold exactly the frames of the raw video."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import ArchiveError, ClipUnreadable, FormatError, MismatchError
from benchmark.core.resize import resized
from benchmark.data.manifest import read_manifest
from benchmark.data.normalization import DatasetNorm
from benchmark.data.readers import PackedVideos, SkeletonReader
from benchmark.data.skeleton_input import SkeletonViews
from benchmark.data.video_input import VideoViews
from benchmark.editions.edition import read_edition
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.skeleton import SkeletonModality
from benchmark.models.preprocessors import VideoPreprocessor
from benchmark.params.params import read_params
from conftest import REPO
from tiny_archive import HEIGHT, WIDTH, frames_of, keypoints_of, write_archive

MIMIC = read_edition("mimic")
PARAMS = read_params(REPO / "params.yaml")
SKELETON = SkeletonModality(kind="skeleton", edition="mimic", layout="openpose36", shards=2)
RGB = RgbModality(kind="rgb", edition="mimic", short_side=HEIGHT, gop=4, crf=4, shards=3)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def clips(raw: Path) -> Clips:
    return open_archive(raw, MIMIC).read(excluded=(), workers=1)


@pytest.fixture(scope="module")
def packed(raw: Path, clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rgb") / "out"
    RGB.prepare(raw, MIMIC, clips, folder, workers=1)
    return folder


@pytest.fixture(scope="module")
def points(raw: Path, clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("skeleton") / "out"
    SKELETON.prepare(raw, MIMIC, clips, folder, workers=1)
    return folder


def test_every_packed_clip_shows_its_own_frames(packed: Path, clips: Clips) -> None:
    videos = PackedVideos(packed, clips)
    for clip in clips:
        found = videos.read(clip.clip_id, np.arange(clip.frames))
        assert found.shape == (clip.frames, HEIGHT, WIDTH, 3)
        expected = np.stack(frames_of(clip.video)[clip.start_frame : clip.end_frame])
        # Lossy twice; the block has moved two pixels by the next frame, which differs by far more.
        assert np.abs(found.astype(int) - expected).mean() < 4, clip.clip_id


def test_frames_are_read_in_the_order_asked_and_may_repeat(packed: Path, clips: Clips) -> None:
    videos = PackedVideos(packed, clips)
    every = videos.read("0001_1", np.arange(20))
    found = videos.read("0001_1", np.array([7, 3, 3, 19, 0]))
    np.testing.assert_array_equal(found, every[[7, 3, 3, 19, 0]])


def test_packed_bytes_do_not_depend_on_the_number_of_workers(
    raw: Path, clips: Clips, packed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    RGB.prepare(raw, MIMIC, clips, out, workers=2)
    names = sorted(path.name for path in packed.iterdir())
    assert names == sorted(path.name for path in out.iterdir())
    assert len(names) == 4
    for name in names:
        assert (packed / name).read_bytes() == (out / name).read_bytes(), name


def test_a_short_side_scales_both_sides_and_keeps_them_even() -> None:
    frame = np.zeros((180, 321, 3), np.uint8)
    assert resized(frame, 90).shape == (90, 160, 3)
    assert resized(frame.swapaxes(0, 1), 90).shape == (160, 90, 3)


def test_a_video_damaged_in_the_middle_is_named_with_the_clip_or_file(
    raw: Path, clips: Clips, tmp_path: Path
) -> None:
    broken = Path(shutil.copytree(raw, tmp_path / "raw"))
    path = broken / "imigue_rgb_phase1/train_data/0012/0012.mp4"
    data = bytearray(path.read_bytes())
    data[-600:-100] = bytes(500)
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=r"0012_.*0012\.mp4"):
        RGB.prepare(broken, MIMIC, clips, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_damaged_stored_bytes_are_an_error_with_the_clips_name(
    packed: Path, clips: Clips, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(packed, tmp_path / "rgb"))
    medium = read_manifest(folder, clips)["0011_2"]
    shard = bytearray((folder / medium.shard).read_bytes())
    shard[medium.offset : medium.offset + medium.size] = bytes(medium.size)
    (folder / medium.shard).write_bytes(shard)
    with pytest.raises(ClipUnreadable, match="clip 0011_2 in shard-"):
        PackedVideos(folder, clips).read("0011_2", np.arange(3))


def test_every_clip_has_its_own_keypoints(points: Path, clips: Clips) -> None:
    reader = SkeletonReader(points, clips)
    for clip in clips:
        sheet = keypoints_of(clip.video).reshape(-1, 137, 3)[:, OPENPOSE36.points]
        expected = sheet[clip.start_frame : clip.end_frame].astype(np.float32)
        np.testing.assert_array_equal(reader.read(clip.clip_id), expected)


def test_a_sheet_shorter_than_its_clips_is_refused(raw: Path, clips: Clips, tmp_path: Path) -> None:
    from benchmark.synthetic.xlsx import write_xlsx

    broken = Path(shutil.copytree(raw, tmp_path / "raw"))
    path = next(broken.rglob("0102_openpose.xlsx"))
    write_xlsx(path, keypoints_of("0102")[:30])
    with pytest.raises(ArchiveError, match=r"0102_openpose.xlsx: shorter than its clips.*40 rows"):
        SKELETON.prepare(broken, MIMIC, clips, tmp_path / "out", workers=1)


def test_media_of_another_index_are_refused(points: Path, clips: Clips) -> None:
    fewer = Clips(clips.edition, clips.rows[1:])
    with pytest.raises(MismatchError, match="the first that differs is 0011_0"):
        read_manifest(points, fewer)


def test_media_without_a_table_are_refused(tmp_path: Path, clips: Clips) -> None:
    with pytest.raises(FormatError, match=r"manifest\.parquet: no such file"):
        read_manifest(tmp_path, clips)


def test_skeleton_views_keep_unseen_points_at_the_origin(points: Path, clips: Clips) -> None:
    views = SkeletonViews(PARAMS.experiments["joint"].input, points, clips)
    for view in (
        *views.test("0011_0", quick=False).views[0],
        *(views.train("0011_0", np.random.default_rng(seed))[0] for seed in range(8)),
    ):
        unseen = view[..., 2] == 0
        assert unseen.any()
        assert not view[unseen].any()


def test_the_flipped_test_view_mirrors_the_one_before(points: Path, clips: Clips) -> None:
    spec = PARAMS.experiments["joint"].input
    (views,) = SkeletonViews(spec, points, clips).test("0011_0", quick=False).views
    assert len(views) == 2, "a clip as long as a view has one set of frames"
    seen = views[0][..., 2] > 0
    np.testing.assert_allclose(
        views[1][:, list(OPENPOSE36.swap), 0][seen],
        spec.test_size - views[0][..., 0][seen],
        rtol=1e-5,
    )


def test_all_seen_points_of_a_test_view_lie_in_the_heat_map(points: Path, clips: Clips) -> None:
    spec = PARAMS.experiments["joint"].input
    views = SkeletonViews(spec, points, clips)
    for clip in clips.ids:
        view = views.test(clip, quick=True).views[0]
        seen = view[view[..., 2] > 0]
        assert seen[:, :2].min() >= 0
        assert seen[:, :2].max() <= spec.test_size


def test_video_views_have_the_size_of_the_spec(packed: Path, clips: Clips) -> None:
    spec = PARAMS.experiments["swin_rgb"].input
    views = VideoViews(spec, PackedVideos(packed, clips), no_motion=None)
    shape = (spec.frames, spec.size, spec.size, 3)
    assert views.train("0011_0", np.random.default_rng(0))[0].shape == shape
    assert views.test("0011_0", quick=False).views[0].shape == (spec.views * spec.crops, *shape)
    other = spec.model_copy(update={"crops": 3, "views": 2})
    three = VideoViews(other, PackedVideos(packed, clips), no_motion=None)
    assert three.test("0011_0", quick=False).views[0].shape == (6, *shape)
    assert three.test("0011_0", quick=True).views[0].shape == (1, *shape)


def test_kept_clips_are_the_decoded_ones_and_never_outgrow_their_memory(
    packed: Path, clips: Clips
) -> None:
    plain = PackedVideos(packed, clips)
    one_clip = plain.num_frames("0011_0") * HEIGHT * WIDTH * 3 / 2**30
    keeping = PackedVideos(packed, clips, cache_gib=one_clip)
    numbers = np.array([3, 1, 1])
    for clip in ("0011_0", "0011_1", "0011_0", "0011_1"):
        np.testing.assert_array_equal(keeping.read(clip, numbers), plain.read(clip, numbers))
    assert list(keeping._kept) == ["0011_0"]


def test_what_stands_still_is_removed_where_the_spec_says_so() -> None:
    spec = PARAMS.experiments["swin_rgb"].input
    assert spec.normalization.kind == "temporal_mean_removed"
    frames = torch.full((1, spec.frames, 4, 4, 3), 90, dtype=torch.uint8)
    frames[0, 2, 1, 1] = 190
    (volume,) = VideoPreprocessor(spec.normalization)(frames)
    assert volume.shape == (1, 3, spec.frames, 4, 4)
    assert volume[0, :, :, 0, 0].abs().max() == 0
    moved = 100 / spec.normalization.scale * (1 - 1 / spec.frames)
    assert volume[0, 0, 2, 1, 1] == pytest.approx(moved)


def test_dataset_normalization_takes_the_channels_apart() -> None:
    norm = DatasetNorm(kind="dataset", mean=(10.0, 20.0, 30.0), std=(1.0, 2.0, 5.0))
    (volume,) = VideoPreprocessor(norm)(torch.full((1, 2, 1, 1, 3), 40, dtype=torch.uint8))
    assert volume[0, :, 0, 0, 0].tolist() == [30.0, 10.0, 2.0]


def test_training_views_depend_on_the_generator_alone(packed: Path, clips: Clips) -> None:
    spec = PARAMS.experiments["swin_rgb"].input
    views = VideoViews(spec, PackedVideos(packed, clips), no_motion=None)
    one, same, other = (views.train("0011_1", np.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
