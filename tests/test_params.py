"""params.yaml is read strictly, and one error names all its problems."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmark.core.errors import ParamsError
from benchmark.editions.edition import edition_names, read_edition
from benchmark.params.params import Params, read_params
from conftest import REPO
from write_params_schema import schema_of, schema_text


def edited(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = (REPO / "params.yaml").read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "params.yaml"
    path.write_text(text, "utf-8")
    return path


def fault(path: Path) -> str:
    with pytest.raises(ParamsError) as caught:
        read_params(path)
    return str(caught.value)


def test_the_shipped_params_are_sound() -> None:
    assert set(read_params(REPO / "params.yaml").experiments) >= {"joint", "rgb"}


def test_a_typo_is_named_with_its_path_and_the_key_meant(tmp_path: Path) -> None:
    found = fault(edited(tmp_path, ("batch_size: 8\n    micro", "batch_sise: 8\n    micro")))
    assert "recipes.pose_small.batch_sise: unknown key; did you mean 'batch_size'?" in found
    assert "recipes.pose_small.batch_size: missing" in found


def test_a_key_is_not_said_to_mean_itself(tmp_path: Path) -> None:
    """`epoch` is a key elsewhere."""
    found = fault(edited(tmp_path, ("    epochs: 2\n", "    epoch: 2\n")))
    assert "recipes.pose_small.epoch: unknown key; did you mean 'epochs'?" in found


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    found = fault(
        edited(
            tmp_path,
            ("warmup_epochs: 0.5", 'warmup_epochs: "0.5"'),
            ("sigma: 1.0", "sigma: 0.0"),
            ("seed: 1", "seed: true"),
        )
    )
    assert "3 faults" in found
    for path in ("recipes.pose_small.warmup_epochs", "experiments.joint.input.sigma", "seed"):
        assert f"{path}:" in found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "recipe: pose_small",
            "recipe: pose_smal",
            "experiments.joint.recipe: no entry 'pose_smal' in recipes; did you mean 'pose_small'?",
        ),
        (
            "members: [rgb_joint, rgb_limb,",
            "members: [rgb_joint, nobody,",
            "fusions.uniform.members: no entry 'nobody' in experiments",
        ),
        (
            "source: rgb}",
            "source: flow}",
            "table row 'RGB': no entry 'flow' in experiments, external or fusions",
        ),
        (
            "init_from: zoo/joint",
            "init_from: nothing",
            "experiments.joint.init_from: no entry 'nothing' in experiments, merges, pretraining,",
        ),
        (
            "{rgb: rgb, pose: joint}",
            "{rgb: rgb, pose: hands}",
            "merged_joint.pose: no entry 'hands' in exp",
        ),
        ("init_from: zoo/joint", "init_from: rgb_joint", "init_from forms a cycle: "),
        ("pose_frames: 12", "pose_frames: 11", "rgb_frames * backbone.speed_ratio (12)"),
        (
            "{name: uniform, source: uniform}",
            "{name: uniform, source: uniform, paper_top1: 72.644}",
            "table row 'uniform': paper_top1 is not comparable with edition 'mimic'",
        ),
        (
            "members: [joint, limb]}",
            "members: [joint, hand]}",
            "'joint + limb': no entry 'hand' in",
        ),
        (
            "        rgb_joint: 0.5\n",
            "",
            "fusions.winner.rule.weights: must name exactly the members",
        ),
        (
            "modality: skeleton",
            "modality: bones",
            "experiments.joint.modality: no entry 'bones' in modalities",
        ),
        (
            "members: [rgb_joint, rgb_limb,",
            "members: [rgb_joint, rgb_joint, rgb_limb,",
            "fusions.uniform.members: 'rgb_joint' comes twice",
        ),
        ("{name: RGB, source", "{name: joint, source", "table.rows: 'joint' comes twice"),
        (
            "backend: {kind: dis,",
            "backend: {kind: diss,",
            "modalities.flow.backend: no kind 'diss'; did you mean 'dis'?",
        ),
        (
            "rule: {kind: uniform}",
            "rule: {kind: mean}",
            "fusions.uniform.rule: no kind 'mean'; known: uniform, fixed, ",
        ),
        ("members: [joint, limb]}", "members: []}", "table.rows.10.members"),
        ("{name: RGB,", '{name: "",', "table.rows.2.name"),
        (
            "  uniform:\n    edition: mimic",
            "  uniform:\n    edition: smg",
            "fusions.uniform.edition: no entry 'smg' in editions",
        ),
        (
            "  uniform:\n    edition: mimic",
            "  uniform:\n    edition: smg",
            "table row 'uniform': 'uniform' belongs to edition 'smg', not to 'mimic'",
        ),
    ],
)
def test_a_name_that_is_not_defined_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert message in fault(edited(tmp_path, (old, new)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "spatial_strides: [2, 2, 2]",
            "spatial_strides: [2, 2]",
            "experiments.joint.backbone: spatial_strides has 2 numbers for 3 stages",
        ),
        (
            "stage_blocks: [2, 2, 2]\n",
            "stage_blocks: [2, 2, 2, 2, 2]\n",
            "experiments.joint.backbone: stage_blocks has 5 stages; a ResNet has 1 to 4",
        ),
        (
            "num_heads: [4, 8, 16]",
            "num_heads: [4, 8]",
            "experiments.swin_rgb.backbone: num_heads has 2 numbers for 3 depths",
        ),
        (
            "num_heads: [4, 8, 16]",
            "num_heads: [4, 7, 16]",
            "experiments.swin_rgb.backbone: 7 heads cannot share the 80 channels of stage 2",
        ),
        (
            "stem: [16, 32]",
            "stem: [16]",
            "experiments.swin_rgb.backbone: stem [16] needs patch_size [2, 4, 4]",
        ),
        (
            "crop_area: [0.56, 1.0]",
            "crop_area: [1.0, 0.5]",
            "from low to high, above 0; found 1",
        ),
        ("crop_area: [0.56, 1.0]", "crop_area: [0, 0]", "crop_area: a range from low to high"),
        ("crop_ratio: [0.75, 1.3333]", "crop_ratio: [2.0, 0.5]", "crop_ratio: a range from low to"),
        ("      resize: 96\n", "      resize: 64\n", "resize (64) must be at least size (96)"),
        ("threads: 1\n", "threads: 100000\n", "recipes.pose_small.threads: "),
    ],
)
def test_a_network_whose_numbers_do_not_fit_is_refused_before_it_is_built(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    assert message in fault(edited(tmp_path, (old, new)))


def test_fixed_weights_that_are_all_0_are_refused(tmp_path: Path) -> None:
    text = (REPO / "params.yaml").read_text("utf-8")
    head, tail = text.split("      weights:\n        rgb_joint", 1)
    weights, rest = tail.split("    temperature", 1)
    zeros = re.sub(r": [0-9.]+", ": 0.0", weights)
    path = tmp_path / "params.yaml"
    path.write_text(f"{head}      weights:\n        rgb_joint{zeros}    temperature{rest}", "utf-8")
    assert "fusions.winner.rule.weights: one must be above 0" in fault(path)


def test_previews_of_another_name_than_the_report_shows_are_refused(tmp_path: Path) -> None:
    old = "stage previews\n  mimic:\n"
    found = fault(edited(tmp_path, (old, old.replace("mimic:", "pictures:"))))
    assert "previews: no entry 'mimic', which the report shows" in found


def test_a_warm_up_that_never_ends_is_refused(tmp_path: Path) -> None:
    found = fault(edited(tmp_path, ("warmup_epochs: 0.5", "warmup_epochs: 8.0")))
    assert "recipes.pose_small: warmup_epochs must be below epochs (2)" in found


def test_a_step_that_is_not_a_multiple_of_micro_batches_is_refused(tmp_path: Path) -> None:
    found = fault(edited(tmp_path, ("micro_batch_size: 8", "micro_batch_size: 3")))
    assert "recipes.pose_small: batch_size must be a multiple of micro_batch_size (3)" in found


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    assert "not valid YAML" in fault(edited(tmp_path, ("seed: 1\n", "seed: 1\nseed: 2\n")))


def test_a_missing_file_is_no_traceback(tmp_path: Path) -> None:
    assert "params.yaml: no such file. Run the command in the project folder" in fault(
        tmp_path / "params.yaml"
    )


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    path = edited(tmp_path, ("weight_decay: 0.01", "weight_decay: 1e-2"))
    assert read_params(path).recipes["pose_small"].optimizer.weight_decay == 0.01


@pytest.mark.parametrize("name", edition_names())
def test_every_edition_reads_and_groups_each_class_once(name: str) -> None:
    edition = read_edition(name)
    assert len(set(edition.classes)) == len(edition.classes)


def test_an_unknown_edition_names_the_known_ones() -> None:
    with pytest.raises(ParamsError, match=r"no edition 'imigeu'; expected one of .*mimic"):
        read_edition("imigeu")


def test_every_parameter_is_described() -> None:
    schema = schema_of(Params)
    parts = {"Params": schema, **schema["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, part in parts.items()
        for key, value in part.get("properties", {}).items()
        if not {"description", "$ref"} & value.keys() and key != "kind"
    ]
    assert silent == [], "one that is a part with a docstring of its own is described there"


def test_the_schema_in_the_docs_is_fresh() -> None:
    """Refresh it with: python tests/write_params_schema.py."""
    assert (REPO / "docs/params.schema.json").read_text("utf-8") == schema_text(Params)


@pytest.mark.parametrize("odd", ["\\x0b", "\\0", "\\t", "\\n", "\\u2028"])
def test_a_name_on_pages_holds_no_control_character(odd: str, tmp_path: Path) -> None:
    path = edited(tmp_path, ("{name: joint, source: joint}", f'{{name: "a{odd}b", source: joint}}'))
    assert "table.rows.0.name: " in (message := fault(path))
    assert "holds a control character" in message


def test_names_of_any_script_are_right(tmp_path: Path) -> None:
    name = "\u0936\u094d\u0930\u0940\u200d \u624b\u52bf\u3000\u00e9\u00a0|"
    path = edited(tmp_path, ("{name: joint, source: joint}", f'{{name: "{name}", source: joint}}'))
    assert read_params(path).table.rows[0].name == name
