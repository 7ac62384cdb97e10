"""A head and a loss of groups: probabilities, losses, initial weights, and F1_mean of MAC."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.editions.edition import SHIPPED, read_edition
from benchmark.evaluation.scores import all_scores, f1_mean
from benchmark.inference.predict import predict
from benchmark.models.group_head import GroupProduct, group_logits, membership
from benchmark.models.network import build
from benchmark.models.recognizer import Mix
from benchmark.training.experiment import _metadata
from benchmark.training.losses import Loss
from benchmark.weights.initial import load_initial_weights
from benchmark.weights.model_folder import Network, write_model
from small_networks import CLASSES, NETWORKS
from small_training import MIMIC, Prepared, run
from test_losses import PARAMS
from test_metrics import PROPERTY
from test_params import edited, fault

GROUPS = tuple(MIMIC.group_of().tolist())
COUNT = max(GROUPS) + 1


@st.composite
def cases(draw: st.DrawFn) -> tuple[tuple[int, ...], Tensor]:
    """Groups of up to nine classes, and outputs of a last layer of classes and groups."""
    count = draw(st.integers(1, 4))
    others = draw(st.lists(st.integers(0, count - 1), max_size=5))
    group_of = tuple(draw(st.permutations([*range(count), *others])))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    return group_of, 5 * torch.randn(3, 2, len(group_of) + count, generator=generator)


@PROPERTY
@given(case=cases())
def test_a_class_has_the_probability_of_its_group_times_its_own_within(
    case: tuple[tuple[int, ...], Tensor],
) -> None:
    group_of, x = case
    found, count = GroupProduct(group_of)(x).softmax(2), len(group_of)
    groups = x[..., count:].softmax(2)
    for place, group in enumerate(group_of):
        others = [k for k, of in enumerate(group_of) if of == group]
        within = x[..., others].softmax(2)[..., others.index(place)]
        torch.testing.assert_close(found[..., place], groups[..., group] * within)


@PROPERTY
@given(case=cases())
def test_the_cross_entropy_is_that_of_the_group_plus_that_within_it(
    case: tuple[tuple[int, ...], Tensor],
) -> None:
    group_of, x = case
    logits, count = GroupProduct(group_of)(x)[:, 0], len(group_of)
    label = torch.arange(3) % count
    coarse = torch.tensor(group_of)[label]
    within = x[:, 0, :count].masked_fill(~membership(group_of)[coarse], -torch.inf)
    expected = cross_entropy(x[:, 0, count:], coarse) + cross_entropy(within, label)
    torch.testing.assert_close(cross_entropy(logits, label), expected)


@PROPERTY
@given(case=cases())
def test_groups_have_the_summed_probability_of_their_classes(
    case: tuple[tuple[int, ...], Tensor],
) -> None:
    group_of, x = case
    logits, members = x[..., : len(group_of)], membership(group_of)
    summed = logits.softmax(2) @ members.float().T
    torch.testing.assert_close(group_logits(logits, members).softmax(2), summed)


@pytest.mark.parametrize("name", ["joint", "rgb_joint", "swin_rgb", "graph_joint"])
def test_every_backbone_takes_a_head_of_groups(name: str) -> None:
    network = NETWORKS[name]
    net = build(network.backbone, network.spec, OPENPOSE36, num_classes=CLASSES, groups=GROUPS)
    logits = net(network.views(2))
    assert logits.shape[2] == CLASSES
    torch.testing.assert_close(logits.exp().sum(2), torch.ones(logits.shape[:2]))
    layer = next(p for key, p in net.named_parameters() if key.endswith("bias") and "head" in key)
    assert layer.shape == (CLASSES + COUNT,)
    assert not any("group" in key for key in net.state_dict())


def group_loss(weight: float, smoothing: float = 0.0) -> Loss:
    changes = {"group_loss": weight, "label_smoothing": smoothing}
    recipe = PARAMS.recipes["pose_small"].model_copy(update=changes)
    return Loss(recipe, np.arange(CLASSES), CLASSES, torch.device("cpu"), group_of=GROUPS)


def test_the_loss_of_groups_is_added_with_its_weight_and_0_adds_nothing() -> None:
    logits, label = torch.randn(6, 1, CLASSES), torch.tensor([0, 3, 8, 21, 31, 19])
    fine = cross_entropy(logits[:, 0], label)
    p = logits[:, 0].softmax(1) @ membership(GROUPS).float().T
    coarse = cross_entropy(p.log(), torch.tensor(GROUPS)[label])
    torch.testing.assert_close(group_loss(0.0)(logits, label, None), fine)
    torch.testing.assert_close(group_loss(0.5)(logits, label, None), fine + 0.5 * coarse)


def test_the_loss_of_groups_mixes_labels_as_that_of_classes() -> None:
    logits, label = torch.randn(2, 1, CLASSES), torch.tensor([3, 21])
    mix = Mix(torch.tensor([0.25, 1.0]), torch.tensor([1, 0]))
    loss = group_loss(0.5, 0.1)
    own, other = (loss(logits[:1], label[k : k + 1], None) for k in (0, 1))
    expected = (0.25 * own + 0.75 * other + loss(logits[1:], label[1:], None)) / 2
    torch.testing.assert_close(loss(logits, label, mix), expected)


@pytest.mark.slow
def test_a_head_of_groups_trains_is_stored_and_predicts(tmp_path: Path) -> None:
    prepared = Prepared(tmp_path / "data")
    spec = prepared.train_spec("joint", epochs=1, group_loss=0.3)
    experiment = spec.experiment.model_copy(update={"head": "groups"})
    spec = replace(spec, experiment=experiment, group_of=GROUPS)
    result, _ = run(spec, tmp_path / "run")
    scores = all_scores(result.val, spec.clips.split("val").labels())
    metadata = _metadata("joint", result, spec, scores)
    assert metadata.groups == GROUPS
    network = Network(metadata, lambda: result.weights)
    found = predict(network, spec.modality_folder, spec.clips, "val", spec.recipe)
    assert found.p.shape == (len(spec.clips.split("val")), CLASSES)
    np.testing.assert_allclose(found.p.sum(1), 1, atol=1e-5)

    model = tmp_path / "model"
    write_model(model, metadata, result.weights)
    base, points = NETWORKS["joint"], "joint of openpose36"
    for groups, kept in ((GROUPS, "0 of the network left"), (None, "2 of the network left")):
        net = build(base.backbone, base.spec, OPENPOSE36, num_classes=CLASSES, groups=groups)
        said = load_initial_weights(model, net, MIMIC.classes, points=points, groups=groups)
        assert kept in said


def test_one_group_is_no_head_of_groups(tmp_path: Path) -> None:
    folder = tmp_path / "editions"
    folder.mkdir()
    text = (SHIPPED / "mimic.yaml").read_text("utf-8").replace("name: mimic", "name: plain")
    start, end = text.index("groups:"), text.index("withheld:")
    text = text[:start] + f"groups: {{all: {[*range(CLASSES)]}}}\n" + text[end:]
    (folder / "plain.yaml").write_text(text, "utf-8")
    path = edited(
        tmp_path, ("    recipe: pose_small\n", "    recipe: pose_small\n    head: groups\n")
    )
    path.write_text(path.read_text("utf-8").replace("edition: mimic", "edition: plain"), "utf-8")
    assert "joint: head or loss of groups, but edition 'plain' has one group" in fault(path)


# ---------------------------------------------------------------- F1_mean


@PROPERTY
@given(seed=st.integers(0, 2**32 - 1))
def test_f1_mean_is_the_mean_of_scikit_learns_four(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group_of = np.array([0, 0, 1, 2, 2, 2])
    label, predicted = rng.integers(0, 6, (2, int(rng.integers(1, 30))))
    pairs = ((label, predicted), (group_of[label], group_of[predicted]))
    expected = [f1_score(*pair, average=kind) for pair in pairs for kind in ("macro", "micro")]
    assert f1_mean(predicted, label, group_of) == pytest.approx(np.mean(expected))


def test_f1_mean_is_left_out_where_there_are_no_groups() -> None:
    p, label = np.eye(4, 6, dtype=np.float32), np.arange(4)
    assert all_scores(p, label).f1_mean is None
    assert all_scores(p, label, np.zeros(6, np.int64)).f1_mean is None
    assert all_scores(p, label, np.array([0, 0, 1, 1, 2, 2])).f1_mean == 1


@pytest.mark.parametrize("name", ["imigue", "mimic", "zoo"])
def test_the_editions_of_imigues_classes_have_the_groups_of_its_list(name: str) -> None:
    groups = read_edition(name).groups
    assert groups["head-hand"] == tuple(range(2, 13))
    assert groups["hand"] == tuple(range(21, 26))
    assert groups == read_edition("imigue").groups
