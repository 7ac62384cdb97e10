"""What an analysis writes: tables that agree with scikit-learn, pictures that show them."""

from __future__ import annotations

import csv
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from benchmark.core.errors import MismatchError
from benchmark.editions.edition import edition_names, read_edition
from benchmark.evaluation.scores import calibration
from benchmark.params.params import read_params
from benchmark.plots.analysis import calibration_figure
from benchmark.results.analysis import Analyzed, by_group, confusion_csv, write_analysis
from conftest import REPO
from golden_rows import MIMIC, joint_stream, read_truth

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def found() -> Analyzed:
    joint = joint_stream()
    other = replace(joint, source="other", p=np.roll(joint.p, 1, axis=0))
    return Analyzed(joint, [joint, other], read_truth())


@pytest.fixture(scope="module")
def folder(found: Analyzed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("analysis") / "val"
    write_analysis(found, MIMIC, out, frames=None, shown=3)
    return out


@pytest.mark.parametrize("name", edition_names())
def test_body_parts_are_those_of_the_edition(name: str) -> None:
    edition = read_edition(name)
    rng = np.random.default_rng(0)
    label, predicted = rng.integers(0, len(edition.classes), (2, 500))
    names = {c: part for part, classes in edition.groups.items() for c in classes}
    matrix = confusion_matrix(label, predicted, labels=range(len(edition.classes)))
    wanted = confusion_matrix(
        [names[c] for c in label], [names[c] for c in predicted], labels=list(edition.groups)
    )
    np.testing.assert_array_equal(by_group(matrix, edition.group_of()), wanted)


def test_every_table_and_picture_is_there(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "body_parts.csv", "body_parts.svg", "calibration.svg", "classes.csv", "complementarity.csv",
        "complementarity.svg", "confusion.csv", "confusion.svg", "hardest.csv",
    ]  # fmt: skip


def test_one_group_of_classes_has_no_picture_of_groups(found: Analyzed, tmp_path: Path) -> None:
    one = MIMIC.model_copy(update={"groups": {"all": tuple(range(32))}})
    write_analysis(found, one, tmp_path, frames=None, shown=0)
    assert not list(tmp_path.glob("body_parts.*"))


def test_the_table_of_classes_is_that_of_scikit_learn(folder: Path, found: Analyzed) -> None:
    table = pd.read_csv(folder / "classes.csv")
    predicted = found.truth.joined(found.source, where="here").argmax(1)
    precision, recall, f1, clips = precision_recall_fscore_support(
        found.truth.label, predicted, labels=range(32), zero_division=float("nan")
    )
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        np.testing.assert_allclose(table[name], expected, atol=1e-6)
    assert list(table["clips"]) == list(clips)
    known = table.dropna(subset="f1_low")
    assert (known["f1_low"] <= known["f1"]).all()
    assert (known["f1"] <= known["f1_high"]).all()


class Gray:
    """Frames of clips that nobody has filmed."""

    def num_frames(self, clip_id: str) -> int:
        assert clip_id
        return 8

    def read(self, clip_id: str, frames: np.ndarray) -> np.ndarray:
        assert frames.max() < self.num_frames(clip_id)
        return np.full((len(frames), 4, 6, 3), 128, np.uint8)


def test_hard_clips_are_drawn_where_there_are_frames(found: Analyzed, tmp_path: Path) -> None:
    write_analysis(found, MIMIC, tmp_path, frames=Gray(), shown=2)
    assert (tmp_path / "hardest.png").read_bytes().startswith(b"\x89PNG")


def test_every_modality_but_keypoints_has_frames() -> None:
    params = read_params(REPO / "params.yaml")
    kinds = {spec.kind: spec.content != "keypoints" for spec in params.modalities.values()}
    assert kinds["person_crop"]
    assert [kind for kind, shown in kinds.items() if not shown] == ["skeleton"]


def test_confusions_count_every_clip_once(folder: Path, found: Analyzed) -> None:
    for name in ("confusion.csv", "body_parts.csv"):
        table = pd.read_csv(folder / name, index_col="label")
        assert table.to_numpy().sum() == len(found.truth.label)


def test_members_are_told_with_their_top1(folder: Path, found: Analyzed) -> None:
    table = pd.read_csv(folder / "complementarity.csv", index_col="member")
    label, ids = found.truth.label, found.truth.clip_id
    for member in found.members:
        top1 = (member.aligned(ids).p.argmax(1) == label).mean()
        assert table.loc[member.source, "top1"] == pytest.approx(top1, abs=1e-6)
    assert table["differs_joint"]["joint"] == 0


def test_the_list_of_hard_clips_holds_all_with_their_labels(folder: Path, found: Analyzed) -> None:
    table = pd.read_csv(folder / "hardest.csv")
    assert sorted(table["clip_id"]) == sorted(found.truth.clip_id)
    assert table["members_right"].is_monotonic_increasing
    label = dict(zip(found.truth.clip_id, found.truth.label, strict=True))
    assert all(
        MIMIC.classes[label[clip]] == name
        for clip, name in zip(table["clip_id"], table["label"], strict=True)
    )


def test_the_calibration_picture_names_the_error_and_shows_each_bin() -> None:
    sure = calibration(np.array([0.95, 0.9, 0.3]), np.array([True, False, True]))
    top, bottom = calibration_figure(sure, "x_$y").axes
    assert top.get_title("left") == rf"x_\$y: ECE {100 * sure.ece:.2f} %"
    heights = [bar.get_height() for bar in bottom.patches]
    assert heights == sure.count.tolist()


def test_probabilities_of_another_split_are_refused(found: Analyzed, tmp_path: Path) -> None:
    wrong = replace(found, source=replace(found.source, split="test"))
    with pytest.raises(MismatchError, match="analysis of joint: another split"):
        write_analysis(wrong, MIMIC, tmp_path / "x", frames=None, shown=3)


def test_confusion_csv_keeps_class_names_with_commas_in_one_cell() -> None:
    text = confusion_csv(np.array([[1, 2], [0, 4]]), ["bulging face, deep breath", "head up"])
    rows = list(csv.reader(text.splitlines()))
    assert rows == [
        ["label", "bulging face, deep breath", "head up"],
        ["bulging face, deep breath", "1", "2"],
        ["head up", "0", "4"],
    ]


def test_one_member_alone_is_analyzed(found: Analyzed, tmp_path: Path) -> None:
    alone = replace(found, members=[found.source])
    members = write_analysis(alone, MIMIC, tmp_path, frames=None, shown=0)
    assert members.fused == pytest.approx(members.union[0, 0])
    assert not (tmp_path / "complementarity.svg").exists(), "it would say that one equals itself"
