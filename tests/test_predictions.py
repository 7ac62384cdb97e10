"""The probabilities file: what goes in comes out, and nothing else goes in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.contracts.clips import Clips
from benchmark.contracts.predictions import (
    Probabilities,
    check_against,
    check_probabilities,
    check_same_ids,
    read_probabilities,
    write_probabilities,
)
from benchmark.core.errors import FormatError, MismatchError
from conftest import a_clip

if TYPE_CHECKING:
    from pathlib import Path

PROPERTY = settings(max_examples=30, deadline=None, derandomize=True)
CLASSES = ("head up", "bulging face, deep breath", "é")


def make(ids: tuple[str, ...] = ("c", "a", "b"), seed: int = 0) -> Probabilities:
    p = np.random.default_rng(seed).dirichlet(np.ones(3), len(ids)).astype(np.float32)
    return Probabilities("mimic", "val", "joint", CLASSES, ids, p)


def clips(ids: list[str], edition: str = "mimic") -> Clips:
    return Clips(edition, tuple(a_clip(clip) for clip in ids))


@PROPERTY
@given(st.lists(st.text(min_size=1), min_size=1, max_size=20, unique=True), st.integers(0, 99))
def test_probabilities_survive_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], seed: int
) -> None:
    path = tmp_path_factory.mktemp("p") / "val.parquet"
    written = make(tuple(ids), seed)
    write_probabilities(written, path)
    found = read_probabilities(path)
    assert replace(found, p=written.p) == written
    assert found.p.dtype == np.float32
    np.testing.assert_array_equal(found.p, written.p)


def test_equal_probabilities_have_equal_bytes(tmp_path: Path) -> None:
    write_probabilities(make(), tmp_path / "a.parquet")
    write_probabilities(make(), tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_aligned_moves_each_row_with_its_clip() -> None:
    given_order = make(("c", "a", "b"))
    sorted_order = given_order.aligned(["a", "b", "c"])
    assert sorted_order.clip_id == ("a", "b", "c")
    np.testing.assert_array_equal(sorted_order.p, given_order.p[[1, 2, 0]])
    assert (sorted_order.source, sorted_order.classes) == ("joint", CLASSES)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", "b"], "0 clip(s) missing, 1 foreign (the first is c); expected 2 clips; found 3"),
        (["a", "b", "c", "d"], "1 clip(s) missing, 0 foreign (the first is d); expected 4 clips"),
        (["a", "b", "x"], "1 clip(s) missing, 1 foreign (the first is c); expected 3 clips"),
    ],
)
def test_other_clips_are_refused(ids: list[str], message: str) -> None:
    for act in (make().aligned, lambda wanted: check_same_ids(make(), wanted)):
        with pytest.raises(MismatchError) as error:
            act(ids)
        assert str(error.value).startswith(f"probabilities of joint on val: {message}")


def row(*values: float) -> np.ndarray:
    p = make().p.copy()
    p[1] = values
    return p


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": CLASSES[:2]}, "here: wrong shape; expected (3, 2); found (3, 3)"),
        ({"clip_id": ("a", "b")}, "here: wrong shape; expected (2, 3); found (3, 3)"),
        ({"clip_id": ("a", "b", "a")}, "here: 1 clip id(s) twice"),
        (
            {"p": row(0.5, 0.5, 0.001)},
            "here: 1 row(s) are no probabilities, the first is a; expected finite values >= 0 with"
            " sum 1 +- 0.0001; found sum 1.001, minimum 0.001",
        ),
        ({"p": row(0.5, 0.6, -0.1)}, "here: 1 row(s) are no probabilities, the first is a"),
        ({"p": row(0.5, np.nan, 0.5)}, "here: 1 row(s) are no probabilities, the first is a"),
        ({"p": row(0.5, np.inf, 0.5)}, "here: 1 row(s) are no probabilities, the first is a"),
    ],
)
def test_what_is_no_probabilities_is_neither_taken_nor_written(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    bad = replace(make(), **change)
    with pytest.raises(FormatError) as error:
        check_probabilities(bad, where="here")
    assert str(error.value).startswith(message)
    with pytest.raises(FormatError):
        write_probabilities(bad, tmp_path / "val.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_sum_within_the_tolerance_is_taken() -> None:
    near = replace(make(), p=row(0.5, 0.4, 0.10009))
    check_probabilities(near, where="here")
    assert near.p[1].sum() > 1.00005


def test_a_tampered_file_is_refused_on_reading(tmp_path: Path) -> None:
    path = tmp_path / "val.parquet"
    write_probabilities(make(), path)
    table = pq.read_table(path)
    doubled = pa.table(
        [pa.array(["a", "a", "b"]), table["p"]],
        names=["clip_id", "p"],
        metadata=table.schema.metadata,
    )
    pq.write_table(doubled, path)
    with pytest.raises(FormatError) as error:
        read_probabilities(path)
    assert str(error.value).startswith(f"{path}: 1 clip id(s) twice")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "val.parquet"
    with pytest.raises(FormatError) as error:
        read_probabilities(path)
    assert str(error.value).startswith(f"{path}: no such file")
    path.write_bytes(b"clip_id,p\n")
    with pytest.raises(FormatError) as error:
        read_probabilities(path)
    assert str(error.value).startswith(f"{path}: not a parquet file")
    pq.write_table(pa.table({"clip_id": ["a"]}), path)
    with pytest.raises(FormatError) as error:
        read_probabilities(path)
    assert str(error.value).startswith(
        f"{path}: not a file of probabilities of this version; expected probabilities/1; "
        "found nothing"
    )


def test_check_against_wants_the_editions_classes_and_clips() -> None:
    check_against(make(), clips(["a", "b", "c"]), CLASSES)
    cases = [
        (
            clips(["a", "b", "c"], "miga25"),
            CLASSES,
            "another edition's; expected miga25; found mimic",
        ),
        (clips(["a", "b", "c"]), CLASSES[::-1], "the classes are not the edition's, in its order"),
        (clips(["a", "b"]), CLASSES, "0 clip(s) missing, 1 foreign (the first is c)"),
    ]
    for index, classes, message in cases:
        with pytest.raises(MismatchError) as error:
            check_against(make(), index, classes)
        assert str(error.value).startswith(f"probabilities of joint on val: {message}")
