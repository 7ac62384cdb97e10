"""Folds: groups stay whole, and the graph of their trainings follows params.yaml."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from benchmark.contracts.clips import Clips
from benchmark.contracts.folds import read_folds, write_folds
from benchmark.core.errors import FormatError, MismatchError, ParamsError
from benchmark.data.draw_folds import class_counts as counted
from benchmark.data.draw_folds import draw_folds, given_folds, lone_classes, sparse_classes
from benchmark.params.params import read_params
from conftest import REPO, a_clip, mgbench
from fused import PROPERTY

if TYPE_CHECKING:
    from pathlib import Path

OVER = ("train", "val")


def some_clips(seed: int, videos: int, *, split: str = "train") -> Clips:
    rng = np.random.default_rng(seed)
    rows = [
        a_clip(f"v{video}_{k}", label=int(rng.integers(5)), subject=f"s{video // 2}", split=split)
        for video in range(videos) for k in range(rng.integers(1, 9))
    ]  # fmt: skip
    return Clips("mimic", tuple(rows))


@PROPERTY
@given(st.integers(0, 999), st.integers(2, 5), st.sampled_from(["video", "subject"]))
def test_every_clip_is_in_one_fold_with_its_whole_group(
    seed: int, number: int, groups: str
) -> None:
    clips = some_clips(seed, 12)
    ask = {"groups": groups, "number": number, "seed": seed, "over": OVER}
    folds = draw_folds(clips, **ask)
    assert folds.clip_id == tuple(clips.ids)
    assert {*folds.fold} == {*range(number)}
    pairs = {*zip(folds.group, folds.fold, strict=True)}
    assert len(pairs) == len({*folds.group})
    mixed = Clips("mimic", tuple(np.random.default_rng(seed).permutation(np.array(clips.rows))))
    again = draw_folds(mixed, **ask)
    assert again.digest == folds.digest, "the order of the index does not count"


def test_classes_are_dealt_evenly() -> None:
    """100 videos of one class each: every fold gets its fifth of every class."""
    rows = tuple(a_clip(f"v{k}_0", label=k % 4) for k in range(100))
    clips = Clips("mimic", rows)
    folds = draw_folds(clips, groups="video", number=5, seed=0, over=OVER)
    assert (counted(folds, clips, 4) == 5).all()


def test_a_view_holds_out_the_fold_and_keeps_every_clip_of_the_index() -> None:
    clips = Clips(
        "mimic", (*some_clips(1, 10), a_clip("w_0", split="val"), a_clip("x_0", split="test"))
    )
    folds = draw_folds(clips, groups="video", number=3, seed=0, over=("train",))
    view = folds.view(clips, "fold1")
    assert tuple(view.split("val").ids) == folds.clips_of("fold1")
    assert {*view.split("train").videos}.isdisjoint(folds.groups_of("fold1"))
    assert view.split("test").ids == ["x_0"]
    assert {*view.ids} == {*clips.ids}
    assert "w_0" not in view.split("train").ids
    whole = folds.view(clips, "all")
    assert whole.split("train").ids == clips.split("train").ids
    assert whole.split("val").ids == ["w_0"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["v0_0,0", "v0_1,1", "v1_0,1"], "video v0 is in two folds; found 0 and 1"),
        (["v0_0,0", "v0_1,1"], "not the clips of train and val, the first is v1_0"),
        (["v0_0,0", "v0_1,0", "v1_0,2"], "another number of folds; expected 2; found 3"),
        (["v0_0,1", "v0_1,1", "v1_0,1"], "its folds are not numbered 0, 1, ..."),
        (["v0_0,0", "v0_1,0", "v1_0,x"], "the fold"),
    ],
)
def test_folds_of_ones_own_are_checked(rows: list[str], message: str, tmp_path: Path) -> None:
    clips = Clips("mimic", tuple(a_clip(clip) for clip in ("v0_0", "v0_1", "v1_0")))
    file = tmp_path / "folds.csv"
    file.write_text("\n".join(["clip_id,fold", *rows]), "utf-8")
    with pytest.raises(Exception, match="fold") as caught:
        given_folds(file, clips, groups="video", number=2, over=OVER)
    assert message in str(caught.value)


def test_folds_of_ones_own_are_taken(tmp_path: Path) -> None:
    clips = Clips("mimic", tuple(a_clip(clip) for clip in ("v0_0", "v0_1", "v1_0")))
    file = tmp_path / "folds.csv"
    file.write_text("clip_id,fold\nv1_0,0\nv0_1,1\nv0_0,1\n", "utf-8")
    folds = given_folds(file, clips, groups="video", number=2, over=OVER)
    assert folds.clips_of("fold0") == ("v1_0",)
    write_folds(folds, tmp_path / "folds.parquet")
    assert read_folds(tmp_path / "folds.parquet", clips) == folds
    with pytest.raises(MismatchError, match="not the clips"):
        read_folds(tmp_path / "folds.parquet", Clips("mimic", clips.rows[:2]))


def test_fewer_groups_or_clips_of_each_class_than_folds_are_refused() -> None:
    with pytest.raises(FormatError, match="fewer subjects than folds; expected at least 5"):
        draw_folds(some_clips(0, 8), groups="subject", number=5, seed=0, over=OVER)
    few = Clips("mimic", tuple(a_clip(f"v{k}_0", label=k % 3) for k in range(6)))
    with pytest.raises(FormatError, match="fewer clips of any class than folds; .* found 2"):
        draw_folds(few, groups="video", number=3, seed=0, over=OVER)
    with pytest.raises(FormatError, match="has no subject"):
        draw_folds(Clips("mimic", (a_clip("v_0"),)), groups="subject", number=2, seed=0, over=OVER)


def test_a_class_of_one_group_is_named_and_so_is_one_that_folds_lack() -> None:
    rows = [a_clip(f"v{k}_0", label=k == 0) for k in range(4)]
    clips = Clips("mimic", (*rows, a_clip("v0_1", label=True)))
    folds = draw_folds(clips, groups="video", number=2, seed=0, over=OVER)
    assert lone_classes(folds, clips, ("often", "rare")) == ["rare"]
    (line,) = sparse_classes(counted(folds, clips, 2), ("often", "rare"))
    assert line == "'rare' is in 1 of 2 folds: 2 clips"


# The graph


def with_folds(**changes: object) -> dict[str, object]:
    return {
        "groups": "video", "number": 2, "seed": 0, "over": ["train", "val"], "refit": False,
        "lone_classes": "keep", "mean": "arithmetic", "experiments": ["joint"], **changes,
    }  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(REPO / "params.yaml", tmp_path)
    return tmp_path


def test_starts_and_merges_are_those_of_the_same_fold(project: Path) -> None:
    told = mgbench(project, "edition", "folds", "mimic", "--experiments", "joint,rgb,rgb_joint")
    assert "15 trainings" in told.stdout, told.stderr
    graph = read_params(project / "params.yaml").fold_graph
    assert graph.runs["rgb_joint-fold2"].init_from == "merged_joint-fold2"
    assert graph.merges["merged_joint-fold2"].rgb == "rgb-fold2"
    assert graph.merges["merged_joint-fold2"].pose == "joint-fold2"
    assert graph.runs["joint-fold4"].init_from == "zoo/joint"
    assert {*graph.joins} == {"joint", "rgb", "rgb_joint"}


def test_folds_that_are_removed_leave_the_file_as_it_was(project: Path) -> None:
    before = (project / "params.yaml").read_text("utf-8")
    assert mgbench(project, "edition", "folds", "mimic", "--number", "3").returncode == 0
    assert (project / "params.yaml").read_text("utf-8") != before
    assert mgbench(project, "edition", "folds", "mimic", "--remove").returncode == 0
    assert (project / "params.yaml").read_text("utf-8") == before


def test_an_experiment_that_is_removed_leaves_the_folds_too(project: Path) -> None:
    mgbench(project, "edition", "folds", "mimic", "--experiments", "joint,limb")
    told = mgbench(project, "experiment", "remove", "limb", "rgb_limb")
    assert told.returncode == 0, told.stderr
    params = read_params(project / "params.yaml")
    assert params.folds["mimic"].experiments == ("joint",)
    assert {run.experiment for run in params.fold_graph.runs.values()} == {"joint"}


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        (
            {"folds": {"mimic": with_folds(experiments=["rgb_joint", "joint"])}},
            "'rgb_joint' starts from 'rgb', which has seen the clips of every fold; add 'rgb'",
        ),
        ({"folds": {"mimic": with_folds()}}, "fold_graph: is not what folds and experiments ask"),
        ({"folds": {"mimic": with_folds(experiments=["joind"])}}, "no experiment 'joind'"),
        ({"folds": {"nobody": with_folds()}}, "no entry 'nobody' in editions"),
        ({"folds": {"mimic": with_folds(over=["val"])}}, "over must name train"),
        (
            {"oof_fusions": {"late": {"edition": "mimic", "members": ["joint", "limb"],
             "rule": {"kind": "uniform"}, "temperature": "none"}}},
            "oof_fusions.late.members: 'joint' is not in folds.mimic.experiments",
        ),
    ],
)  # fmt: skip
def test_params_of_folds_that_do_not_fit_are_refused(
    sections: dict[str, object], message: str, project: Path
) -> None:
    yaml, file = YAML(), project / "params.yaml"
    document = yaml.load(file)
    document.update(sections)
    yaml.dump(document, file)
    with pytest.raises(ParamsError) as caught:
        read_params(file)
    assert message in str(caught.value)


def test_scores_out_of_fold_stand_in_no_row_without_folds_or_with_published_ones(
    project: Path,
) -> None:
    mgbench(project, "edition", "folds", "mimic", "--experiments", "joint")
    yaml, file = YAML(), project / "params.yaml"
    document = yaml.load(file)
    document["table"]["rows"][0] |= {"scores": "oof", "paper_top1": 60.0}
    document["table"]["rows"][1]["scores"] = "oof"
    yaml.dump(document, file)
    with pytest.raises(ParamsError) as caught:
        read_params(file)
    assert "'joint': paper_top1 is of the official split, not out of fold" in str(caught.value)
    assert "'limb' has no scores out of fold" in str(caught.value)
