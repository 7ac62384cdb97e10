"""Foreign scores are joined by every name they carry, and what is assumed is said."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.contracts.external_scores import Scores, read_scores
from benchmark.contracts.foreign_table import class_order, read_ids, read_labels
from benchmark.contracts.joined_scores import Expected, Joined, as_probabilities, joined
from benchmark.contracts.predictions import Probabilities, read_probabilities, write_probabilities
from benchmark.core.errors import BenchmarkError, FormatError, MismatchError
from conftest import mgbench

K = 4
CLASSES = ("nod", "shrug", "touch face", "fold arms")
IDS = tuple(f"{video:04d}_{clip}" for video in (9, 10) for clip in (2, 10, 1))
LABELS = dict(zip(IDS, (0, 1, 2, 3, 1, 0), strict=True))
P = np.random.default_rng(3).dirichlet(np.full(K, 0.3), len(IDS))
PROJECT = Expected(CLASSES, IDS, LABELS, "the index", ".mp4")
NOTHING = Expected(tuple(map(str, range(K))), None, {}, "the file")


def dump(path: Path, entries: Any) -> Path:
    path.write_bytes(pickle.dumps(entries))
    return path


def csv_file(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return path


def row(*cells: object) -> str:
    return ",".join(map(str, cells))


def join(path: Path, expected: Expected = PROJECT, stream: str | None = None) -> Joined:
    return joined(read_scores(path, stream=stream), expected, where=path)


def refusal(path: Path, expected: Expected = PROJECT) -> str:
    with pytest.raises(BenchmarkError) as caught:
        join(path, expected)
    return str(caught.value)


def by_clip(found: Joined) -> dict[str, list[float]]:
    return dict(zip(found.ids, found.p.tolist(), strict=True))


RIGHT = dict(zip(IDS, P.tolist(), strict=True))

# ---------------------------------------------------------------- rows by name


@pytest.mark.parametrize("key", ["frame_dir", "filename", "clip_id", "video_id"])
@pytest.mark.parametrize("form", ["{}", "{}.mp4", "data/val/{}.mp4", "C:\\clips\\{}.avi", "/x/{}/"])
@settings(max_examples=5, deadline=None, derandomize=True)
@given(order=st.permutations(range(len(IDS))))
def test_a_dump_in_any_order_is_joined_by_what_its_entries_call_their_clip(
    tmp_path_factory: pytest.TempPathFactory, key: str, form: str, order: list[int]
) -> None:
    entries = [{"pred_score": P[k], key: form.format(IDS[k]), "gt_label": LABELS[IDS[k]]}
               for k in order]  # fmt: skip
    found = join(dump(tmp_path_factory.mktemp("d") / "x.pkl", entries))
    assert by_clip(found) == RIGHT
    assert found.said == (f"rows joined by {key} to the clips of the index",)


def test_rows_without_names_say_which_order_they_took_and_how_it_fits(tmp_path: Path) -> None:
    found = join(dump(tmp_path / "x.pkl", list(P)))
    right = 100 * np.mean(P.argmax(1) == list(LABELS.values()))
    assert by_clip(found) == RIGHT
    assert "taken in the order of the index" in found.said[0]
    assert f"{right:.2f} % of the highest scores are the known labels" in found.said[1]


def test_labels_that_contradict_the_index_are_refused_and_another_order_is_recognized(
    tmp_path: Path,
) -> None:
    swapped = (1, 0, 2, 3, 1, 0)
    entries = [{"pred_score": p, "gt_label": label} for p, label in zip(P, swapped, strict=True)]
    message = refusal(dump(tmp_path / "x.pkl", entries))
    assert "labels of 2 of 6 clips contradict the index; expected label 0 for 0009_2" in message
    assert "the same labels in another order: name the clip of each row with --ids" in message
    entries[0]["gt_label"] = 3
    assert "another order" not in refusal(dump(tmp_path / "x.pkl", entries))


@pytest.mark.parametrize("label", [K, -1, 10**30, float("nan"), 0.5, "nod", [None]])
def test_a_label_that_is_no_class_is_refused(tmp_path: Path, label: Any) -> None:
    entries = [{"pred_score": p, "gt_label": label} for p in P]
    assert refusal(dump(tmp_path / "x.pkl", entries)).startswith(str(tmp_path / "x.pkl"))


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ((*IDS[:-1], IDS[0]), "clip 0009_2 comes twice; found entry 0 and entry 5"),
        ((*IDS[:-1], "0011_1"), "1 clip(s) missing, 1 foreign (the first is 0010_1)"),
        (IDS[:-1], "1 clip(s) missing, 0 foreign"),
    ],
)
def test_other_clips_than_the_splits_are_refused(
    tmp_path: Path, ids: tuple[str, ...], says: str
) -> None:
    entries = [{"pred_score": P[0], "frame_dir": clip} for clip in ids]
    assert says in refusal(dump(tmp_path / "x.pkl", entries))


def test_entries_that_name_their_clips_by_different_keys_are_refused(tmp_path: Path) -> None:
    entries = [{"pred_score": P[0], "frame_dir": IDS[0]}, {"pred_score": P[1]}]
    assert "entries name their clips by different keys; found frame_dir, none" in refusal(
        dump(tmp_path / "x.pkl", entries)
    )


def test_two_heads_of_pyskl_are_read_by_name(tmp_path: Path) -> None:
    path = dump(tmp_path / "x.pkl", [{"rgb": p, "pose": p[::-1]} for p in P])
    assert by_clip(join(path, stream="rgb")) == RIGHT
    np.testing.assert_array_equal(join(path, stream="pose").p, P[:, ::-1])
    assert "several heads; expected --head rgb or pose" in refusal(path)


@pytest.mark.parametrize("entry", [[10**400] * K, [None] * K, {"pred_score": object}, "0.5", b"x"])
def test_scores_that_are_no_numbers_are_refused_by_entry(tmp_path: Path, entry: Any) -> None:
    path = tmp_path / "x.pkl"
    assert refusal(dump(path, [P[0], entry])).startswith(str(path))


# ---------------------------------------------------------------- tables by their headers


HEADERS = {
    "class names": ("clip_id", CLASSES),
    "numbers from 0": ("clip_id", range(K)),
    "numbers from 1": ("clip_id", range(1, K + 1)),
    "prefixed": ("Id", [f"p_{k}" for k in range(K)]),
    "no name for the ids": ("", range(K)),
    "an unknown name for the ids": ("clip name", range(K)),
    "words": ("clip_id", ["a", "b", "c", "d"]),
}


@pytest.mark.parametrize("name", HEADERS)
def test_any_header_is_a_header(tmp_path: Path, name: str) -> None:
    first, columns = HEADERS[name]
    lines = [row(clip, *p) for clip, p in zip(IDS, P, strict=True)]
    assert by_clip(join(csv_file(tmp_path / "x.csv", row(first, *columns), *lines))) == RIGHT


@pytest.mark.parametrize("names", [CLASSES, [f"class_{k}" for k in range(K)], range(1, K + 1)])
@settings(max_examples=8, deadline=None, derandomize=True)
@given(order=st.permutations(range(K)))
def test_columns_that_name_their_class_are_put_in_the_order_of_the_classes(
    tmp_path_factory: pytest.TempPathFactory, names: Any, order: list[int]
) -> None:
    lines = [row(clip, *(p[k] for k in order)) for clip, p in zip(IDS, P, strict=True)]
    header = row("clip_id", *(names[k] for k in order))
    found = join(csv_file(tmp_path_factory.mktemp("c") / "x.csv", header, *lines))
    assert by_clip(found) == RIGHT


def test_a_column_of_labels_and_one_of_row_numbers_are_no_scores(tmp_path: Path) -> None:
    lines = [row(k, *p, LABELS[clip], clip) for k, (clip, p) in enumerate(RIGHT.items())]
    path = csv_file(tmp_path / "x.csv", row("", *range(K), "label", "clip_id"), *lines)
    assert by_clip(join(path)) == RIGHT
    assert read_scores(path, stream=None).labels == tuple(LABELS.values())


def test_a_row_of_two_classes_that_looks_like_a_header_is_a_clip(tmp_path: Path) -> None:
    two = NOTHING._replace(classes=("0", "1"))
    found = join(csv_file(tmp_path / "x.csv", "a,0,1", "b,0.5,0.5"), two)
    assert found.ids == ("a", "b")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("clip_id,0,1,2,3", "a,.1,,.4,.5"), "line 2, column '1': no number; found an empty cell"),
        (("clip_id,0,1,2,3", "a,.1,.4,.5"), "line 2: not 5 cells, as the first line has; found 4"),
        (("clip_id,0,1,1,3", "a,.1,.2,.3,.4"), "column 4: column 1 comes twice"),
        (("a,.1,.2,.3,.4", "b,.1,.2,.3,.4", "a,.4,.3,.2,.1"), "line 3: clip a comes twice"),
        (("clip_id,nod,shrug,touch face,arms", "a,.1,.2,.3,.4"), "column 'arms' is no class"),
        (("clip_id,0,1,2,3",), "no rows"),
        (("a,.1,.2,.3,.4", ",.1,.2,.3,.4"), "line 2: names no clip"),
    ],
)
def test_a_table_that_answers_twice_or_not_at_all_is_refused_with_its_place(
    tmp_path: Path, lines: tuple[str, ...], says: str
) -> None:
    expected = Expected(CLASSES, None, {}, "the file")
    assert says in refusal(csv_file(tmp_path / "x.csv", *lines), expected)


@pytest.mark.parametrize("read", [lambda p: read_scores(p, stream=None), read_ids,
                                  lambda p: read_labels(p, K)])  # fmt: skip
@pytest.mark.parametrize("data", ["a,1\n".encode("utf-16"), b"a,1\n\xe9,2\n", b"a,1\0\n", b""])
def test_a_table_that_is_no_text_is_one_message(tmp_path: Path, read: Any, data: bytes) -> None:
    (tmp_path / "x.csv").write_bytes(data)
    with pytest.raises(BenchmarkError, match=r"x\.csv"):
        read(tmp_path / "x.csv")


# ---------------------------------------------------------------- ids and labels


@pytest.mark.parametrize(
    "lines",
    [("a,1", "b,0"), ("clip_id,label", "a,1", "b,0"), ("label,clip_id", "1,a", "0,b"),
     ("Id,Target", "a,1", "b,0", ""), ("video,y", "a,1", "b,0")],
)  # fmt: skip
def test_labels_are_read_by_the_names_of_their_columns(
    tmp_path: Path, lines: tuple[str, ...]
) -> None:
    assert read_labels(csv_file(tmp_path / "l.csv", *lines), K) == {"a": 1, "b": 0}


def test_labels_of_clips_whose_ids_are_numbers_are_read(tmp_path: Path) -> None:
    assert read_labels(csv_file(tmp_path / "l.csv", "17,1", "18,0"), K) == {"17": 1, "18": 0}


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("a,1", "b,0", "a,1"), "line 3: clip a comes twice; found also"),
        (("a,4",), "line 1: no class; expected a label from 0 to 3; found 4"),
        (("a,-1",), "line 1: no class"),
        (("a," + "9" * 5000,), "line 1: the label is no whole number"),
        (("a,nan",), "the label is no whole number"),
        (("a,1,2",), "not clips and their labels; expected clip_id,label"),
        (("clip_id,label", "a,"), "line 2: the label is no whole number; found ''"),
    ],
)
def test_a_label_that_is_wrong_is_refused_with_its_line(
    tmp_path: Path, lines: tuple[str, ...], says: str
) -> None:
    with pytest.raises(BenchmarkError) as caught:
        read_labels(csv_file(tmp_path / "l.csv", *lines), K)
    assert says in str(caught.value)


def test_ids_are_read_from_the_column_that_names_them(tmp_path: Path) -> None:
    assert read_ids(csv_file(tmp_path / "i.csv", "b", "a", "")) == ["b", "a"]
    assert read_ids(csv_file(tmp_path / "i.csv", "Target,Id", "1,b", "2,a")) == ["b", "a"]
    with pytest.raises(BenchmarkError, match="line 2: clip a comes twice"):
        read_ids(csv_file(tmp_path / "i.csv", "a", "a"))


def test_class_order_knows_names_and_numbers_and_leaves_words_alone() -> None:
    assert class_order(["b", "a"], ["a", "b"]) == [1, 0]
    assert class_order(["p2", "p0", "p1"], ["x", "y", "z"]) == [1, 2, 0]
    assert class_order(["u", "v"], ["a", "b"]) is None
    assert class_order(["7", "9"], ["a", "b"]) is None


# ---------------------------------------------------------------- probabilities


@pytest.mark.parametrize("digits", [3, 4, 6])
def test_rounded_probabilities_are_divided_by_their_sums_and_it_is_said(digits: int) -> None:
    rounded = np.round(P, digits)
    found, said = as_probabilities(rounded, logits=False, where=Path("x"))
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(found, P, atol=1e-2)
    off = np.abs(rounded.sum(1) - 1).max()
    assert bool(said) == (off > 1e-4)


def test_bfloat16_probabilities_are_accepted() -> None:
    # The upper half of a float32 is a bfloat16.
    cut = (P.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32).astype(float)
    found, said = as_probabilities(cut, logits=False, where=Path("x"))
    np.testing.assert_allclose(found, P, atol=1e-2)
    assert "divided by their sums" in said[0]


@pytest.mark.parametrize("scores", [P, np.round(P, 4)])
def test_a_softmax_of_probabilities_is_refused(scores: np.ndarray) -> None:
    with pytest.raises(FormatError, match="probabilities already; expected logits. Omit --logits"):
        as_probabilities(scores, logits=True, where=Path("x"))


@pytest.mark.parametrize(
    ("scores", "advice"),
    [
        (np.log(P), "If they are logits, say --logits"),
        (100 * P, "Divide them by 100"),
        (P**0.1, "Dump the softmax over all classes"),
    ],
)
def test_advice_never_flattens_what_are_no_logits(scores: np.ndarray, advice: str) -> None:
    with pytest.raises(FormatError) as caught:
        as_probabilities(scores, logits=False, where=Path("x"))
    assert advice in str(caught.value)
    assert ("--logits" in str(caught.value)) == ("--logits" in advice)


def test_what_an_import_assumed_is_recorded_in_its_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.round(P, 3))
    done = mgbench(
        tmp_path, "scores", "import", "x.npy", "--num-classes", "4", "--out", "x.parquet"
    )
    assert done.returncode == 0, done.stderr
    note = read_probabilities(tmp_path / "x.parquet").note
    assert "x.npy names no clips: its rows are taken in the order of the file" in note
    assert note.replace("; ", "\n") == done.stderr.strip()


# ---------------------------------------------------------------- our own files


def changed(path: Path, **columns: Any) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    metadata = {**(table.schema.metadata or {}), **columns.pop("metadata", {})}
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    keep = {key: value for key, value in metadata.items() if value is not None}
    pq.write_table(table.replace_schema_metadata(keep), path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clip_id": [list(range(6))]}, "wrong columns; expected clip_id: string"),
        ({"clip_id": [[None, *"abcde"]]}, "wrong columns"),
        ({"p": [["x"] * 6]}, "wrong columns"),
        ({"p": [[[0.5, 0.5]] * 6]}, "wrong columns"),
        ({"metadata": {b"classes": b"not json"}}, "its classes are no list of names"),
        ({"metadata": {b"classes": b"{}"}}, "its classes are no list of names"),
        ({"metadata": {b"split": None}}, "not a file of probabilities of this version"),
        ({"metadata": {b"edition": b"\xff"}}, "not a parquet file"),
        ({"metadata": {b"folds": b'["d", "all"]'}}, "does not say which folds"),
        ({"metadata": {b"folds": b'["d", "all", "shop", []]'}}, "does not say which folds"),
    ],
)
def test_a_file_of_probabilities_with_wrong_types_is_one_message(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    path = tmp_path / "p.parquet"
    even = np.full((6, 2), 0.5, np.float32)
    write_probabilities(Probabilities("mimic", "val", "joint", ("a", "b"), IDS, even), path)
    read_probabilities(path)
    changed(path, **change)
    with pytest.raises(FormatError) as caught:
        read_probabilities(path)
    assert says in str(caught.value)


def test_scores_of_another_number_of_rows_are_refused_where_only_the_order_counts() -> None:
    scores = Scores(P[:-1], None, None, None, "")
    with pytest.raises(FormatError, match="must have one row per clip; expected 6 rows; found 5"):
        joined(scores, PROJECT, where=Path("x"))
    named = scores._replace(ids=IDS[:-1])
    with pytest.raises(MismatchError, match="1 clip"):
        joined(named, PROJECT, where=Path("x"))
