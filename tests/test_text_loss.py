"""Loss of label texts: its values, the file of vectors, and that only training has its layer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.core.errors import ParamsError
from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.models.text_projection import add_text, text_distance
from benchmark.params.recipes import TextLoss
from benchmark.training.losses import Loss, read_vectors
from small_networks import CLASSES, NETWORKS, Network
from small_training import MIMIC, PARAMS, Prepared, run
from test_metrics import PROPERTY

SIZE = 5


def written(path: Path, content: Any) -> TextLoss:
    path.write_text(json.dumps(content), "utf-8")
    return TextLoss(vectors=WeightsFile(path=str(path), sha256=sha256(path)), weight=0.5)


def vectors(names: tuple[str, ...] = MIMIC.classes) -> dict[str, list[float]]:
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=SIZE).tolist() for name in names}


@PROPERTY
@given(seed=st.integers(0, 2**31), scale=st.floats(0.01, 100), heads=st.integers(1, 2))
def test_the_distance_is_0_along_the_vector_2_against_it_and_knows_no_length(
    seed: int, scale: float, heads: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    of_classes = torch.randn(7, SIZE, generator=generator)
    label = torch.tensor([0, 3, 6])
    own = of_classes[label][:, None].expand(-1, heads, -1)
    one = torch.ones(3)
    torch.testing.assert_close(text_distance(scale * own, of_classes, label), 0 * one)
    torch.testing.assert_close(text_distance(-scale * own, of_classes, label), 2 * heads * one)
    other = torch.randn(3, heads, SIZE, generator=generator)
    found = text_distance(other, of_classes, label)
    assert ((found >= -1e-5) & (found <= 2 * heads + 1e-5)).all()
    torch.testing.assert_close(text_distance(other, scale * of_classes, label), found)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_any_network_projects_its_features_in_training_and_answers_as_before(
    network: Network,
) -> None:
    net, x = network.build().eval(), network.views(2)
    with torch.no_grad():
        before = net(x)
        add_text(net, SIZE)
        assert torch.equal(net.eval()(x), before)
    logits, projected = net.train().split(net(x))
    assert logits.shape[1:] == before.shape[1:]
    assert projected.shape == (2, before.shape[1], SIZE)
    projected.square().sum().backward()
    touched = [name for name, p in net.named_parameters() if p.grad is not None and p.grad.any()]
    assert any(".text." in name for name in touched)
    reached = [name for name in touched if name.startswith("backbone.")]
    assert reached or not list(net.backbone.parameters())


def test_the_loss_adds_the_weighted_distance_and_nothing_without_the_knob(tmp_path: Path) -> None:
    spec = written(tmp_path / "vectors.json", vectors())
    of_classes = read_vectors(spec, MIMIC.classes)
    plain = PARAMS.recipes["rgb_small"]
    labels, cpu = np.arange(CLASSES), torch.device("cpu")
    logits, label = torch.randn(4, 1, CLASSES), torch.tensor([0, 1, 2, 3])
    projected = torch.randn(4, 1, SIZE)
    without = Loss(plain, labels, CLASSES, cpu)(logits, label, None)
    recipe = plain.model_copy(update={"text_loss": spec})
    loss = Loss(recipe, labels, CLASSES, cpu, vectors=of_classes)
    expected = without + 0.5 * text_distance(projected, of_classes, label).mean()
    torch.testing.assert_close(loss(logits, label, None, projected), expected)


def test_the_model_has_no_projection(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path / "data")
    spec = written(tmp_path / "vectors.json", vectors())
    start = prepared.train_spec("graph_joint")
    (tmp_path / "run").mkdir()
    recipe = start.recipe.model_copy(update={"text_loss": spec})
    result, _ = run(replace(start, recipe=recipe), tmp_path / "run")
    assert not [name for name in result.weights if "text" in name]
    assert result.weights["cls_head.fc_cls.weight"].shape[0] == CLASSES


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v | {"waving": [1.0] * SIZE}, "of other classes than the edition's: waving"),
        (lambda v: {k: x for k, x in v.items() if k != "arms akimbo"}, "arms akimbo"),
        (lambda v: v | {"arms akimbo": [1.0]}, "not a file of vectors"),
        (lambda v: v | {"arms akimbo": [0.0] * SIZE}, "a vector is empty, 0 or not finite"),
        (lambda v: [*v], "not a file of vectors"),
    ],
)
def test_a_file_of_other_classes_or_of_no_vectors_is_refused(
    tmp_path: Path, change: Any, said: str
) -> None:
    spec = written(tmp_path / "vectors.json", change(vectors()))
    with pytest.raises(ParamsError, match=said):
        read_vectors(spec, MIMIC.classes)
