"""Scores of any program, as a challenge participant has them: evaluated, compared, fused."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import classification_report, f1_score

from benchmark.contracts.clips import Clips, write_clips
from benchmark.contracts.labels import Labels
from benchmark.contracts.predictions import Probabilities, read_probabilities, write_probabilities
from benchmark.core.errors import FormatError
from benchmark.editions.edition import FOREIGN, read_edition
from benchmark.results.known_labels import labels_for
from conftest import a_clip, mgbench
from submission.fusion.fit import fit_fusion
from submission.fusion.fitted import read_fitted, write_fitted
from submission.fusion.rules.equal import Uniform

EDITION = read_edition("mimic")
VIDEOS, EACH = 6, 12
SKILL = {"weak": 1.0, "strong": 3.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with an index of 72 validation clips, and scores of two systems."""
    root = tmp_path_factory.mktemp("scores")
    rng = np.random.default_rng(0)
    ids = [f"{video:04d}_{k}" for video in range(VIDEOS) for k in range(EACH)]
    label = rng.integers(0, 8, len(ids))
    rows = [a_clip(clip, split="val", label=int(k)) for clip, k in zip(ids, label, strict=True)]
    tests = [a_clip(f"9{clip[1:]}", split="test", label=None) for clip in ids]
    index = root / "data/mimic/clips.parquet"
    index.parent.mkdir(parents=True)
    write_clips(Clips("mimic", (a_clip("8000_0"), *rows, *tests)), index, EDITION)
    for name, skill in SKILL.items():
        for split, clips in (("val", ids), ("test", [clip.clip_id for clip in tests])):
            logits = rng.normal(size=(len(ids), 32))
            logits[np.arange(len(ids)), label] += skill
            p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
            order = rng.permutation(len(ids))
            named = tuple(clips[k] for k in order)
            found = Probabilities(
                "mimic", split, name, EDITION.classes, named, p[order].astype(np.float32)
            )
            write_probabilities(found, root / f"{name}_{split}.parquet")
    with (root / "labels.csv").open("w") as file:  # as pandas writes it, with an index column
        file.write(",clip_id,label\n")
        file.writelines(
            f"{k},{clip},{value}.0\n"
            for k, (clip, value) in enumerate(zip(ids, label, strict=True))
        )
    return root


def said(folder: Path, *arguments: str) -> str:
    done = mgbench(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def truth(folder: Path) -> dict[str, int]:
    with (folder / "labels.csv").open() as file:
        return {row["clip_id"]: int(float(row["label"])) for row in csv.DictReader(file)}


def test_labels_come_from_the_edition_and_a_csv_of_pandas_says_the_same(folder: Path) -> None:
    found = read_probabilities(folder / "strong_val.parquet")
    labels = [truth(folder)[clip] for clip in found.clip_id]
    f1 = f1_score(labels, found.p.argmax(1), average="macro", labels=np.unique(labels))
    known = said(folder, "evaluate", "strong_val.parquet")
    assert known.startswith(f"{VIDEOS * EACH} clips of {VIDEOS} videos\n")
    assert f"macro_f1   {100 * f1:.3f} %" in known
    assert "(95 %, videos resampled)" in known
    given = said(folder, "evaluate", "strong_val.parquet", "--labels", "labels.csv")
    assert "unknown videos: no interval" in given
    assert f"macro_f1   {100 * f1:.3f} %" in given
    rows = [f"{clip},{value},{clip.partition('_')[0]}" for clip, value in truth(folder).items()]
    (folder / "videos.csv").write_text("\n".join(["clip_id,label,video", *rows]) + "\n")
    assert said(folder, "evaluate", "strong_val.parquet", "--labels", "videos.csv") == known


def test_clips_that_scores_have_lost_are_told(folder: Path) -> None:
    labels = truth(folder) | {"lost_1": 0, "lost_2": 0}
    rows = [f"{clip},{label}" for clip, label in labels.items()]
    (folder / "more.csv").write_text("\n".join(["clip_id,label", *rows]) + "\n")
    done = mgbench(folder, "evaluate", "strong_val.parquet", "--labels", "more.csv")
    assert done.returncode == 0
    assert "more.csv: 2 of its clips are not in " in done.stderr


def test_a_folder_with_an_index_alone_is_enough_to_write_a_submission(folder: Path) -> None:
    scores = ("weak_test.parquet", "--edition", "mimic")
    assert "checked" in said(folder, "submit", "write", *scores, "--out", "alone")


def test_every_class_is_printed_with_what_scikit_learn_computes(folder: Path) -> None:
    found = read_probabilities(folder / "weak_val.parquet")
    labels = [truth(folder)[clip] for clip in found.clip_id]
    report = classification_report(
        labels, found.p.argmax(1), labels=range(32), output_dict=True, zero_division=0
    )
    lines = said(folder, "evaluate", "weak_val.parquet", "--classes").splitlines()[-32:]
    for k, line in enumerate(lines):
        *shares, clips = line.split()[:4]
        numbers = [0.0 if cell == "-" else float(cell.rstrip("%")) for cell in shares]
        expected = [100 * report[str(k)][key] for key in ("precision", "recall", "f1-score")]
        np.testing.assert_allclose(numbers, expected, atol=0.051)
        assert int(clips) == report[str(k)]["support"]
        assert line.endswith(f"  {EDITION.classes[k]}")


def test_what_was_fitted_on_validation_is_applied_to_test(folder: Path) -> None:
    words = said(folder, "fuse", "weak_val.parquet", "strong_val.parquet", "--fit",
                 "convex,shrinkage=0.0", "--out", "f_val.parquet")  # fmt: skip
    fitted = read_fitted(folder / "f_val.weights.json")
    assert fitted.rule.model_dump() == {"kind": "convex", "shrinkage": 0.0}
    assert fitted.nested is not None
    assert f"fitted on other videos    top-1 {100 * fitted.nested.top1:6.2f} %" in words
    said(folder, "fuse", "strong_test.parquet", "weak_test.parquet", "--fitted",
         "f_val.weights.json", "--out", "f_test.parquet")  # fmt: skip
    fused = read_probabilities(folder / "f_test.parquet")
    members = {name: read_probabilities(folder / f"{name}_test.parquet") for name in SKILL}
    expected = sum(
        fitted.weights[name] * one.aligned(fused.clip_id).p for name, one in members.items()
    )
    np.testing.assert_allclose(fused.p, expected, rtol=1e-5)


def test_the_better_system_is_told_and_every_clip_that_differs_is_listed(folder: Path) -> None:
    words = said(folder, "compare", "strong_val.parquet", "weak_val.parquet", "--out", "d.csv")
    assert "A is significantly better" in words
    rows = (folder / "d.csv").read_text("utf-8").splitlines()[1:]
    strong, weak = (read_probabilities(folder / f"{name}_val.parquet") for name in SKILL)
    strong = strong.aligned(weak.clip_id)
    assert len(rows) == (strong.p.argmax(1) != weak.p.argmax(1)).sum()
    assert f"answered differently: {len(rows)} of {VIDEOS * EACH} clips" in words
    back = said(folder, "compare", "weak_val.parquet", "strong_val.parquet")
    assert "B is significantly better" in back


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["evaluate", "weak_test.parquet"], "no labels of edition 'mimic', split 'test'"),
        (["fuse", "weak_test.parquet", "strong_test.parquet", "--fit", "convex"],
         "fitted on validation only; expected val; found test"),
        (["fuse", "weak_val.parquet", "strong_val.parquet", "--fit", "best"], "no rule 'best'"),
        (["fuse", "weak_val.parquet", "strong_val.parquet", "--fit", "convex,shrink=1"],
         "did you mean 'shrinkage'?"),
        (["fuse", "weak_val.parquet", "--fit", "convex", "--weights", "1"],
         "takes one of --weights, --fit and --fitted"),
        (["fuse", "weak_test.parquet", "--fitted", "weights.json"],
         "not the members that it was fitted for; expected strong; found weak"),
        (["compare", "weak_val.parquet", "weak_test.parquet"], "another split"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_message_and_writes_nothing(
    folder: Path, arguments: list[str], says: str
) -> None:
    out = ["--out", "no.parquet"] if arguments[0] == "fuse" else []
    strong = read_probabilities(folder / "strong_val.parquet")
    known = Labels("mimic", "val", strong.clip_id, strong.clip_id, strong.p.argmax(1))
    fitted = fit_fusion(Uniform(kind="uniform"), "none", [strong], known)
    write_fitted(fitted, folder / "weights.json")
    done = mgbench(folder, *arguments, *out)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("Error: ") == 1
    assert not list(folder.glob("no.*"))


@pytest.mark.parametrize("more", [["--logits"], ["--head", "rgb"]])
def test_probabilities_of_ours_have_neither_heads_nor_logits(
    folder: Path, tmp_path: Path, more: list[str]
) -> None:
    given = ("scores", "import", str(folder / "weak_val.parquet"), "--edition", "mimic")
    shutil.copytree(folder / "data", tmp_path / "data")
    done = mgbench(tmp_path, *given, "--split", "val", "--out", "x.parquet", *more)
    assert "holds probabilities of one system already" in done.stderr
    assert not (tmp_path / "x.parquet").exists()


def test_no_index_is_asked_for_where_scores_are_of_no_edition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    p = np.full((1, 2), 0.5, np.float32)
    for edition, asks in ((FOREIGN, False), ("imigue", True)):
        scores = Probabilities(edition, "val", "x", ("a", "b"), ("clip",), p)
        with pytest.raises(FormatError, match="Give them with --labels") as error:
            labels_for(scores, None)
        assert ("dvc repro index@" in str(error.value)) == asks


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fuse", "a.parquet", "b.parquet", "--out", "./a.parquet"], "--out: would replace"),
        (["fuse", "a.parquet", "link.parquet", "--out", "x.parquet"], "a file is given twice"),
        (["compare", "a.parquet", "b.parquet", "--labels", "l.csv", "--out", "l.csv"],
         "--out: would replace l.csv, which the command reads"),
        (["scores", "import", "l.csv", "--num-classes", "2", "--out", "x.parquet", "--labels-out",
          "l.csv"], "--labels-out: would replace l.csv, which the command reads"),
        (["scores", "import", "l.csv", "--num-classes", "2", "--out", "x.parquet", "--labels-out",
          "x.parquet"], "--labels-out: would replace x.parquet, which --out writes"),
        (["modality", "make", "rgb", "v.mp4", "--out", "v.mp4"], "--out: would replace v.mp4"),
        (["fuse", "a.parquet", "b.parquet", "--weights", "1,1", "--temperature", "after", "--out",
          "x.parquet"], "--temperature: only with --fit"),
        (["fuse", "a.parquet", "b.parquet", "--labels", "l.csv", "--out", "x.parquet"],
         "--labels: only with --fit"),
    ],
)  # fmt: skip
def test_no_command_replaces_a_file_that_it_reads(
    folder: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    for name, source in (("a.parquet", "weak_val.parquet"), ("b.parquet", "strong_val.parquet")):
        shutil.copy(folder / source, tmp_path / name)
    (tmp_path / "link.parquet").symlink_to("a.parquet")
    for name in ("l.csv", "v.mp4"):
        (tmp_path / name).write_text("clip_id,0,1\na,0,1\n", "utf-8")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    done = mgbench(tmp_path, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_scores_that_were_imported_under_one_name_are_fitted_and_applied(folder: Path) -> None:
    found = read_probabilities(folder / "strong_val.parquet")
    for split in ("val", "test"):
        one = read_probabilities(folder / f"strong_{split}.parquet")
        rows = zip(one.clip_id, one.p, strict=True)
        text = "".join(",".join([clip, *map(str, p)]) + "\n" for clip, p in rows)
        (folder / f"mine_{split}.csv").write_text(text, "utf-8")
        said(folder, "scores", "import", f"mine_{split}.csv", "--edition", "mimic", "--split",
             split, "--name", "mine", "--out", f"mine_{split}.parquet")  # fmt: skip
    assert read_probabilities(folder / "mine_val.parquet").source == "mine"
    said(folder, "fuse", "mine_val.parquet", "weak_val.parquet", "--fit", "greedy", "--out",
         "g_val.parquet")  # fmt: skip
    said(folder, "fuse", "mine_test.parquet", "weak_test.parquet", "--fitted",
         "g_val.weights.json", "--out", "g_test.parquet")  # fmt: skip
    assert len(read_probabilities(folder / "g_test.parquet")) == len(found)
