"""Networks as ONNX: each backbone answers as torch does, and what cannot be written is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.inference.onnx_file import export_network
from benchmark.inference.systems import Network, open_zoo
from conftest import mgbench
from small_networks import CLASSES, NETWORKS, alive

if TYPE_CHECKING:
    from pathlib import Path

    import small_networks
    from benchmark.models.recognizer import Recognizer

ALIKE = {"rgb_limb", "graph_bone"}
"""Networks whose operations are all in others."""


def trained(small: small_networks.Network) -> tuple[Network, Recognizer]:
    """In the metadata of a trained network, and as torch has it; no branch is all zeros."""
    told, net = open_zoo().members["joint"].networks[0].metadata, alive(small.build())
    classes = tuple(f"class {k}" for k in range(CLASSES))
    changes = {"backbone": small.backbone, "input": small.spec, "classes": classes, "groups": None}
    return Network(told.model_copy(update=changes), net.state_dict), net


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(NETWORKS.keys() - ALIKE))
def test_onnx_runtime_answers_as_torch_does(name: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="optional: make extras")
    (network, net), file = trained(NETWORKS[name]), tmp_path / "network.onnx"
    assert export_network(network, OPENPOSE36, file, licence="Apache-2.0") <= 1e-5
    session = runtime.InferenceSession(file)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"])[-1] == f"class {CLASSES - 1}"
    assert json.loads(told["experiment"])["backbone"]["kind"] == network.metadata.backbone.kind
    assert told["licence"] == "Apache-2.0"
    assert b"site-packages" not in file.read_bytes(), "no folder of this machine"
    # Views, and a number of them, that the export has not seen.
    views = NETWORKS[name].views(5)
    names = [one.name for one in session.get_inputs()]
    asked = {key: x.numpy() for key, x in zip(names, views, strict=True)}
    with torch.no_grad():
        want = net(views).softmax(2).mean(1)
    np.testing.assert_allclose(session.run(None, asked)[0], want, atol=1e-5)


def test_several_networks_are_no_onnx_file(tmp_path: Path) -> None:
    told = mgbench(tmp_path, "export", "zoo", "zoo.onnx", "--onnx")
    assert told.returncode == 2
    assert "'zoo' has 5 networks; expected a single network" in told.stderr
    assert "swin_rgb" in told.stderr
    assert not (tmp_path / "zoo.onnx").exists()
