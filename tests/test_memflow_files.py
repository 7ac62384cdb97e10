"""Files of MemFlow's weights: every published layout is read, and what is not one is refused."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.core.errors import ArchiveError, MissingExtra
from benchmark.modalities.flow.memflow import INSTALL, load_network
from bomb import Bomb
from conftest import REPO
from memflow import clip, flows, needs_ptlflow, random_tensors, spec, write_weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_weights(tmp_path_factory.mktemp("memflow"))


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
