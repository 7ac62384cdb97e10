"""Scores of other programs are read as they are, and nothing in their files runs."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchmark.contracts.external_scores import read_scores
from benchmark.contracts.joined_scores import as_probabilities
from benchmark.contracts.predictions import read_probabilities
from benchmark.contracts.safe_pickle import read_pickle
from benchmark.core.errors import FormatError
from bomb import Bomb
from conftest import REPO, mgbench

pytestmark = pytest.mark.slow

P = np.random.default_rng(0).dirichlet(np.ones(4), 5).astype(np.float32)


def dumped(path: Path, content: Any, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def refusal(path: Path, **how: Any) -> str:
    with pytest.raises(FormatError) as caught:
        read_scores(path, stream=None, **how)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_dump_of_mmaction2_gives_its_tensors_and_labels(tmp_path: Path, protocol: int) -> None:
    content = [
        {
            "img_shape": (48, 48), "num_classes": 4, "gt_label": torch.tensor([row % 4]),
            "pred_score": torch.from_numpy(p), "pred_label": torch.tensor([int(p.argmax())]),
        }
        for row, p in enumerate(P)
    ]  # fmt: skip
    found = read_scores(dumped(tmp_path / "x.pkl", content, protocol), stream=None)
    np.testing.assert_array_equal(found.p, P)
    assert found.labels == (0, 1, 2, 3, 0)
    assert found.ids is None


def test_a_dump_of_two_streams_needs_a_choice(tmp_path: Path) -> None:
    content = [{"pred_score": {"rgb": torch.tensor(p), "pose": torch.tensor(p[::-1].copy())}}
               for p in P]  # fmt: skip
    path = dumped(tmp_path / "x.pkl", content)
    np.testing.assert_array_equal(read_scores(path, stream="pose").p, P[:, ::-1])
    assert "several heads; expected --head rgb or pose" in refusal(path)


def test_an_older_dump_of_mmaction2_is_read(tmp_path: Path) -> None:
    content = [{"pred_scores": {"item": torch.tensor(p)}, "gt_labels": {"item": torch.tensor([2])}}
               for p in P]  # fmt: skip
    found = read_scores(dumped(tmp_path / "x.pickle", content), stream=None)
    np.testing.assert_array_equal(found.p, P)
    assert found.labels == (2,) * 5


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_list_of_arrays_of_pyskl_is_read(tmp_path: Path, protocol: int) -> None:
    path = dumped(tmp_path / "x.pkl", list(P), protocol)
    np.testing.assert_array_equal(read_scores(path, stream=None).p, P)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64,
                     torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]),
    st.integers(0, 3), st.integers(1, 4), st.booleans(),
)  # fmt: skip
def test_any_tensor_comes_out_with_the_numbers_that_torch_sees(
    tmp_path_factory: pytest.TempPathFactory,
    dtype: torch.dtype,
    start: int,
    step: int,
    turn: bool,
) -> None:
    whole = (torch.arange(60).reshape(5, 12) % 7).to(dtype)
    part = whole[start:, ::step]
    part = part.T if turn else part
    found = read_pickle(dumped(tmp_path_factory.mktemp("t") / "x.pkl", [part]))[0]
    np.testing.assert_array_equal(found, part.double().numpy())


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    arrays.arrays(
        st.sampled_from(["f2", "f4", "f8", "i8", "u1", "?", ">f4"]), arrays.array_shapes(max_dims=3)
    ),
    st.integers(2, 5),
)
def test_any_array_and_number_of_numpy_comes_out_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, array: np.ndarray, protocol: int
) -> None:
    content = {"a": array, "b": array.reshape(-1)[0], "c": OrderedDict(x=(1, "y", None, 2.5))}
    content["d"] = array.transpose(np.roll(range(array.ndim), 1))  # in no order of C or Fortran
    found = read_pickle(dumped(tmp_path_factory.mktemp("a") / "x.pkl", content, protocol))
    np.testing.assert_array_equal(found["a"], array)
    np.testing.assert_array_equal(found["d"], content["d"])
    np.testing.assert_array_equal(found["b"], content["b"])
    assert found["c"] == content["c"]


@pytest.mark.parametrize("header", ["", "a,b,c,d\n"])
@pytest.mark.parametrize("named", [True, False])
def test_a_csv_of_numbers_is_read_with_its_ids(tmp_path: Path, header: str, named: bool) -> None:
    rows = [",".join([*([f"clip{row}"] if named else []), *map(str, p)]) for row, p in enumerate(P)]
    header = "clip_id," + header if named and header else header
    (tmp_path / "x.csv").write_text(header + "\n".join(rows) + "\n", "utf-8")
    found = read_scores(tmp_path / "x.csv", stream=None)
    np.testing.assert_allclose(found.p, P, rtol=1e-6)
    assert found.ids == (tuple(f"clip{row}" for row in range(5)) if named else None)


@pytest.mark.parametrize("header", ["", "clip_id,a,b\n"])
def test_ids_that_python_would_take_for_numbers_are_ids(tmp_path: Path, header: str) -> None:
    """float("0054_0") is 540."""
    ids = ("0054_0", "0054_1") if "clip_id" not in header else ("17", "18")
    rows = [f"{clip},0.25,0.75" for clip in ids]
    (tmp_path / "x.csv").write_text(header + "\n".join(rows) + "\n", "utf-8")
    found = read_scores(tmp_path / "x.csv", stream=None)
    assert found.ids == ids
    np.testing.assert_array_equal(found.p, [[0.25, 0.75]] * 2)


# ---------------------------------------------------------------- what is refused


class Calls:
    """Asks for any function when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self._ask = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self._ask


class Stated:
    """Asks for a function when it is unpickled, and gives its answer a state."""

    def __init__(self, function: Any, arguments: tuple[Any, ...], state: Any) -> None:
        self._ask = function, arguments, state

    def __reduce__(self) -> tuple[Any, ...]:
        return self._ask


OBJECT = Stated(np.dtype, ("O",), (3, "|", None, None, None, -1, -1, 63))


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_pickle_that_would_run_something_runs_nothing(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "went-off"
    for content in (Bomb(mark), [{"pred_score": P[0], "note": Bomb(mark)}], [P[0], Bomb(mark)]):
        path = dumped(tmp_path / "x.pkl", content, protocol)
        assert "which is not data" in refusal(path)
        assert not mark.exists()
    pickle.loads(path.read_bytes())  # noqa: S301
    assert mark.exists()  # it is a real one


def test_a_bomb_inside_the_bytes_of_a_tensor_does_not_go_off(tmp_path: Path) -> None:
    mark = tmp_path / "went-off"
    inner = pickle.dumps(1) + pickle.dumps(1) + pickle.dumps({}) + pickle.dumps(Bomb(mark))
    content = [Calls(torch.storage._load_from_bytes, inner)]
    assert "which is not data" in refusal(dumped(tmp_path / "x.pkl", content))
    assert not mark.exists()


@pytest.mark.parametrize(
    "function", [eval, getattr, __import__, np.load, torch.load, np.ndarray, torch.FloatStorage]
)
def test_no_function_but_the_few_that_make_data_can_be_named(tmp_path: Path, function: Any) -> None:
    path = dumped(tmp_path / "x.pkl", [Calls(function, "1")])
    message = refusal(path)
    assert "which is not data" in message or "cannot be read" in message


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path: Path) -> None:
    storage = torch.arange(6.0).untyped_storage()
    typed = torch.storage.TypedStorage(wrap_storage=storage, dtype=torch.float32, _internal=True)
    for offset, size, stride in ((4, (3,), (1,)), (0, (2, 4), (4, 1)), (-1, (2,), (1,)),
                                 (0, (10**9,), (0,))):  # fmt: skip
        ask = Calls(torch._utils._rebuild_tensor_v2, typed, offset, size, stride, False, None)
        assert "beyond its storage" in refusal(dumped(tmp_path / "x.pkl", [ask]))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_a_damaged_pickle_is_one_message_or_data(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = pickle.dumps([{"pred_score": torch.tensor(P[0])}, P[1]])
    place = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path_factory.mktemp("d") / "x.pkl"
    path.write_bytes(whole[:place] + bytes([data.draw(st.integers(0, 255))]) + whole[place + 1 :])
    with suppress(FormatError):  # and nothing else
        read_pickle(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({}, "not a list with one entry per clip"),
        ([], "not a list with one entry per clip"),
        ([{"score": 1}], "entry 0: no scores; expected pred_score or pred_scores; found score"),
        ([P[0], P[1][:3]], "clips differ in their number of classes"),
        ([["a", "b"]], "entry 0: the scores are not numbers"),
    ],
)
def test_what_holds_no_scores_is_named(tmp_path: Path, content: Any, says: str) -> None:
    assert says in refusal(dumped(tmp_path / "x.pkl", content))


HOSTILE_DTYPES = {
    "an object field that its flags deny": (
        "V8",
        (3, "|", None, ("a",), {"a": (OBJECT, 0)}, 8, 1, 0),
    ),
    "objects": ("O", (3, "|", None, None, None, -1, -1, 63)),
    "a subarray": ("f8", (3, "<", (OBJECT, (2,)), None, None, 16, 8, 0)),
    "an order of bytes that there is not": ("f8", (3, "x", None, None, None, -1, -1, 0)),
    "a state that is none": ("f8", (1,)),
    "a type of a million gigabytes": ("V999999999999999", (3, "|", None, None, None, 8, 1, 0)),
}


@pytest.mark.parametrize("name", HOSTILE_DTYPES)
@pytest.mark.parametrize("rebuild", ["numeric", "scalar", "array"])
def test_the_state_of_a_type_is_checked_before_numpy_sees_it(
    tmp_path: Path, name: str, rebuild: str
) -> None:
    """numpy follows 8 bytes of the file as a pointer: the process would end with SIGSEGV."""
    dtype = Stated(np.dtype, HOSTILE_DTYPES[name][:1], HOSTILE_DTYPES[name][1])
    data = b"\x60\x55\x44\x33\x22\x11\0\0"
    module = np._core
    content = {
        "numeric": Calls(module.numeric._frombuffer, data, dtype, (1,), "C"),
        "scalar": Calls(module.multiarray.scalar, dtype, data),
        "array": Stated(module.multiarray._reconstruct, (np.ndarray, (0,), b"b"),
                        (1, (1,), dtype, False, data)),
    }[rebuild]  # fmt: skip
    dumped(tmp_path / "x.pkl", [content])
    code = (
        "from pathlib import Path; from benchmark.contracts.safe_pickle import read_pickle; "
        "from benchmark.core.errors import FormatError\n"
        f"try: read_pickle(Path({str(tmp_path / 'x.pkl')!r}))\n"
        "except FormatError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done
    assert str(tmp_path / "x.pkl") in done.stdout


def test_an_array_of_objects_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "went-off"
    np.save(tmp_path / "x.npy", np.array([Bomb(mark)], object), allow_pickle=True)
    assert "not plain numbers" in refusal(tmp_path / "x.npy")
    assert not mark.exists()


# ---------------------------------------------------------------- probabilities and labels


def test_logits_become_probabilities_only_when_told(tmp_path: Path) -> None:
    logits = np.log(P.astype(float)) + 3
    with pytest.raises(FormatError, match="If they are logits, say --logits"):
        as_probabilities(logits, logits=False, where=tmp_path)
    found, _ = as_probabilities(logits, logits=True, where=tmp_path)
    np.testing.assert_allclose(found, P, rtol=1e-5)
    found, said = as_probabilities(P.astype(float), logits=False, where=tmp_path)
    np.testing.assert_allclose(found, P)
    assert said == ()


# ---------------------------------------------------------------- commands


def said(folder: Path, *arguments: str) -> str:
    done = mgbench(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_foreign_scores_are_fused_and_scored_with_nothing_but_files(tmp_path: Path) -> None:
    rows = [{"pred_score": torch.tensor(p), "gt_label": torch.tensor([row % 4])}
            for row, p in enumerate(P)]  # fmt: skip
    dumped(tmp_path / "a.pkl", rows)
    other = P[:, ::-1]
    ids = [f"row{row:06d}" for row in range(5)]
    text = "".join(",".join([ids[row], *map(str, other[row])]) + "\n" for row in (3, 1, 4, 0, 2))
    (tmp_path / "b.csv").write_text(text, "utf-8")
    made = said(tmp_path, "scores", "import", "a.pkl", "--out", "a.parquet", "--num-classes", "4",
                "--labels-out", "l.csv")  # fmt: skip
    assert made.splitlines() == ["wrote a.parquet: 5 clips, 4 classes", "wrote l.csv"]
    said(tmp_path, "scores", "import", "b.csv", "--out", "b.parquet", "--num-classes", "4")
    said(tmp_path, "fuse", "a.parquet", "b.parquet", "--weights", "3,1", "--out", "f.parquet")
    fused = read_probabilities(tmp_path / "f.parquet")
    np.testing.assert_allclose(fused.aligned(ids).p, 0.75 * P + 0.25 * other, rtol=1e-5)
    scored = said(tmp_path, "evaluate", "f.parquet", "--labels", "l.csv")
    right = np.mean(fused.aligned(ids).p.argmax(1) == np.arange(5) % 4)
    assert f"top1       {100 * right:.3f} %" in scored


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scores", "import", "a.pkl", "--out", "a.parquet"], "clips and classes are not defined"),
        (
            ["scores", "import", "a.pkl", "--out", "a.parquet", "--num-classes", "3"],
            "wrong number of classes; expected 3; found 4",
        ),
        (
            ["scores", "import", "a.pkl", "--out", "x.parquet", "--edition", "imigue", "--split",
             "test"],
            "wrong number of classes; expected 32; found 4",
        ),
        (["fuse", "a.pkl", "b.pkl", "--out", "x.parquet"], "become one by 'mgbench scores import'"),
        (["fuse", "a.pkl", "a.pkl", "--out", "x.parquet"], "FILES: a file is given twice"),
        (["fuse", "a.pkl", "--out", "x.csv"], "'x.csv' must end in .parquet"),
        (["fuse", "a.pkl", "--weights", "1,x", "--out", "x.parquet"], "one number per file"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_message(tmp_path: Path, arguments: list[str], says: str) -> None:
    for name in ("a.pkl", "b.pkl"):
        dumped(tmp_path / name, list(P))
    done = mgbench(tmp_path, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.parquet"))


def test_scores_of_imigues_test_take_the_order_of_the_leaderboard(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((4562, 32), 1 / 32, np.float32))
    said(tmp_path, "scores", "import", "x.npy", "--out", "x.parquet", "--edition", "imigue",
         "--split", "test")  # fmt: skip
    found = read_probabilities(tmp_path / "x.parquet")
    listed = (REPO / "benchmark/editions/imigue_test_ids.csv").read_text("utf-8").split()[1:]
    assert list(found.clip_id) == listed


def test_none_of_it_imports_torch_or_dvc() -> None:
    code = (
        "import sys, pipelines.cli.main, benchmark.contracts.external_scores, "
        "submission.fusion.fuse, benchmark.evaluation.metrics; "
        "print(sorted({'torch', 'dvc', 'mlflow', 'mmaction'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True,
                          check=True)  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_a_number_of_any_length_is_named_and_no_bug(tmp_path: Path) -> None:
    dumped(tmp_path / "long.pkl", [{"pred_score": 10**5000, "frame_dir": "a"}])
    done = mgbench(
        tmp_path, "scores", "import", "long.pkl", "--out", "p.parquet", "--num-classes", "4"
    )
    assert done.returncode == 2
    assert "the scores are not numbers; found int 1000" in done.stderr
