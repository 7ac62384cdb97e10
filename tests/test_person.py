"""Modality of kind person: frames cut to the person, keypoints in their pixels, the two as one."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.core.errors import ArchiveError, ManyFaults, ParamsError
from benchmark.core.video import write_video
from benchmark.data.manifest import read_manifest
from benchmark.data.person_box import to_box
from benchmark.data.readers import PackedVideos, SkeletonReader
from benchmark.editions.edition import read_edition
from benchmark.modalities import person_crop as person
from benchmark.modalities import shards
from benchmark.modalities.one_file import spec_of
from benchmark.modalities.person_crop import PersonCropModality
from benchmark.modalities.rgb import RgbModality
from benchmark.synthetic.xlsx import write_xlsx
from tiny_archive import keypoints_of, write_archive

WIDTH, HEIGHT, FRAMES, SIDE = 160, 120, 12, 96
LIGHT = 180
"""Lighter than any backdrop, darker than the discs."""
JOINTS = {
    "small": [(60, 50), (100, 50), (80, 70), (60, 90), (100, 90)],
    "large": [(30, 20), (130, 20), (80, 60), (40, 100), (120, 100)],
    "corner": [(8, 8), (48, 8), (28, 40), (8, 64), (48, 64)],
    "flat": [(20, 60), (50, 64), (80, 60), (110, 64), (140, 60)],
    "unseen": [(0, 0)] * 5,
}
"""Of the first frame of each clip; the points of a person walk 2 px a frame to the right."""
SKELETON = """\
joints: [a, b, c, d, e]
edges: [[a, b], [d, e]]
pairs: [[a, b], [d, e]]
"""
OWN = PersonCropModality(
    kind="person_crop", edition="own", layout="own", side=SIDE, gop=4, crf=4, shards=2
)
SPEC = PersonCropModality(
    kind="person_crop", edition="mimic", layout="openpose36", side=48, gop=4, crf=12, shards=4
)
MIMIC = read_edition("mimic")


def points_of(name: str) -> np.ndarray:
    """float32 (FRAMES, 5, 3); point e is not seen in the last frame."""
    points = np.ones((FRAMES, 5, 3), np.float32)
    points[..., :2] = JOINTS[name]
    if name == "unseen":
        points[:] = 0
    else:
        points[..., 0] += 2 * np.arange(FRAMES)[:, None] * (name != "flat")
    points[-1, 4] = 0
    return points


def frames_of(name: str) -> list[np.ndarray]:
    """A white disc wherever a point is seen; red grows to the right, green downwards."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    backdrop = np.stack([40 + 0.9 * x, 40 + 0.9 * y, np.full(x.shape, 80)], -1).astype(np.uint8)
    frames = []
    for row in points_of(name):
        frame = backdrop.copy()
        for x, y, seen in row:
            if seen:
                cv2.circle(frame, (round(x), round(y)), 4, (250, 250, 250), -1)
        frames.append(frame)
    return frames


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips after each other in the first video: each has a box of its own."""
    root = tmp_path_factory.mktemp("raw") / "own"
    (root / "skeletons").mkdir(parents=True)
    (root / "classes.txt").write_text("x\n", "utf-8")
    (root / "skeleton.yaml").write_text(SKELETON, "utf-8")
    lines = ["clip_id,split,label,video,start_frame,end_frame\n"]
    videos = (("train", ("small", "large")), ("val", ("corner", "flat")), ("test", ("unseen",)))
    for split, names in videos:
        pictures = [frame for name in names for frame in frames_of(name)]
        write_video(root / f"{split}.mp4", pictures, 25, crf=4, gop=12)
        for k, name in enumerate(names):
            np.save(root / f"skeletons/{name}.npy", points_of(name))
            start, end = k * FRAMES, (k + 1) * FRAMES
            lines.append(f"{name},{split},x,{split}.mp4,{start},{end}\n")
    (root / "clips.csv").write_text("".join(lines), "utf-8")
    return root


@pytest.fixture(scope="module")
def clips(own: Path) -> Clips:
    return open_archive(own, describe("own", own)).read(excluded=(), workers=1)


@pytest.fixture(scope="module")
def stored(own: Path, clips: Clips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("person") / "out"
    OWN.prepare(own, describe("own", own), clips, folder, workers=1)
    return folder


def stored_frames(folder: Path, clips: Clips, name: str) -> np.ndarray:
    return PackedVideos(folder / "video", clips).read(name, np.arange(FRAMES))


@pytest.mark.parametrize("name", ["small", "large", "corner", "flat"])
def test_a_stored_frame_shows_every_seen_point_where_its_stored_keypoint_is(
    name: str, stored: Path, clips: Clips
) -> None:
    frames = stored_frames(stored, clips, name)
    assert frames.shape == (FRAMES, SIDE, SIDE, 3)
    points = SkeletonReader(stored / "keypoints", clips).read(name)
    assert points.dtype == np.float32
    y, x = np.mgrid[:SIDE, :SIDE]
    for frame, row in zip(frames, points, strict=True):
        gray = frame.mean(-1)
        for at in row[row[:, 2] > 0]:
            near = (abs(x - at[0]) < 10) & (abs(y - at[1]) < 10)
            weight = (gray - LIGHT).clip(0) * near
            found = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
            assert np.abs(found - at[:2]).max() < 1, (name, at, found)


def test_stored_keypoints_are_those_of_mmaction2s_compact_crop_over_the_whole_clip(
    stored: Path, clips: Clips
) -> None:
    from benchmark.models import mmaction_import as mmaction

    mmaction.mmaction_models()  # its shim makes mmaction2 importable
    from mmaction.datasets.transforms import PoseCompact

    compact = PoseCompact(hw_ratio=1.0, allow_imgpad=True)
    reader = SkeletonReader(stored / "keypoints", clips)
    for name in JOINTS:
        given = points_of(name)
        result = compact.transform(
            {"keypoint": given[None, ..., :2].astype(np.float64), "img_shape": (HEIGHT, WIDTH)}
        )
        height, width = result["img_shape"]
        wanted = result["keypoint"][0] * (SIDE / width, SIDE / height)
        np.testing.assert_allclose(reader.read(name)[..., :2], wanted, rtol=1e-5)
        np.testing.assert_array_equal(reader.read(name)[..., 2], given[..., 2])
        assert ((height, width) == (HEIGHT, WIDTH)) == (name in {"flat", "unseen"}), name


def test_stored_frames_are_the_crop_that_pads_with_black(stored: Path, clips: Clips) -> None:
    """The box of clip corner: 62 x 56 px around its points, of which the wider side counts."""
    side = int((70 - 8) * 1.25)
    left, top = int(39 - 31 * 1.25), int(36 - 31 * 1.25)
    assert left == 0
    assert top < 0
    found = stored_frames(stored, clips, "corner")
    for frame, raw in zip(found, frames_of("corner"), strict=True):
        padded = np.pad(raw, ((-top, 0), (0, 0), (0, 0)))[:side, :side]
        wanted = cv2.resize(padded, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        assert np.abs(frame.astype(int) - wanted).mean() < 4
    black = int(-top * SIDE / side)
    assert found[:, : black - 1].mean(-1).max() < 10
    assert found[:, black + 2 :].mean(-1).min() > 40


def test_what_lies_outside_of_the_picture_is_black_on_every_side() -> None:
    frame = np.full((40, 60, 3), 200, np.uint8)
    for box, inside in (
        ((-10.0, -20.0, 80.0, 80.0), (slice(20, 60), slice(10, 70))),
        ((50.0, 30.0, 20.0, 20.0), (slice(0, 10), slice(0, 10))),
        ((70.0, -90.0, 20.0, 20.0), (slice(0, 0), slice(0, 0))),
        ((-90.0, 50.0, 20.0, 21.0), (slice(0, 0), slice(0, 0))),
    ):
        wanted = np.zeros((int(box[3]), int(box[2]), 3), np.uint8)
        wanted[inside] = 200
        np.testing.assert_array_equal(person.cropped(frame, box), wanted)


@pytest.mark.parametrize("name", ["flat", "unseen"])
def test_a_clip_with_too_few_seen_points_keeps_the_whole_picture(
    name: str, stored: Path, clips: Clips
) -> None:
    found = stored_frames(stored, clips, name)
    wanted = [
        cv2.resize(raw, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for raw in frames_of(name)
    ]
    assert np.abs(found.astype(int) - np.stack(wanted)).mean() < 4


def test_points_move_into_one_box_as_plain_numbers_do() -> None:
    """To the bit: an arithmetic of another width trains other networks on the same clips."""
    rng = np.random.default_rng(0)
    view = np.concatenate([rng.uniform(0, 400, (6, 36, 2)), np.ones((6, 36, 1))], 2).astype(
        np.float32
    )
    left, top, width, height = box = (31.7, 12.3, 187.9, 201.1)
    moved = to_box(view, box, 48)
    np.testing.assert_array_equal(moved[..., 0], (view[..., 0] - left) * (48 / width))
    np.testing.assert_array_equal(moved[..., 1], (view[..., 1] - top) * (48 / height))


def test_unseen_points_stay_at_the_origin(stored: Path, clips: Clips) -> None:
    reader = SkeletonReader(stored / "keypoints", clips)
    assert not reader.read("small")[-1, 4].any()
    assert not reader.read("unseen").any()


def test_both_tables_give_the_size_of_the_stored_frames(stored: Path, clips: Clips) -> None:
    for folder in ("video", "keypoints"):
        for medium in read_manifest(stored / folder, clips).values():
            assert (medium.height, medium.width) == (SIDE, SIDE)
    assert sorted(files_of(stored)) == [
        "keypoints/keypoints-000.npy", "keypoints/keypoints-001.npy", "keypoints/layout.json",
        "keypoints/manifest.parquet", "video/manifest.parquet", "video/shard-000.tar",
        "video/shard-001.tar",
    ]  # fmt: skip


# StopSignals, damage, refusals


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("raw"))


def broken(path: Path) -> Path:
    """Damage in the middle of the data, which no header shows."""
    data = bytearray(path.read_bytes())
    data[-600:-100] = bytes(500)
    path.write_bytes(data)
    return path


def changed(work: Path) -> dict[str, int]:
    """When each shard was written, by its name below `work`."""
    found = sorted([*work.rglob("*.tar"), *work.rglob("*.npy")])
    return {path.relative_to(work).as_posix(): path.stat().st_mtime_ns for path in found}


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


def test_a_stopped_preparation_goes_on_at_the_next_shard_to_the_same_bytes(
    raw: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    clips = open_archive(copy, MIMIC).read(excluded=(), workers=1)
    SPEC.prepare(copy, MIMIC, clips, tmp_path / "whole", workers=1)
    video = next(copy.rglob("0102.mp4"))
    sound = video.read_bytes()
    broken(video)
    out = tmp_path / "person"
    work = shards.work_folder(out)
    for _ in range(2):
        with pytest.raises(ManyFaults, match=r"0102\.mp4"):
            SPEC.prepare(copy, MIMIC, clips, out, workers=1)
        assert not out.exists(), "half a folder has no name"
        assert len(changed(work)) == 4 + 3
        before = changed(work)
    with pytest.raises(ManyFaults):
        SPEC.prepare(copy, MIMIC, clips, out, workers=1)
    assert changed(work) == before
    video.write_bytes(sound)
    SPEC.prepare(copy, MIMIC, clips, out, workers=1)
    tars = {name: time for name, time in before.items() if name.endswith(".tar")}
    assert changed(out).items() >= tars.items()
    assert not work.exists()
    made, whole = files_of(out), files_of(tmp_path / "whole")
    assert made.keys() == whole.keys()
    assert [file for file in made if made[file] != whole[file]] == []


def test_what_a_stop_at_the_end_left_is_not_taken_for_other_knobs(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = open_archive(raw, MIMIC).read(excluded=(), workers=1)
    out = tmp_path / "person"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shards, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            SPEC.prepare(raw, MIMIC, clips, out, workers=1)
    assert not out.exists()
    small = SPEC.model_copy(update={"side": 32})
    small.prepare(raw, MIMIC, clips, out, workers=1)
    small.prepare(raw, MIMIC, clips, tmp_path / "fresh", workers=1)
    assert files_of(out) == files_of(tmp_path / "fresh")


def test_frames_cut_by_other_keypoints_are_made_again(raw: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    clips = open_archive(copy, MIMIC).read(excluded=(), workers=1)
    broken(next(copy.rglob("0102.mp4")))
    out = tmp_path / "person"
    work = shards.work_folder(out)
    with pytest.raises(ManyFaults):
        SPEC.prepare(copy, MIMIC, clips, out, workers=1)
    before = changed(work)
    sheet = keypoints_of("0011").reshape(-1, 137, 3)
    sheet[..., 0] += 7 * (sheet[..., 2] > 0)
    write_xlsx(next(copy.rglob("0011_openpose.xlsx")), sheet.reshape(-1, 411))
    with pytest.raises(ManyFaults):
        SPEC.prepare(copy, MIMIC, clips, out, workers=1)
    after = changed(work)
    assert [name for name in before if before[name] != after[name]] == [
        "given/keypoints-000.npy", "video/shard-000.tar",
    ]  # fmt: skip


def test_a_work_folder_of_another_kind_leaves_nothing_behind(raw: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    video = next(copy.rglob("0102.mp4"))
    clips = open_archive(copy, MIMIC).read(excluded=(), workers=1)
    sound = video.read_bytes()
    broken(video)
    with pytest.raises(ManyFaults):
        SPEC.prepare(copy, MIMIC, clips, tmp_path / "out", workers=1)
    video.write_bytes(sound)
    rgb = RgbModality(kind="rgb", edition="mimic", short_side=32, gop=4, crf=12, shards=4)
    rgb.prepare(copy, MIMIC, clips, tmp_path / "out", workers=1)
    left = sorted(path.name for path in (tmp_path / "out").rglob("*"))
    assert left == ["manifest.parquet", *(f"shard-{k:03d}.tar" for k in range(4))]


def test_every_damaged_sheet_is_named_with_what_to_do(raw: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(raw, tmp_path / "raw"))
    clips = open_archive(copy, MIMIC).read(excluded=(), workers=1)
    write_xlsx(next(copy.rglob("0012_openpose.xlsx")), keypoints_of("0012")[:30])
    next(copy.rglob("0102_openpose.xlsx")).write_bytes(b"no sheet")
    with pytest.raises(ManyFaults) as caught:
        SPEC.prepare(copy, MIMIC, clips, tmp_path / "out", workers=1)
    said = str(caught.value)
    assert "0012_openpose.xlsx: shorter than its clips; expected at least 40 rows" in said
    assert "0102_openpose.xlsx: not a readable xlsx" in said
    assert "list a video under editions.mimic.excluded in params.yaml" in said


def test_an_archive_without_keypoints_is_refused(own: Path, clips: Clips, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(own, tmp_path / "own"))
    shutil.rmtree(copy / "skeletons")
    (copy / "skeleton.yaml").unlink()
    with pytest.raises(ArchiveError, match=r"own: the archive has no keypoints.*own-clips\.md"):
        OWN.prepare(copy, describe("own", copy), clips, tmp_path / "out", workers=1)


def test_clips_whose_points_lie_far_from_the_picture_are_all_named(
    own: Path, clips: Clips, tmp_path: Path
) -> None:
    """They would be black, in as much memory as the points are far."""
    copy = Path(shutil.copytree(own, tmp_path / "own"))
    for name in ("large", "corner"):
        points = points_of(name)
        points[3, 0, 0] = 9e5
        np.save(copy / f"skeletons/{name}.npy", points)
    with pytest.raises(ManyFaults) as caught:
        OWN.prepare(copy, describe("own", copy), clips, tmp_path / "out", workers=1)
    assert "2 faults" in str(caught.value)
    for name in ("large", "corner"):
        assert f"clip {name}: keypoints lie far outside of the picture" in str(caught.value)


def test_a_side_that_the_encoder_cannot_take_is_a_mistake_in_params() -> None:
    with pytest.raises(ValidationError, match="multiple of 2"):
        PersonCropModality.model_validate(OWN.model_dump() | {"side": 97})


def test_no_single_file_becomes_media_of_a_person() -> None:
    with pytest.raises(ParamsError, match="kind person_crop: needs the keypoints of a whole clip"):
        spec_of("person_crop", {"person": OWN}, name=None, backend=None)
