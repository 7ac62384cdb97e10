"""Windows over whole videos: which there are, and what is in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import SAFE_ID, Clips, read_clips, write_clips
from benchmark.core.video import read_frames
from benchmark.data.readers import PackedVideos
from benchmark.inference.video_archive import safe_names, window_ids
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.windows import unlabeled
from own_clips import write_folder
from small_masked import windows


@given(st.integers(1, 400), st.integers(1, 64), st.integers(1, 64))
def test_windows_begin_with_the_video_end_with_it_and_keep_their_length(
    frames: int, length: int, stride: int
) -> None:
    spec = windows(length=length, stride=stride)
    starts = spec.starts(frames)
    assert starts[0] == 0
    assert starts[-1] == max(frames - length, 0)
    steps = np.diff(starts)
    assert (steps[:-1] == stride).all()
    assert (steps[-1:] <= stride).all()
    assert (steps > 0).all()


@pytest.mark.parametrize("splits", [("test",), ("train", "train"), ()])
def test_windows_without_training_videos_are_refused(splits: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="splits"):
        windows(splits=splits)


def test_prepared_windows_hold_the_frames_of_the_videos(tmp_path: Path) -> None:
    raw = write_folder(tmp_path / "raw")
    own = describe("own", raw)
    archive = open_archive(raw, own)
    clips = archive.read(excluded=(), workers=1)
    spec = windows(splits=("train", "val"))
    cut = spec.cut(raw, own, clips, workers=1)
    assert {clip.split for clip in cut} == {"train", "val"}
    assert {clip.video for clip in cut} == {c.video for c in clips if c.split in spec.splits}
    assert all(clip.label is None for clip in cut)
    write_clips(cut, tmp_path / "clips.parquet", unlabeled(own))
    again = read_clips(tmp_path / "clips.parquet", unlabeled(own))
    assert again == cut
    rgb = RgbModality(kind="rgb", edition="own", short_side=48, gop=4, crf=1, shards=1)
    rgb.prepare(raw, own, cut, tmp_path / "frames", workers=1)
    stored = PackedVideos(tmp_path / "frames", cut, cache_gib=0)
    one = max(cut, key=lambda clip: clip.start_frame)
    with archive.video_files()[one.video].local() as path:
        whole = list(read_frames(path))[one.start_frame : one.end_frame]
    found = stored.read(one.clip_id, np.arange(one.frames))
    assert found.shape[0] == len(whole) == one.frames
    small = [frame[:: frame.shape[0] // 48, :: frame.shape[0] // 48] for frame in whole]
    assert abs(found.mean() - np.mean(small)) < 4


def test_an_excluded_video_gives_no_window(tmp_path: Path) -> None:
    raw = write_folder(tmp_path / "raw")
    own = describe("own", raw)
    clips = open_archive(raw, own).read(excluded=(), workers=1)
    video = clips.split("train").rows[0].video
    left = tuple(clip for clip in clips if clip.video != video)
    cut = windows().cut(raw, own, Clips("own", left), workers=1)
    assert video not in cut.videos


def test_videos_whose_names_are_alike_in_plain_letters_have_windows_of_their_own() -> None:
    names = safe_names(["視頻一.mp4", "視頻二.mp4", "a/talk.mp4", "b/talk.mp4", "1001"])
    assert names["1001"] == "1001"
    assert len({*names.values()}) == 5
    assert all(SAFE_ID.fullmatch(clip) for name in names.values() for clip in window_ids(name, 2))
    assert safe_names(["a/talk.mp4"]) == {"a/talk.mp4": "talk"}
