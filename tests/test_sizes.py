"""Videos of any size and ratio go through packing, reader, views and flow."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.core.video import VideoWriter
from benchmark.data.normalization import TrainSplitNorm
from benchmark.data.readers import PackedVideos, readable_width
from benchmark.data.sampling import UniformSampling
from benchmark.data.video_input import VideoInput, VideoViews
from benchmark.modalities.flow.dis import PRESETS, DisFlow
from benchmark.modalities.person_crop import PersonCropModality
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.union import Modality

BROKEN = [2, 4, 6, 8, 12, 16, 24, 48, 72]
"""Widths that decord 0.6.0 cannot read."""


def ramp(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    channels = (x * 255 // width, y * 255 // height, np.full_like(x, 90))
    return np.stack(channels, -1).astype(np.uint8)


def read_by_decord(width: int, height: int) -> np.ndarray:
    import decord

    buffer = io.BytesIO()
    with VideoWriter(buffer, 25, crf=4, gop=4, preset="ultrafast", pixels="yuv444p") as writer:
        writer.add(ramp(height, width))
    reader = decord.VideoReader(io.BytesIO(buffer.getvalue()), num_threads=1)
    return reader.get_batch([0]).asnumpy()[0]


def test_the_rule_of_widths_is_that_of_decord() -> None:
    import decord

    for width in range(2, 260, 2):
        if readable_width(width) == width:
            assert read_by_decord(width, 20).shape == (20, width, 3)
        else:
            with pytest.raises(decord.DECORDError, match="must exactly match"):
                read_by_decord(width, 20)
    assert [width for width in range(2, 3000, 2) if readable_width(width) != width] == BROKEN
    assert all(readable_width(readable_width(width)) == readable_width(width) for width in BROKEN)


def pack(root: Path, spec: Modality, pictures: list[np.ndarray]) -> tuple[PackedVideos, Clips]:
    """Pack one training and one validation clip of these pictures, kept without loss."""
    import av

    raw = root / "raw"
    (raw / "skeletons").mkdir(parents=True)
    height, width = pictures[0].shape[:2]
    for name in ("a", "b"):
        with av.open(str(raw / f"{name}.mkv"), "w") as container:
            stream = container.add_stream("ffv1", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
            for picture in pictures:
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        points = np.random.default_rng(0).uniform(0, 1, (len(pictures), 3, 3)) * (width, height, 1)
        np.save(raw / f"skeletons/{name}.npy", points.astype(np.float32))
    (raw / "skeleton.yaml").write_text("joints: [a, b, c]\nedges: [[a, b]]\npairs: []\n", "utf-8")
    (raw / "classes.txt").write_text("x\ny\n", "utf-8")
    rows = "clip_id,split,label,video\na,train,x,a.mkv\nb,val,y,b.mkv\n"
    (raw / "clips.csv").write_text(rows, "utf-8")
    edition = describe("own", raw)
    clips = open_archive(raw, edition).read(excluded=(), workers=1)
    spec.prepare(raw, edition, clips, root / "packed", workers=1)
    return PackedVideos(spec.frames_folder(root / "packed"), clips), clips


VIEWS = VideoInput(
    kind="video", frames=2, sampling=UniformSampling(kind="uniform"), views=1, crops=3, resize=16,
    size=16, crop_area=(0.4, 1.0), crop_ratio=(0.75, 1.34), flip=0.5, region="frame",
    normalization=TrainSplitNorm(kind="train_split"),
)  # fmt: skip


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    width=st.integers(2, 320), height=st.integers(2, 320), short_side=st.integers(4, 80),
)  # fmt: skip
@example(width=640, height=480, short_side=54)
@example(width=480, height=640, short_side=72)
@example(width=33, height=57, short_side=24)
@example(width=64, height=48, short_side=36)
@example(width=17, height=300, short_side=16)
def test_a_video_of_any_size_is_packed_and_read(width: int, height: int, short_side: int) -> None:
    spec = RgbModality(
        kind="rgb", edition="own", short_side=short_side, gop=2, crf=4, shards=1
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        videos, _ = pack(Path(name), spec, [ramp(height, width)] * 3)
        frames = videos.read("a", np.arange(3))
        shape = [2 * round(side * short_side / min(width, height) / 2) for side in (height, width)]
        assert frames.shape == (3, *shape, 3)
        assert frames.flags["C_CONTIGUOUS"]
        # The last column is that of the picture, not one that the packer added.
        if min(*shape, width, height) >= 16:
            wanted = ramp(*shape)[:, [0, -1], :2].astype(int)
            middle = slice(shape[0] // 4, -shape[0] // 4)
            seen = frames[0][:, [0, -1], :2].astype(int)
            assert np.abs(seen - wanted)[middle].mean() < 255 / min(shape) + 12
        views = VideoViews(VIEWS, videos, no_motion=None)
        assert views.train("a", np.random.default_rng(0))[0].shape == (2, 16, 16, 3)
        (fixed,) = views.test("b", quick=False).views
        assert fixed.shape == (3, 2, 16, 16, 3)


@pytest.mark.parametrize("side", [48, 54, 72])
def test_a_crop_of_any_side_is_read(tmp_path: Path, side: int) -> None:
    spec = PersonCropModality(
        kind="person_crop", edition="own", layout="own", side=side, gop=2, crf=18, shards=1
    )  # fmt: skip
    videos, _ = pack(tmp_path, spec, [ramp(90, 120)] * 3)
    assert videos.read("a", np.arange(3)).shape == (3, side, side, 3)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 400), (400, 2), (18, 300), (31, 31), (16, 640)])
def test_flow_of_frames_of_any_size_is_found(preset: str, shape: tuple[int, int]) -> None:
    estimator = DisFlow(kind="dis", preset=preset).estimator()
    frame = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
    estimator.add(frame)
    (flow,) = estimator.add(frame)
    assert flow.shape == (*shape, 2)
    assert np.abs(flow).max() < 1
