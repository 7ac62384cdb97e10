"""Presets: complete params files, and how their experiments differ."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.core.errors import BenchmarkError, ParamsError
from benchmark.core.files import write_text
from benchmark.params.params import Params, read_params
from benchmark.tracking.records import flatten

PAPER = Path(__file__).with_name("paper.yaml")
ZOO_PRESET = PAPER.with_name("zoo.yaml")
ZOO_DEPTH = PAPER.with_name("zoo_depth.yaml")
SHIPPED = ("beyond", "default", "masked", "paper", "zoo")


def current_preset(params_file: Path) -> str:
    """Return the preset that params.yaml holds, even where the file is broken.

    A file that does not even name its preset is `broken`: it is kept under that name.

    Raises:
        ParamsError: There is no such file.
    """
    try:
        return read_params(params_file).preset
    except BenchmarkError:
        if not params_file.is_file():
            raise
        text = params_file.read_bytes().decode("utf-8", "replace")
        named = re.search(r"^preset: *([a-z][a-z0-9_]*) *(?:#.*)?$", text, re.M)
        return named[1] if named else "broken"


def stored_path(preset: str, params_file: Path) -> Path:
    """Return the file, beside `params_file`, that keeps a preset while it is not in use."""
    return params_file.with_name(f"params.{preset}.yaml")


def preset_names(current: str, params_file: Path) -> list[str]:
    """List the presets that can be used, sorted; `current` is the one in `params_file`."""
    files = params_file.parent.glob("params.*.yaml")
    stored = {file.name.removeprefix("params.").removesuffix(".yaml") for file in files}
    return sorted({*SHIPPED, current} | stored)


def preset_file(preset: str, current: str, params_file: Path) -> Path:
    """Return the file that holds a preset; `current` is the preset in `params_file`.

    Raises:
        ParamsError: There is no such preset.
    """
    if preset == current:
        with suppress(BenchmarkError):  # a broken file is replaced by another copy, if there is one
            read_params(params_file)
            return params_file
    is_name = Path(preset).name == preset  # a path would lead to another folder
    # Checked before PAPER: a stored file may hold edits of the preset that ships.
    if is_name and (stored := stored_path(preset, params_file)).is_file():
        return stored
    if preset in {*SHIPPED} - {"default"}:
        return PAPER.with_name(f"{preset}.yaml")
    if preset == current:
        return params_file  # no other copy
    # Preset default has no second copy: it is the params.yaml that git holds.
    if preset == "default":
        missing = stored_path(preset, params_file)
        raise ParamsError(missing, "no such file", do=f"Restore {params_file} with git")
    names = ", ".join(preset_names(current, params_file))
    raise ParamsError("PRESET", f"no preset '{preset}'", expected=f"one of {names}")


def make_test_labels_folder(edition: str) -> None:
    """Make the folder of an edition's test labels, which few people have."""
    folder = Path("data/test_labels", edition)
    # DVC refuses a missing dependency, and warns of an empty one at every command.
    if not folder.is_dir() or not any(folder.iterdir()):
        text = f"may lie here: test labels of '{edition}', if known.\n"
        write_text(folder / "README.txt", f"test_labels.csv (clip_id,label) {text}")


@cache
def paper() -> Params:
    """Read the preset `paper`: the hyperparameters of MM-Gesture, for iMiGUE."""
    return read_params(PAPER)


def resolved(params: Params, name: str) -> dict[str, Any]:
    """Return experiment `name` with its modality and recipe in full instead of by name."""
    experiment = params.experiments[name]
    modality = params.modalities[experiment.modality]
    recipe = params.recipes[experiment.recipe]
    return experiment.model_dump(mode="json") | {
        "modality": {"name": experiment.modality} | modality.model_dump(mode="json"),
        "recipe": {"name": experiment.recipe} | recipe.model_dump(mode="json"),
        "lr_after_scaling": recipe.lr,
    }


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[tuple[str, str, str]]:
    """List (key, our value, their value) where they differ; `-` stands for a missing key."""
    left, right = flatten(ours), flatten(theirs)
    return [
        (key, left.get(key, "-"), right.get(key, "-"))
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key)
    ]
