"""An edition of the user's own clips: its file, its preset, the link to the clips."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from benchmark.archives.folder import describe
from benchmark.challenges.challenge import FOLDER as CHALLENGES
from benchmark.core.errors import ParamsError
from benchmark.core.files import write_text
from benchmark.core.schema import read_yaml
from benchmark.editions.edition import FOREIGN, OWN, SHIPPED, Edition, read_edition
from benchmark.params.params import EditionUse, read_params
from benchmark.presets.edit import yaml_text
from benchmark.presets.own_clips import write_own_params
from benchmark.presets.preset import SHIPPED as PRESETS
from benchmark.presets.preset import (
    current_preset,
    make_test_labels_folder,
    preset_file,
    stored_path,
)

TAKEN = ("raw", "test_labels")
"""Other folders of data/, where each edition has its own."""


class EditionsSection(BaseModel):
    """The section `editions` of params.yaml alone, so that errors elsewhere do not matter."""

    editions: dict[str, EditionUse]


class MadeEdition(NamedTuple):
    """What was written."""

    file: Path
    edition: Edition
    raw: Path
    """Link to the clips."""
    said: str
    """What became of the preset."""


def edition_uses(params_file: Path) -> dict[str, EditionUse]:
    """Read how a params file uses editions.

    Raises:
        ParamsError: That section is not valid.
    """
    return read_yaml(params_file, EditionsSection).editions


def make_edition(name: str, source: Path, preset: str, params: Path) -> MadeEdition:
    """Write an edition of own clips and, unless there is one, its preset.

    Args:
        name: Of the edition, and of the preset.
        source: Folder of the clips.
        preset: Preset to start from.
        params: params.yaml of the project.

    Raises:
        ParamsError: The name is taken or none, or something else lies where it would be written.
        ManyFaults: The folder of the clips breaks its form.
    """
    shipped = (path.stem for folder in (CHALLENGES, SHIPPED) for path in folder.glob("*.yaml"))
    taken = {*PRESETS, FOREIGN, *TAKEN, *shipped}
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,49}", name) or name in taken:
        wrong, do = f"'{name}' is not an edition name", "Choose another name"
        wanted = f"small letters, digits and _, other than {', '.join(sorted(taken))}"
        raise ParamsError("NAME", wrong, expected=wanted, do=do)
    current = current_preset(params)
    base, out = preset_file(preset, current, params), stored_path(name, params)
    path, raw = OWN / f"{name}.yaml", Path("data/raw") / name
    present = out if out.is_file() else params if current == name else None
    if present and name not in (used := edition_uses(present)):
        wrong, found = f"is a preset '{name}' already", f"one of {', '.join(used)}"
        wanted, do = f"one of edition {name}", "Choose another name"
        raise ParamsError(present, wrong, expected=wanted, found=found, do=do)
    # Raises before the first file is written.
    made = _updated(path, describe(name, source))
    with _all_or_none(path, out):
        write_text(path, yaml_text(made.model_dump(mode="json")))
        told = f"preset '{name}' exists already and is not changed"
        if present is None:
            kept = write_own_params(base, read_params(base), name, source, out)
            told = f"wrote {out}: {', '.join(kept)}"
        _link(raw, source)
    make_test_labels_folder(name)
    return MadeEdition(path, made, raw, told)


@contextmanager
def _all_or_none(*files: Path) -> Iterator[None]:
    """Give the files back what they held before if the block fails."""
    before = {file: file.read_bytes() if file.is_file() else None for file in files}
    try:
        yield
    except BaseException:
        for file, content in before.items():
            if content is None:
                file.unlink(missing_ok=True)
                with suppress(OSError):  # a folder that was made for it, unless others are in it
                    file.parent.rmdir()
            else:
                file.write_bytes(content)
        raise


def _updated(path: Path, made: Edition) -> Edition:
    """Keep what somebody edited in the edition file at `path`; raise its version if it changes."""
    if not path.is_file():
        return made
    present = read_edition(made.name)
    if present.dataset != made.dataset:
        raise ParamsError(path, "is no edition of a folder of clips", do="Choose another name")
    edited = {"title": present.title, "version": present.version}
    # Groups list class numbers, which mean something else once the classes change.
    if present.classes == made.classes:
        edited["groups"] = present.groups
    made = made.model_copy(update=edited)
    return made if made == present else made.model_copy(update={"version": present.version + 1})


def _link(raw: Path, source: Path) -> None:
    """Make `raw` a symbolic link to `source`; never replace a folder of data."""
    if raw.resolve() == source.resolve():
        return
    if raw.is_dir() and not raw.is_symlink():
        wanted = f"nothing, or a link to {source.resolve()}"
        do = "Move that folder away, or choose another name"
        raise ParamsError(raw, "holds other clips", expected=wanted, do=do)
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.unlink(missing_ok=True)
    # A relative link survives a move of the tree that holds project and clips.
    raw.symlink_to(os.path.relpath(source.resolve(), raw.parent.resolve()))
