"""Weights of VideoMAE in three namings, and the mark that they carry."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML

from benchmark.contracts.predictions import Probabilities, read_probabilities, write_probabilities
from benchmark.core.errors import FormatError
from benchmark.models.masked_autoencoder import MaskedAutoencoder
from benchmark.params.params import read_params
from benchmark.presets.edit import read_document, write_document
from benchmark.presets.preset import PAPER
from benchmark.weights.convert import convert, fill
from benchmark.weights.convert_videomae import from_transformers
from benchmark.weights.initial import (
    is_transductive,
    load_initial_weights,
    write_initial,
    write_no_weights,
)  # fmt: skip
from conftest import REPO
from small_masked import MASKING, SMALL, VIEW, alive, autoencoder, frames, recognizer
from small_networks import theirs
from submission.fusion.fuse import fuse
from videomae_names import to_authors, to_transformers


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


# The mark


def test_the_mark_is_written_read_and_inherited_by_a_fusion(tmp_path: Path) -> None:
    even = np.full((2, 2), 0.5, np.float32)
    one = Probabilities("mimic", "test", "a", ("x", "y"), ("1", "2"), even, transductive=True)
    other = Probabilities("mimic", "test", "b", ("x", "y"), ("1", "2"), even)
    for name, member in (("a", one), ("b", other)):
        write_probabilities(member, tmp_path / f"{name}.parquet")
        again = read_probabilities(tmp_path / f"{name}.parquet")
        assert again.transductive == member.transductive
    assert fuse([one, other], {"a": 1, "b": 1}, source="both").transductive
    assert not fuse([other, replace(other, source="c")], {"b": 1, "c": 1}, source="d").transductive


@pytest.mark.parametrize("seen", [True, False])
def test_initial_weights_say_whether_they_have_seen_test_videos(
    tmp_path: Path, *, seen: bool
) -> None:
    tensors = autoencoder().state_dict()
    write_initial(
        tmp_path / "masked",
        tensors,
        checkpoint_format="masked_video",
        origin="masked",
        transductive=seen,
    )
    assert is_transductive(tmp_path / "masked") is seen
    write_no_weights(tmp_path / "scratch")
    assert not is_transductive(tmp_path / "scratch")
    fine = recognizer()
    done = load_initial_weights(tmp_path / "masked", fine, ("x",), points=None)
    assert done.startswith("masked: tensors: ")
    assert torch.equal(
        fine.backbone.blocks[0].attn.v_bias, tensors["backbone.blocks.0.attn.v_bias"]
    )
