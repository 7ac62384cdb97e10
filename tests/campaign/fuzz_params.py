"""Fuzzing of YAML files: params.yaml, editions and challenges."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from ruamel.yaml import YAML

from benchmark.challenges import challenge as challenges
from benchmark.editions import edition as editions
from benchmark.editions.edition import Edition
from benchmark.editions.splits import SPLITS
from benchmark.params.params import read_params

from .lab import Lab
from .mutations import mutated_text, mutated_tree
from .tries import Attempt, Campaign, Tried
from .verdicts import judged, mgbench, unlike

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a},*{a}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
SPECIALS = (
    lambda text: LAUGHS + text,
    lambda text: text + LAUGHS,
    lambda text: "x: " + "[" * 20_000 + "\n" + text,
    lambda text: text + "\nx: " + "{a: " * 20_000,
    lambda text: text.replace("seed: ", "seed: &s ", 1) + "\nmore: *s\n",
    lambda text: text + "\n<<: *nothing\n",
    lambda text: "%YAML 1.1\n---\n" + text,
    lambda text: text + "\n---\n" + text,
    lambda text: "!!python/object/apply:os.system ['touch CANARY']\n",
    lambda text: text.replace(": ", ": !!python/name:os.system ", 1),
    lambda text: text.replace(": ", ": !!str ", 1),
    lambda text: text.replace("seed: ", "seed: !!int ", 1).replace("0.", "!!float 0.", 1),
    lambda text: text + "\n" + text,
    lambda text: "",
    lambda text: "\n",
    lambda text: "null\n",
    lambda text: "[]\n",
    lambda text: "x\n",
    lambda text: "? [a, b]\n: c\n" + text,
    lambda text: "1: 2\n" + text,
)
"""Documents that only YAML has: aliases that unfold, depth, tags, several documents, odd keys."""


def yaml_of(value: Any) -> str:
    """Write data as YAML in flow style, with the numbers that JSON lacks."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{yaml_of(k)}: {yaml_of(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(yaml_of, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**4000:
        return "9" * 5000
    return json.dumps(value, ensure_ascii=False)


def mutated_yaml(text: str, tree: Any, rng: Random) -> tuple[bytes, str]:
    """Mutate a YAML file: its values, its text, or all of it."""
    kind = rng.random()
    if kind < 0.04:
        place = rng.randrange(len(SPECIALS))
        return SPECIALS[place](text).encode(), f"special document {place}"
    if kind < 0.6:
        changed, what = mutated_tree(tree, rng)
        return yaml_of(changed).encode("utf-8", "surrogatepass"), what
    return mutated_text(text.encode(), rng)


def _raw(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text("utf-8"))


def _start_params(lab: Lab) -> Attempt:
    text = (lab.finished / "params.yaml").read_text("utf-8")
    tree, file = YAML(typ="safe").load(text), lab.work / "params.yaml"

    def attempt(seed: int) -> Tried:
        data, what = mutated_yaml(text, tree, Random(seed))
        file.write_bytes(data)
        return judged(what, lambda: read_params(file), lambda params: unlike(_raw(file), params))

    return attempt


def _start_edition(lab: Lab) -> Attempt:
    return _start_named(lab, "editions", "mimic", _read_edition, _edition_fault)


def _start_challenge(lab: Lab) -> Attempt:
    return _start_named(lab, "challenges", "miga2025", _read_challenge, _challenge_fault)


def _start_named(
    lab: Lab, room: str, name: str, read: Callable[[], Any], fault_of: Callable[[Any, Any], str]
) -> Attempt:
    """Mutate one YAML file of a folder of the package, in a copy of the folder."""
    for one in ("editions", "challenges"):
        shutil.copytree(
            Path(editions.__file__).parents[1] / one, lab.work / one, dirs_exist_ok=True
        )
    file = lab.work / room / f"{name}.yaml"
    text = file.read_text("utf-8")
    tree = YAML(typ="safe").load(text)

    def attempt(seed: int) -> Tried:
        # In the child alone: the copy stands for the folder of the package.
        editions.SHIPPED, challenges.FOLDER = lab.work / "editions", lab.work / "challenges"
        data, what = mutated_yaml(text, tree, Random(seed))
        file.write_bytes(data)
        return judged(what, read, lambda value: fault_of(_raw(file), value))

    return attempt


def _read_edition() -> Edition:
    mgbench("submit", "list")
    edition = editions.read_edition("mimic")
    for split in SPLITS:
        editions.listed_ids(edition, split)
    return edition


def _edition_fault(raw: Any, edition: Edition) -> str:
    if fault := unlike(raw, edition):
        return fault
    if any(not name.strip() for name in edition.classes):
        return "a class without a name"
    if any(not name.strip() for name in edition.groups):
        return "a body part without a name"
    for split in SPLITS:
        ids = editions.listed_ids(edition, split) or []
        if len(set(ids)) != len(ids):
            return f"an id twice in {split}"
    return ""


def _read_challenge() -> challenges.Challenge:
    mgbench("submit", "list")
    challenge = challenges.read_challenge("miga2025")
    challenges.published_ids(challenge)
    editions.read_edition(challenge.edition)
    return challenge


def _challenge_fault(raw: Any, challenge: challenges.Challenge) -> str:
    form = challenge.form
    if not form.file or not form.zip or form.file == form.zip:
        return f"files '{form.file}' and '{form.zip}'"
    return unlike(raw, challenge)


CAMPAIGNS = (
    Campaign("fuzz-params", "mutations of params.yaml", 1000, 2.5, _start_params, forked=True),
    Campaign(
        "fuzz-edition", "mutations of an edition's file", 1000, 2, _start_edition, forked=True
    ),
    Campaign(
        "fuzz-challenge", "mutations of a challenge's file", 1000, 2, _start_challenge, forked=True
    ),
)
