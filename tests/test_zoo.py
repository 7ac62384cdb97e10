"""The zoo: its cards say what is true of its files; damage or a wrong use is one clear error."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
import torch

from benchmark.core import half_precision
from benchmark.core.errors import FormatError, ParamsError
from benchmark.core.half_precision import ZOO, read_half, shipped_names, write_half
from benchmark.core.pinned_file import sha256
from benchmark.core.schema import read_yaml
from benchmark.editions.edition import read_edition
from benchmark.modalities.depth.tiny import DepthCard, TinyDepth
from benchmark.models.network import build
from benchmark.params.params import read_params
from benchmark.params.recipes import Recipe
from benchmark.presets.preset import ZOO_PRESET
from benchmark.synthetic.assets import parents
from benchmark.synthetic.plan import choose_people
from benchmark.synthetic.spec import BODIES, ActionsSpec, GesturesSpec
from benchmark.weights import cards
from benchmark.weights.cards import read_card, write_starts
from benchmark.weights.initial import load_initial_weights, points_of
from benchmark.weights.model_folder import METADATA, load_tensors, read_metadata, read_weights
from conftest import REPO

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.models.recognizer import Recognizer
    from benchmark.weights.cards import Card

MIB = 2**20


def network(card: Card, classes: int | None = None) -> Recognizer:
    from benchmark.contracts.skeletons import OPENPOSE36

    model = card.model
    layout = None if points_of(model.input, model.modality) is None else OPENPOSE36
    count = classes or len(model.classes)
    return build(model.backbone, model.input, layout, num_classes=count)


def spec_of(data: dict[str, object]) -> GesturesSpec | ActionsSpec:
    return (GesturesSpec if "cast" in data else ActionsSpec).model_validate(data)


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starts") / "zoo"
    write_starts(folder)
    return folder


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the zoo that may be damaged."""
    folder = tmp_path / "copied"
    shutil.copytree(ZOO, folder)
    for module in (half_precision, cards):
        monkeypatch.setattr(module, "ZOO", folder)
    return folder


def test_the_zoo_is_small_enough_to_ship():
    assert sum(path.stat().st_size for path in ZOO.iterdir()) <= 16 * MIB


def test_every_file_has_a_card_and_every_card_a_file():
    files = {path.stem for path in ZOO.glob("*.safetensors")}
    assert files == {*shipped_names(), "depth"}


@pytest.mark.parametrize("name", shipped_names())
def test_a_network_is_what_its_card_says(name: str, starts: Path):
    card = read_card(name)
    assert sha256(ZOO / f"{name}.safetensors") == card.sha256
    assert card.model.classes == read_edition(card.model.edition).classes
    assert card.model.experiment == name
    model = network(card)
    load_tensors(read_weights(starts / name), model, where=name)
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
    assert read_metadata(starts / name) == card.model
    Recipe.model_validate(card.recipe, strict=False)


@pytest.mark.parametrize("name", [*shipped_names(), "depth"])
def test_no_network_has_seen_a_body_of_validation_or_test(name: str):
    if name == "depth":
        data = read_yaml(ZOO / "depth.json", DepthCard).people
    else:
        data = read_card(name).data
    spec = spec_of(data)
    seen = choose_people(spec.seed, spec.bodies(), spec.people())
    bodies = {body for who in seen.values() for person in who for body in parents(person)}
    every = choose_people(0, BODIES, BODIES)
    assert not bodies & {*every["val"], *every["test"]}
    mimic = read_params(REPO / "params.yaml").synthetic["mimic"]
    judged = choose_people(mimic.seed, mimic.bodies(), mimic.people())
    unseen = {b for split in ("val", "test") for person in judged[split] for b in parents(person)}
    assert not bodies & unseen


def test_the_preset_makes_what_the_cards_say():
    params = read_params(ZOO_PRESET)
    for name in shipped_names():
        card, experiment = read_card(name), params.experiments[name]
        made = params.synthetic.get(experiment.edition) or params.synthetic_ma52[experiment.edition]
        assert card.data == made.model_dump(mode="json")
        recipe = Recipe.model_validate(card.recipe, strict=False)
        assert recipe == params.recipes[experiment.recipe]
        assert card.model.backbone == experiment.backbone


def test_half_precision_keeps_three_digits_and_integers(tmp_path: Path):
    tensors = {"w": torch.randn(7, 5), "count": torch.tensor(12345)}
    read = read_half(tmp_path / "w.safetensors", write_half(tmp_path / "w.safetensors", tensors))
    assert read["w"].dtype == torch.float32
    torch.testing.assert_close(read["w"], tensors["w"], rtol=1e-3, atol=1e-6)
    assert read["count"] == 12345
    with pytest.raises(FormatError, match="big has a value that half precision cannot hold"):
        write_half(tmp_path / "big.safetensors", {"big": torch.tensor([1e6])})
    assert not (tmp_path / "big.safetensors").exists()


@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_damaged_file_is_one_clear_error_and_no_fresh_start(
    damage: str, copied: Path, tmp_path: Path
):
    path = copied / "joint.safetensors"
    data = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:-9] if damage == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(FormatError, match=r"joint\.safetensors: .*Restore it with git"):
        write_starts(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_card_that_breaks_its_form_is_named(copied: Path, tmp_path: Path):
    card = json.loads((copied / "joint.json").read_text("utf-8"))
    del card["license"]
    (copied / "joint.json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(ParamsError, match=r"joint\.json: 1 fault\n  license: missing"):
        write_starts(tmp_path / "out")


def test_tensors_of_another_network_are_refused(starts: Path, tmp_path: Path):
    shutil.copytree(starts / "joint", tmp_path / "odd")
    shutil.copy(starts / "rgb/weights.safetensors", tmp_path / "odd/weights.safetensors")
    card = read_card("joint")
    points = points_of(card.model.input, card.model.modality)
    with pytest.raises(FormatError, match="not the tensors of this network"):
        load_initial_weights(tmp_path / "odd", network(card), card.model.classes, points=points)


def test_a_start_that_reads_other_points_is_refused(starts: Path):
    """Joints and limbs are 36 channels each: the tensors would fit."""
    limb = read_card("limb")
    points = points_of(limb.model.input, limb.model.modality)
    with pytest.raises(FormatError, match="expected limb of openpose36; found joint of openpose36"):
        load_initial_weights(starts / "joint", network(limb), limb.model.classes, points=points)


def test_other_classes_get_a_fresh_classifier_and_it_is_said(starts: Path):
    card = read_card("joint")
    points = points_of(card.model.input, card.model.modality)
    told = load_initial_weights(starts / "joint", network(card, 3), ("a", "b", "c"), points=points)
    assert "2 of the network left as built" in told
    kept = load_initial_weights(starts / "joint", network(card), card.model.classes, points=points)
    assert "0 of the network left as built" in kept


def test_the_shipped_depth_network_sees_depth():
    scores = read_yaml(ZOO / "depth.json", DepthCard).scores
    assert scores["val/spearman"] > 2 * scores["mean_map/spearman"]
    assert scores["val/error_frame"] < 0.5 * scores["mean_map/error_frame"]
    assert TinyDepth.load(ZOO / "depth.json").spec.height == 90


def test_metadata_of_a_start_is_a_model_folder_s(starts: Path):
    assert {path.name for path in starts.iterdir()} == {*shipped_names()}
    for name in shipped_names():
        assert (starts / name / METADATA).is_file()
