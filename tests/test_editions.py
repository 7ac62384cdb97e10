"""Edition and challenge files that break: one message everywhere, and the good ones are listed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from benchmark.challenges import challenge as challenges
from benchmark.core.errors import BenchmarkError
from benchmark.editions import edition as editions
from benchmark.editions.edition import Edition, listed_ids, read_edition
from conftest import REPO
from pipelines.cli.main import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the editions' files, which the program reads, in a copy of the project."""
    for module, name in ((editions, "SHIPPED"), (challenges, "FOLDER")):
        source = getattr(module, name)
        place = Path(shutil.copytree(source, tmp_path / "package" / source.name))
        monkeypatch.setattr(module, name, place)
    shutil.copy(REPO / "params.yaml", tmp_path)
    shutil.copy(REPO / "dvc.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "package/editions"


def spoil(folder: Path, kind: str) -> None:
    path = folder / "mimic.yaml"
    text = path.read_text("utf-8")
    changed = {
        "schema": text.replace("version:", "vershun:"),
        "name": text.replace("name: mimic", "name: other"),
        "outside": text.replace("ids: null", "ids: {test: ../../secret.csv}"),
        "no ids": text.replace("ids: null", "ids: {test: nothing.csv}"),
        "latin": text.replace("title: ", "title: \xe9t\xe9 "),
        "empty": "",
        "laughs": "a: &a [*a]",
    }[kind]
    assert changed != text
    path.write_bytes(changed.encode("latin1" if kind == "latin" else "utf-8"))


KINDS = ("schema", "name", "outside", "no ids", "latin", "empty", "laughs")


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_edition_is_named_and_the_others_are_listed(kind: str, folder: Path) -> None:
    spoil(folder, kind)
    done = CliRunner().invoke(main, ["submit", "list"])
    assert done.exit_code == 2
    assert "  imigue " in done.output
    assert "  mimic " not in done.output
    assert done.output.count("Error: ") == 1
    assert ("nothing.csv" if kind == "no ids" else "mimic.yaml") in done.output
    assert isinstance(done.exception, SystemExit)


@pytest.mark.parametrize(
    "command", ["status", "doctor", "edition new mimic --from .", "data check mimic"]
)
@pytest.mark.parametrize("kind", ["schema", "name", "outside", "latin"])
def test_every_command_names_it_without_a_traceback(kind: str, command: str, folder: Path) -> None:
    spoil(folder, kind)
    done = CliRunner().invoke(main, command.split())
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
    if not command.startswith("edition new"):
        assert "mimic.yaml" in done.output


@pytest.mark.parametrize("data", [b"", b"Clip\na\n", b"Id\n\xff\n", b"I\0d\n"])
def test_a_list_of_ids_that_is_none_is_named(data: bytes, folder: Path) -> None:
    spoil(folder, "no ids")
    (folder / "nothing.csv").write_bytes(data)
    with pytest.raises(BenchmarkError, match="nothing.csv"):
        listed_ids(read_edition("mimic"), "test")


@pytest.mark.parametrize("name", ["", "a b", "a;ls", "$HOME", "a:b", "../x", ".x", "-x", "a" * 51])
def test_an_edition_has_a_name_that_a_command_and_a_folder_can_have(name: str) -> None:
    known = read_edition("mimic").model_dump()
    with pytest.raises(ValidationError, match="name"):
        Edition.model_validate(known | {"name": name})
    assert Edition.model_validate(known | {"name": "iMiGUE-2026_b"})
