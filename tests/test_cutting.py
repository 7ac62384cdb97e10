"""Presets made of others: for your own clips, and without some experiments."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.core.errors import ParamsError
from benchmark.params.params import read_params
from benchmark.presets.edit import document_text, keep_experiments, read_document, write_document
from benchmark.presets.preset import PAPER
from conftest import REPO, mgbench
from own_clips import write_folder

if TYPE_CHECKING:
    from subprocess import CompletedProcess

pytestmark = pytest.mark.slow

PRESETS = {"default": REPO / "params.yaml", "paper": PAPER}
ALONE = {"joint", "limb", "rgb", "swin_rgb"}
"""Experiments of the default preset that train from scratch."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    shutil.copy(REPO / "params.yaml", root)
    return root


def run(project: Path, *arguments: str) -> CompletedProcess[str]:
    return mgbench(project, *arguments)


@pytest.mark.parametrize("path", PRESETS.values(), ids=PRESETS)
def test_a_document_that_nobody_changed_is_written_as_it_was(path: Path) -> None:
    assert document_text(read_document(path)) == path.read_text("utf-8")


@pytest.mark.parametrize("skeletons", [True, False])
@pytest.mark.parametrize("like", PRESETS)
def test_own_clips_get_params_that_fit_together(
    like: str, skeletons: bool, project: Path, tmp_path: Path
) -> None:
    clips = write_folder(tmp_path / "clips")
    if not skeletons:
        shutil.rmtree(clips / "skeletons")
        (clips / "skeleton.yaml").unlink()
    made = run(project, "edition", "new", "own", "--from", str(clips), "--like", like)
    assert made.returncode == 0, made.stderr
    used = run(project, "preset", "use", "own")
    assert used.returncode == 0, used.stderr
    text = (project / "params.yaml").read_text("utf-8")
    foreign = ("mimic", "imigue", "openpose36", "paper_top1", "swin_ma52")
    assert [word for word in foreign if word in text] == []
    assert ("kind: skeleton" in text) == skeletons
    assert "swin_depth" in text, "of a network that ships, or of published weights"
    assert run(project, "experiment", "show", "swin_rgb").returncode == 0


def test_own_clips_may_have_any_name_and_keep_their_own_joints(
    project: Path, tmp_path: Path
) -> None:
    clips = write_folder(tmp_path / "clips")
    made = run(project, "edition", "new", "talks", "--from", str(clips))
    assert made.returncode == 0, made.stderr
    modalities = read_document(project / "params.talks.yaml")["modalities"]
    assert [modalities[name]["layout"] for name in ("skeleton", "person")] == ["own", "own"]
    assert run(project, "preset", "use", "talks").returncode == 0


def test_params_of_own_clips_fit_them_and_say_why(project: Path, tmp_path: Path) -> None:
    clips = write_folder(tmp_path / "clips", test_labels=True)
    table = (clips / "clips.csv").read_text("utf-8").splitlines()
    more = [f"more{k},train,wave,videos/train0.mp4,{k},{k + 9},s0" for k in range(14)]
    (clips / "clips.csv").write_text("\n".join([*table, *more]) + "\n", "utf-8")
    run(project, "edition", "new", "own", "--from", str(clips))
    path = project / "params.own.yaml"
    params, head = read_params(path), path.read_text("utf-8").partition("preset:")[0]
    trained = 26
    pose, swin = params.recipes["pose_small"], params.recipes["swin_small"]
    assert pose.epochs * pose.repeats * trained >= 6000, "own joints: from no weights"
    assert 1000 <= swin.epochs * swin.repeats * trained < 1400, "from the zoo's weights"
    assert {recipe.sampling.kind for recipe in params.recipes.values()} == {"class_balanced"}
    assert "samples are balanced: 'wave' has 18 clips" in head
    assert "winner" not in params.fusions
    assert not params.submissions
    members = [row.members for row in params.table.rows if row.members]
    assert params.fusions["uniform"].members not in members
    for word in ("winner", "no submission", "pose_small", "swin_small"):
        assert word in head


def test_params_of_own_clips_are_never_written_over(project: Path, tmp_path: Path) -> None:
    clips = write_folder(tmp_path / "clips")
    run(project, "edition", "new", "own", "--from", str(clips))
    stored = project / "params.own.yaml"
    stored.write_text(
        stored.read_text("utf-8").replace("preset: own", "preset: own  # mine"), "utf-8"
    )
    again = run(project, "edition", "new", "own", "--from", str(clips))
    assert "preset 'own' exists already and is not changed" in again.stdout
    assert "# mine" in stored.read_text("utf-8")


def test_an_unknown_preset_is_refused_with_the_known_ones(project: Path) -> None:
    wrong = run(project, "preset", "use", "mine")
    assert wrong.returncode == 2
    assert "no preset 'mine'; expected one of beyond, default, masked, paper, zoo" in wrong.stderr


def test_folds_outside_of_a_project_say_where_to_go(tmp_path: Path) -> None:
    done = run(tmp_path, "edition", "folds", "mimic")
    assert "params.yaml: no such file. Run the command in the project folder" in done.stderr


@pytest.mark.parametrize("words", [("preset", "use"), ("edition", "new", "own", "--like")])
def test_a_path_is_no_name_of_a_preset(words: tuple[str, ...], project: Path) -> None:
    more = ("--from", ".") if words[0] == "edition" else ()
    wrong = run(project, *words, "../x", *more)
    assert wrong.returncode == 2
    assert "no preset '../x'; expected one of" in wrong.stderr


def test_presets_are_listed_whatever_files_lie_beside_them(project: Path) -> None:
    text = (project / "params.yaml").read_text("utf-8")
    (project / "params.default.2026.yaml").write_text(text, "utf-8")
    (project / "params.yaml").write_text(text.replace("preset: default", "preset: mine"), "utf-8")
    done = run(project, "preset", "list")
    assert done.returncode == 0, done.stderr
    assert "default.2026 params.default.2026.yaml" in done.stdout
    assert "  default      git checkout params.yaml" in done.stdout
    assert "* mine         params.yaml" in done.stdout


def test_a_full_disk_leaves_no_half_of_a_preset(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    command = f"ulimit -f 4 && exec {sys.executable} -m pipelines.cli.main preset use paper"
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    done = subprocess.run(
        ["bash", "-c", command], cwd=project, env=environment, capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "The system limits the size of files" in done.stderr
    assert (project / "params.yaml").read_bytes() == before
    assert not (project / "params.default.yaml").exists()


@pytest.mark.parametrize(
    "words",
    [("experiment", "remove", "swin_flow"), ("edition", "folds", "mimic"), ("weights", "pin")],
)
def test_a_tab_that_only_the_editor_of_params_refuses_is_named(
    words: tuple[str, ...], project: Path
) -> None:
    text = (project / "params.yaml").read_text("utf-8").replace("\nseed: 1", "\nseed:\t1", 1)
    (project / "params.yaml").write_text(text, "utf-8")
    done = run(project, *words)
    assert done.returncode == 2
    assert "params.yaml line 5: not valid YAML: " in done.stderr
    assert "Write a space instead of a tab" in done.stderr


def test_remove_takes_an_experiment_out_with_all_that_names_it(project: Path) -> None:
    done = run(project, "experiment", "remove", "swin_rgb_star", "swin_taylor", "swin_flow",
               "swin_depth")  # fmt: skip
    left = "joint, limb, rgb, rgb_joint, rgb_limb, swin_rgb, graph_joint, graph_bone"
    assert done.stdout.endswith(f"left: {left}\n")
    params = read_params(project / "params.yaml")
    assert params.fusions["winner"].members == ("rgb_joint", "rgb_limb", "swin_rgb")
    assert "Swin depth" not in {row.name for row in params.table.rows}
    assert "# the weights that the authors" in (project / "params.yaml").read_text("utf-8")


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("last", ["joint", "swin_rgb"])
def test_one_stream_alone_is_left_with_nothing_that_only_others_need(
    project: Path, preset: str, last: str
) -> None:
    if preset != "default":
        run(project, "preset", "use", preset)
    before = read_params(project / "params.yaml")
    done = run(project, "experiment", "remove", *({*before.experiments} - {last}))
    assert done.returncode == 0, done.stderr
    params = read_params(project / "params.yaml")
    assert [*params.experiments] == [last]
    assert [*params.modalities] == [before.experiments[last].modality]
    assert [*params.editions] == [before.table.edition]
    assert {entry.source for entry in params.submissions.values()} == {last}
    assert (params.analysis.source, params.analysis.members) == (last, (last,))
    assert not params.fusions
    assert f"submissions.final.source is now '{last}'" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("\nseed:", "\n\tseed:", "params.yaml: not valid YAML"),
        ("\nseed:", "\nseed: 1\nseed:", "found duplicate key"),
        ("\nseed:", "\nfolds: null\nseed:", "folds: Input should be an object"),
        ("\nexperiments:", "\nexperiment:", "experiments: missing"),
        ("edition: mimic", "edition: own", "EDITION: no experiment of edition 'mimic'"),
    ],
)
def test_folds_of_a_broken_file_are_refused_in_one_message(
    project: Path, old: str, new: str, says: str
) -> None:
    text = (project / "params.yaml").read_text("utf-8").replace(old, new)
    (project / "params.yaml").write_text(text, "utf-8")
    done = run(project, "edition", "folds", "mimic")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "params.yaml").read_text("utf-8") == text


def test_what_only_previews_show_is_prepared_no_more(project: Path) -> None:
    run(project, "experiment", "remove", "swin_flow", "swin_depth")
    params = read_params(project / "params.yaml")
    assert not {"flow", "depth"} & {*params.modalities}
    assert params.previews["mimic"].videos == ("rgb", "taylor")


def test_removing_what_others_are_initialized_from_changes_nothing(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    wrong = run(project, "experiment", "remove", "joint")
    assert wrong.returncode == 2
    assert wrong.stderr.endswith("Remove all: mgbench experiment remove joint rgb_joint\n")
    assert (project / "params.yaml").read_bytes() == before
    done = run(project, *wrong.stderr.rpartition("mgbench ")[2].split())
    assert done.returncode == 0


@given(gone=st.sets(st.sampled_from(sorted(ALONE | {"rgb_joint", "swin_flow", "swin_depth"}))))
@settings(max_examples=10, deadline=None)
def test_what_is_left_fits_together_or_nothing_is_written(
    gone: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("cut") / "params.yaml"
    document, params = read_document(REPO / "params.yaml"), read_params(REPO / "params.yaml")
    kept = [name for name in params.experiments if name not in gone]
    try:
        keep_experiments(document, params, kept)
        write_document(document, path)
    except ParamsError:
        assert not path.exists()
        return
    left = read_params(path)
    assert list(left.experiments) == kept
    assert all(len(fusion.members) >= 2 for fusion in left.fusions.values())
