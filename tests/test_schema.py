"""A file that people write is right, or it is one message: never a traceback, never nonsense."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from benchmark.challenges.challenge import Challenge
from benchmark.core.errors import BenchmarkError, FormatError
from benchmark.core.schema import Strict, read_json, read_yaml, validate
from benchmark.editions import edition as editions
from benchmark.editions.edition import Edition, listed_ids, read_edition
from benchmark.params.params import Params
from conftest import REPO
from pipelines.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = {
    "params.yaml": Params,
    "benchmark/presets/paper.yaml": Params,
    "benchmark/editions/imigue.yaml": Edition,
    "benchmark/challenges/mac2024.yaml": Challenge,
}


def numbers(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in inner:
        if isinstance(part, dict | list):
            yield from numbers(part, (*path, key))
        elif isinstance(part, int | float) and not isinstance(part, bool):
            yield (*path, key), part


@pytest.mark.parametrize("name", FILES)
def test_no_number_of_any_file_can_be_true_or_infinite_or_not_a_number(name: str) -> None:
    raw = YAML(typ="safe").load((REPO / name).read_text("utf-8"))
    validate(Path(name), raw, FILES[name])
    checked = 0
    # Of lists of many equal numbers, the first says all.
    for path, _ in (
        item for item in numbers(raw) if not isinstance(item[0][-1], int) or item[0][-1] < 2
    ):
        wrong = copy.deepcopy(raw)
        place = wrong
        for key in path[:-1]:
            place = place[key]
        values = (True,) if FILES[name] is Params else (True, math.nan, math.inf)
        for value in values:
            place[path[-1]] = value
            with pytest.raises(BenchmarkError):
                validate(Path(name), wrong, FILES[name])
            checked += 1
    assert checked > 3


class Numbers(Strict):
    one: float
    many: tuple[float, ...] = ()
    perhaps: int | float | None = None


@pytest.mark.parametrize("text", [".nan", ".inf", "-.inf", "true", "1e999"])
@pytest.mark.parametrize("key", ["one: {}", "one: 1\nmany: [2, {}]", "one: 1\nperhaps: {}"])
def test_every_float_of_every_schema_is_finite(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(key.format(text), "utf-8")
    with pytest.raises(BenchmarkError, match=r"x\.yaml"):
        read_yaml(path, Numbers)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"one": 1, "one": 2}', "the key 'one' comes twice"),
        (b'{"one": 1', "not valid JSON"),
        (b'{"one": NaN}', "finite number"),
        (b'{"one": "\xff"}', "not valid JSON"),
        (b'{"one": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_json_that_is_none_is_one_message(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(FormatError) as caught:
        read_json(path, Numbers, what="numbers", do="Write them again")
    assert says in str(caught.value)
    assert str(caught.value).endswith(". Write them again")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_json_in_any_encoding_that_it_may_have_is_read(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"one": 0.5}', encoding)
    assert read_json(path, Numbers, what="numbers", do="Write them again").one == 0.5


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the edition imigue to a folder that a test may break."""
    for name in ("imigue.yaml", "imigue_test_ids.csv"):
        (tmp_path / name).write_bytes((REPO / "benchmark/editions" / name).read_bytes())
    monkeypatch.setattr(editions, "SHIPPED", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("imigue_test_ids.csv", "../../secret.csv", "leaves"),
        ("imigue_test_ids.csv", "/etc/hostname", "leaves"),
        ("imigue_test_ids.csv", "gone.csv", "no such file, but ids.test of imigue names it"),
        ("name: imigue", "name: other", "name differs from the file's"),
    ],
)
def test_an_edition_that_names_what_it_must_not_is_one_message(
    own: Path, old: str, new: str, says: str
) -> None:
    path = own / "imigue.yaml"
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(BenchmarkError, match=says):
        listed_ids(read_edition("imigue"), "test")


@pytest.mark.parametrize("text", ["", "Clip\na\n", "Id\na\nb\na\n"])
def test_a_list_of_ids_that_is_none_is_one_message(own: Path, text: str) -> None:
    (own / "imigue_test_ids.csv").write_text(text, "utf-8")
    with pytest.raises(BenchmarkError, match=r"imigue_test_ids\.csv: (wrong header|a clip)"):
        listed_ids(read_edition("imigue"), "test")


def test_a_broken_edition_hides_no_other(own: Path) -> None:
    (own / "zebra.yaml").write_text("name: 1\n", "utf-8")
    done = CliRunner().invoke(main, ["submit", "list"])
    assert done.exit_code == 2, done.output
    assert "miga2025" in done.output
    assert "zebra.yaml" in done.output
    assert "name: Input should be a valid string" in done.output


def test_a_line_of_a_message_is_no_longer_than_a_page() -> None:
    message = str(FormatError("x.csv", "no label", found="7" * 5000, do="Write one"))
    assert len(message) < 1100
    assert message.startswith("x.csv: no label; found 777")
    assert message.endswith("777. Write one")
