"""Networks of folds: none is asked about clips that it has seen, and their answers join."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from benchmark.contracts.clips import Clips, write_clips
from benchmark.contracts.folds import check_folds, oof_labels
from benchmark.contracts.predictions import FoldStamp, read_probabilities, write_probabilities
from benchmark.core.errors import FormatError, MismatchError
from benchmark.data.draw_folds import draw_folds
from benchmark.inference.predict_fold import predict_fold
from benchmark.inference.systems import oof_score
from benchmark.params.folds import Folds, fold_graph
from benchmark.params.params import Fusion, Params, read_params
from benchmark.results.join_folds import fuse_oof, join_folds
from benchmark.training.experiment import TrainPaths
from benchmark.training.fold import run_fold
from benchmark.weights.model_folder import read_metadata
from conftest import REPO
from fused import CONVEX
from small_training import MIMIC, Prepared
from test_folds import OVER, with_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
