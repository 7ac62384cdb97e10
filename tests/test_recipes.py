"""The two presets that ship, and the commands that show and choose them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.params.params import read_params
from benchmark.params.recipes import LinearScaling
from benchmark.presets.preset import PAPER, differences, paper, resolved
from conftest import REPO, mgbench

DEFAULT = read_params(REPO / "params.yaml")
# Experiment: learning rate, batch size, weight decay, epochs, repeats (MM-Gesture's configs).
PUBLISHED = {
    "joint": (0.05, 256, 3e-4, 24, 10),
    "limb": (0.2, 256, 3e-4, 24, 10),
    "rgb": (0.15, 208, 1e-4, 18, 10),
    "rgb_joint": (0.0075, 48, 1e-4, 20, 1),
    "rgb_limb": (0.0075, 48, 1e-4, 20, 1),
    "graph_joint": (0.1, 128, 5e-4, 16, 5),  # of mmaction2's ST-GCN++
    "graph_bone": (0.1, 128, 5e-4, 16, 5),
    "swin_ma52": (1e-3, 40, 0.02, 30, 1),
    "swin_rgb": (1e-3, 32, 0.05, 30, 1),
    "swin_rgb_star": (1e-3, 40, 0.02, 30, 1),
    "swin_taylor": (1e-3, 24, 0.05, 30, 1),
    "swin_flow": (1e-3, 24, 0.05, 30, 1),
    "swin_depth": (1e-3, 24, 0.05, 30, 1),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(REPO / "params.yaml", tmp_path)
    return tmp_path


def test_both_presets_have_the_same_names_so_that_one_graph_serves_both() -> None:
    for section in ("experiments", "merges", "fusions", "submissions"):
        ours = {*getattr(DEFAULT, section)}
        # Of pre-training, the default has the result: zoo/swin_rgb_star.
        assert ours == {*getattr(paper(), section)} - {"swin_ma52"}, section
    rows, others = ({(row.source, row.members) for row in params.table.rows}
                    for params in (DEFAULT, paper()))  # fmt: skip
    assert rows == others
    assert (DEFAULT.preset, paper().preset) == ("default", "paper")


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_papers_recipe_has_the_published_numbers(name: str) -> None:
    recipe = paper().recipes[paper().experiments[name].recipe]
    spec = recipe.optimizer
    found = (recipe.lr, recipe.batch_size, spec.weight_decay, recipe.epochs, recipe.repeats)
    assert found == pytest.approx(PUBLISHED[name])
    assert recipe.micro_batches == 8, "one forward pass for each of eight GPUs"


def test_every_experiment_of_the_paper_is_checked_above() -> None:
    assert PUBLISHED.keys() == paper().experiments.keys()


def test_the_learning_rate_follows_another_batch_by_the_named_rule() -> None:
    recipe = paper().recipes["pose_limb"].model_copy(update={"batch_size": 64})
    assert isinstance(recipe.lr_scaling, LinearScaling)
    assert recipe.lr == pytest.approx(0.05)


def test_differences_name_what_only_one_side_has() -> None:
    found = {key: (here, there) for key, here, there in differences(
        {"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3, "d": 4}})}  # fmt: skip
    assert found == {"b.c": ("2", "3"), "b.d": ("-", "4")}
    assert differences(resolved(paper(), "joint"), resolved(paper(), "joint")) == []


def test_show_prints_the_experiment_and_its_differences_from_the_paper(project: Path) -> None:
    shown = mgbench(project, "experiment", "show", "joint")
    assert shown.returncode == 0, shown.stderr
    assert "kind: pose_conv3d" in shown.stdout
    assert "input.frames                   12 -> 48" in shown.stdout
    wrong = mgbench(project, "experiment", "show", "joints")
    assert wrong.returncode == 2
    assert "no entry 'joints' in experiments; expected one of joint, limb" in wrong.stderr


@pytest.mark.slow
def test_use_puts_the_paper_in_place_and_the_default_back(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    assert mgbench(project, "preset", "use", "paper").returncode == 0
    assert (project / "params.yaml").read_bytes() == PAPER.read_bytes()
    listed = mgbench(project, "preset", "list").stdout.splitlines()
    assert listed[1] == "  default      params.default.yaml"
    assert listed[3] == "* paper        params.yaml"
    others = [listed[k].split()[0] for k in (0, 2, 4)]
    assert others == ["beyond", "masked", "zoo"]
    shown = mgbench(project, "experiment", "show", "joint")
    assert shown.stdout.endswith("No differences from preset 'paper'.\n")
    assert mgbench(project, "preset", "use", "default").returncode == 0
    assert (project / "params.yaml").read_bytes() == before
    assert "already" in mgbench(project, "preset", "use", "default").stdout


def test_use_never_loses_edits_that_an_earlier_use_kept(project: Path) -> None:
    fresh = (project / "params.yaml").read_text("utf-8")
    edited = fresh.replace("epochs: 2", "epochs: 5")
    for text in (edited, fresh):  # as after `git checkout params.yaml`
        (project / "params.yaml").write_text(text, "utf-8")
        assert mgbench(project, "preset", "use", "paper").returncode == 0
    assert (project / "params.default.yaml").read_text("utf-8") == fresh
    assert (project / "params.default.yaml.old").read_text("utf-8") == edited


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [
        ("epochs: 2", "epochs: five", "params.default.yaml"),
        ("\nseed: 1", "\nseed: [1", "params.default.yaml"),
        ("preset: default", "preset: [", "params.broken.yaml"),
    ],
)
def test_a_broken_file_never_blocks_the_command_that_replaces_it(
    project: Path, old: str, new: str, kept: str
) -> None:
    text = (project / "params.yaml").read_text("utf-8")
    assert old in text
    (project / "params.yaml").write_text(text.replace(old, new), "utf-8")
    done = mgbench(project, "preset", "use", "paper")
    assert done.returncode == 0, done.stderr
    assert (project / "params.yaml").read_bytes() == PAPER.read_bytes()
    assert (project / kept).read_text("utf-8") == text.replace(old, new)


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["epochs: five", "foo: ["])
def test_a_broken_preset_is_replaced_by_another_copy_of_itself(project: Path, broken: str) -> None:
    mgbench(project, "preset", "use", "paper")
    path = project / "params.yaml"
    whole = path.read_text("utf-8")
    path.write_text(whole.replace("seed: 1", f"seed: 1\n{broken}", 1), "utf-8")
    done = mgbench(project, "preset", "use", "paper")
    assert "params.broken.yaml keeps preset 'paper'" in done.stdout, done.stderr
    assert path.read_text("utf-8") == whole
    assert broken in (project / "params.broken.yaml").read_text("utf-8")
    # Git alone has another default.
    default = project / "params.default.yaml"
    default.rename(path)
    path.write_text(path.read_text("utf-8") + broken + "\n", "utf-8")
    refused = mgbench(project, "preset", "use", "default")
    assert refused.returncode == 2
    assert "git checkout params.yaml" in refused.stderr
    assert "* default" in mgbench(project, "preset", "list").stdout


def test_faults_of_params_are_told_with_their_lines(project: Path) -> None:
    lines = (project / "params.yaml").read_text("utf-8").splitlines(keepends=True)
    place = next(k for k, line in enumerate(lines) if line.strip() == "epochs: 2")
    lines[place] = lines[place].replace("2", "five")
    (project / "params.yaml").write_text("".join(lines), "utf-8")
    done = mgbench(project, "experiment", "show", "joint")
    assert f"\n  line {place + 1}: recipes.pose_small.epochs: Input should be" in done.stderr


def test_a_lost_edition_is_one_fault(project: Path) -> None:
    text = (project / "params.yaml").read_text("utf-8")
    (project / "params.yaml").write_text(text.replace("edition: mimic", "edition: gone"), "utf-8")
    done = mgbench(project, "experiment", "show", "joint")
    assert done.stderr.count("no entry 'gone' in editions or benchmark/editions") == 1
    assert "more entries name it" in done.stderr


def test_profile_of_an_experiment_without_data_says_what_to_run(project: Path) -> None:
    found = mgbench(project, "profile", "joint")
    assert found.returncode == 2
    assert "clips.parquet" in found.stderr
    assert "Traceback" not in found.stderr


def test_missing_archives_are_said_before_dvc_names_an_error_number(project: Path) -> None:
    mgbench(project, "preset", "use", "paper")
    command = [sys.executable, "-m", "pipelines.check", "--out", "runs/code"]
    here = os.environ | {"PYTHONPATH": str(REPO)}
    done = subprocess.run(command, cwd=project, env=here, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 2
    for name in ("imigue", "ma52"):
        assert f"data/raw/{name}: the archive of edition '{name}' is not there" in done.stderr
    assert done.stderr.count("drop what needs it") == 1
    assert "drop what needs it: 'mgbench experiment remove swin_ma52 swin_rgb_star'" in done.stderr
