"""Networks as ONNX: each backbone answers as torch does, and what cannot be written is told."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from benchmark.core.errors import ParamsError
from benchmark.inference.onnx_file import export_onnx, write_onnx
from benchmark.inference.systems import Network, System, open_zoo
from benchmark.models.recognizer import Head, Recognizer
from conftest import mgbench
from small_networks import CLASSES, NETWORKS, alive
from test_backbones import in_zoo

if TYPE_CHECKING:
    from pathlib import Path

    import small_networks

CASES = {name: one for name, one in NETWORKS.items() if name not in {"rgb_limb", "graph_bone"}}
CASES["resnet over images"] = in_zoo("ResNet")
"""Those of each kind of backbone and input; what these two do, others do too."""


def alone(small: small_networks.Network) -> tuple[System, Recognizer]:
    """A system of this network, and the network as torch has it; no branch is all zeros."""
    zoo, net = open_zoo(), alive(small.build())
    member = zoo.members["joint"]
    classes = tuple(f"class {k}" for k in range(CLASSES))
    changes = {"backbone": small.backbone, "input": small.spec, "classes": classes}
    network = Network(member.metadata.model_copy(update=changes), net.state_dict)
    member = member._replace(networks=(network,))
    return replace(zoo, name="one", members={"one": member}), net


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_onnx_runtime_answers_as_torch_does(name: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="optional: make extras")
    system, net = alone(CASES[name])
    file = tmp_path / "network.onnx"
    assert export_onnx(system, file, license="Apache-2.0") <= 1e-5
    session = runtime.InferenceSession(file)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"])[-1] == f"class {CLASSES - 1}"
    assert json.loads(told["experiment"])["backbone"]["kind"] == CASES[name].backbone.kind
    assert told["license"] == "Apache-2.0"
    assert b"site-packages" not in file.read_bytes(), "no folder of this machine"
    # Views, and a number of them, that the export has not seen.
    views = CASES[name].views(5)
    names = [one.name for one in session.get_inputs()]
    asked = {key: x.numpy() for key, x in zip(names, views, strict=True)}
    with torch.no_grad():
        want = net(views).softmax(2).mean(1)
    np.testing.assert_allclose(session.run(None, asked)[0], want, atol=1e-5)


class Undecided(nn.Module):
    """A backbone that asks for the values of its input before it goes on."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else x[:, :1] * 2


@pytest.mark.slow
def test_a_network_that_torch_cannot_write_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="optional: make extras")
    network, views = NETWORKS["rgb"].build(), [NETWORKS["rgb"].views(count) for count in (2, 3)]
    network.backbone, network.cls_head = Undecided(), Head(3, CLASSES, 0.0)
    with pytest.raises(ParamsError, match="torch cannot write this backbone as ONNX: "):
        write_onnx(network, *({"frames": each} for (each,) in views), tmp_path / "x.onnx", {})
    assert list(tmp_path.iterdir()) == []


def test_several_networks_are_no_onnx_file(tmp_path: Path) -> None:
    told = mgbench(tmp_path, "export", "zoo", "zoo.onnx", "--onnx")
    assert told.returncode == 2
    assert re.search(r"'zoo' has \d+ networks; expected a single network", told.stderr)
    assert "swin_rgb" in told.stderr
    assert not (tmp_path / "zoo.onnx").exists()
