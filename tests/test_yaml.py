"""YAML that people and accidents made: one message each, fast, and no crash."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from benchmark.core.errors import BenchmarkError
from benchmark.core.schema import Strict, read_json, read_yaml
from benchmark.params.params import read_params
from conftest import REPO

GOOD = (REPO / "params.yaml").read_bytes()
SEED = b"\nseed: "


def laughs(levels: int) -> bytes:
    lines = ["a0: &a0 [x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (GOOD.replace(SEED, b"\n# \xe9t\xe9\nseed: ", 1), r"line \d+: not UTF-8. Save it as UTF-8"),
        (GOOD.decode().encode("utf-16"), "UTF-16; expected UTF-8. Save it as UTF-8"),
        (GOOD.decode().encode("utf-16-le"), "line 1: a zero byte"),
        (GOOD.replace(SEED, b"\n\0seed: ", 1), r"line \d+: a zero byte"),
        (laughs(20), "aliases unfold to more than 200000 values"),
        (b"a: &a [*a]", "aliases unfold"),
        (b"[" * 100_000, "more than 100 lists and mappings within each other"),
        (b"- " * 100_000, "more than 100 lists and mappings within each other"),
        (b"a: [" + b"1," * 300_000 + b"]", "more than 200000 values"),
        (b"a: " + b"x" * 20_000_000, "too large"),
        (GOOD + b"seed: 2\n", 'duplicate key "seed" .* at line'),
        (GOOD.replace(SEED, SEED + b"9" * 5000, 1), "Exceeds the limit"),
        (GOOD.replace(SEED, SEED + b"9" * 50, 1), "too large a number"),
        (GOOD.replace(SEED, SEED + b"2026-01-01 #", 1), "is a date: put it in quotes"),
        (b"1: 2", "key 1 is no text"),
        (b"? [1, 2]\n: 3", r"key \(1, 2\) is no text"),
        (GOOD.replace(SEED, SEED + b"-", 1), "greater than or equal to 0"),
        (GOOD.replace(SEED, SEED + b"\tx #", 1), "seed: Input should be a valid integer"),
        (b"a: !!binary aGVsbG8=", "is a bytes"),
        (b"a: !!python/object:os.system x", "not valid YAML"),
        (b"a:\n\tb: 1", "not valid YAML.* at line 2"),
        (b"", "the file: Input should be an object"),
        (b"a: 1\n---\na: 2", "another document"),
    ],
    ids=range(23),
)
def test_a_broken_file_is_one_message(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(data)
    with pytest.raises(BenchmarkError, match=f"(?s)params.yaml.*{said}") as caught:
        read_params(path)
    assert "sys." not in str(caught.value)


def test_a_stage_shows_it_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_bytes(GOOD.replace(SEED, b"\n# \xe9t\xe9\nseed: ", 1))
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.check", "--out", "x"], cwd=tmp_path, check=False,
        env={"PYTHONPATH": f"{REPO}"}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "not UTF-8" in done.stderr


def test_a_byte_order_mark_and_harmless_aliases_are_read(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD)
    assert read_params(path) == read_params(REPO / "params.yaml")
    path.write_text("one: &x 2\nmany: [*x, *x]\nsize: 1.0\nfree: 1\npair: [1.0, 2.0]\n")
    assert read_yaml(path, Numbers).many == (2, 2)


class Numbers(Strict):
    one: Literal[1, 2]
    many: tuple[Literal[1, 2], ...]
    size: float
    free: int | float
    pair: tuple[Annotated[float, Field(gt=0)], float]


SOUND = {"one": "1", "many": "[1, 2]", "size": "1.5", "free": "1", "pair": "[1.0, 2.0]"}


@pytest.mark.parametrize("bad", ["true", ".nan", ".inf", "-.inf"])
@pytest.mark.parametrize(
    ("key", "form"),
    [("one", "{}"), ("many", "[1, {}]"), ("size", "{}"), ("free", "{}"), ("pair", "[1.0, {}]")],
)
def test_truth_values_and_nan_are_no_numbers_anywhere(
    key: str, form: str, bad: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("".join(f"{k}: {v}\n" for k, v in SOUND.items()))
    assert math.isfinite(read_yaml(path, Numbers).size)
    changed = SOUND | {key: form.format(bad)}
    path.write_text("".join(f"{k}: {v}\n" for k, v in changed.items()))
    with pytest.raises(BenchmarkError, match=f"{key}[.:]"):
        read_yaml(path, Numbers)


def test_a_literal_1_is_not_1_0(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("".join(f"{k}: {v}\n" for k, v in (SOUND | {"one": "1.0"}).items()))
    with pytest.raises(BenchmarkError, match=r"one: Input should be a whole number \(got 1.0\)"):
        read_yaml(path, Numbers)


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "1" + "0" * 5000, '"\xe9'])
def test_json_holds_no_nan_and_no_endless_numbers(bad: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(
        f'{{"one": 1, "many": [], "size": {bad}, "free": 1, "pair": [1, 1]}}'.encode("latin1")
    )
    with pytest.raises(BenchmarkError, match=r"a\.json: not numbers: "):
        read_json(path, Numbers, what="numbers", do="Write it again")
