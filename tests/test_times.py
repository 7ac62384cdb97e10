"""Seconds are those of the time stamps, whatever rate the header of a video names."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import ParamsError
from benchmark.core.video import Timeline, VideoWriter, probe, read_frames, timeline
from benchmark.inference.any_video import Recognized, sliding_windows
from benchmark.inference.any_video_files import write_annotated
from benchmark.modalities.one_file import Span, write_pictures
from pipelines.cli.video_inputs import Part

PROPERTY = settings(max_examples=60, deadline=None, derandomize=True)
# Two seconds at 5 per second, then one at 30 per second.
STAMPS = [200 * k for k in range(10)] + [2000 + round(1000 * k / 30) for k in range(30)]


def film(path: Path, stamps: list[int], *, header: int) -> Path:
    """Write a gray frame at each time in ms; the encoder believes in the rate `header`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=header, options={"bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number, stamp in enumerate(stamps):
            picture = np.full((48, 64, 3), 5 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module", params=["a.mkv", "a.mp4", "a.flv"])
def uneven(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("v") / request.param, STAMPS, header=30)


def test_a_varying_rate_is_read_from_the_stamps(uneven: Path) -> None:
    times = timeline(uneven)
    np.testing.assert_allclose(times.edges[:-1], np.array(STAMPS) / 1000, atol=0.002)
    assert times.edges[-1] == pytest.approx(3.0, abs=0.05)
    assert probe(uneven).fps == pytest.approx(40 / 3, rel=0.02)


@pytest.mark.parametrize("rate", [12.5, 18.75, 24, 30000 / 1001, 30, 60])
@pytest.mark.parametrize("header", [1000, 7])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_a_wrong_header_does_not_change_the_rate(
    tmp_path: Path, rate: float, header: int, name: str
) -> None:
    path = film(tmp_path / name, [round(1000 * k / rate) for k in range(30)], header=header)
    assert probe(path).fps == pytest.approx(rate, rel=0.003)
    assert timeline(path).edges[-1] == pytest.approx(30 / rate, abs=0.003)


def test_an_exact_header_is_kept_where_stamps_are_rounded(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30000, 1001))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(50):
            picture = np.zeros((48, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    assert probe(path).fps == 30000 / 1001


def test_the_options_of_predict_are_seconds_on_the_screen(uneven: Path) -> None:
    times = timeline(uneven)
    assert Part(2.0, None, None, None).windows(times) == [Span(10, 40)]
    assert Part(1.0, 2.5, None, None).windows(times) == [Span(5, 25)]
    assert Part(None, None, 1.0, 1.0).windows(times) == [Span(0, 5), Span(5, 10), Span(10, 40)]
    for start, end in ((3.5, None), (2.0, 2.001)):
        with pytest.raises(ParamsError, match=r"no frame between; expected seconds within 0 to 3"):
            Part(start, end, None, None).windows(times)


def test_written_videos_keep_the_times(uneven: Path, tmp_path: Path) -> None:
    times = timeline(uneven)
    edges = times.edges.tolist()
    window = Recognized(Span(5, 25), edges[5], edges[25], np.array([0.5, 0.5]), ("a", "b"))
    write_annotated([window], uneven, tmp_path / "annotated.mp4")
    frames = list(read_frames(uneven))[5:25]
    write_pictures(tmp_path / "made.mp4", frames, times.part(5, 25))
    for name in ("annotated.mp4", "made.mp4"):
        written = timeline(tmp_path / name).edges
        np.testing.assert_allclose(written, times.edges[5:26] - edges[5], atol=0.003)


def test_a_steady_rate_is_written_as_a_rate(tmp_path: Path) -> None:
    with (tmp_path / "a.mp4").open("wb") as file:
        times = Timeline(np.arange(11) / 25).unless_steady()
        assert times is None
        with VideoWriter(file, 25, crf=20, gop=5, preset="fast", times=times) as writer:
            for _ in range(10):
                writer.add(np.zeros((48, 64, 3), np.uint8))
    assert probe(tmp_path / "a.mp4").fps == 25


def test_a_video_without_stamps_has_the_rate_of_its_header(tmp_path: Path) -> None:
    film(tmp_path / "a.h264", STAMPS, header=30)
    assert len(timeline(tmp_path / "a.h264").edges) == 41
    assert probe(tmp_path / "a.h264").fps > 0


@PROPERTY
@given(
    gaps=st.lists(st.floats(0.005, 2), min_size=1, max_size=60),
    length=st.floats(0.1, 10), step=st.floats(0.05, 3),
)  # fmt: skip
def test_windows_cover_any_video_from_end_to_end(
    gaps: list[float], length: float, step: float
) -> None:
    times = Timeline(np.cumsum([0.0, *gaps]))
    whole = Span(0, len(gaps))
    windows = sliding_windows(times, whole, length, step)
    assert windows[0].start == 0
    assert windows[-1].end == len(gaps)
    assert all(0 <= span.start < span.end <= len(gaps) for span in windows)
    assert [*windows] == sorted({*windows})
    for span in windows:
        shown = times.edges[span.end] - times.edges[span.start]
        assert shown <= min(length, times.edges[-1]) + 2 * max(gaps)
    if step <= length:
        assert {n for span in windows for n in range(*span)} == set(range(len(gaps)))


@PROPERTY
@given(frames=st.integers(1, 200), length=st.integers(1, 250), step=st.integers(1, 90))
def test_windows_of_a_steady_video_are_as_long_and_as_far_apart(
    frames: int, length: int, step: int
) -> None:
    times = Timeline(np.arange(frames + 1) / 30)
    windows = sliding_windows(times, Span(0, frames), length / 30, step / 30)
    assert {span.end - span.start for span in windows} == {min(length, frames)}
    starts = np.array([span.start for span in windows])
    assert (np.diff(starts)[:-1] == step).all()
