"""`mgbench edition new`: an edition of anyone's own clips, whole or not at all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import own_clips
from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.core.errors import BenchmarkError
from benchmark.core.schema import read_yaml
from benchmark.editions.edition import SHIPPED, Edition, edition_names, read_edition
from benchmark.params.params import read_params
from benchmark.presets.own_edition import RATES
from conftest import REPO, mgbench
from own_clips import write_folder

pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "own")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project without the packages: its own editions lie beside params.yaml."""
    (tmp_path / "project").mkdir()
    shutil.copy(REPO / "params.yaml", tmp_path / "project")
    return tmp_path / "project"


def new(project: Path, name: str, source: Path) -> subprocess.CompletedProcess[str]:
    return mgbench(project, "edition", "new", name, "--from", str(source))


def test_edition_new_writes_the_edition_and_links_the_folder(root: Path, project: Path) -> None:
    done = new(project, "own", root)
    assert done.returncode == 0, done.stderr
    path = project / "editions/own.yaml"
    assert read_yaml(path, Edition) == describe("own", root)
    assert (project / "data/raw/own").resolve() == root.resolve()
    assert (project / "data/test_labels/own").is_dir()


def test_edition_new_raises_the_version_only_when_something_changed(
    root: Path, project: Path
) -> None:
    path = project / "editions/own.yaml"
    new(project, "own", root)
    new(project, "own", root)
    assert read_yaml(path, Edition).version == 1
    with (root / "classes.txt").open("a", encoding="utf-8") as file:
        file.write("jump\n")
    new(project, "own", root)
    assert read_yaml(path, Edition).version == 2
    assert read_yaml(path, Edition).classes[-1] == "jump"


def test_edition_new_keeps_what_was_written_by_hand(root: Path, project: Path) -> None:
    path = project / "editions/own.yaml"
    new(project, "own", root)
    text = path.read_text("utf-8")
    a = text.index("groups:")
    b = text.index("withheld:")
    path.write_text(text[:a] + "groups: {hands: [0], head: [1, 2]}\n" + text[b:], "utf-8")
    new(project, "own", root)
    assert read_yaml(path, Edition).groups == {"hands": (0,), "head": (1, 2)}
    assert read_yaml(path, Edition).version == 1


def test_edition_new_links_to_where_the_clips_are_now(
    root: Path, project: Path, tmp_path: Path
) -> None:
    link = project / "data/raw/own"
    new(project, "own", root)
    moved = root.rename(tmp_path / "moved")
    assert not link.exists()
    assert new(project, "own", moved).returncode == 0
    assert link.resolve() == moved.resolve()
    other = write_folder(tmp_path / "other")
    assert new(project, "own", other).returncode == 0
    assert link.resolve() == other.resolve()
    link.unlink()
    link.mkdir()
    assert "holds other clips" in new(project, "own", other).stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imigue", "not an edition name"),
        ("mimic", "not an edition name"),
        ("My-Clips", "not an edition name"),
        ("../x", "not an edition name"),
        ("paper", "not an edition name"),
        ("foreign", "is not an edition name"),
        ("miga2025", "is not an edition name"),
        ("raw", "is not an edition name"),
        ("x" * 51, "is not an edition name"),
    ],
)
def test_edition_new_overwrites_no_published_edition(
    root: Path, project: Path, name: str, message: str
) -> None:
    done = new(project, name, root)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (project / "editions").exists()


def test_an_edition_of_a_project_is_written_there_and_hides_none_of_the_package(
    root: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in SHIPPED.iterdir() if path.is_file()}
    assert new(project, "own", root).returncode == 0
    assert {path: path.read_bytes() for path in SHIPPED.iterdir() if path.is_file()} == before
    monkeypatch.chdir(project)
    assert "own" in edition_names()
    assert read_edition("own").classes == read_yaml(project / "editions/own.yaml", Edition).classes
    shutil.copy(SHIPPED / "imigue.yaml", project / "editions")
    with pytest.raises(BenchmarkError, match="the package has an edition 'imigue', too"):
        read_edition("imigue")


def test_what_is_no_file_of_an_edition_breaks_no_list(root: Path, project: Path) -> None:
    new(project, "own", root)
    (project / "editions/._own.yaml").write_bytes(b"\0\5\x16\7")
    (project / "editions/old.yaml").mkdir()
    done = mgbench(project, "edition", "list")
    assert done.returncode == 0, done.stderr
    assert "editions/own.yaml" in done.stdout


def test_any_name_becomes_an_edition(root: Path, project: Path) -> None:
    for name in ("mine", "true", "null", "openpose36", "x" * 50):
        done = new(project, name, root)
        assert done.returncode == 0, done.stderr
        text = (project / f"params.{name}.yaml").read_text("utf-8")
        params = YAML(typ="safe").load(text)
        assert [*params["editions"], params["preset"], params["table"]["edition"]] == [name] * 3
        layouts = {spec.get("layout", "own") for spec in params["modalities"].values()}
        assert layouts == {"own"}
    assert mgbench(project, "data", "check", "true").stdout


def test_a_failed_edition_leaves_nothing_behind(root: Path, project: Path) -> None:
    (project / "data/raw/mine").mkdir(parents=True)
    (project / "data/raw/mine/note.txt").write_text("of somebody else", "utf-8")
    before = {path for path in project.rglob("*") if "__pycache__" not in path.parts}
    assert "holds other clips" in new(project, "mine", root).stderr
    (project / "data/raw/mine/note.txt").rename(project / "data/raw/other")
    assert "data/raw/other: is a file" in new(project, "other", root).stderr
    (project / "data/raw/other").rename(project / "data/raw/mine/note.txt")
    shutil.copy(project / "params.yaml", project / "params.taken.yaml")
    assert "is a preset 'taken' already" in new(project, "taken", root).stderr
    (project / "params.taken.yaml").unlink()
    after = {path for path in project.rglob("*") if "__pycache__" not in path.parts}
    assert after == before


def test_an_absolute_path_is_refused_by_both_commands(root: Path, project: Path) -> None:
    known, text = describe("own", root), (root / "clips.csv").read_text("utf-8")
    absolute = text.replace("videos/train1", f"{root.resolve()}/videos/train1")
    (root / "clips.csv").write_text(absolute, "utf-8")
    message = "the video lies outside the folder; expected a path from the folder on"
    with pytest.raises(BenchmarkError) as caught:
        open_archive(root, known).read(excluded=(), workers=1)
    assert message in str(caught.value)
    assert message in new(project, "own", root).stderr
    assert not (project / "editions/own.yaml").exists()


def test_clips_without_validation_get_folds_by_person(
    tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_clips, "SPLITS", {"train": 8, "test": 2})
    clips = own_clips.write_folder(tmp_path / "no_val")
    made = new(project, "own", clips)
    assert made.returncode == 0, made.stderr
    params = project / "params.own.yaml"
    assert "5 folds by subject: no clip is set aside for validation" in params.read_text("utf-8")
    (project / "params.yaml").write_bytes(params.read_bytes())
    found = read_params(project / "params.yaml")
    assert found.folds["own"].groups == "subject"
    assert found.folds["own"].over == ("train",)
    assert found.fusions == {}
    assert {*found.oof_fusions} == {"uniform", "convex", "convex_graphs"}
    assert {row.scores for row in found.table.rows} == {"oof"}
    assert found.table.subset_scores == found.analysis.scores == "oof"


def test_the_learning_rate_grows_with_what_starts_from_nothing(root: Path, project: Path) -> None:
    before = read_params(project / "params.yaml")
    assert new(project, "own", root).returncode == 0
    params = project / "params.own.yaml"
    (project / "params.yaml").write_bytes(params.read_bytes())
    found = read_params(project / "params.yaml")
    starts = {"joint": "scratch", "graph_joint": "scratch", "swin_rgb": "zoo/swin_rgb"}
    for name, start in starts.items():
        assert found.experiments[name].init_from == start
        recipe = found.experiments[name].recipe
        grown = found.recipes[recipe].optimizer.lr / before.recipes[recipe].optimizer.lr
        assert grown == pytest.approx(RATES[start.split("/")[0]])
    assert "recipe 'pose_small': 30 times the learning rate, from scratch" in (
        text := params.read_text("utf-8")
    )
    assert "recipe 'swin_small': 3 times the learning rate, for classes of your own" in text
