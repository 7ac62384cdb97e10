"""Optional keys: repeated augmentation, cutmix, a frozen start, the head's scale, pixels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmark.data.loader import build_views
from benchmark.data.video_input import PixelAugmentation, RandAugment
from benchmark.models.recognizer import _mixed
from benchmark.params.recipes import Cutmix, Mixup
from benchmark.runtime.distributed import alone
from benchmark.training.sampler import ClipBatchSampler
from benchmark.training.state import build_state
from benchmark.training.train_step import draw_mix
from conftest import REPO
from small_training import PARAMS, Prepared, run
from test_metrics import PROPERTY
from test_params import edited, fault

CPU = torch.device("cpu")
CUT = Cutmix(alpha=1.0, switch=1.0)


# ---------------------------------------------------------------- repeated augmentation


@PROPERTY
@given(
    clips=st.integers(4, 40),
    views=st.integers(1, 4),
    steps_of=st.integers(1, 3),
    repeats=st.integers(1, 2),
    kind=st.sampled_from(["shuffled", "balanced"]),
)
def test_a_step_has_as_many_different_views_of_each_clip_as_the_recipe_says(
    clips: int, views: int, steps_of: int, repeats: int, kind: str
) -> None:
    plain = PARAMS.recipes["pose_small"]
    sampling = {"kind": "class_balanced", "power": 0.5} if kind == "balanced" else {"kind": kind}
    recipe = type(plain).model_validate(
        plain.model_dump() | {
            "batch_size": views * steps_of, "micro_batch_size": views * steps_of,
            "repeats": repeats, "views_per_clip": views, "sampling": sampling, "epochs": 1,
        }
    )  # fmt: skip
    sampler = ClipBatchSampler(np.arange(clips) % 3, recipe, seed=1)
    steps = list(sampler)
    assert [len(keys) for keys in steps] == [sampler.clips_of(k) for k in range(sampler.steps)]
    assert max(map(len, steps)) <= recipe.batch_size
    keys = [key for step in steps for key in step]
    assert len({*keys}) == len(keys) == clips * repeats * views
    for step in steps:
        assert all(count % views == 0 for count in Counter(row for row, *_ in step).values())


# ---------------------------------------------------------------- cutmix


@PROPERTY
@given(seed=st.integers(0, 2**31), size=st.sampled_from([24, 48, 96]))
def test_cutmix_takes_a_rectangle_from_the_partner_and_counts_its_area(
    seed: int, size: int
) -> None:
    torch.manual_seed(seed)
    mix = draw_mix(None, 3, CPU, cutmix=CUT)
    assert mix is not None
    own = torch.arange(3.0).view(3, 1, 1, 1, 1).expand(3, 2, 4, size, size)
    cut = _mixed(own, mix)
    partner = own[mix.partner]
    assert torch.equal(cut, torch.where(cut == own, own, partner))
    for clip in torch.nonzero(mix.partner != torch.arange(3))[:, 0]:
        kept = (cut[clip] == own[clip]).float()
        assert torch.equal(kept, kept[:1, :1].expand_as(kept)), "the same part of every frame"
        assert abs(kept.mean() - mix.share[clip]) <= 2 / size


def test_the_switch_says_how_many_micro_batches_are_cut() -> None:
    torch.manual_seed(0)
    cutmix = Cutmix(alpha=1.0, switch=0.3)
    mixes = [draw_mix(Mixup(alpha=0.4), 2, CPU, cutmix=cutmix) for _ in range(1000)]
    cut = np.mean([mix is not None and mix.box is not None for mix in mixes])
    assert cut == pytest.approx(0.3, abs=0.05)
    never = Cutmix(alpha=1.0, switch=0.0)
    assert draw_mix(None, 2, CPU, cutmix=never) is None


def test_without_cutmix_mixup_draws_what_it_always_drew() -> None:
    torch.manual_seed(5)
    mix = draw_mix(Mixup(alpha=0.4), 4, CPU)
    torch.manual_seed(5)
    alpha = torch.full((4,), 0.4)
    share = torch.distributions.Beta(alpha, alpha).sample()
    assert mix is not None
    assert torch.equal(mix.share, share)
    assert torch.equal(mix.partner, torch.randperm(4))


# ---------------------------------------------------------------- a frozen start, the head


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return Prepared(tmp_path_factory.mktemp("data"))


@pytest.mark.slow
def test_a_frozen_backbone_does_not_learn_while_the_head_does(
    prepared: Prepared, tmp_path: Path
) -> None:
    optimizer = PARAMS.recipes["graph_small"].optimizer
    weights = {}
    for frozen in (0, 1):
        for lr in (0.01, 0.02):
            changes = {"freeze_epochs": frozen, "epochs": 1, "grad_clip": None}
            spec = prepared.train_spec(
                "graph_joint", **changes, optimizer=optimizer.model_copy(update={"lr": lr})
            )
            result, _ = run(spec, tmp_path / f"{frozen}-{lr}")
            weights[frozen, lr] = result.weights

    def equal(frozen: int, part: str) -> bool:
        one, other = weights[frozen, 0.01], weights[frozen, 0.02]
        return all(torch.equal(one[key], other[key]) for key in one if key.startswith(part))

    assert equal(1, "backbone.")
    assert not equal(1, "cls_head.")
    assert not equal(0, "backbone.")


def test_the_scale_of_the_head_changes_the_fresh_classifier_alone(prepared: Prepared) -> None:
    whole, small = (
        build_state(spec, alone(spec.recipe)).model.state_dict()
        for spec in (prepared.train_spec("graph_joint", head_scale=s) for s in (1.0, 0.001))
    )
    for key, value in whole.items():
        factor = 0.001 if key.startswith("cls_head.") else 1
        torch.testing.assert_close(small[key], factor * value)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("freeze_epochs: 2", "freeze_epochs must be below epochs (2)"),
        ("views_per_clip: 3", "batch_size must be a multiple of views_per_clip (3)"),
    ],
)
def test_knobs_that_do_not_fit_the_recipe_are_refused(
    key: str, message: str, tmp_path: Path
) -> None:
    path = edited(tmp_path, ("    epochs: 2\n", f"    epochs: 2\n    {key}\n"))
    assert f"recipes.pose_small: {message}" in fault(path)


def test_cutting_of_coordinates_is_refused(tmp_path: Path) -> None:
    recipe = "  graph_small:\n", "  graph_small:\n    cutmix: {alpha: 1.0, switch: 0.5}\n"
    wanted = "graph_joint.recipe: 'graph_small' mixes clips; input 'graph' cannot be mixed"
    assert wanted in fault(edited(tmp_path, recipe))


def test_an_absent_knob_is_its_default() -> None:
    recipe = PARAMS.recipes["pose_small"]
    found = (recipe.group_loss, recipe.cutmix, recipe.views_per_clip, recipe.freeze_epochs,
             recipe.head_scale)  # fmt: skip
    assert found == (0.0, None, 1, 0, 1.0)


# ---------------------------------------------------------------- pixels


def film(seed: int, size: int = 32, frames: int = 3) -> np.ndarray:
    """The same picture in every frame, so that any difference between frames is a fault."""
    picture = np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)
    return np.repeat(picture[None], frames, 0)


def augmentation(**changes: object) -> PixelAugmentation:
    off = {"randaugment": None, "color_jitter": 0.0, "erasing": 0.0}
    return PixelAugmentation.model_validate(off | changes)


KINDS = {
    "randaugment": augmentation(randaugment=RandAugment(operations=2, magnitude=9)),
    "color_jitter": augmentation(color_jitter=0.4),
    "erasing": augmentation(erasing=1.0),
}


@pytest.mark.parametrize("kind", KINDS)
def test_all_frames_of_a_view_change_alike_and_by_their_own_generator(kind: str) -> None:
    changed = 0
    for seed in range(12):
        view = film(seed)
        torch.manual_seed(seed)
        found = KINDS[kind].apply(view, np.random.default_rng(seed))
        state = torch.get_rng_state()
        torch.manual_seed(99)
        again = KINDS[kind].apply(view, np.random.default_rng(seed))
        np.testing.assert_array_equal(found, again)
        assert found.dtype == np.uint8
        assert found.shape == view.shape
        assert (found == found[:1]).all()
        changed += int((found != view).any())
        torch.manual_seed(seed)
        assert torch.equal(state, torch.get_rng_state()), "torch's generator is left as it was"
    assert changed >= 9


@PROPERTY
@given(seed=st.integers(0, 2**31))
def test_erasing_covers_one_rectangle_of_the_named_area(seed: int) -> None:
    view = np.zeros((2, 40, 60, 3), np.uint8)
    found = KINDS["erasing"].apply(view, np.random.default_rng(seed))
    rows, columns = (np.flatnonzero(found[0].any((1 - axis, 2))) for axis in (0, 1))
    area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1) / 2400
    assert 0.015 <= area <= 0.34


def test_pixels_are_augmented_in_training_alone_and_of_pictures_alone(
    prepared: Prepared, tmp_path: Path
) -> None:
    task = prepared.train_spec("rgb")
    spec = task.experiment.input.model_copy(update={"flip": 0.0, "crop_area": (1.0, 1.0)})
    noisy = spec.model_copy(update={"augmentation": KINDS["erasing"]})
    plain, erased = (
        build_views(one, task.modality, task.modality_folder, task.clips) for one in (spec, noisy)
    )
    clip = task.clips.ids[0]
    one, other = (views.train(clip, np.random.default_rng(0))[0] for views in (plain, erased))
    assert (one != other).any()
    for quick in (True, False):
        np.testing.assert_array_equal(
            plain.test(clip, quick=quick).views[0], erased.test(clip, quick=quick).views[0]
        )
    text = (REPO / "params.yaml").read_text("utf-8")
    start = text.index("  swin_flow:\n")
    size = text.index("      size: 96\n", start)
    knob = "      augmentation: {randaugment: null, color_jitter: 0.4, erasing: 0.0}\n"
    path = tmp_path / "params.yaml"
    path.write_text(text[:size] + knob + text[size:], "utf-8")
    wanted = "experiments.swin_flow.input.augmentation: only of pictures (rgb, person_crop)"
    assert wanted in fault(path)
