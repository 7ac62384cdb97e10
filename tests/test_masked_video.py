"""Masked video: what the network hides, predicts and learns, and how it resumes."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.modalities.rgb import RgbModality
from benchmark.models.masked_autoencoder import MaskedAutoencoder
from benchmark.models.masking import DecoderSize, Masking
from benchmark.models.vision_transformer import Positions
from benchmark.params.params import read_params
from benchmark.params.recipes import Ema
from benchmark.presets.preset import PAPER
from benchmark.runtime.distributed import alone
from benchmark.training import epochs
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.masked_video import PretrainResult, PretrainSpec, pretrain
from benchmark.training.pretraining import reconstructions
from benchmark.weights.initial import (
    write_no_weights,
)  # fmt: skip
from own_clips import write_folder
from small_masked import MASKING, SMALL, VIEW, autoencoder, frames, windows

# The network


@given(st.floats(0.1, 0.95), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_a_mask_hides_the_same_places_at_all_times_and_every_token_once(
    ratio: float, clips: int
) -> None:
    net = MaskedAutoencoder(SMALL, VIEW, MASKING.model_copy(update={"ratio": ratio}))
    split = net.draw(clips, torch.device("cpu"))
    both = torch.cat(split, 1).sort(1).values
    assert torch.equal(both, torch.arange(32).expand(clips, 32))
    places = split.hidden.view(clips, 2, -1)
    assert torch.equal(places[:, 1] - 16, places[:, 0])
    assert places.shape[2] == int(ratio * 16)


def test_the_encoder_sees_nothing_of_what_is_hidden() -> None:
    net, x = autoencoder(), frames()
    split = net.draw(2, torch.device("cpu"))
    tubes = net.tubes(x)
    before = net.predict(tubes, split)
    for row in range(2):
        tubes[row, split.hidden[row]] = 7.0
    assert torch.equal(net.predict(tubes, split), before)


def test_tubes_are_put_together_as_they_were_cut() -> None:
    net, x = autoencoder(), frames()
    whole = net.preprocessor(*x)[0].permute(0, 2, 3, 4, 1)
    assert torch.equal(net._joined(net.tubes(x)), whole)


def test_a_picture_of_the_true_targets_is_the_clip() -> None:
    net, x = autoencoder(), frames()
    split = net.draw(2, torch.device("cpu"))
    net.predict = lambda tubes, split: net.targets(tubes, split)
    whole, masked, filled = net.painted(x, split)
    torch.testing.assert_close(filled, whole, atol=1e-4, rtol=0)
    assert (masked != whole).any()


def test_eight_clips_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    wide = SMALL.model_copy(update={"embed_dims": 96})
    decoder = DecoderSize(embed_dims=48, depth=1, num_heads=2)
    masking = Masking(ratio=0.5, target_eps=1e-6, decoder=decoder)
    net = MaskedAutoencoder(wide, VIEW, masking).train()
    angle = torch.arange(8) * torch.pi / 4
    y, x = torch.meshgrid(torch.linspace(-1, 1, 32), torch.linspace(-1, 1, 32), indexing="ij")
    slopes = angle.cos()[:, None, None] * x + angle.sin()[:, None, None] * y
    clips = (128 + 80 * slopes).byte()[:, None, :, :, None].expand(8, 4, 32, 32, 3)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    for _ in range(80):
        loss = net((clips,))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05  # 1 is what the mean of each tube gives


# Positions


def test_positions_of_the_weights_own_views_are_the_published_table() -> None:
    from benchmark.models.mmaction_import import mmaction_models

    mmaction_models()
    from mmaction.models.backbones.vit_mae import get_sinusoid_encoding

    table = SMALL.table(VIEW, 24)
    torch.testing.assert_close(table, get_sinusoid_encoding(32, 24), atol=1e-6, rtol=0)
    again = SMALL.model_copy(update={"positions": Positions(frames=4, size=32)})
    assert torch.equal(again.table(VIEW, 24), table)


def test_positions_of_other_views_are_resampled_in_time_and_space() -> None:
    spec = SMALL.model_copy(update={"positions": Positions(frames=4, size=32)})
    longer = spec.table(VIEW.model_copy(update={"frames": 8}), 24).view(4, 16, 24)
    own = SMALL.table(VIEW, 24).view(2, 16, 24)
    torch.testing.assert_close(longer[0], own[0])
    torch.testing.assert_close(longer[3], own[1])
    torch.testing.assert_close(longer[1], 0.75 * own[0] + 0.25 * own[1])
    wider = spec.table(VIEW.model_copy(update={"size": 64}), 24)
    assert wider.shape == (1, 2 * 64, 24)
    torch.testing.assert_close(wider[0, 0], own[0, 0])  # the corners stay


def test_views_that_tubes_do_not_fill_are_faults() -> None:
    odd = VIEW.model_copy(update={"frames": 5, "size": 36})
    assert SMALL.faults(odd) == [
        "input: size must be a multiple of patch_size 8",
        "input: frames must be a multiple of tubelet_size 2",
    ]
    wrong = SMALL.model_copy(update={"positions": Positions(frames=3, size=32)})
    assert wrong.faults(VIEW) == ["backbone.positions: frames must be a multiple of tubelet_size 2"]


# Training


def pretrain_spec(root: Path) -> PretrainSpec:
    raw = write_folder(root / "raw")
    own = describe("own", raw)
    clips = open_archive(raw, own).read(excluded=(), workers=1)
    cut = windows().cut(raw, own, clips, workers=1)
    cut = Clips("own", cut.rows[:7])
    rgb = RgbModality(kind="rgb", edition="own", short_side=32, gop=4, crf=8, shards=1)
    rgb.prepare(raw, own, cut, root / "frames", workers=1)
    write_no_weights(root / "scratch")
    preset = read_params(PAPER.with_name("masked.yaml")).pretraining["masked"]
    recipe = preset.recipe.model_copy(
        update={"epochs": 2, "warmup_epochs": 0.5, "batch_size": 4, "micro_batch_size": 2,
                "ema": Ema(decay=0.5)}
    )  # fmt: skip
    entry = preset.model_copy(
        update={"backbone": SMALL, "input": VIEW, "masking": MASKING, "recipe": recipe}
    )
    return PretrainSpec(
        entry, rgb, root / "frames", root / "scratch", cut, seed=3, transductive=False
    )


def test_a_pre_training_stopped_after_every_step_ends_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = pretrain_spec(tmp_path)

    def run(name: str) -> PretrainResult:
        checkpoints = Checkpoints(tmp_path / name, "x", {"seed": "1"})
        return pretrain(spec, alone(spec.entry.recipe), checkpoints, lambda epoch, row: None)

    whole, step, stops = run("whole"), epochs.train_step, 0

    def stopped(*arguments: Any) -> None:
        step(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(epochs, "train_step", stopped)
    while True:
        try:
            resumed = run("stopped")
            break
        except SystemExit:
            stops += 1
    steps = -(-len(spec.clips) // 4)
    assert stops == 2 * steps
    assert all(torch.equal(x, resumed.weights[name]) for name, x in whole.weights.items())
    losses = [[row["train/loss"] for row in one.progress.history] for one in (whole, resumed)]
    assert losses[0] == losses[1]
    pictures = [reconstructions(one, spec) for one in (whole, resumed)]
    assert len(pictures[0]) == min(spec.entry.pictures, len(spec.clips))
    np.testing.assert_array_equal(pictures[0][0].predicted, pictures[1][0].predicted)
