"""What is minimised: against torch, against mmaction2, and against the formulas of the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from benchmark.models.preprocessors import Preprocessor
from benchmark.models.recognizer import Mix, Recognizer
from benchmark.params.params import read_params
from benchmark.params.recipes import ClassWeighted, CrossEntropy, LogitAdjusted, Mixup
from benchmark.training.losses import Loss
from benchmark.training.train_step import draw_mix
from conftest import REPO

PARAMS = read_params(REPO / "params.yaml")
PLAIN = CrossEntropy(kind="cross_entropy")
CPU = torch.device("cpu")
CLASSES = 5
TRAIN = np.repeat([0, 1, 2, 3], [8, 4, 2, 2])
"""Labels of the training clips; class 4 has none."""
CLIPS = 6


def loss(
    kind: CrossEntropy | ClassWeighted | LogitAdjusted = PLAIN, *, smoothing: float = 0.0
) -> Loss:
    recipe = PARAMS.recipes["pose_small"].model_copy(
        update={"loss": kind, "label_smoothing": smoothing}
    )
    return Loss(recipe, TRAIN, CLASSES, CPU)


@pytest.fixture
def logits() -> Tensor:
    return 3 * torch.randn(CLIPS, 1, CLASSES, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def label() -> Tensor:
    return torch.tensor([0, 1, 2, 3, 0, 4])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_cross_entropy_equals_torchs_with_its_label_smoothing(
    smoothing: float, logits: Tensor, label: Tensor
) -> None:
    expected = cross_entropy(logits[:, 0], label, label_smoothing=smoothing)
    torch.testing.assert_close(loss(smoothing=smoothing)(logits, label, None), expected)


def test_half_precision_logits_give_a_loss_in_float32(logits: Tensor, label: Tensor) -> None:
    found = loss()(logits.bfloat16(), label, None)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, cross_entropy(logits[:, 0].bfloat16().float(), label))


def of_each(logits: Tensor, label: Tensor) -> Tensor:
    return cross_entropy(logits[:, 0], label, reduction="none")


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_a_clip_of_a_class_of_n_clips_weighs_n_to_minus_power(
    power: float, logits: Tensor, label: Tensor
) -> None:
    weighted = loss(ClassWeighted(kind="class_weighted", power=power))
    found = [weighted(logits[n : n + 1], label[n : n + 1], None) for n in range(5)]
    weight = torch.stack(found) / of_each(logits, label)[:5]
    counts = torch.tensor([8.0, 4.0, 2.0, 2.0, 8.0])
    torch.testing.assert_close(weight / weight[0], (counts / 8) ** -power)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_the_mean_weight_over_the_training_clips_is_one(power: float) -> None:
    label = torch.from_numpy(TRAIN)
    same = torch.zeros(len(TRAIN), 1, CLASSES)  # every clip loses log 5
    weighted = loss(ClassWeighted(kind="class_weighted", power=power))
    torch.testing.assert_close(weighted(same, label, None), torch.tensor(CLASSES).log())


def test_the_weights_are_no_mean_of_the_batch(logits: Tensor, label: Tensor) -> None:
    # Torch divides by the batch's own weights: passes of unequal classes could not be added up.
    weighted = loss(ClassWeighted(kind="class_weighted", power=1.0))
    halves = [weighted(logits[part], label[part], None) for part in (slice(0, 3), slice(3, 6))]
    torch.testing.assert_close(sum(halves) / 2, weighted(logits, label, None))


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.0])
def test_logit_adjustment_equals_the_formula_of_the_paper(
    tau: float, logits: Tensor, label: Tensor
) -> None:
    # Menon et al., ICLR 2021, equation 10: log(1 + sum over y' of (prior y' / prior y) ** tau
    # times exp(f y' - f y)). A class without a clip counts half a one.
    prior = torch.tensor([8, 4, 2, 2, 0.5], dtype=torch.float64) / 16
    f = logits[:, 0].double()
    expected = [
        torch.log1p(
            sum(
                (prior[other] / prior[y]) ** tau * torch.exp(f[n, other] - f[n, y])
                for other in range(CLASSES)
                if other != y
            )
        )
        for n, y in enumerate(label.tolist())
    ]
    found = loss(LogitAdjusted(kind="logit_adjusted", tau=tau))(logits, label, None)
    torch.testing.assert_close(found, torch.stack(expected).mean().float())


def test_mixup_is_the_loss_of_the_mixed_labels(logits: Tensor, label: Tensor) -> None:
    share = torch.tensor([0.3, 0.9, 0.5, 1.0, 0.0, 0.7])
    partner = torch.tensor([1, 2, 0, 5, 3, 4])
    hot = one_hot(label, CLASSES).float()
    soft = share[:, None] * hot + (1 - share[:, None]) * hot[partner]
    found = loss(smoothing=0.1)(logits, label, Mix(share, partner))
    torch.testing.assert_close(found, cross_entropy(logits[:, 0], soft, label_smoothing=0.1))


@pytest.mark.parametrize(
    "kind",
    [
        PLAIN,
        ClassWeighted(kind="class_weighted", power=1.0),
        LogitAdjusted(kind="logit_adjusted", tau=1.0),
    ],
    ids=lambda kind: kind.kind,
)
def test_mixup_at_its_ends_is_the_plain_loss_of_the_clip_or_of_its_partner(
    kind: CrossEntropy | ClassWeighted | LogitAdjusted, logits: Tensor, label: Tensor
) -> None:
    found, partner = loss(kind), torch.tensor([1, 2, 0, 5, 3, 4])
    plain = found(logits, label, None)
    other = found(logits, label[partner], None)
    torch.testing.assert_close(found(logits, label, Mix(torch.ones(CLIPS), partner)), plain)
    torch.testing.assert_close(found(logits, label, Mix(torch.zeros(CLIPS), partner)), other)
    half = Mix(torch.full((CLIPS,), 0.5), partner)
    torch.testing.assert_close(found(logits, label, half), (plain + other) / 2)


def test_both_inputs_of_a_network_are_mixed_by_the_shares_that_the_labels_are_mixed_by() -> None:
    class Step(Preprocessor):
        def forward(self, *x: Tensor) -> tuple[Tensor, ...]:
            return x

    class Backbone(nn.Module):
        def forward(self, *volumes: Tensor) -> Tensor:
            return torch.cat([volume.flatten(1) for volume in volumes], 1)

    network = Recognizer(Step(), Backbone(), nn.Identity())
    x = torch.randn(3, 2, 4, 1, 1), torch.randn(3, 5, 1, 1, 1)
    mix = Mix(torch.tensor([0.3, 1.0, 0.0]), torch.tensor([2, 0, 1]))
    plain, mixed = network(x), network(x, mix)
    torch.testing.assert_close(mixed[0], 0.3 * plain[0] + 0.7 * plain[2])
    torch.testing.assert_close(mixed[1], plain[1])
    torch.testing.assert_close(mixed[2], plain[1])


def test_shares_of_mixup_are_drawn_from_beta_and_partners_are_a_permutation() -> None:
    torch.manual_seed(0)
    assert draw_mix(None, 4, CPU) is None
    mixes = [draw_mix(Mixup(alpha=0.4), 1000, CPU) for _ in range(20)]
    assert all(sorted(mix.partner.tolist()) == list(range(1000)) for mix in mixes)
    shares = torch.cat([mix.share for mix in mixes])
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert shares.mean() == pytest.approx(0.5, abs=0.01)
    assert shares.var().item() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), abs=0.005)


def test_the_loss_of_two_heads_is_the_sum_of_mmactions(label: Tensor) -> None:
    from benchmark.models import mmaction_import as mmaction

    mmaction.mmaction_models()
    from mmaction.models.heads import RGBPoseHead
    from mmaction.structures import ActionDataSample

    torch.manual_seed(0)
    head = RGBPoseHead(num_classes=CLASSES, in_channels=[7, 3], dropout=0.0)
    head.init_weights()
    features = torch.randn(CLIPS, 7, 2, 3, 3), torch.randn(CLIPS, 3, 4, 2, 2)
    theirs = head.loss(features, [ActionDataSample().set_gt_label(int(y)) for y in label])
    logits = torch.stack(list(head(features).values()), dim=1)
    assert logits.shape == (CLIPS, 2, CLASSES)
    expected = theirs["rgb_loss_cls"] + theirs["pose_loss_cls"]
    torch.testing.assert_close(loss()(logits, label, None), expected)
