"""Windows of a video, and the files that say what was seen in them; networks are in end-to-end."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark.contracts.clips import Clips
from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import ArchiveError, BenchmarkError, ManyFaults, ParamsError
from benchmark.core.video import probe, read_frames, write_video
from benchmark.data.manifest import write_manifest
from benchmark.data.readers import PackedVideos, SkeletonReader
from benchmark.editions.edition import read_edition
from benchmark.inference.any_video import Recognized, named, read_points
from benchmark.inference.any_video_files import JSON, timeline_figure, to_csv, to_json, write_all
from benchmark.inference.segments import segments
from benchmark.inference.systems import with_levels
from benchmark.inference.video_archive import video_archive
from benchmark.modalities.depth.depth import DepthModality, FixedScale, SampledScale
from benchmark.modalities.depth.tiny_spec import TinyBackend
from benchmark.modalities.one_file import Span
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.skeleton import SkeletonModality
from benchmark.params.params import read_params
from benchmark.presets.edit import keep_experiments, read_document, write_document
from conftest import REPO, mgbench
from pipelines.cli.predict import _trained
from pipelines.cli.video_inputs import Part, check_out, folders_of, points_of, videos_in

if TYPE_CHECKING:
    from pathlib import Path

MIMIC = read_edition("mimic")
CLASSES = ("wave", "nod", "still")
RGB = RgbModality(kind="rgb", edition="mimic", short_side=48, gop=4, crf=18, shards=8)
SKELETON = SkeletonModality(kind="skeleton", edition="mimic", layout="openpose36", shards=8)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames whose gray level is their number times 8."""
    path = tmp_path_factory.mktemp("v") / "gray.mp4"
    write_video(path, [np.full((48, 64, 3), 8 * k, np.uint8) for k in range(30)], 10, crf=5, gop=5)
    return path


WINDOWS = [Span(0, 12), Span(6, 18), Span(18, 30)]


def test_overlapping_windows_hold_their_own_frames(video: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    archive = video_archive(tmp_path / "raw", video, WINDOWS, MIMIC, points=None, layout=None)
    folder = archive.modality(RGB, tmp_path / "modality")
    packed = PackedVideos(folder, archive.clips)
    for clip, span in zip(archive.clips.split("test").ids, WINDOWS, strict=True):
        assert packed.num_frames(clip) == span.end - span.start
        levels = packed.read(clip, np.arange(12)).mean((1, 2, 3))
        np.testing.assert_allclose(levels, [8 * k for k in range(*span)], atol=3)


def test_a_video_may_be_called_anything(video: Path, tmp_path: Path) -> None:
    odd = tmp_path / 'talk, part "1"\n.MP4'
    odd.write_bytes(video.read_bytes())
    (tmp_path / "raw").mkdir()
    archive = video_archive(tmp_path / "raw", odd, WINDOWS, MIMIC, points=None, layout=None)
    assert archive.clips.split("test").ids == [f"talk__part__1___{k}" for k in range(3)]


def test_the_points_of_openpose_are_cut_to_those_that_networks_know(
    video: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0.1, 1, (30, 137, 3)).astype(np.float32) * (60, 40, 1)
    points = points.astype(np.float32)
    (tmp_path / "raw").mkdir()
    archive = video_archive(
        tmp_path / "raw", video, WINDOWS, MIMIC, points=points, layout=OPENPOSE36
    )
    folder = archive.modality(SKELETON, tmp_path / "modality")
    reader = SkeletonReader(folder, archive.clips)
    assert reader.layout.edges == OPENPOSE36.edges
    assert reader.layout.swap == OPENPOSE36.swap
    for clip, span in zip(archive.clips.split("test").ids, WINDOWS, strict=True):
        wanted = points[span.start : span.end][:, list(OPENPOSE36.points)]
        np.testing.assert_array_equal(reader.read(clip), wanted)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((30, 25, 3), "expected 36 points or 137; found 25"), ((29, 36, 3), "expected 30 rows")],
)
def test_points_of_another_kind_or_too_few_are_refused(
    shape: tuple[int, ...], message: str, video: Path, tmp_path: Path
) -> None:
    (tmp_path / "raw").mkdir()
    points = np.zeros(shape, np.float32)
    with pytest.raises(ArchiveError, match=message):
        video_archive(tmp_path / "raw", video, WINDOWS, MIMIC, points=points, layout=OPENPOSE36)


@pytest.mark.parametrize(
    ("rows", "seen", "says"),
    [(29, 1.0, "found 29 rows"), (30, 0.0, "found 30 rows, no point seen"), (33, 1.0, "")],
)
def test_a_skeleton_that_is_not_of_the_video_is_refused_or_said(
    rows: int, seen: float, says: str, video: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    np.save(tmp_path / "s.npy", np.full((rows, 36, 3), seen, np.float32))
    given = partial(
        points_of, video, probe(video), skeleton=tmp_path / "s.npy", pose=None, hands=None,
        face=None,
    )  # fmt: skip
    if says:
        with pytest.raises(ArchiveError, match=f"s.npy: not the skeleton .*{says}"):
            given()
    else:
        assert len(given()) == rows
        assert "33 rows for 30 frames; the first rows are used" in capsys.readouterr().err


def test_a_skeleton_that_would_run_something_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "bad.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "flat.npy", np.zeros((3, 2)))
    np.savez(tmp_path / "many.npz", a=np.zeros(3))
    np.save(tmp_path / "words.npy", np.array([["a", "b", "c"]]))
    for name in ("bad.npy", "many.npz", "words.npy"):
        with pytest.raises(BenchmarkError, match="not a skeleton; expected .npy of numbers"):
            read_points(tmp_path / name)
    with pytest.raises(BenchmarkError, match=r"expected \(frames, points, 3\); found \(3, 2\)"):
        read_points(tmp_path / "flat.npy")


@pytest.fixture(scope="module")
def found() -> list[Recognized]:
    p = np.array([[0.2, 0.7, 0.1], [0.5, 0.3, 0.2]])
    return [
        Recognized(Span(0, 20), 0.0, 2.0, p[0], CLASSES),
        Recognized(Span(10, 30), 1.0, 3.0, p[1], CLASSES),
    ]


def test_json_and_csv_say_the_same(found: list[Recognized]) -> None:
    told = json.loads(
        to_json(found, video="a.mp4", system="convex", members={"joint": 1.0}, calibrated=True)
    )
    assert (told["format"], told["calibrated"]) == ("recognized/1", True)
    assert [window["top"][0] for window in told["windows"]] == [
        {"class": "nod", "p": 0.7}, {"class": "wave", "p": 0.5},
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(to_csv(found))))
    assert [(row["start_s"], row["class"]) for row in rows if row["rank"] == "1"] == [
        ("0.000", "nod"), ("1.000", "wave"),
    ]  # fmt: skip
    assert [row["end_frame"] for row in rows[:1]] == ["20"]


def test_the_timeline_draws_frames_classes_and_probabilities_over_time(
    found: list[Recognized], video: Path
) -> None:
    thumbnails, strip, curves = timeline_figure(found, segments(found, 0), video, "a_$b.mp4").axes
    drawn = {line.get_label(): line for line in curves.lines}
    assert list(drawn["nod"].get_xdata()) == [0.0, 1.0, 2.0, 3.0]
    np.testing.assert_allclose(drawn["nod"].get_ydata(), [70, 50, 30, 30])
    assert [text.get_text() for text in strip.texts] == ["nod", "wave"]
    (row,) = thumbnails.images
    levels = row.get_array().mean((0, 2))
    assert levels[0] < 5, "the first frame"
    assert levels[-1] > 220, "the last frame"


def test_all_files_are_written_and_the_video_is_whole(
    found: list[Recognized], video: Path, tmp_path: Path
) -> None:
    files = write_all(
        found,
        video,
        tmp_path / "out",
        system="c",
        members={},
        calibrated=False,
        found=segments(found, 0.5),
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(files)
    info = probe(tmp_path / "out/annotated.mp4")
    assert (info.frames, info.width, info.fps) == (30, 320, 10)
    first = next(read_frames(tmp_path / "out/annotated.mp4"))
    assert first[:240].max() < 60, "nothing covers the picture"
    assert first[240:].max() > 200, "white letters below it"


def test_results_that_are_stopped_before_the_end_leave_the_earlier_ones(
    found: list[Recognized], video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(windows: list[Recognized]) -> None:
        write_all(
            windows, video, tmp_path, system="c", members={}, calibrated=False,
            found=segments(windows, 0.5),
        )  # fmt: skip

    write(found)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.inference.any_video_files.write_annotated", stop)
    with pytest.raises(KeyboardInterrupt):
        write(found[:1])
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize("text", ["no json", "[1]", "{}"])
def test_a_folder_with_results_of_another_program_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "recognized.json").write_text(text, "utf-8")
    with pytest.raises(BenchmarkError, match="not the results of a video"):
        check_out(tmp_path, tmp_path / "a.mp4")


def test_a_video_whose_name_no_table_can_hold_is_refused_before_any_work(tmp_path: Path) -> None:
    video = tmp_path / os.fsdecode(b"talk\xe9.mp4")
    check_out(None, video)
    with pytest.raises(ParamsError, match=r"talk.*: a name that is not UTF-8") as error:
        check_out(tmp_path / "out", video)
    str(error.value).encode()


def test_folders_stand_for_their_videos_and_each_gets_its_own_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ("b.MP4", "in/a.mkv", "in/ben/a.mkv", "in/notes.txt", "empty/readme.md", "other/a.mp4")
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = videos_in([tmp_path / "in", tmp_path / "b.MP4", tmp_path / "in/a.mkv"])
    assert [*found] == [tmp_path / "in/a.mkv", tmp_path / "in/ben/a.mkv", tmp_path / "b.MP4"]
    assert "in: passed over, no video by its ending: notes.txt" in capsys.readouterr().err
    out = folders_of(found, tmp_path / "out")
    assert [*out.values()] == [tmp_path / f"out/{name}" for name in ("a", "ben/a", "b")]
    alone = videos_in([tmp_path / "b.MP4"])
    assert folders_of(alone, tmp_path / "out") == {tmp_path / "b.MP4": tmp_path / "out"}
    with pytest.raises(ParamsError, match="have one name"):
        folders_of(videos_in([tmp_path / "in", tmp_path / "other/a.mp4"]), tmp_path / "out")
    with pytest.raises(ParamsError, match="no videos in this folder"):
        videos_in([tmp_path / "empty"])


def test_results_among_the_videos_are_not_looked_at_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ben/a.mp4", "seen/ben/a/annotated.mp4", "old/annotated.mp4", "own/annotated.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "old" / JSON).touch()
    found = videos_in([tmp_path], out=tmp_path / "seen")
    names = [str(path.relative_to(tmp_path)) for path in found]
    assert names == ["ben/a.mp4", "own/annotated.mp4"]
    assert tmp_path / "ben/a.mp4" in videos_in([tmp_path], out=tmp_path)
    said = "passed over, a result: old/annotated.mp4, seen/ben/a/annotated.mp4"
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_tables_of_an_earlier_run_never_stand_beside_a_run_that_stopped(tmp_path: Path) -> None:
    (tmp_path / "talks").mkdir()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / "talks" / name).write_bytes(b"damaged")
    tables = [tmp_path / "seen" / name for name in ("segments.csv", "gestures.csv")]
    tables[0].parent.mkdir()
    for table in tables:
        table.write_text("of an earlier run", "utf-8")
    done = mgbench(tmp_path, "predict", "talks", "--with", "zoo", "--out", "seen")
    assert done.returncode == 2
    assert not any(table.exists() for table in tables)


def test_links_of_a_folder_are_followed_and_hidden_files_are_no_videos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/a.mp4").touch()
    (tmp_path / "in/.trash").mkdir(parents=True)
    for name in ("._b.mp4", ".trash/c.mp4"):
        (tmp_path / "in" / name).touch()
    for name, target in (("linked", "far"), ("loop", "in"), ("gone.mp4", "nowhere")):
        (tmp_path / "in" / name).symlink_to(tmp_path / target)
    found = videos_in([tmp_path / "in"])
    # A link to nothing stays, so that whoever reads it says that it is missing.
    assert [*found] == [tmp_path / "in/gone.mp4", tmp_path / "in/linked/a.mp4"]
    assert "in: passed over, hidden: ._b.mp4, .trash/c.mp4" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "says"),
    [
        (Part(None, None, None, 0.5), "--step: only with --window"),
        (Part(3.0, 2.0, None, None), "no seconds between; found 3, 2"),
        (Part(float("nan"), None, None, None), "no finite numbers"),
    ],
)
def test_parts_that_cannot_be_are_refused_before_a_video_is_read(part: Part, says: str) -> None:
    with pytest.raises(ParamsError, match=says):
        part.check()


def test_a_wrong_name_is_told_without_loading_torch(tmp_path: Path) -> None:
    shutil.copy(REPO / "params.yaml", tmp_path)
    code = (
        "import sys, click.testing\nfrom pipelines.cli.main import main\n"
        "done = click.testing.CliRunner().invoke(main, ['predict', 'params.yaml', '--with', 'x'])\n"
        "print(done.output, 'torch' in sys.modules)"
    )
    here = os.environ | {"PYTHONPATH": str(REPO)}
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=here, check=True,
                          capture_output=True, text=True).stdout  # fmt: skip
    assert "no fusion or experiment 'x'; expected one of zoo, uniform" in said
    assert said.strip().endswith("False")


def test_depth_on_a_sampled_scale_takes_the_levels_of_its_prepared_data(tmp_path: Path) -> None:
    spec = DepthModality(
        kind="depth", edition="mimic", backend=TinyBackend(kind="tiny", network="depth"),
        work_side=90, scale=SampledScale(kind="sampled", clips=9, quantile=0.99), short_side=48,
        gop=4, crf=18, shards=1,
    )  # fmt: skip
    with pytest.raises(BenchmarkError, match=r"manifest\.parquet: .*Its depth scale is needed"):
        with_levels(spec, tmp_path)
    told = json.dumps({**spec.model_dump(), "levels": {"low": 0.25, "high": 2.0}})
    write_manifest([], tmp_path, Clips("mimic", ()), spec=told)
    scale = with_levels(spec, tmp_path).scale
    assert scale == FixedScale(kind="fixed", low=0.25, high=2.0)
    assert with_levels(RGB, tmp_path / "gone") is RGB


def test_errors_of_the_hidden_archive_name_the_video_alone(video: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "raw").mkdir(parents=True)
    (work / "raw/video.mp4").symlink_to(video)
    hidden = ArchiveError(work / "raw/video.mp4", "frame 3 is damaged")
    with pytest.raises(ArchiveError) as caught, named(video, work):
        raise ManyFaults("shard-000.tar", [hidden], do="list it under editions.mimic.excluded")
    assert str(caught.value) == f"{video}: frame 3 is damaged"
    with pytest.raises(ArchiveError, match=f"^{video}: frame 3 is damaged$"), named(video, work):
        raise hidden


def test_the_network_of_a_project_with_one_alone_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _trained() is None
    shutil.copy(REPO / "params.yaml", tmp_path)
    (tmp_path / "models/joint").mkdir(parents=True)
    assert _trained() is None, "which of ten, nobody has said"
    document = read_document(tmp_path / "params.yaml")
    keep_experiments(document, read_params(tmp_path / "params.yaml"), ("joint",))
    write_document(document, tmp_path / "params.yaml")
    assert _trained() == "joint"
    weights = tmp_path / "predictions/fusions/convex/weights.json"
    weights.parent.mkdir(parents=True)
    weights.touch()
    assert _trained() == "convex"
    (tmp_path / "videos").mkdir()
    monkeypatch.chdir(tmp_path / "videos")
    assert _trained() == "convex", "in a folder of the project, its systems are the same"
