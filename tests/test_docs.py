"""The commands, files and keys that the pages name exist; generated pages are fresh."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from benchmark.core.pinned_file import sha256
from benchmark.evaluation.scores import Scores
from conftest import REPO, STAGES
from pipelines.cli.group import SECTIONS
from pipelines.cli.main import main
from write_api_page import PAGE as API
from write_api_page import page as api_page
from write_cli_page import PAGE, page
from write_pictures import SOURCES
from write_pipeline_picture import PICTURE, write

PAGES = [
    REPO / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "NOTICE")
] + sorted((REPO / "docs").rglob("*.md"))
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)


def short(page: Path) -> str:
    return page.relative_to(REPO).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("name", sorted(set(re.findall(r"mgbench ([a-z]+)", TEXT))))
def test_every_mgbench_command_named_exists(name: str) -> None:
    assert name in main.commands


def test_every_mgbench_command_has_a_help_line_and_is_in_the_readme() -> None:
    shown = CliRunner().invoke(main, ["--help"]).output
    readme = (REPO / "README.md").read_text("utf-8") + (REPO / "Makefile").read_text("utf-8")
    for name, command in main.commands.items():
        assert command.help, name
        assert name in shown
        assert f"mgbench {name}" in readme


def test_the_pictures_are_of_the_results_that_the_page_shows() -> None:
    made_of = json.loads(SOURCES.read_text("utf-8"))
    says = "run python tests/write_pictures.py"
    assert made_of == {"results.md": sha256(REPO / "docs/results.md")}, says
    pictures = [path for path in SOURCES.parent.iterdir() if path != SOURCES]
    assert sum(path.stat().st_size for path in pictures) < 2**20, "README stays quick to load"
    assert {f"docs/pictures/{path.name}" for path in pictures} <= {
        *re.findall(r"docs/pictures/[a-z]+\.[a-z]+", (REPO / "README.md").read_text("utf-8"))
    }


def test_the_page_of_the_api_is_fresh_and_every_name_has_its_sentence() -> None:
    assert API.read_text("utf-8") == api_page(), "run python tests/write_api_page.py"
    rows = [line for line in api_page().splitlines() if line.startswith("| `from ")]
    assert all(len(row.split(" | ")[1]) > 15 for row in rows)


def leaves(command: click.Command) -> list[click.Command]:
    if isinstance(command, click.Group):
        return [leaf for below in command.commands.values() for leaf in leaves(below)]
    return [command]


def test_every_command_has_an_example_with_options_that_it_has() -> None:
    for command in leaves(main):
        examples = re.findall(r"mgbench [^\n]*", command.help or "")
        assert examples, command.name
        known = {option for each in command.params for option in each.opts}
        for example in examples:
            assert {*re.findall(r" (--?[a-z][a-z-]*)", example)} <= known, example


def test_help_of_a_group_cuts_no_sentence() -> None:
    for name, command in main.commands.items():
        if isinstance(command, click.Group):
            shown = CliRunner().invoke(main, [name, "--help"]).output
            assert "..." not in shown.partition("Commands:")[2], name


def test_every_command_is_in_one_section_of_the_help() -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(main.commands)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^)make ([a-z]+)", TEXT, re.M))))
def test_every_make_target_named_exists(target: str) -> None:
    assert f"\n{target}:" in (REPO / "Makefile").read_text("utf-8")


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([\w.]+)", TEXT))))
def test_every_module_to_run_exists(module: str) -> None:
    assert importlib.util.find_spec(module) is not None


@pytest.mark.parametrize("key", re.findall(r"-S ([\w.]+)=", TEXT))
def test_every_parameter_named_exists(key: str) -> None:
    section = YAML(typ="safe").load((REPO / "params.yaml").read_text("utf-8"))
    for part in key.split("."):
        section = section[part]


def test_every_stage_is_in_the_picture_of_the_readme() -> None:
    readme = (REPO / "README.md").read_text("utf-8")
    assert [stage for stage in STAGES if stage not in readme] == []


def test_every_format_named_in_code_is_described() -> None:
    formats = (REPO / "docs/formats.md").read_text("utf-8")
    for name in (
        "clips/3",
        "manifest/3",
        "model/3",
        "initial_weights/3",
        "probabilities/1",
        "fusion/4",
        "runs/1",
        "data_report/1",
        "submission/3",
    ):
        assert f"`{name}`" in formats


def test_the_picture_of_the_pipeline_is_fresh(tmp_path: Path) -> None:
    write(tmp_path / "pipeline.svg")
    assert PICTURE.read_bytes() == (tmp_path / "pipeline.svg").read_bytes()


def test_the_page_of_commands_is_fresh() -> None:
    assert PAGE.read_text("utf-8") == page()


def test_the_site_builds_without_a_warning_and_has_every_page(tmp_path: Path) -> None:
    site = tmp_path / "site"
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "-d",
        site,
    ]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        command, cwd=REPO, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for file in (REPO / "docs").glob("*.md"):
        folder = site if file.stem == "index" else site / file.stem
        assert (folder / "index.html").is_file(), file
    shown = (site / "notebook/index.html").read_text("utf-8")
    assert "data:image/png" in shown
    assert "nested" in shown
    home = (site / "index.html").read_text("utf-8")
    assert 'href="notebook/"' in home
    assert "fonts.googleapis" not in home, "needs no network to be read"


def test_every_metric_is_a_documented_key() -> None:
    formats = (REPO / "docs/formats.md").read_text("utf-8")
    assert [name for name in Scores.model_fields if f"`{name}`" not in formats] == []
