"""The pieces work on pictures of real people, not on generated ones alone.

matplotlib ships a photograph of Grace Hopper (U.S. Navy, public domain), which always runs: a
camera that moves over it makes a clip. Name a folder of videos of real people in
MGBENCH_REAL_CLIPS to run all of it on them too; docs/real-people.md names some.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest

from benchmark.core.video import probe, read_frames, write_video
from benchmark.inference.any_video import recognize
from benchmark.inference.any_video_files import write_all
from benchmark.inference.segments import segments
from benchmark.inference.systems import open_zoo
from benchmark.modalities.modality import VideoModality
from benchmark.modalities.one_file import Span
from benchmark.params.params import read_params
from benchmark.presets.preset import ZOO_PRESET
from conftest import mgbench

pytestmark = pytest.mark.slow

PHOTO = Path(matplotlib.get_data_path(), "sample_data/grace_hopper.jpg")
CLIPS = os.environ.get("MGBENCH_REAL_CLIPS")
VIDEOS = {
    spec.kind: spec
    for spec in read_params(ZOO_PRESET).modalities.values()
    if isinstance(spec, VideoModality)
}
FRAMES, WIDTH, HEIGHT = 20, 320, 240


@pytest.fixture(scope="module")
def hopper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A camera that moves over the photograph and nears."""
    photo = cv2.cvtColor(cv2.imread(str(PHOTO)), cv2.COLOR_BGR2RGB)
    frames = []
    for k in range(FRAMES):
        scale = 0.62 - 0.004 * k
        shift = np.float32([[1 / scale, 0, -60 - 2 * k], [0, 1 / scale, -20 - k]])
        view = cv2.warpAffine(photo, shift / np.float32([[2], [2]]), (WIDTH, HEIGHT))
        frames.append(np.asarray(view, np.uint8))
    path = tmp_path_factory.mktemp("real") / "hopper.mp4"
    write_video(path, frames, 12, crf=18, gop=12)
    return path


def videos(hopper: Path) -> list[Path]:
    more = sorted(Path(CLIPS).iterdir()) if CLIPS else []
    return [hopper, *(path for path in more if path.suffix in {".mp4", ".mkv", ".webm", ".avi"})]


@pytest.mark.parametrize("kind", sorted(VIDEOS))
def test_every_video_modality_sees_the_person(kind: str, hopper: Path) -> None:
    spec = VIDEOS[kind]
    for video in videos(hopper):
        extractor, show = spec.extractor(), spec.viewer()
        made = []
        for frame in read_frames(video):
            made += extractor.add(frame)
        made += extractor.finish()
        assert len(made) == probe(video).frames
        pictures = np.stack([show(values) for values in made]).astype(int)
        # Taylor's pictures are gray where nothing moves, which is most of a frame.
        assert np.ptp(pictures) > 50, f"{video.name}: nothing is seen in {kind}"


def test_the_zoo_predicts_and_says_what_it_is(hopper: Path, tmp_path: Path) -> None:
    done = mgbench(tmp_path, "predict", str(hopper), "--out", str(tmp_path / "seen"))
    assert done.returncode == 0, done.stderr
    assert "'zoo' was trained on generated people" in done.stderr
    assert "no skeleton: without" in done.stderr
    assert {path.name for path in (tmp_path / "seen").iterdir()} >= {"annotated.mp4"}


def test_every_real_video_gets_probabilities_and_an_annotated_video(
    hopper: Path, tmp_path: Path
) -> None:
    system = open_zoo()
    for video in videos(hopper):
        info = probe(video)
        windows = [Span(0, info.frames // 2), Span(info.frames // 2, info.frames)]
        points = Path(video).with_suffix(".npy")
        given = np.load(points) if points.is_file() else None
        found = recognize(system, video, windows, given)
        assert [window.span for window in found] == windows
        for window in found:
            assert np.isclose(window.p.sum(), 1, atol=1e-6)
        files = write_all(found, video, tmp_path / video.stem, system="zoo", members={},
                          calibrated=True, found=segments(found, 0.5))  # fmt: skip
        assert probe(tmp_path / video.stem / "annotated.mp4").frames == info.frames
        assert files
