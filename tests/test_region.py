"""Region crops: they follow their points, in steps, and fall back where no point is seen."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from ruamel.yaml import YAML

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import ParamsError
from benchmark.core.video import write_video
from benchmark.data.person_box import person_box
from benchmark.data.readers import PackedVideos, SkeletonReader
from benchmark.modalities.region_crop import FASTEST, RegionCropModality
from conftest import REPO

WIDTH, HEIGHT, FRAMES, SIDE = 160, 120, 30, 32
SKELETON = """\
joints: [neck, hip, hand root, hand tip]
edges: [[neck, hip], [hand root, hand tip]]
pairs: []
"""


def region(**changes: object) -> RegionCropModality:
    keys = {
        "kind": "region_crop", "edition": "own", "layout": "own", "side": SIDE, "gop": 4, "crf": 4,
        "shards": 1, "points": ("hand",), "margin": 2.0, "smoothing": 1.0,
    }  # fmt: skip
    return RegionCropModality(**keys | changes)


HANDS = region(layout="openpose36", points=("left hand", "right hand"))
LEFT = region(layout="openpose36", points=("left hand",))


@given(
    arrays.arrays(
        np.float32, (24, 36, 3), elements=st.floats(0, 400, width=32), fill=st.just(np.float32(0))
    )
)
@settings(max_examples=60, deadline=None)
def test_the_square_keeps_its_size_and_never_jumps_whatever_the_points(view: np.ndarray) -> None:
    boxes = LEFT.boxes(view, OPENPOSE36, (400, 300))
    assert boxes.shape == (24, 4)
    assert (boxes[:, 2:] == boxes[0, 2:]).all()
    steps = np.hypot(*np.diff(boxes[:, :2], axis=0).T)
    assert steps.max() <= FASTEST * boxes[0, 2] + 2**0.5  # corners are whole pixels


def test_without_a_seen_point_the_square_is_the_persons() -> None:
    view = np.zeros((5, 36, 3), np.float32)
    view[:, :4] = [[10, 10, 1], [90, 40, 1], [50, 80, 1], [20, 60, 1]]
    wanted = np.int32(person_box(view, (200, 100)))
    np.testing.assert_array_equal(LEFT.boxes(view, OPENPOSE36, (200, 100)), [wanted] * 5)


def test_frames_without_the_region_lie_between_their_neighbours() -> None:
    view = np.zeros((9, 36, 3), np.float32)
    view[:, :3] = [[10, 10, 1], [300, 40, 1], [150, 290, 1]]
    hand = slice(24, 30)
    view[:, hand, :2] = np.array([[100, 100], [120, 100], [120, 120], [100, 120]] * 2)[:6]
    view[:, hand, 0] += 2 * np.arange(9)[:, None]
    view[:, hand, 2] = 1
    whole = LEFT.boxes(view, OPENPOSE36, (400, 300))
    view[3:6, hand] = 0
    np.testing.assert_allclose(LEFT.boxes(view, OPENPOSE36, (400, 300)), whole, atol=1)


def test_both_hands_lie_in_one_square() -> None:
    view = np.zeros((3, 36, 3), np.float32)
    view[:, 24:30], view[:, 30:36] = (60, 80, 1), (200, 90, 1)
    left, top, width, height = HANDS.boxes(view, OPENPOSE36, (400, 300))[0]
    assert left < 60 < 200 < left + width
    assert top < 80 < 90 < top + height


def test_a_name_that_no_point_begins_with_is_refused_with_all_names() -> None:
    wrong = region(layout="openpose36", points=("left hand", "tail"))
    with pytest.raises(ParamsError, match="no point 'tail'; expected .* nose, neck"):
        wrong.check(OPENPOSE36)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A white hand that crosses a dark picture; it is not seen in some frames."""
    root = tmp_path_factory.mktemp("raw") / "own"
    (root / "skeletons").mkdir(parents=True)
    (root / "classes.txt").write_text("x\n", "utf-8")
    (root / "skeleton.yaml").write_text(SKELETON, "utf-8")
    points = np.ones((FRAMES, 4, 3), np.float32)
    points[:, 0, :2], points[:, 1, :2] = (80, 10), (80, 110)
    points[:, 2, :2], points[:, 3, :2] = (30, 50), (42, 62)
    points[:, 2:, 0] += 2 * np.arange(FRAMES)[:, None]
    frames = []
    for t in range(FRAMES):
        frame = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
        cv2.circle(frame, (36 + 2 * t, 56), 5, (250, 250, 250), -1)
        frames.append(frame)
    points[10:14, 2:] = 0
    lines = ["clip_id,split,label,video,start_frame,end_frame\n"]
    for split in ("train", "val", "test"):
        write_video(root / f"{split}.mp4", frames, 25, crf=4, gop=12)
        np.save(root / f"skeletons/{split}_0.npy", points)
        lines.append(f"{split}_0,{split},x,{split}.mp4,0,{FRAMES}\n")
    (root / "clips.csv").write_text("".join(lines), "utf-8")
    return root


def test_stored_frames_follow_the_hand_and_stored_keypoints_lie_on_it(
    own: Path, tmp_path: Path
) -> None:
    edition = describe("own", own)
    clips = open_archive(own, edition).read(excluded=(), workers=1)
    region().prepare(own, edition, clips, tmp_path / "out", workers=1)
    frames = PackedVideos(tmp_path / "out/video", clips).read("train_0", np.arange(FRAMES))
    points = SkeletonReader(tmp_path / "out/keypoints", clips).read("train_0")
    for t in range(4, FRAMES - 4):  # a smoothed path starts and ends late
        y, x = np.nonzero(frames[t, ..., 0] > 150)
        assert abs(x.mean() - SIDE / 2) < 3, t
        assert abs(y.mean() - SIDE / 2) < 3, t
        if points[t, 2, 2]:
            np.testing.assert_allclose(points[t, 2:, :2].mean(0), (x.mean(), y.mean()), atol=1.5)


def test_the_entries_of_the_page_follow_points_of_openpose() -> None:
    (block,) = re.findall(
        "## Region crop.*?```yaml\n(.*?)```", (REPO / "docs/modalities.md").read_text("utf-8"), re.S
    )
    entries = YAML(typ="safe").load(block)
    assert [*entries] == ["head", "hands"]
    for entry in entries.values():
        RegionCropModality(**{**entry, "points": tuple(entry["points"])}).check(OPENPOSE36)
