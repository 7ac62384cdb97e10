"""Flow points where things go, keeps its strength, and survives storing."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.core.errors import ArchiveError
from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.data.manifest import read_manifest
from benchmark.data.readers import PackedVideos
from benchmark.data.transforms import mirrored_frames
from benchmark.modalities.backends import FlowBackend
from benchmark.modalities.flow.dis import DisFlow
from benchmark.modalities.flow.flow import FlowModality, components, vectors, wheel
from benchmark.modalities.flow.raft import RaftFlow
from benchmark.modalities.flow.sparse_to_dense import SparseToDenseFlow, sparse_to_dense
from benchmark.modalities.modality import NO_MOTION
from bomb import Bomb

H, W = 72, 128
CLASSICAL = {
    "dis": DisFlow(kind="dis", preset="medium"),
    "sparse_to_dense": SparseToDenseFlow(kind="sparse_to_dense"),
}


def spec(**changes: object) -> FlowModality:
    made = FlowModality(
        kind="flow", edition="own", backend=CLASSICAL["dis"], work_side=H, rendering="components",
        limit=8.0, short_side=H, gop=8, crf=10, shards=2,
    )  # fmt: skip
    return made.model_copy(update=changes)


def texture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 255, (H + 40, W + 40, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2.0)


def moving(dx: float, dy: float, count: int) -> list[np.ndarray]:
    """A texture that moves by (dx, dy) pixels a frame."""
    big = texture()
    frames = []
    for t in range(count):
        shift = np.float32([[1, 0, dx * t - 20], [0, 1, dy * t - 20]])
        frames.append(cv2.warpAffine(big, shift, (W, H), flags=cv2.INTER_CUBIC))
    return frames


def pair_flow(backend: FlowBackend, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    estimator = backend.estimator()
    (found,) = [*estimator.add(one), *estimator.add(other), *estimator.finish()]
    return found


@pytest.mark.parametrize("name", CLASSICAL)
@pytest.mark.parametrize(("dx", "dy"), [(2.0, 0.0), (0.0, -1.5), (-3.0, 2.0), (0.5, 0.25)])
def test_flow_is_the_motion_in_pixels_x_right_y_down(name: str, dx: float, dy: float) -> None:
    one, other = moving(dx, dy, 2)
    found = pair_flow(CLASSICAL[name], one, other)[12:-12, 12:-12]
    assert found.shape == (H - 24, W - 24, 2)
    np.testing.assert_allclose(np.median(found, (0, 1)), [dx, dy], atol=0.15)


@pytest.mark.parametrize("shift", [(2.0, 0.0), (0.5, 0.25), (-3.0, 2.0)])
def test_sparse_to_dense_is_opencvs_where_enough_points_are_followed(
    shift: tuple[float, float],
) -> None:
    one, other = (cv2.resize(frame, None, fx=2, fy=2) for frame in moving(*shift, 2))
    wanted = cv2.optflow.calcOpticalFlowSparseToDense(one, other)
    np.testing.assert_array_equal(sparse_to_dense(one, other), wanted)


@pytest.mark.parametrize("size", [(8, 8), (16, 24), (48, 64), (48, 66)])
def test_sparse_to_dense_of_small_and_flat_frames_is_finite(size: tuple[int, int]) -> None:
    flat = np.full((*size, 3), 30, np.uint8)
    dotted = flat.copy()
    dotted[2:5, 2:5] = 200
    for one, other in ((flat, flat), (flat, dotted), (dotted, np.roll(dotted, 1, 1))):
        found = sparse_to_dense(one, other)
        assert found.shape == (*size, 2)
        assert np.isfinite(found).all()
    assert (sparse_to_dense(flat, flat) == 0).all()


def extract(frames: list[np.ndarray], made: FlowModality) -> list[np.ndarray]:
    extractor = made.extractor()
    values = [out for frame in frames for out in extractor.add(frame)]
    return [made.render(value) for value in (*values, *extractor.finish())]


@pytest.mark.parametrize("rendering", ["components", "wheel"])
@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_the_result_is_as_long_as_the_clip_and_repeats_the_last(
    rendering: str, length: int
) -> None:
    found = extract(moving(2, 1, length), spec(rendering=rendering))
    assert len(found) == length
    assert all(frame.shape == (H, W, 3) and frame.dtype == np.uint8 for frame in found)
    if length > 1:
        np.testing.assert_array_equal(found[-1], found[-2])


def test_a_single_frame_does_not_move() -> None:
    assert (extract(moving(2, 1, 1), spec())[0] == NO_MOTION).all()


def test_strength_survives_on_one_scale_for_all_clips() -> None:
    slow, fast = (
        vectors(extract(moving(speed, 0, 3), spec())[0], 8.0)[12:-12, 12:-12, 0]
        for speed in (1.0, 4.0)
    )
    assert np.median(slow) == pytest.approx(1, abs=0.1)
    assert np.median(fast) == pytest.approx(4, abs=0.2)


def test_components_round_to_half_a_step_and_clip_at_the_limit() -> None:
    flow_in = np.zeros((2, 2, 2), np.float32)
    flow_in[0] = [[-8, 8], [99, -99]]
    flow_in[1] = [[1.23, -0.04], [0, 0]]
    back = vectors(components(flow_in, 8.0), 8.0)
    np.testing.assert_allclose(back, flow_in.clip(-8, 8), atol=8 / 127 / 2 + 1e-6)
    assert (components(np.zeros((1, 1, 2), np.float32), 8.0) == NO_MOTION).all()


def test_a_mirror_turns_the_motion_along_x_and_keeps_the_one_along_y() -> None:
    stored = components(np.full((1, H, W, 2), (3.0, -2.0), np.float32)[0], 8.0)[None]
    turned = vectors(mirrored_frames(stored, no_motion=NO_MOTION)[0], 8.0)
    np.testing.assert_allclose(turned[..., 0], -3, atol=0.1)
    np.testing.assert_allclose(turned[..., 1], -2, atol=0.1)
    picture = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)
    np.testing.assert_array_equal(mirrored_frames(picture, no_motion=None), picture[:, :, ::-1])


def test_the_flow_of_the_mirrored_video_is_the_mirrored_flow() -> None:
    frames = moving(2.0, 1.0, 2)
    one = mirrored_frames(extract(frames, spec())[0][None], no_motion=NO_MOTION)[0]
    other = extract([np.ascontiguousarray(frame[:, ::-1]) for frame in frames], spec())[0]
    middle = (slice(12, -12), slice(12, -12), slice(0, 2))
    assert np.abs(one[middle].astype(int) - other[middle]).mean() < 1.5


def test_the_wheel_is_white_where_nothing_moves_and_colored_by_direction() -> None:
    still = np.zeros((4, 4, 2), np.float32)
    still[0, 0] = (5, 0)
    picture = wheel(still)
    assert picture[0, 0].tolist() == [255, 0, 0]
    assert (picture[1:] == 255).all()
    assert wheel(-still)[0, 0].tolist() != [255, 0, 0]


def test_work_side_is_where_flow_is_found_and_short_side_where_it_is_stored() -> None:
    found = extract(moving(4, 0, 3), spec(work_side=36, short_side=18))
    assert found[0].shape == (18, 32, 3)
    assert np.median(vectors(found[0], 8.0)[4:-4, 4:-4, 0]) == pytest.approx(2, abs=0.2)


def test_stored_flow_comes_back_out_of_the_tar(tmp_path: Path) -> None:
    from benchmark.core.video import write_video

    root = tmp_path / "own"
    root.mkdir()
    frames = moving(2.0, -1.0, 12)
    write_video(root / "a.mp4", frames, 25, crf=8, gop=12)
    write_video(root / "b.mp4", frames, 25, crf=8, gop=12)
    (root / "classes.txt").write_text("x\n", "utf-8")
    (root / "clips.csv").write_text(
        "clip_id,split,label,video,start_frame,end_frame\n"
        "a,train,x,a.mp4,0,8\nb,train,x,a.mp4,5,12\nc,val,x,b.mp4,,\n",
        "utf-8",
    )
    own = describe("own", root)
    clips = open_archive(root, own).read(excluded=(), workers=1)
    for workers in (1, 2):
        spec().prepare(root, own, clips, tmp_path / f"{workers}", workers=workers)
    for path in sorted((tmp_path / "1").iterdir()):
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes(), path.name
    assert {medium.frames for medium in read_manifest(tmp_path / "1", clips).values()} == {8, 7, 12}
    for clip in clips:
        stored = PackedVideos(tmp_path / "1", clips).read(clip.clip_id, np.arange(clip.frames))
        found = np.median(vectors(stored[1], 8.0)[12:-12, 12:-12], (0, 1))
        np.testing.assert_allclose(found, [2, -1], atol=0.2)


@pytest.fixture(scope="module")
def raft_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from torchvision.models.optical_flow import raft_small

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("raft") / "raft_small.pth"
    torch.save(raft_small(weights=None).state_dict(), path)
    return path


def raft(path: Path) -> RaftFlow:
    weights = WeightsFile(path=str(path), sha256=sha256(path) if path.is_file() else "0" * 64)
    return RaftFlow(kind="raft", size="small", weights=weights, updates=2)


def test_raft_runs_on_any_size_with_the_published_keys(raft_weights: Path) -> None:
    one, other = moving(2, 1, 2)
    found = pair_flow(raft(raft_weights), one[:, :101], other[:, :101])
    assert found.shape == (H, 101, 2)
    assert np.isfinite(found).all()


def test_other_weights_than_the_pinned_ones_are_refused(tmp_path: Path, raft_weights: Path) -> None:
    pinned = raft(raft_weights)
    copy = tmp_path / "copy.pth"
    copy.write_bytes(raft_weights.read_bytes() + b"!")
    weights = pinned.weights.model_copy(update={"path": str(copy)})
    with pytest.raises(ArchiveError, match="not the file whose hash is in params"):
        pinned.model_copy(update={"weights": weights}).estimator()


def test_missing_or_foreign_weights_are_named_and_nothing_in_them_runs(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"none\.pth: no such weights"):
        raft(tmp_path / "none.pth").estimator()

    torch.save(Bomb(tmp_path / "ran"), tmp_path / "evil.pth")
    torch.save({"x": torch.zeros(1)}, tmp_path / "other.pth")
    for name, said in (("evil", "cannot be read"), ("other", "not the weights of raft_small")):
        with pytest.raises(ArchiveError, match=f"{name}.pth: {said}"):
            raft(tmp_path / f"{name}.pth").estimator()
    assert not (tmp_path / "ran").exists()
