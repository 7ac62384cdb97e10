"""Frozen features and probes: the network's own, kept by clip; the best of a grid is the model."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from safetensors.torch import save_file

from benchmark.core.errors import ArchiveError, MismatchError, ParamsError
from benchmark.core.half_precision import ZOO, read_half
from benchmark.core.pinned_file import WeightsFile, sha256
from benchmark.data.features_input import FeaturesInput, FeatureViews
from benchmark.data.video_input import VideoInput
from benchmark.inference.predict import predict
from benchmark.modalities.features.features import FeaturesModality
from benchmark.modalities.features.networks import TransformersNetwork, ZooNetwork
from benchmark.modalities.features.zoo import read_shipped
from benchmark.modalities.rgb import RgbModality
from benchmark.models.network import build
from benchmark.models.probe import AttentiveProbe, LinearProbe
from benchmark.params.params import read_params
from benchmark.presets.edit import read_document, write_document
from benchmark.presets.preset import PAPER
from benchmark.runtime.distributed import alone
from benchmark.training.experiment import _metadata
from benchmark.training.optimizer import build_optimizer
from benchmark.training.state import TrainSpec, build_state
from benchmark.weights.model_folder import Network
from conftest import REPO
from small_training import MIMIC, Prepared, run

BEYOND = read_params(PAPER.with_name("beyond.yaml"))
WIDTH = 512
"""Channels of zoo/rgb."""


def features(name: str, **changes: Any) -> FeaturesModality:
    network = ZooNetwork(kind="zoo", name=name)
    keys = {"kind": "features", "edition": "mimic", "network": network, "tokens": "time",
            "train_views": 2, "shards": 2}  # fmt: skip
    return FeaturesModality(**keys | changes)


SEEN = features("rgb")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    found = Prepared(tmp_path_factory.mktemp("features"))
    SEEN.prepare(found.raw, MIMIC, found.clips, found.root / "seen", workers=1)
    return found


def spec_of(prepared: Prepared, name: str, **recipe: Any) -> TrainSpec:
    """Experiment `name` of preset beyond, on what zoo/rgb sees of the tiny archive."""
    experiment = BEYOND.experiments[name]
    grid = {"lr_factors": (5.0, 0.3), "decay_factors": (0.01, 0.8)}
    update = {
        "input": FeaturesInput(kind="features", tokens=6, width=WIDTH),
        "backbone": experiment.backbone.model_copy(update=grid),
    }
    experiment = experiment.model_copy(update=update)
    changes = {"epochs": 3, "batch_size": 5, "micro_batch_size": 5} | recipe
    changed = BEYOND.recipes["probe"].model_copy(update=changes)
    start = prepared.train_spec("joint")
    return replace(
        start, experiment=experiment, recipe=changed, modality=SEEN,
        modality_folder=prepared.root / "seen",
    )  # fmt: skip


# ---------------------------------------------------------------- what is stored


def test_every_clip_has_its_fixed_views_and_only_clips_of_training_have_random_ones(
    prepared: Prepared,
) -> None:
    views = FeatureViews(prepared.root / "seen", prepared.clips)
    for clip in prepared.clips:
        weight = views.weights(clip.clip_id)
        features = views._read(clip.clip_id, 0, len(weight))
        assert np.isclose(weight.sum(), 1)
        assert (weight == 0).sum() == (2 if clip.split == "train" else 0)
        assert features.shape[1:] == (6, WIDTH)
        assert len({row.tobytes() for row in features}) == len(features)
        drawn = {views.train(clip.clip_id, np.random.default_rng(k))[0].tobytes() for k in range(9)}
        fixed = {row.tobytes() for row in views.test(clip.clip_id, quick=False).views[0]}
        assert len(drawn) > 1 or len(fixed) == 1
        assert drawn.isdisjoint(fixed) == (clip.split == "train")


def test_the_networks_own_classifier_finds_its_own_answer_in_them(prepared: Prepared) -> None:
    card = read_shipped("rgb")
    tensors = read_half(ZOO / "rgb.safetensors", card.sha256)
    network = build(card.model.backbone, card.model.input, None, num_classes=32)
    network.load_state_dict(tensors)
    folder = prepared.root / "person"
    modality = SEEN.network.modality("mimic")
    modality.prepare(prepared.raw, MIMIC, prepared.clips, folder, workers=1)
    theirs = card.model.input.clip_views(modality, folder, prepared.clips, cache_gib=0)
    ours = FeatureViews(prepared.root / "seen", prepared.clips)
    for clip in prepared.clips.ids[::5]:
        x = tuple(torch.from_numpy(part) for part in theirs.test(clip, quick=False).views)
        tokens = torch.from_numpy(ours.test(clip, quick=False).views[0])
        with torch.no_grad():
            found = network.eval().cls_head.fc_cls(tokens.mean(1))
            torch.testing.assert_close(found, network(x)[:, 0], atol=0.02, rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "shape"), [("joint", (12, 256)), ("swin_ma52", (36, 160))])
def test_bytes_do_not_depend_on_processes_shards_or_the_other_clips(
    prepared: Prepared, name: str, shape: tuple[int, int]
) -> None:
    tokens = "all" if name == "swin_ma52" else "time"
    found = []
    for shards, workers in ((1, 1), (3, 2)):
        out = prepared.root / f"{name}{shards}"
        spec = features(name, shards=shards, tokens=tokens)
        spec.prepare(prepared.raw, MIMIC, prepared.clips, out, workers=workers)
        views = FeatureViews(out, prepared.clips)
        weights = {clip: views.weights(clip) for clip in prepared.clips.ids}
        read = {clip: views._read(clip, 0, len(weight)) for clip, weight in weights.items()}
        found.append({clip: (read[clip], weights[clip]) for clip in weights})
        assert [path.name for path in sorted(out.iterdir())][-1] == "manifest.parquet"
    for clip, (one, weight) in found[0].items():
        other, others = found[1][clip]
        assert one.shape[1:] == shape
        assert one.tobytes() == other.tobytes()
        assert weight.tobytes() == others.tobytes()


def test_another_width_is_an_error_that_names_the_right_one(prepared: Prepared) -> None:
    wrong = FeaturesInput(kind="features", tokens=6, width=64)
    with pytest.raises(MismatchError, match=f"found tokens: 6, width: {WIDTH}"):
        wrong.clip_views(SEEN, prepared.root / "seen", prepared.clips, cache_gib=0)


def test_a_network_that_does_not_ship_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="no network 'nobody'; expected one of graph_bone"):
        ZooNetwork(kind="zoo", name="nobody")


def test_the_code_of_the_card_counts_as_if_params_named_it() -> None:
    kinds = {spec.kind for spec in features("swin_ma52").network.more_specs()}
    assert kinds == {"rgb", "video", "video_swin"}
    assert {path.name for path in SEEN.network.shipped_files()} == {"rgb.json", "rgb.safetensors"}


# ---------------------------------------------------------------- probes


@pytest.mark.parametrize("name", ["probe_linear", "probe_attentive"])
def test_the_best_probe_becomes_the_model_and_predicts_as_it_did_in_the_grid(
    prepared: Prepared, tmp_path: Path, name: str
) -> None:
    spec = spec_of(prepared, name)
    result, _ = run(spec, tmp_path)
    assert result.backbone.options == 1
    assert result.backbone.lr_factors[0] in spec.experiment.backbone.lr_factors
    metrics = build_metrics()
    network = Network(_metadata(name, result, spec, metrics), lambda: result.weights)
    found = predict(network, spec.modality_folder, spec.clips, "val", spec.recipe, quick=True)
    np.testing.assert_allclose(found.p, result.val, atol=1e-5)


def build_metrics() -> Any:
    from benchmark.evaluation.metrics import score

    return score(np.full((2, 32), 1 / 32, np.float32), np.array([0, 1]))


@pytest.mark.parametrize("name", ["probe_linear", "probe_attentive"])
def test_a_stopped_grid_resumes_to_the_same_bits(
    prepared: Prepared, tmp_path: Path, name: str
) -> None:
    spec = spec_of(prepared, name)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    whole, _ = run(spec, tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        run(spec, tmp_path / "b", stop_after=1)
    resumed, _ = run(spec, tmp_path / "b")
    assert whole.backbone == resumed.backbone
    assert all(torch.equal(x, resumed.weights[key]) for key, x in whole.weights.items())


def test_a_grid_reaches_zero_loss_on_the_clips_that_it_learns(
    prepared: Prepared, tmp_path: Path
) -> None:
    spec = spec_of(prepared, "probe_linear", epochs=60, label_smoothing=0.0)
    result, _ = run(spec, tmp_path)
    assert result.progress.history[-1]["train/top1"] == 1.0


def test_a_probe_learns_as_if_it_were_alone(prepared: Prepared) -> None:
    state = build_state(spec_of(prepared, "probe_attentive"), alone(BEYOND.recipes["probe"]))
    probes, x = state.model.cls_head.probes, torch.randn(4, 6, WIDTH)
    gradients = []
    for _ in range(2):
        state.model.zero_grad()
        state.loss(state.model((x,)), torch.arange(4), None).backward()
        gradients.append([p.grad.clone() for p in probes[0].parameters()])
        for parameter in probes[1].parameters():
            parameter.data.mul_(100)
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_each_probe_has_its_own_learning_rate_and_decay(prepared: Prepared) -> None:
    recipe = BEYOND.recipes["probe"]
    start = spec_of(prepared, "probe_linear")
    state = build_state(start, alone(recipe))
    optimizer = build_optimizer(recipe, state.model)
    found = {
        (group["lr"], group["weight_decay"]) for group in optimizer.param_groups
        for parameter in group["params"] if parameter.ndim > 1
    }  # fmt: skip
    spec = start.experiment.backbone
    assert isinstance(spec, LinearProbe)
    assert found == {(0.001 * lr, decay) for lr in spec.lr_factors for decay in spec.decay_factors}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("grad_clip: null", "grad_clip: 1.0", "clips one gradient of all probes"),
        ("kind: adamw, lr: 0.001, weight_decay: 1.0, backbone_lr: 1.0, layer_decay: 1.0",
         "kind: sgd, lr: 0.001, momentum: 0.9, weight_decay: 1.0", "needs optimizer adamw"),
        ("modality: seen", "modality: rgb", "input 'features' cannot read modality 'rgb'"),
    ],
)  # fmt: skip
def test_what_would_tie_probes_together_is_refused(
    tmp_path: Path, before: str, after: str, said: str
) -> None:
    text = PAPER.with_name("beyond.yaml").read_text("utf-8")
    assert before in text
    (tmp_path / "params.yaml").write_text(text.replace(before, after), "utf-8")
    with pytest.raises(ParamsError, match=said):
        read_params(tmp_path / "params.yaml")


def test_an_attentive_probe_needs_heads_that_divide_its_width() -> None:
    with pytest.raises(ValueError, match="width must be a multiple of num_heads"):
        AttentiveProbe(
            kind="attentive_probe", lr_factors=(1.0,), decay_factors=(1.0,), dropout=0.0,
            width=10, num_heads=3, blocks=0,
        )  # fmt: skip


# ---------------------------------------------------------------- at full size


def test_the_full_size_entries_of_the_page_fit_into_the_preset_paper(tmp_path: Path) -> None:
    document = read_document(PAPER)
    page = (REPO / "docs/streams.md").read_text("utf-8")
    for block in re.findall("```yaml\n(.*?)```", page, re.S):
        for section, entries in YAML(typ="safe").load(block).items():
            document[section] |= entries
    document["experiments"]["hands"] = document["experiments"]["head"] | {"modality": "hands"}
    write_document(document, tmp_path / "params.yaml")
    params, frames = read_params(tmp_path / "params.yaml"), (1, 3, 8, 224, 224)
    sizes = {
        "head": (31.7, frames),
        "hands": (31.7, frames),
        "probe_vjepa2": (51.5, (1, 2048, 1024)),
    }
    for name, (millions, shape) in sizes.items():
        run = params.experiments[name]
        with torch.device("meta"):
            view = run.input
            if isinstance(view, VideoInput):
                view = view.model_copy(update={"normalization": VIEW.normalization})
            net = build(run.backbone, view, None, num_classes=32).eval()
            assert net.cls_head(net.backbone(torch.empty(shape))).shape == (
                1, run.backbone.options, 32,
            )  # fmt: skip
        count = sum(p.numel() for p in net.parameters()) / run.backbone.options
        assert count / 1e6 == pytest.approx(millions, abs=0.1)


# ---------------------------------------------------------------- transformers

SMALL = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
CONFIGS: dict[str, dict[str, Any]] = {
    "videomae": SMALL | {"intermediate_size": 48, "image_size": 32, "num_frames": 4},
    "vjepa2": SMALL | {
        "crop_size": 32, "frames_per_clip": 4, "pred_hidden_size": 24, "pred_num_hidden_layers": 1,
        "pred_num_attention_heads": 2,
    },
    "xclip": {
        "vision_config": SMALL | {
            "intermediate_size": 48, "image_size": 32, "num_frames": 4, "mit_hidden_size": 24,
            "mit_num_hidden_layers": 1, "mit_num_attention_heads": 2, "mit_intermediate_size": 48,
        },
        "text_config": SMALL | {"intermediate_size": 48}, "projection_dim": 24,
    },
}  # fmt: skip
MODELS = {"videomae": "VideoMAEForPreTraining", "vjepa2": "VJEPA2Model", "xclip": "XCLIPModel"}
DECODER = {"decoder_hidden_size": 24, "decoder_num_hidden_layers": 1,
           "decoder_num_attention_heads": 2, "decoder_intermediate_size": 48}  # fmt: skip
PUBLISHED_BIAS = {".query.bias": ".q_bias", ".value.bias": ".v_bias"}
VIEW = VideoInput.model_validate_json(
    """{"kind": "video", "frames": 4, "size": 32, "resize": 32, "sampling": {"kind": "uniform"},
    "region": "center", "crop_area": [0.7, 1.0], "crop_ratio": [0.9, 1.1], "flip": 0.5,
    "views": 1, "crops": 1, "normalization": {"kind": "dataset", "mean": [120.0, 110.0, 100.0],
    "std": [60.0, 50.0, 40.0]}}"""
)


def published(kind: str, folder: Path) -> Any:
    """Write a small network of random weights as transformers publishes it; return it."""
    transformers = pytest.importorskip("transformers", reason="optional: make extras")
    torch.manual_seed(0)
    model_class = getattr(transformers, MODELS[kind])
    more = DECODER if kind == "videomae" else {}
    model = model_class(model_class.config_class(**CONFIGS[kind], **more)).eval()
    for parameter in model.parameters():  # biases of 0 would hide a lost one
        torch.nn.init.normal_(parameter, std=0.2)
    tensors = {}
    for name, x in model.state_dict().items():
        if kind == "videomae":
            for ours, theirs in PUBLISHED_BIAS.items():
                name = name.replace(ours, theirs)
        tensors[name] = x.clone().contiguous()
    save_file(tensors, folder / "model.safetensors")
    text = json.dumps({"model_type": kind, **CONFIGS[kind], **more})
    (folder / "config.json").write_text(text, "utf-8")
    return model


def pinned(folder: Path, view: VideoInput = VIEW) -> TransformersNetwork:
    files = [folder / name for name in ("model.safetensors", "config.json")]
    weights, config = (WeightsFile(path=str(path), sha256=sha256(path)) for path in files)
    reads = RgbModality(kind="rgb", edition="mimic", short_side=32, gop=4, crf=4, shards=1)
    return TransformersNetwork(
        kind="transformers", weights=weights, config=config, reads=reads, input=view
    )


@pytest.mark.parametrize("kind", CONFIGS)
@torch.no_grad()
def test_features_are_those_of_transformers_own_network(kind: str, tmp_path: Path) -> None:
    model = published(kind, tmp_path)
    frames = torch.randint(0, 256, (2, 4, 32, 32, 3), dtype=torch.uint8)
    found = pinned(tmp_path).open(None)((frames,), training=False)
    norm = VIEW.normalization
    x = ((frames - torch.tensor(norm.mean)) / torch.tensor(norm.std)).permute(0, 1, 4, 2, 3)
    match kind:
        case "videomae":
            expected = model.videomae(x).last_hidden_state.unflatten(1, (2, 4))
        case "vjepa2":
            expected = model.get_vision_features(x).unflatten(1, (2, 4))
        case _:
            pooled = model.vision_model(x.flatten(0, 1)).pooler_output
            expected = pooled.unflatten(0, (2, 4))[:, :, None]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_file_without_a_bias_is_refused_not_filled_with_zeros(kind: str, tmp_path: Path) -> None:
    published(kind, tmp_path)
    from safetensors.torch import load_file

    tensors = load_file(tmp_path / "model.safetensors")
    others, ends = ("predictor", "decoder", "text", "mit", "prompts"), (
        "q_bias", "attention.query.bias", "q_proj.bias",
    )  # fmt: skip
    lost = next(n for n in tensors if n.endswith(ends) and not n.startswith(others))
    del tensors[lost]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ArchiveError, match="1 missing"):
        pinned(tmp_path).open(None)


def test_views_that_the_network_does_not_know_are_refused(tmp_path: Path) -> None:
    published("videomae", tmp_path)
    longer = VIEW.model_copy(update={"frames": 8})
    with pytest.raises(ArchiveError, match="num_frames 4"):
        pinned(tmp_path, longer).open(None)


def test_a_config_of_another_network_is_refused(tmp_path: Path) -> None:
    published("videomae", tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', "utf-8")
    with pytest.raises(ArchiveError, match="model_type videomae, vjepa2, xclip"):
        pinned(tmp_path).open(None)
