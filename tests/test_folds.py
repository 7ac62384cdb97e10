"""Folds: groups stay whole, nobody is asked about what was seen, and the graph follows params."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from benchmark.contracts.clips import Clips, write_clips
from benchmark.contracts.folds import check_folds, oof_labels, read_folds, write_folds
from benchmark.contracts.predictions import FoldStamp, read_probabilities, write_probabilities
from benchmark.core.errors import FormatError, MismatchError, ParamsError
from benchmark.data.draw_folds import class_counts as counted
from benchmark.data.draw_folds import draw_folds, given_folds, lone_classes, sparse_classes
from benchmark.inference.predict_fold import predict_fold
from benchmark.inference.systems import oof_score
from benchmark.params.folds import Folds, fold_graph
from benchmark.params.params import Fusion, Params, read_params
from benchmark.results.join_folds import fuse_oof, join_folds
from benchmark.training.experiment import TrainPaths
from benchmark.training.fold import run_fold
from benchmark.weights.model_folder import read_metadata
from conftest import REPO, a_clip, mgbench
from fused import CONVEX, PROPERTY
from small_training import MIMIC, Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


# Networks


class Project:
    """Two folds of the five labeled videos of a tiny archive, trained on experiment `joint`."""

    def __init__(self, root: Path) -> None:
        self.root, self.data = root, Prepared(root / "data")
        self.clips = self.data.clips
        folds = Folds.model_validate(with_folds(), strict=False)
        whole = read_params(REPO / "params.yaml")
        joint = whole.experiments["joint"]
        few = {"base_channels": 4, "stage_blocks": (1, 1, 1)}
        backbone = joint.backbone.model_copy(update=few)
        joint = joint.model_copy(update={"init_from": "scratch", "backbone": backbone})
        small = {"epochs": 1, "warmup_epochs": 0.0, "batch_size": 3, "micro_batch_size": 3}
        recipe = whole.recipes["pose_small"].model_copy(update=small)
        graph = fold_graph({"mimic": folds}, {"joint": joint}, {})
        self.params: Params = whole.model_copy(
            update={
                "experiments": {"joint": joint}, "recipes": {"pose_small": recipe},
                "folds": {"mimic": folds}, "fold_graph": graph,
            }
        )  # fmt: skip
        self.folds = draw_folds(self.clips, groups="video", number=2, seed=0, over=OVER)
        shutil.copy(REPO / "params.yaml", root)
        for name in graph.runs:
            self.train(name, self.data.root / "scratch")
            self.predict(name)

    def train(self, name: str, start: Path, out: str = "") -> None:
        folder = self.root / "models" / (out or name)
        _, modality = self.data.modality("skeleton")
        reports, record = self.root / "reports" / name, self.root / "runs" / f"{name}.json"
        paths = TrainPaths(modality, start, folder, reports, record)
        run_fold(name, self.params, self.clips, self.folds, paths)

    def predict(self, name: str, model: str = "") -> None:
        run = self.params.fold_graph.runs[name]
        _, modality = self.data.modality("skeleton")
        found = predict_fold(
            run, self.params.recipes[run.recipe], self.clips, self.folds,
            model=self.root / "models" / (model or name), modality=modality,
        )  # fmt: skip
        for split, one in found.items():
            write_probabilities(one, self.root / "parts" / run.fold / f"{split}.parquet")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    root = tmp_path_factory.mktemp("folds")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        (root / "params.yaml").touch()
        yield Project(root)


@pytest.mark.slow
def test_every_clip_is_predicted_by_the_network_that_never_saw_its_video(trained: Project) -> None:
    oof, test = join_folds("joint", trained.root / "parts", trained.folds, "arithmetic")
    truth = oof_labels(trained.clips, OVER, "video")
    assert oof.clip_id == truth.clip_id
    assert oof.split == "oof"
    for fold in ("fold0", "fold1"):
        seen = read_metadata(trained.root / "models" / f"joint-{fold}").seen
        assert seen is not None
        assert {*seen.groups}.isdisjoint(trained.folds.groups_of(fold))
        part = read_probabilities(trained.root / "parts" / fold / "oof.parquet")
        rows = [oof.clip_id.index(clip) for clip in part.clip_id]
        np.testing.assert_array_equal(part.p, oof.p[rows])
    parts = [read_probabilities(trained.root / f"parts/fold{k}/test.parquet") for k in (0, 1)]
    mean = (parts[0].p.astype(float) + parts[1].aligned(parts[0].clip_id).p) / 2
    np.testing.assert_allclose(test.aligned(parts[0].clip_id).p, mean, atol=1e-6)


def test_a_network_that_has_seen_the_clips_is_not_asked_about_them(trained: Project) -> None:
    with pytest.raises(MismatchError, match=r"not the network of the fold; expected fold0"):
        trained.predict("joint-fold0", model="joint-fold1")
    # A liar: the metadata of the fold, the record of another.
    folder = trained.root / "models/liar"
    shutil.copytree(trained.root / "models/joint-fold1", folder)
    metadata = folder / "experiment.json"
    metadata.write_text(metadata.read_text("utf-8").replace('"fold1"', '"fold0"'), "utf-8")
    with pytest.raises(MismatchError, match=r"has seen \d of the \d groups that are held out"):
        trained.predict("joint-fold0", model="liar")


def test_a_start_that_has_seen_the_clips_is_refused_by_name(trained: Project) -> None:
    start = trained.root / "models/joint-fold1"
    with pytest.raises(MismatchError, match=r"joint-fold0: its start .*joint-fold1: has seen 3 of"):
        trained.train("joint-fold0", start, out="leaking")
    plain = trained.root / "models/plain"
    shutil.copytree(start, plain)
    data = YAML(typ="safe").load(plain / "experiment.json")
    del data["seen"]
    YAML(typ="safe").dump(data, plain / "experiment.json")
    with pytest.raises(MismatchError, match="is of no fold and has seen the clips of every fold"):
        trained.train("joint-fold0", plain, out="leaking")
    assert not (trained.root / "models/leaking").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: replace(one, stamp=None), "not of this fold; expected fold0; found of no"),
        (lambda one: replace(one, stamp=one.stamp._replace(folds="0" * 64)), "another file of"),
        (lambda one: replace(one, clip_id=one.clip_id[1:], p=one.p[1:]), "1 clip.s. missing"),
    ],
)
def test_parts_that_do_not_belong_together_are_not_joined(
    change: Callable[[Any], Any], message: str, trained: Project, tmp_path: Path
) -> None:
    shutil.copytree(trained.root / "parts", tmp_path / "parts")
    file = tmp_path / "parts/fold0/oof.parquet"
    write_probabilities(change(read_probabilities(file)), file)
    with pytest.raises(MismatchError, match=message):
        join_folds("joint", tmp_path / "parts", trained.folds, "arithmetic")


def test_a_missing_fold_is_named(trained: Project, tmp_path: Path) -> None:
    shutil.copytree(trained.root / "parts/fold0", tmp_path / "fold0")
    with pytest.raises(FormatError, match=r"fold1/oof.parquet: no such file"):
        join_folds("joint", tmp_path, trained.folds, "geometric")


@pytest.mark.parametrize("fold", ["fold0", "fold1"])
@pytest.mark.parametrize("split", ["oof", "test"])
def test_one_transductive_part_makes_the_joined_scores_transductive(
    fold: str, split: str, trained: Project, tmp_path: Path
) -> None:
    shutil.copytree(trained.root / "parts", tmp_path / "parts")
    file = tmp_path / "parts" / fold / f"{split}.parquet"
    write_probabilities(replace(read_probabilities(file), transductive=True), file)
    joined = join_folds("joint", tmp_path / "parts", trained.folds, "arithmetic")
    assert [one.transductive for one in joined] == [split == "oof", split == "test"]


def test_a_fusion_is_fitted_out_of_fold_and_answers_each_video_by_a_fit_without_it(
    trained: Project, tmp_path: Path
) -> None:
    oof, test = join_folds("joint", trained.root / "parts", trained.folds, "arithmetic")
    rng = np.random.default_rng(0)
    for name in ("joint", "other"):
        for split, one in (("oof", oof), ("test", test)):
            noise = rng.dirichlet(np.ones(32), len(one)).astype(np.float32)
            p = one.p if name == "joint" else noise
            member = replace(one, source=name, p=p, transductive=name == "other")
            write_probabilities(member, tmp_path / name / f"{split}.parquet")
    members = ("joint", "other")
    fusion = Fusion(edition="mimic", members=members, rule=CONVEX, temperature="none")
    fused = fuse_oof("late", fusion, trained.clips, trained.folds, tmp_path)
    assert fused.fitted.fitted_on == "oof"
    assert fused.fitted.num_clips == 15
    assert {*fused.oof.clip_id} == {*oof.clip_id}
    assert len(fused.test) == 6
    assert fused.oof.transductive, "one member is enough"
    assert fused.test.transductive
    other = replace(trained.folds, fold=tuple(1 - k for k in trained.folds.fold))
    check_folds(other, trained.clips, where="test")
    with pytest.raises(MismatchError, match="made with another file of folds"):
        fuse_oof("late", fusion, trained.clips, other, tmp_path)


def test_probabilities_keep_which_folds_they_are_of(trained: Project) -> None:
    part = read_probabilities(trained.root / "parts/fold1/oof.parquet")
    assert part.stamp == FoldStamp(trained.folds.digest, "fold1", "video", OVER)


@pytest.mark.slow
def test_scores_out_of_fold_of_clips_that_are_gone_since_are_one_message(
    trained: Project, tmp_path: Path
) -> None:
    oof, _ = join_folds("joint", trained.root / "parts", trained.folds, "arithmetic")
    write_probabilities(oof, tmp_path / "predictions/fusions/late/oof.parquet")
    write_clips(trained.clips, tmp_path / "data/mimic/clips.parquet", MIMIC)
    score = oof_score(tmp_path, MIMIC, "late")
    truth = oof_labels(trained.clips, OVER, "video")
    assert score.top1 == (oof.p.argmax(1) == truth.label).mean()
    lone = oof.clip_id[0]
    rest = Clips("mimic", tuple(clip for clip in trained.clips if clip.clip_id != lone))
    write_clips(rest, tmp_path / "data/mimic/clips.parquet", MIMIC)
    with pytest.raises(MismatchError, match=lone):
        oof_score(tmp_path, MIMIC, "late")
