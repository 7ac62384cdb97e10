"""`mgbench modality`: any modality of any file, and a clip in all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner, Result

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.core.video import read_frames, write_video
from benchmark.data_report.previews import (
    PreviewSource,
    clip_rows,
    one_of_each_class,
    write_previews,
)
from benchmark.modalities.flow.dis import DisFlow
from benchmark.modalities.flow.flow import FlowModality
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.skeleton import SkeletonModality
from benchmark.modalities.taylor import TaylorModality
from benchmark.params.params import Previews
from benchmark.plots.modalities import flow_picture, maps_picture
from conftest import REPO, a_clip
from own_clips import write_folder
from pipelines.cli.main import main

H, W, LENGTH = 48, 64, 9
KINDS = {
    "rgb": (np.uint8, 3),
    "taylor": (np.uint8, 3),
    "flow": (np.float32, 2),
    "joint": (np.float32, 36),
    "limb": (np.float32, 36),
}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    big = cv2.GaussianBlur(rng.integers(0, 255, (H, 120, 3)).astype(np.uint8), (0, 0), 2)
    frames = [np.ascontiguousarray(big[:, 40 - 2 * t : 40 - 2 * t + W]) for t in range(LENGTH)]
    write_video(tmp_path / "a.mp4", frames, 25, crf=8, gop=4)
    return tmp_path / "a.mp4"


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    """A sheet of OpenPose for the video: all points somewhere, seen."""
    import openpyxl

    book = openpyxl.Workbook()
    rng = np.random.default_rng(1)
    for _ in range(LENGTH):
        points = np.stack([rng.uniform(5, W - 5, 137), rng.uniform(5, H - 5, 137)], 1)
        row = np.concatenate([points, np.full((137, 1), 0.75)], 1)
        book.active.append(row.ravel().tolist())
    book.save(tmp_path / "a.xlsx")
    return tmp_path / "a.xlsx"


def mgbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["modality", *map(str, arguments)])


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPO)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_an_array_of_all_frames_with_their_numbers(
    kind: str, video: Path, sheet: Path, tmp_path: Path
) -> None:
    more = ["--keypoints", sheet] if kind in {"joint", "limb"} else []
    done = mgbench("make", kind, video, "--out", tmp_path / "x.npz", "--start", 2, *more)
    assert done.exit_code == 0, done.output
    with np.load(tmp_path / "x.npz", allow_pickle=False) as made:
        frames, numbers = made["frames"], made["frame_numbers"]
        knobs = json.loads(str(made["config"]))
    dtype, channels = KINDS[kind]
    assert frames.dtype == dtype
    assert frames.shape[0] == LENGTH - 2
    assert frames.shape[3] == channels
    assert numbers.tolist() == list(range(2, LENGTH))
    assert knobs["kind"] == kind
    assert frames.std() > 0


def test_flow_is_in_pixels_of_the_frames_and_the_last_is_repeated(
    video: Path, tmp_path: Path
) -> None:
    mgbench("make", "flow", video, "--out", tmp_path / "x.npz", "--backend", "dis")
    frames = np.load(tmp_path / "x.npz")["frames"]
    assert np.median(frames[3, 8:-8, 8:-8, 0]) == pytest.approx(2, abs=0.2)
    np.testing.assert_array_equal(frames[-1], frames[-2])


def test_a_variant_of_taylor_is_what_its_extraction_gives(video: Path, tmp_path: Path) -> None:
    mgbench("make", "taylor", video, "--out", tmp_path / "x.npz", "--variant", "mm_gesture")
    spec = TaylorModality(
        kind="taylor", edition="mimic", variant="mm_gesture", terms=3, window=6, short_side=H,
        gop=8, crf=12, shards=8,
    )  # fmt: skip
    extraction = spec.extractor()
    wanted = [out for frame in read_frames(video) for out in extraction.add(frame)]
    wanted += extraction.finish()
    np.testing.assert_array_equal(np.load(tmp_path / "x.npz")["frames"], np.stack(wanted))


def test_nothing_is_made_larger_than_the_video_and_smaller_if_asked(
    video: Path, tmp_path: Path
) -> None:
    for asked, height in ((256, H), (24, 24)):
        mgbench("make", "rgb", video, "--out", tmp_path / "x.npz", "--short-side", asked)
        assert np.load(tmp_path / "x.npz")["frames"].shape[1] == height


@pytest.mark.parametrize("kind", KINDS)
def test_an_mp4_can_be_watched_and_is_as_long_as_the_source(
    kind: str, video: Path, sheet: Path, tmp_path: Path
) -> None:
    more = ["--keypoints", sheet] if kind in {"joint", "limb"} else []
    done = mgbench("make", kind, video, "--out", tmp_path / "x.mp4", *more)
    assert done.exit_code == 0, done.output
    assert len(list(read_frames(tmp_path / "x.mp4"))) == LENGTH


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rgb", "VIDEO", "--out", "x.gif"], "x.gif: unknown file type"),
        (["rgb", "VIDEO", "--variant", "paper"], "--variant: is not an option of kind rgb"),
        (["rgb", "VIDEO", "--keypoints", "VIDEO"], "--keypoints: is not an option of kind rgb"),
        (["joint", "VIDEO"], "joint: needs one source of keypoints"),
        (["joint", "VIDEO", "--keypoints", "VIDEO"], "a.mp4: not a readable xlsx"),
        (
            ["limb", "VIDEO", "--keypoints", "SHEET", "--backend", "dis"],
            "--backend: is not an option of kind limb",
        ),
        (["flow", "VIDEO", "--backend", "raft"], "no entry of kind flow with backend raft"),
        (
            ["depth", "VIDEO", "--backend", "sparse_to_dense"],
            "no entry of kind depth with backend sparse_to_dense",
        ),
        (
            ["rgb", "VIDEO", "--backend", "sparse_to_dense"],
            "no entry of kind rgb with backend sparse_to_dense",
        ),
        (["depth", "VIDEO", "--modality", "nothing"], "modalities: no entry 'nothing'"),
        (["rgb", "VIDEO", "--modality", "flow"], "modalities.flow: no entry of kind rgb"),
        (["rgb", "VIDEO", "--end", "99"], "no frames 0 to 99; expected 0 <= start < end <= 9"),
        (["rgb", "SHEET"], "a.xlsx: not a readable video"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(
    arguments: list[str], said: str, video: Path, sheet: Path, tmp_path: Path
) -> None:
    words = {"VIDEO": str(video), "SHEET": str(sheet), "x.gif": str(tmp_path / "x.gif")}
    given = [words.get(word, word) for word in arguments]
    if "--out" not in given:
        given += ["--out", str(tmp_path / "x.npz")]
    done = mgbench("make", *given)
    assert done.exit_code == 2
    assert said in done.output
    assert len(done.output.splitlines()) == 1
    assert not list(tmp_path.glob("*x.*[!x]"))


def test_colors_of_flow_mean_the_same_in_every_frame() -> None:
    slow = np.zeros((4, 6, 2), np.float32)
    slow[1, 1] = (1.0, 0.0)
    both = slow.copy()
    both[2, 2] = (0.0, 9.0)
    one, other = flow_picture(slow, 2.0), flow_picture(both, 2.0)
    np.testing.assert_array_equal(one[1, 1], other[1, 1])
    assert (one[0] == 255).all()
    half, full = flow_picture(slow, 4.0)[1, 1], flow_picture(slow, 1.0)[1, 1]
    assert half.min() > one[1, 1].min() > full.min()


def test_a_picture_of_maps_shows_the_strongest_in_whole_pixels() -> None:
    maps = np.zeros((56, 56, 3), np.float32)
    maps[10, 20, 1], maps[10, 20, 2] = 1.0, 0.2
    picture = maps_picture(maps)
    assert picture.shape == (224, 224, 3)
    assert (picture[40:44, 80:84] == picture[40, 80]).all()
    assert picture[40, 80].sum() > picture[0, 0].sum()


# The sheet


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> tuple[PreviewSource, Clips]:
    root = tmp_path_factory.mktemp("sheet")
    own = describe("own", write_folder(root / "raw"))
    clips = open_archive(root / "raw", own).read(excluded=(), workers=1)
    stored = {"edition": "own", "short_side": 32, "gop": 4, "crf": 8, "shards": 1}
    modality = {
        "points": SkeletonModality(kind="skeleton", edition="own", layout="own", shards=1),
        "rgb": RgbModality(kind="rgb", **stored),
        "flow": FlowModality(
            kind="flow", backend=DisFlow(kind="dis", preset="fast"), work_side=48,
            rendering="components", limit=8.0, **stored,
        ),
    }  # fmt: skip
    for name, spec in modality.items():
        spec.prepare(root / "raw", own, clips, root / name, workers=1)
    spec = Previews(edition="own", skeleton="points", videos=("rgb", "flow"), moments=5)
    return PreviewSource(spec, root, modality, clips), clips


def test_a_sheet_has_every_modality_at_the_same_moments_of_the_clip(
    source: tuple[PreviewSource, Clips],
) -> None:
    made, clips = source
    rows, frames = clip_rows(made, next(iter(clips)))
    assert [name for name, _ in rows] == ["joint", "limb", "rgb", "flow"]
    assert frames == [1, 3, 6, 8, 10]  # the middles of five equal parts of 12 frames
    assert all(len(pictures) == 5 for _, pictures in rows)
    assert [pictures[0].shape for _, pictures in rows][2:] == [(32, 44, 3)] * 2


def test_sheets_show_one_training_clip_of_each_class_and_a_page_names_them(
    source: tuple[PreviewSource, Clips], tmp_path: Path
) -> None:
    made, _ = source
    files = write_previews(made, describe("own", made.folder / "raw"), tmp_path / "out")
    assert [path.name for path in files] == ["previews.html", "00.png", "01.png", "02.png"]
    page = files[0].read_text("utf-8")
    for label in ("wave", "nod", "still"):
        assert label in page
    assert "Generated data" not in page
    assert all(cv2.imread(str(path)) is not None for path in files[1:])


def test_the_clips_of_the_sheets_are_of_the_train_split() -> None:
    rows = [
        a_clip("0001_0", split="val", label=1), a_clip("0002_0", label=1),
        a_clip("0003_0", label=1),
        a_clip("0004_0", label=0), a_clip("0005_0", split="test", label=None),
    ]  # fmt: skip
    found = one_of_each_class(Clips("own", tuple(rows)))
    assert [clip.clip_id for clip in found] == ["0004_0", "0002_0"]


def test_a_clip_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = mgbench("preview", "nobody", "--out", tmp_path / "x.png")
    assert done.exit_code == 2
    assert "Error: " in done.output


def test_help_loads_neither_numpy_nor_params() -> None:
    code = (
        "import sys, click.testing; from pipelines.cli.main import main; "
        "click.testing.CliRunner().invoke(main, ['--help']); "
        "print(sorted({'numpy', 'pyarrow', 'benchmark.params.params'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.strip() == "[]"
