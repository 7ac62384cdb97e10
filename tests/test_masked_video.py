"""Masked video: the network, its weights in three namings, its windows."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips, read_clips, write_clips
from benchmark.core.errors import FormatError
from benchmark.core.video import read_frames
from benchmark.data.readers import PackedVideos
from benchmark.data.video_input import VideoInput
from benchmark.modalities.rgb import RgbModality
from benchmark.modalities.windows import Windows, unlabeled
from benchmark.models.masked_autoencoder import MaskedAutoencoder
from benchmark.models.masking import DecoderSize, Masking
from benchmark.models.network import build
from benchmark.models.recognizer import Recognizer
from benchmark.models.vision_transformer import Positions, VisionTransformer
from benchmark.params.params import read_params
from benchmark.params.recipes import Ema
from benchmark.presets.edit import read_document, write_document
from benchmark.presets.preset import PAPER
from benchmark.runtime.distributed import alone
from benchmark.training import epochs
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.masked_video import PretrainResult, PretrainSpec, pretrain
from benchmark.training.pretraining import reconstructions
from benchmark.weights.convert import convert, fill
from benchmark.weights.convert_videomae import from_transformers, to_authors, to_transformers
from benchmark.weights.initial import write_no_weights
from conftest import REPO
from own_clips import write_folder
from small_networks import CLASSES, NORM, theirs

VIEW = VideoInput.model_validate_json(
    """{"kind": "video", "frames": 4, "size": 32, "resize": 32, "sampling": {"kind": "uniform"},
    "region": "frame", "crop_area": [0.5, 1.0], "crop_ratio": [0.75, 1.33], "flip": 0.5,
    "views": 1, "crops": 1, "normalization": {"kind": "temporal_mean_removed", "scale": 1.0}}"""
).model_copy(update={"normalization": NORM})
SMALL = VisionTransformer(
    kind="vision_transformer", embed_dims=24, depth=2, num_heads=3, patch_size=8, tubelet_size=2,
    positions=None, drop_path=0.0, dropout=0.0,
)  # fmt: skip
MASKING = Masking(
    ratio=0.75, target_eps=1e-6, decoder=DecoderSize(embed_dims=12, depth=1, num_heads=2)
)


def autoencoder(backbone: VisionTransformer = SMALL, view: VideoInput = VIEW) -> MaskedAutoencoder:
    torch.manual_seed(0)
    return alive(MaskedAutoencoder(backbone, view, MASKING))


def recognizer(backbone: VisionTransformer = SMALL, view: VideoInput = VIEW) -> Recognizer:
    torch.manual_seed(0)
    return build(backbone, view, None, num_classes=CLASSES)


def alive(net: Any) -> Any:
    """Every tensor random: a bias that is lost changes what comes out."""
    generator = torch.Generator().manual_seed(1)
    for name, x in net.named_parameters():
        x.data.normal_(0, 0.1, generator=generator)
        x.data.add_(1 if "norm" in name and name.endswith("weight") else 0)
    return net.eval()


def frames(clips: int = 2, view: VideoInput = VIEW) -> tuple[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    shape = (clips, view.frames, view.size, view.size, 3)
    return (torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator),)


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


# Weights


def test_the_classifier_equals_that_of_mmaction2() -> None:
    ours = alive(recognizer())
    net = theirs(
        "Recognizer3D",
        {
            "type": "VisionTransformer", "img_size": 32, "patch_size": 8, "embed_dims": 24,
            "depth": 2, "num_heads": 3, "num_frames": 4, "norm_cfg": {"type": "LN", "eps": 1e-6},
        },
        {"type": "TimeSformerHead", "in_channels": 24},
    )  # fmt: skip
    tensors = net.state_dict()
    # mmaction2 saves the table of positions.
    tensors["backbone.pos_embed"] = net.backbone.pos_embed.copy_(SMALL.table(VIEW, 24))
    filled = fill(ours, tensors, where="file", head="keep")
    assert filled.skipped == ("backbone.pos_embed",)
    with torch.no_grad():
        volume = ours.preprocessor(*frames())[0]
        logits = net.cls_head(net.backbone(volume))
        torch.testing.assert_close(ours(frames())[:, 0], logits, atol=1e-5, rtol=1e-5)


def hugging_face() -> Any:
    """A pre-training network of transformers of the same size, every tensor random."""
    transformers = pytest.importorskip(
        "transformers", reason="parity with transformers needs it: make extras"
    )
    config = transformers.VideoMAEConfig(
        image_size=32, patch_size=8, num_frames=4, hidden_size=24, num_hidden_layers=2,
        num_attention_heads=3, intermediate_size=96, layer_norm_eps=1e-6, use_mean_pooling=False,
        decoder_hidden_size=12, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
        decoder_intermediate_size=48,
    )  # fmt: skip
    net = alive(transformers.VideoMAEForPreTraining(config))
    net.decoder.norm.eps = 1e-6
    return net


def test_pre_training_equals_that_of_transformers() -> None:
    net, ours, x = hugging_face(), autoencoder(), frames()
    filled = fill(ours, from_transformers(net.state_dict(), where="f"), where="f", head="fresh")
    assert (filled.adapted, filled.reinitialized, filled.skipped) == ((), (), ())
    split = ours.draw(2, torch.device("cpu"))
    hidden = torch.zeros(2, 32, dtype=torch.bool).scatter_(1, split.hidden, True)
    with torch.no_grad():
        volume = ours.preprocessor(*x)[0]
        found = net(volume.transpose(1, 2), bool_masked_pos=hidden)
        torch.testing.assert_close(ours.predict(ours.tubes(x), split), found.logits)
        torch.testing.assert_close(ours(x, split), found.loss)


def test_tensors_come_back_from_transformers_as_they_went() -> None:
    net = hugging_face()
    tensors = net.state_dict()
    back = to_transformers(from_transformers(tensors, where="f"))
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], x) for name, x in tensors.items())


def published(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Named as the files on the Hub: transformers 4 wrote them."""
    short = (("query.bias", "q_bias"), ("value.bias", "v_bias"))
    names = {name: name for name in tensors}
    for old, new in short:
        names = {name: named.replace(old, new) for name, named in names.items()}
    return {names[name]: x for name, x in tensors.items()}


def test_biases_of_published_files_are_kept_where_transformers_5_once_lost_them() -> None:
    tensors = to_transformers(autoencoder().state_dict())
    old, new = (from_transformers(one, where="f") for one in (published(tensors), tensors))
    assert old.keys() == new.keys()
    assert all(torch.equal(old[name], x) for name, x in new.items())
    assert any(name.endswith("q_bias") and x.any() for name, x in old.items())


@pytest.mark.parametrize("lost", ["query.bias", "value.bias", "key.weight"])
def test_a_file_without_one_bias_is_refused_not_filled_with_zeros(lost: str) -> None:
    tensors = to_transformers(autoencoder().state_dict())
    left = {name: x for name, x in tensors.items() if not name.endswith(lost)}
    net = autoencoder()
    with pytest.raises(FormatError, match="missing"):
        fill(net, from_transformers(left, where="f"), where="f", head="fresh")


def test_a_bias_of_keys_is_refused() -> None:
    tensors = to_transformers(autoencoder().state_dict())
    key = "videomae.encoder.layer.0.attention.attention.key.bias"
    from_transformers(tensors | {key: torch.zeros(24)}, where="f")
    with pytest.raises(FormatError, match="the keys of backbone.blocks.0 have a bias"):
        from_transformers(tensors | {key: torch.ones(24)}, where="f")


def test_the_authors_files_give_the_same_network() -> None:
    ours = autoencoder().state_dict()
    names = to_authors(ours)
    assert {"encoder.patch_embed.proj.weight", "encoder.blocks.0.mlp.fc1.weight"} <= names.keys()
    assert {"encoder.norm.bias", "decoder.blocks.0.mlp.fc2.bias", "mask_token"} <= names.keys()
    again = convert(names, "videomae", where="f")
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], x) for name, x in ours.items())
    fine_tuned = {
        name.removeprefix("encoder."): x
        for name, x in to_authors(recognizer().state_dict()).items()
    }
    assert {"blocks.0.attn.q_bias", "fc_norm.weight", "head.weight"} <= fine_tuned.keys()
    assert convert(fine_tuned, "videomae", where="f").keys() == recognizer().state_dict().keys()


def test_an_encoder_goes_both_ways_between_pre_training_and_classification() -> None:
    pre, fine = autoencoder(), recognizer()
    done = fill(fine, pre.state_dict(), where="f", head="fresh")
    assert [name for name in done.reinitialized if "cls_head" not in name] == [
        "backbone.fc_norm.weight", "backbone.fc_norm.bias"
    ]  # fmt: skip
    assert {name.split(".")[0] for name in done.skipped} == {
        "mask_token", "encoder_to_decoder", "decoder", "backbone"
    }  # fmt: skip
    other = MaskedAutoencoder(SMALL, VIEW, MASKING)
    back = fill(other, fine.state_dict(), where="f", head="fresh")
    assert torch.equal(other.backbone.blocks[1].attn.q_bias, pre.backbone.blocks[1].attn.q_bias)
    assert "decoder.head.weight" in back.reinitialized


def test_half_a_decoder_is_refused() -> None:
    tensors = autoencoder().state_dict()
    del tensors["decoder.head.weight"]
    with pytest.raises(FormatError, match=r"1 missing, first decoder\.head\.weight"):
        fill(autoencoder(), tensors, where="f", head="fresh")


def test_the_full_size_entries_of_the_page_fit_into_the_preset_paper(tmp_path: Path) -> None:
    (block,) = re.findall("```yaml\\n(.*?)```", (REPO / "docs/masked-video.md").read_text(), re.S)
    document = read_document(PAPER)
    for section, entries in YAML(typ="safe").load(block).items():
        document[section] |= entries
    write_document(document, tmp_path / "params.yaml")
    params = read_params(tmp_path / "params.yaml")
    pre, fine = params.pretraining["videomae"], params.experiments["videomae_rgb"]
    # The same encoder on the same views: every tensor of it is taken over.
    same = ("embed_dims", "depth", "num_heads", "patch_size", "tubelet_size")
    assert [getattr(pre.backbone, key) for key in same] == [
        getattr(fine.backbone, key) for key in same
    ]  # fmt: skip
    assert fine.backbone.grid(fine.backbone.positions) == pre.backbone.grid(pre.input)


# Windows


@given(st.integers(1, 400), st.integers(1, 64), st.integers(1, 64))
def test_windows_begin_with_the_video_end_with_it_and_keep_their_length(
    frames: int, length: int, stride: int
) -> None:
    spec = windows(length=length, stride=stride)
    starts = spec.starts(frames)
    assert starts[0] == 0
    assert starts[-1] == max(frames - length, 0)
    steps = np.diff(starts)
    assert (steps[:-1] == stride).all()
    assert (steps[-1:] <= stride).all()
    assert (steps > 0).all()


def windows(**changes: Any) -> Windows:
    keys = {"edition": "own", "modality": "rgb", "length": 8, "stride": 4, "splits": ("train",)}
    return Windows(**keys | changes)


@pytest.mark.parametrize("splits", [("test",), ("train", "train"), ()])
def test_windows_without_training_videos_are_refused(splits: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="splits"):
        windows(splits=splits)


def test_prepared_windows_hold_the_frames_of_the_videos(tmp_path: Path) -> None:
    raw = write_folder(tmp_path / "raw")
    own = describe("own", raw)
    archive = open_archive(raw, own)
    clips = archive.read(excluded=(), workers=1)
    spec = windows(splits=("train", "val"))
    cut = spec.cut(raw, own, clips, workers=1)
    assert {clip.split for clip in cut} == {"train", "val"}
    assert {clip.video for clip in cut} == {c.video for c in clips if c.split in spec.splits}
    assert all(clip.label is None for clip in cut)
    write_clips(cut, tmp_path / "clips.parquet", unlabeled(own))
    again = read_clips(tmp_path / "clips.parquet", unlabeled(own))
    assert again == cut
    rgb = RgbModality(kind="rgb", edition="own", short_side=48, gop=4, crf=1, shards=1)
    rgb.prepare(raw, own, cut, tmp_path / "frames", workers=1)
    stored = PackedVideos(tmp_path / "frames", cut, cache_gib=0)
    one = max(cut, key=lambda clip: clip.start_frame)
    with archive.video_files()[one.video].local() as path:
        whole = list(read_frames(path))[one.start_frame : one.end_frame]
    found = stored.read(one.clip_id, np.arange(one.frames))
    assert found.shape[0] == len(whole) == one.frames
    small = [frame[:: frame.shape[0] // 48, :: frame.shape[0] // 48] for frame in whole]
    assert abs(found.mean() - np.mean(small)) < 4


def test_an_excluded_video_gives_no_window(tmp_path: Path) -> None:
    raw = write_folder(tmp_path / "raw")
    own = describe("own", raw)
    clips = open_archive(raw, own).read(excluded=(), workers=1)
    video = clips.split("train").rows[0].video
    left = tuple(clip for clip in clips if clip.video != video)
    cut = windows().cut(raw, own, Clips("own", left), workers=1)
    assert video not in cut.videos


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
    return PretrainSpec(entry, rgb, root / "frames", root / "scratch", cut, seed=3)


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
