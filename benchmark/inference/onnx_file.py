"""A trained network as an ONNX file, which runs without torch and without this package.

What prepares the views, such as drawing heat maps, is a part of it.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmark.core.errors import MismatchError, MissingExtra, ParamsError
from benchmark.core.files import replacing
from benchmark.models.random_views import random_views

if TYPE_CHECKING:
    from benchmark.contracts.skeletons import Layout
    from benchmark.data.inputs import Input
    from benchmark.inference.systems import System
    from benchmark.models.recognizer import Recognizer

TOLERANCE = 1e-4
"""Largest difference of a probability to torch's."""
BATCHES = (2, 3)
"""Views in the batch that torch records, and in one that the file is compared on."""
OUTPUT = "probabilities"


class WithSoftmax(nn.Module):
    """A network that answers with probabilities (B, K), the mean of its heads."""

    def __init__(self, network: Recognizer) -> None:
        super().__init__()
        self.network = network

    def forward(self, *views: Tensor) -> Tensor:
        return self.network(views).softmax(2).mean(1)


def export_onnx(system: System, path: Path, *, license: str) -> float:
    """Write a system of one network as ONNX, and compare what ONNX Runtime answers with torch.

    Return the largest difference of a probability. The license is that of the weights.

    Raises:
        ParamsError: The system has several networks, or torch cannot export this one.
        MismatchError: ONNX Runtime answers something else than torch; nothing is written.
        MissingExtra: The packages of ONNX are not installed.
        FormatError: The weights cannot be read.
    """
    networks = [one for member in system.members.values() for one in member.networks]
    if len(networks) > 1:
        raise ParamsError(
            "--onnx", f"'{system.name}' has {len(networks)} networks", expected="a single network",
            do=f"Export its streams one by one ({', '.join(system.members)}), or without --onnx",
        )  # fmt: skip
    told, layout = networks[0].metadata, system.layout
    net = networks[0].build(layout)
    properties = {
        "classes": json.dumps(told.classes), "experiment": told.model_dump_json(),
        "license": license,
    }  # fmt: skip
    recorded, other = (views_like(told.input, layout, count) for count in BATCHES)
    return write_onnx(net, recorded, other, path, properties)


def write_onnx(
    network: Recognizer, recorded: dict[str, Tensor], other: dict[str, Tensor], path: Path,
    properties: dict[str, str],
) -> float:  # fmt: skip
    """Write a network as ONNX, and compare what ONNX Runtime answers with torch.

    It raises what `export_onnx` does, and returns the largest difference of a probability.

    Args:
        network: The network.
        recorded: Views to record what it does, by the name of the input.
        other: Views of another number of clips, to compare the answers on.
        path: The file to write.
        properties: Metadata of the file.
    """
    model = WithSoftmax(network).eval()
    # Before the recording: mmaction2 keeps masks of windows for the next call, and those of a
    # recording hold no numbers.
    with torch.no_grad():
        expected = model(*other.values()).numpy()
    with replacing(path) as target:
        _write(model, recorded, target, properties)
        difference = float(np.abs(_run(target, other) - expected).max())
        if not difference <= TOLERANCE:
            raise MismatchError(
                path, "as ONNX, the network does not answer what torch answers",
                expected=f"probabilities within {TOLERANCE}", found=f"{difference:.2g} apart",
            )  # fmt: skip
    return difference


def views_like(spec: Input, layout: Layout | None, count: int) -> dict[str, Tensor]:
    """Make up views as test has them, by the name of the network's input; equal in each call.

    A quarter of the keypoints is not seen.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(count)
        views = random_views(spec, count, len(layout.points) if layout else 0, test=True)
    if "keypoints" in views:
        confidence = views["keypoints"][..., 2]
        confidence *= confidence > 1 / 4
    return views


def _write(
    model: WithSoftmax, views: dict[str, Tensor], path: Path, properties: dict[str, str]
) -> None:
    try:
        import onnxscript  # noqa: F401 - torch needs it
    except ImportError as error:
        raise _missing(error) from None
    batch = tuple({0: torch.export.Dim("batch")} for _ in views)
    try:
        # Warnings are torch's own, about its exporter.
        with warnings.catch_warnings(action="ignore"):
            program = torch.onnx.export(
                model, tuple(views.values()), input_names=[*views], output_names=[OUTPUT],
                dynamic_shapes=(batch,), dynamo=True, verbose=False,
            )  # fmt: skip
    except torch.onnx.OnnxExporterError as error:
        raise _refused(str(error.__cause__ or error).strip().splitlines()[0]) from None
    assert program is not None
    graph = program.model.graph
    if any(isinstance(one.shape[0], int) for one in graph.inputs if one.shape is not None):
        raise _refused("it would take no other number of views than the recorded one")
    for node in graph.all_nodes():
        # Where torch saw the operation: lines of code, with folders of this machine.
        node.metadata_props.clear()
    program.model.metadata_props.update(properties)
    program.save(path)


def _refused(why: str) -> ParamsError:
    return ParamsError(
        "--onnx", f"torch cannot write this backbone as ONNX: {why}", do="Export it without --onnx"
    )


def _run(path: Path, views: dict[str, Tensor]) -> NDArray[np.float32]:
    try:
        from onnxruntime import InferenceSession
    except ImportError as error:
        raise _missing(error) from None
    session = InferenceSession(path, providers=["CPUExecutionProvider"])
    (answers,) = session.run([OUTPUT], {name: x.numpy() for name, x in views.items()})
    return np.asarray(answers)


def _missing(error: ImportError) -> MissingExtra:
    return MissingExtra(
        "--onnx", "needs the optional packages of ONNX", expected="the extra onnx",
        found=str(error), do="Install it: make extras",
    )  # fmt: skip
