"""Operations, bytes and memory on paper are those of real steps; what fits follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from torch.utils.flop_counter import FlopCounterMode

from benchmark.contracts.skeletons import OPENPOSE36
from benchmark.core.errors import BenchmarkError
from benchmark.params.params import Params, read_params
from benchmark.presets.edit import keep_experiments, read_document, write_document
from benchmark.presets.preset import paper
from benchmark.training.monitor.fit import MARGIN, RESERVED, fit
from benchmark.training.monitor.on_paper import (
    Operator,
    Paper,
    kind_of,
    on_paper,
    on_paper_of,
)
from benchmark.training.monitor.profiling import trace
from benchmark.training.step_state import compile_blocks
from conftest import REPO
from pipelines.cli.main import main
from small_networks import CLASSES, NETWORKS, Network
from small_training import PARAMS, Prepared

MEASURED = {
    ("joint", "32-true", 32): 19.0, ("joint", "bf16-mixed", 32): 10.6,
    ("rgb", "bf16-mixed", 26): 9.6, ("rgb_joint", "bf16-mixed", 24): 14.8,
    ("swin_rgb_star", "16-mixed", 5): 8.3, ("swin_rgb", "bf16-mixed", 32): 61.3,
}  # fmt: skip
"""GiB that an H100 measured, of docs/recipes.md."""


def small(name: str, clips: int, precision: str = "32-true") -> Paper:
    network, recipe = NETWORKS[name], PARAMS.recipes["pose_small"]
    recipe = recipe.model_copy(update={"precision": precision})
    return on_paper(
        network.backbone, network.spec, recipe, OPENPOSE36, clips=clips, classes=CLASSES
    )


def test_operations_are_those_of_a_real_forward_and_backward_pass() -> None:
    net, views = NETWORKS["joint"].build().train(), NETWORKS["joint"].views(2)
    with FlopCounterMode(display=False) as counter:
        net(views).square().sum().backward()
    found = small("joint", 2)
    assert sum(one.flops for one in found.operators) == counter.get_total_flops()
    modules = {one.module for one in found.operators}
    assert {"backbone.conv1", "backbone.layer1", "cls_head"} <= modules


def test_memory_is_weights_momentum_and_what_each_clip_keeps() -> None:
    net = NETWORKS["joint"].build()
    parameters = sum(p.nbytes for p in net.parameters())
    one, two, four = (small("joint", clips).peak for clips in (1, 2, 4))
    assert one > 2 * parameters  # weights and momentum
    assert four - two == pytest.approx(2 * (two - one), rel=0.05)


def test_half_precision_keeps_less_and_counts_as_half() -> None:
    full, half = small("swin_rgb", 2), small("swin_rgb", 2, "bf16-mixed")
    assert half.peak < full.peak
    assert not any(one.half for one in full.operators)
    assert all(one.half for one in half.operators if one.kind == "attention")
    assert {one.kind for one in half.operators} >= {"matrix", "attention", "norm", "copy"}


def test_an_operator_takes_the_longer_of_computing_and_moving() -> None:
    card = "H100"
    busy = Operator("", "matrix", half=True, flops=989 * 10**9, bytes=1)
    moving = Operator("", "copy", half=False, flops=0, bytes=335 * 10**7)
    assert busy.seconds(card) == pytest.approx(moving.seconds(card)) == pytest.approx(1e-3)
    assert busy._replace(half=False).seconds(card) == pytest.approx(989 / 495 * 1e-3)
    assert [kind_of(name) for name in ("addmm", "relu_", "_fused_adamw_")] == [
        "matrix", "pointwise", "optimizer",
    ]  # fmt: skip


def test_a_pass_on_paper_and_a_real_one_leave_each_other_as_they_were() -> None:
    net, views = NETWORKS["swin_rgb"].build().eval(), NETWORKS["swin_rgb"].views(2)
    first = small("swin_rgb", 2)
    before = net(views)
    assert small("swin_rgb", 2).peak == first.peak, "what a real pass has kept counts too"
    assert torch.equal(net(views), before)


@pytest.mark.slow
@pytest.mark.parametrize(("case", "gib"), MEASURED.items(), ids=str)
def test_peaks_lie_within_the_margin_of_what_an_h100_measured(
    case: tuple[str, str, int], gib: float
) -> None:
    (name, precision, clips), params = case, paper()
    key = params.experiments[name].recipe
    recipe = params.recipes[key].model_copy(update={"precision": precision})
    params = params.model_copy(update={"recipes": {**params.recipes, key: recipe}})
    found = on_paper_of(name, params, clips=clips).peak / 2**30
    assert 0.97 * gib < found < (1 + MARGIN) * gib


def gib_for(name: str, clips: int, params: Params = PARAMS) -> float:
    """GiB that so many clips just fit into."""
    return on_paper_of(name, params, clips=clips).peak / 2**30 * (1 + MARGIN) + RESERVED + 1e-3


def test_swin_takes_the_largest_part_of_a_step_that_fits() -> None:
    batch = PARAMS.recipes[PARAMS.experiments["swin_rgb"].recipe].batch_size
    assert batch == 8
    found = fit("swin_rgb", PARAMS, gib=gib_for("swin_rgb", 5))
    assert (found.size, found.recompute) == (4, False)
    assert found.gib * (1 + MARGIN) + RESERVED <= gib_for("swin_rgb", 4)


def test_batch_norms_see_no_more_clips_than_the_recipe_says() -> None:
    found = fit("joint", PARAMS, gib=80)
    assert found.size == found.now
    less = fit("joint", PARAMS, gib=gib_for("joint", found.now - 1))
    assert less.size == found.now // 2
    assert "batch norms then see fewer clips" in less.reason


def test_too_little_for_one_clip_recomputes_and_then_says_so(tmp_path: Path) -> None:
    # The convolutions of a stem are no block, so of one clip there is little to compute again.
    text = (REPO / "params.yaml").read_text("utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("stem: [16, 32]", "stem: null"), "utf-8")
    params = read_params(tmp_path / "params.yaml")
    assert fit("swin_rgb", params, gib=gib_for("swin_rgb", 1, params) - 0.002).recompute
    with pytest.raises(BenchmarkError, match=r"one clip needs 1\.\d GiB; expected at most 1"):
        fit("swin_rgb", params, gib=1.0)


def test_the_plan_is_written_with_a_reason_beside_each_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = read_document(REPO / "params.yaml")
    keep_experiments(document, PARAMS, ["joint", "swin_rgb"])
    document["recipes"]["swin_small"]["micro_batch_size"] = 1
    # The batch norms of a stem would see another number of clips.
    document["experiments"]["swin_rgb"]["backbone"]["stem"] = None
    write_document(document, tmp_path / "params.yaml")
    done = CliRunner().invoke(main, ["plan", "--gpu-memory", "24", "--write"])
    assert done.exit_code == 0, done.output
    assert "1 -> 8" in done.output
    assert read_params(tmp_path / "params.yaml").recipes["swin_small"].micro_batch_size == 8
    assert "micro_batch_size: 8  # 24 GiB: at most" in (tmp_path / "params.yaml").read_text("utf-8")


def test_the_roofline_needs_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((REPO / "params.yaml").read_text("utf-8"), "utf-8")
    done = CliRunner().invoke(main, ["profile", "joint", "--roofline"])
    assert done.exit_code == 0, done.output
    assert "backbone.layer1" in done.output
    assert "RTX 3090: at most" in done.output


def test_a_trace_names_the_heaviest_operators(tmp_path: Path) -> None:
    spec = Prepared(tmp_path).train_spec("joint")
    found = trace(spec, steps=1, out=tmp_path / "trace.json")
    assert found.operators[0].kind == "convolution"
    times = [one.seconds for one in found.operators]
    assert times == sorted(times, reverse=True)
    assert sum(times) > 0
    assert 0 <= found.waited < found.seconds
    assert (tmp_path / "trace.json").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("name", ["swin over heat maps", "joint"])
def test_compiled_blocks_give_the_same_numbers(name: str) -> None:
    spec = NETWORKS[name].backbone
    still = {"dropout": 0.0, "drop_path": 0.0}
    spec = spec.model_copy(update={key: still[key] for key in still if hasattr(spec, key)})
    network = Network(spec, NETWORKS[name].spec)
    plain, compiled = network.build().train(), network.build().train()
    # What torch.compile captures and differentiates, without the minutes of a C++ compiler.
    assert len(compile_blocks(compiled, backend="aot_eager")) > 1
    assert [*compiled.state_dict()] == [*plain.state_dict()]
    for clips in (2, 1):
        views = network.views(clips)
        found, expected = compiled(views), plain(views)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
        found.square().sum().backward()
        expected.square().sum().backward()
    for (key, p), q in zip(compiled.named_parameters(), plain.parameters(), strict=True):
        assert p.grad is not None, key
        assert q.grad is not None, key
        scale = max(1.0, q.grad.abs().max().item())
        torch.testing.assert_close(p.grad / scale, q.grad / scale, atol=1e-5, rtol=1e-5)
