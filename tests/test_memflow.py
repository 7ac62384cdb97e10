"""MemFlow: published tensors, windows of memory, and files that are not its weights.

`fixtures/memflow_net.json` holds every tensor's name and shape as the public definition gives them,
buffers too: of DQiaole/MemFlow @2140d134 core/Networks/MemFlowNet/ MemFlow.py, cnn.py, sk2.py and
gma.py were read with configs/{things,sintel,kitti,spring}_memflownet.py (the four agree on what
makes a tensor), and the tensors that their constructors make were listed by a script that knows
neither ptlflow nor this repository's code. The authors' inference.py loads their published files
into that definition with strict=True. It reaches the 6,273,149 parameters that ptlflow counts.
The published files themselves were not at hand: their values are replaced by random ones here.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.core.errors import ArchiveError, MissingExtra
from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.modalities.flow.memflow import INSTALL, MemFlow, load_network, paddings
from benchmark.modalities.modality import FrameExtractor
from bomb import Bomb
from conftest import REPO

pytestmark = pytest.mark.slow

HAS_PTLFLOW = importlib.util.find_spec("ptlflow") is not None
needs_ptlflow = pytest.mark.skipif(not HAS_PTLFLOW, reason=f"optional: {INSTALL}")
PARAMETERS = 6_273_149
H, W, WINDOW = 61, 93, 3
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "rel_ind")


def published() -> dict[str, tuple[int, ...]]:
    text = (REPO / "tests/fixtures/memflow_net.json").read_text("utf-8")
    return {key: tuple(shape) for key, shape in json.loads(text).items()}


@cache
def _random_tensors() -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    tensors = {}
    for key, shape in published().items():
        if key.endswith(("rel_ind", "num_batches_tracked")):
            tensors[key] = torch.zeros(shape, dtype=torch.int64)
        elif key.endswith(("running_var", "gamma")) or ("norm" in key and key.endswith("weight")):
            tensors[key] = torch.ones(shape)
        else:
            fan_in = math.prod(shape[1:])
            tensors[key] = torch.randn(shape, generator=draw) / math.sqrt(fan_in)
    return tensors


def random_tensors() -> dict[str, torch.Tensor]:
    """Of the published names; unlike fresh ones they use the memory (gamma is not 0)."""
    return dict(_random_tensors())


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("memflow") / "MemFlowNet_sintel.pth"
    torch.save(random_tensors(), path)
    return path


def spec(path: Path, *, updates: int = 1, window: int = WINDOW) -> MemFlow:
    pinned = WeightsFile(path=str(path), sha256=sha256(path) if path.is_file() else "0" * 64)
    return MemFlow(kind="memflow", weights=pinned, updates=updates, window=window)


def clip(length: int, seed: int = 0, height: int = H, width: int = W) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return list(draw.integers(0, 256, (length, height, width, 3), np.uint8))


def flows(estimator: FrameExtractor, frames: list[np.ndarray]) -> list[np.ndarray]:
    return [*(flow for frame in frames for flow in estimator.add(frame)), *estimator.finish()]


# The published tensors


@needs_ptlflow
def test_names_and_shapes_are_the_published_ones(weights: Path) -> None:
    network = load_network(weights).network
    assert {key: tuple(x.shape) for key, x in network.state_dict().items()} == published()
    assert sum(x.numel() for x in network.parameters()) == PARAMETERS
    assert not network.training


def test_the_published_tensors_reach_the_published_count() -> None:
    # A norm in a shortcut is stored under two names.
    parameters = {
        key: shape
        for key, shape in published().items()
        if not key.endswith(BUFFERS) and ".downsample.1." not in key
    }
    assert sum(map(math.prod, parameters.values())) == PARAMETERS


# Flow of a clip


@needs_ptlflow
@pytest.mark.parametrize("length", [1, 2, WINDOW, WINDOW + 1, 2 * WINDOW + 3])
def test_there_is_one_flow_a_pair_across_windows(weights: Path, length: int) -> None:
    found = flows(spec(weights).estimator(), clip(length))
    assert len(found) == length - 1
    for flow in found:
        assert (flow.shape, flow.dtype) == ((H, W, 2), np.float32)
        assert np.isfinite(flow).all()
        assert flow.any()


@needs_ptlflow
def test_a_flow_comes_with_the_frame_that_ends_its_pair(weights: Path) -> None:
    estimator = spec(weights).estimator()
    assert [len(estimator.add(frame)) for frame in clip(5)] == [0, 1, 1, 1, 1]
    assert len(estimator.finish()) == 0


@needs_ptlflow
def test_a_window_knows_nothing_of_the_one_before(weights: Path) -> None:
    frames = clip(WINDOW + 3)
    changed = clip(WINDOW, seed=1) + frames[WINDOW:]
    made = spec(weights, updates=2)
    one, other = (flows(made.estimator(), seen) for seen in (frames, changed))
    for t, (flow, changed_flow) in enumerate(zip(one, other, strict=True)):
        assert np.array_equal(flow, changed_flow) == (t >= WINDOW), t


@needs_ptlflow
def test_within_a_window_a_flow_leans_on_all_earlier_frames(weights: Path) -> None:
    # With a single update only one frame back: what is remembered is of the update's beginning.
    made = spec(weights, updates=2)
    frames = clip(WINDOW + 1)
    one, other = (flows(made.estimator(), clip(1, seed=seed) + frames[1:]) for seed in (0, 1))
    assert not any(np.array_equal(*pair) for pair in zip(one, other, strict=True))


@needs_ptlflow
def test_the_memory_holds_one_frame_however_long_the_clip(weights: Path) -> None:
    estimator: Any = spec(weights, window=100).estimator()
    sizes = []
    for frame in clip(6):
        estimator.add(frame)
        memory = estimator._find._memory
        sizes.append(0 if memory is None else memory.work_mem.size)
    assert sizes == [0] + [128 // 8 * 128 // 8] * 5


@needs_ptlflow
def test_clips_that_are_read_at_once_do_not_share_a_memory(weights: Path) -> None:
    clips = clip(3), clip(3, seed=1)
    alone = [flows(spec(weights).estimator(), frames) for frames in clips]
    finders: list[Any] = [spec(weights).estimator() for _ in clips]
    together: list[list[np.ndarray]] = [[], []]
    for pair in zip(*clips, strict=True):
        for estimator, frame, found in zip(finders, pair, together, strict=True):
            found += estimator.add(frame)
    np.testing.assert_array_equal(together, alone)
    networks = [estimator._find._network for estimator in finders]
    assert networks[0] is networks[1]  # and yet the network is one


# What the network is given


@needs_ptlflow
def test_the_network_sees_rgb_from_minus_one_to_one_padded_on_both_sides(weights: Path) -> None:
    estimator: Any = spec(weights).estimator()
    seen: list[torch.Tensor] = []
    hooked = estimator._find._network.network.cnet.register_forward_pre_hook(
        lambda _, given: seen.append(given[0])
    )
    one, other = clip(2, height=130, width=93)
    flows(estimator, [one, other])
    hooked.remove()
    wanted = np.pad(2 * (one / 255) - 1, ((3, 3), (17, 18), (0, 0)), "edge").transpose(2, 0, 1)
    np.testing.assert_allclose(seen[0][0].numpy(), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [
        ((128, 136), (0, 0, 0, 0)),
        ((129, 143), (0, 1, 3, 4)),
        ((1, 64), (32, 32, 63, 64)),
        ((180, 320), (0, 0, 2, 2)),
    ],
)
def test_sides_are_padded_to_eighths_and_to_what_the_pyramid_needs(
    size: tuple[int, int], wanted: tuple[int, ...]
) -> None:
    assert paddings(*size) == wanted


@needs_ptlflow
def test_the_padding_is_cut_off_where_it_was_put(weights: Path) -> None:
    frames = clip(2, height=123, width=133)
    padded = [np.pad(frame, ((2, 3), (1, 2), (0, 0)), "edge") for frame in frames]
    (found,), (whole,) = (flows(spec(weights).estimator(), made) for made in (frames, padded))
    np.testing.assert_array_equal(found, whole[2:-3, 1:-2])


@needs_ptlflow
@pytest.mark.parametrize("updates", [1, 3])
def test_updates_are_refinements(weights: Path, updates: int) -> None:
    estimator: Any = spec(weights, updates=updates).estimator()
    calls: list[int] = []
    block = estimator._find._network.network.update_block
    hooked = block.register_forward_hook(lambda *_: calls.append(1))
    flows(estimator, clip(3))
    hooked.remove()
    assert len(calls) == 2 * updates


# Files of weights


def nested(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: x for key, x in tensors.items()}


@needs_ptlflow
@pytest.mark.parametrize(
    "layout", ["module", "model", "model_module", "state_dict", "double"], ids=str
)
def test_every_published_layout_gives_the_same_flow(
    weights: Path, tmp_path: Path, layout: str
) -> None:
    tensors = random_tensors()
    content: dict[str, Any] = {
        "module": nested(tensors, "module."),
        "model": {"iteration": 3, "model": tensors, "optimizer": {"state": {}}},
        "model_module": {"model": nested(tensors, "module.")},
        "state_dict": {
            "state_dict": nested(tensors, "network."),
            "hyper_parameters": {"train_avg_length": 6624, "cnet": "basicencoder"},
            "pytorch-lightning_version": "2.0.0",
        },
        "double": {k: x.double() if x.is_floating_point() else x for k, x in tensors.items()},
    }[layout]
    # ptlflow's file says itself what the authors' say by their names
    name = "any.ckpt" if layout == "state_dict" else "MemFlowNet_spring.pth"
    torch.save(content, tmp_path / name)
    frames = clip(2)
    wanted = flows(spec(weights).estimator(), frames)
    np.testing.assert_array_equal(flows(spec(tmp_path / name).estimator(), frames), wanted)


@needs_ptlflow
@pytest.mark.parametrize(
    ("name", "mean_keys"),
    [
        ("MemFlowNet_things.pth", 6750),
        ("MemFlowNet_sintel.pth", 6624),
        ("MemFlowNet_kitti.pth", 6480),
        ("memflow-spring-7ee1b984.ckpt", 6624),
    ],
)
def test_attention_is_scaled_by_what_the_named_weights_were_trained_on(
    tmp_path: Path, name: str, mean_keys: int
) -> None:
    torch.save(random_tensors(), tmp_path / name)
    network = load_network(tmp_path / name)
    assert network.train_avg_length == mean_keys
    assert network.memory.train_avg_length == mean_keys


@needs_ptlflow
def test_the_scale_of_the_attention_changes_the_flow(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "any.ckpt"
    made = {"state_dict": nested(random_tensors(), "network.")}
    torch.save(made | {"hyper_parameters": {"train_avg_length": 300}}, path)
    one, other = (flows(spec(p).estimator(), clip(2))[0] for p in (weights, path))
    assert not np.array_equal(one, other)


def refusal(path: Path) -> str:
    with pytest.raises(ArchiveError) as caught:
        spec(path).estimator()
    assert str(path) in str(caught.value)
    return str(caught.value)


@needs_ptlflow
def test_a_name_that_hides_the_training_is_refused(tmp_path: Path) -> None:
    for name in ("mine.pth", "MemFlowNet_things_kitti.pth"):
        torch.save(random_tensors(), tmp_path / name)
        assert "Keep the published name" in refusal(tmp_path / name)


@needs_ptlflow
def test_other_tensors_are_named(tmp_path: Path) -> None:
    tensors, path = random_tensors(), tmp_path / "MemFlowNet_things.pth"
    del tensors["fnet.conv1.bias"], tensors["fnet.conv2.bias"]
    tensors["cnet.svt.extra"] = torch.zeros(1)
    tensors["att.to_qk.weight"] = torch.zeros(7)
    tensors["fnet.conv2.weight"] = tensors["fnet.conv2.weight"] * torch.nan
    torch.save(tensors, path)
    said = refusal(path)
    assert "2 missing, first fnet.conv1.bias" in said
    assert "1 unexpected, first cnet.svt.extra" in said
    assert "1 of another shape, first att.to_qk.weight (7,) for (256, 128, 1, 1)" in said
    assert "1 not finite, first fnet.conv2.weight" in said


@needs_ptlflow
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "something else than named tensors"),
        ({"encoder.weight": torch.zeros(2)}, "1 unexpected, first encoder.weight"),
        ({"model": {"a": 3}}, "something else than named tensors"),
        ({3: torch.zeros(2)}, "something else than named tensors"),
        ([torch.zeros(2)], "something else than named tensors"),
        (torch.zeros(2), "something else than named tensors"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: object, said: str) -> None:
    path = tmp_path / "MemFlowNet_things.pth"
    torch.save(content, path)
    assert said in refusal(path)


def test_a_damaged_or_missing_file_is_refused(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "MemFlowNet_sintel.pth"
    assert "no such weights" in refusal(path)
    whole = weights.read_bytes()
    for damaged in (b"", b"not a file of torch", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        assert "cannot be read" in refusal(path)
    pinned = spec(weights)
    path.write_bytes(whole[:-1] + b"!")
    other = pinned.model_copy(
        update={"weights": pinned.weights.model_copy(update={"path": str(path)})}
    )
    with pytest.raises(ArchiveError, match=r"not the file whose hash is in params\.yaml"):
        other.estimator()


def test_a_file_that_would_run_something_runs_nothing(tmp_path: Path) -> None:
    path, mark = tmp_path / "MemFlowNet_things.pth", tmp_path / "went-off"
    for content in (Bomb(mark), {"state_dict": {}, "hyper_parameters": Bomb(mark)}):
        torch.save(content, path)
        assert "cannot be read" in refusal(path)
        assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists()  # it is a real one


@needs_ptlflow
def test_flow_that_is_no_number_is_an_error(tmp_path: Path) -> None:
    tensors, path = random_tensors(), tmp_path / "MemFlowNet_things.pth"
    tensors["update_block.flow_head.ffn2.2.bias"] = torch.full((2,), 3e38)
    torch.save(tensors, path)
    with pytest.raises(ArchiveError, match="the flow of pair 0 is not finite"):
        flows(spec(path).estimator(), clip(2))


def test_without_ptlflow_the_error_says_what_to_install(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / weights.name  # another path: the network of `weights` may be there already
    copy.write_bytes(weights.read_bytes())
    for name in [name for name in sys.modules if name.split(".")[0] == "ptlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ptlflow", None)
    with pytest.raises(MissingExtra, match=r"pip install --no-deps ptlflow==0\.4\.2"):
        spec(copy).estimator()


def test_what_the_error_names_is_what_the_extra_names() -> None:
    import tomllib

    project = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(INSTALL.split()[3:]) == set(project["optional-dependencies"]["memflow"])


@needs_ptlflow
def test_ptlflow_is_silent_and_leaves_the_logs_as_they_were(
    weights: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ptlflow.models.memflow.memflow import MemFlow as PtlflowMemFlow

    clear = PtlflowMemFlow.clear_memory

    def noisy(network: Any) -> None:  # as other networks of ptlflow are on import
        logging.getLogger("dinov2").warning("xFormers not available")
        clear(network)

    monkeypatch.setattr(PtlflowMemFlow, "clear_memory", noisy)
    monkeypatch.setattr(logging.getLogger("dinov2"), "handlers", [logging.StreamHandler()])
    load_network(weights)
    assert capfd.readouterr() == ("", "")
    logging.getLogger("dinov2").warning("heard again")
    assert "heard again" in capfd.readouterr().err
