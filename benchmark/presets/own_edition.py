"""An edition of the user's own clips: its file, its preset, the link to the clips."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from benchmark.archives.folder import SKELETON, OwnClip, describe, read_own_clips
from benchmark.archives.own_skeleton import OwnSkeleton
from benchmark.challenges.challenge import FOLDER as CHALLENGES
from benchmark.core.errors import ParamsError
from benchmark.core.files import write_text
from benchmark.core.schema import read_yaml
from benchmark.editions.edition import FOREIGN, OWN, SHIPPED, Edition, read_edition
from benchmark.evaluation.diversity import FEWEST_MEMBERS
from benchmark.modalities.person_crop import PersonCropModality
from benchmark.modalities.skeleton import SkeletonModality
from benchmark.params.params import EditionUse, Params, read_params
from benchmark.presets.edit import (
    USUAL_FOLDS,
    keep_experiments,
    keep_only,
    read_document,
    set_fold_graph,
    write_document,
    yaml_text,
)
from benchmark.presets.preset import SHIPPED as PRESETS
from benchmark.presets.preset import (
    current_preset,
    make_test_labels_folder,
    preset_file,
    stored_path,
)

if TYPE_CHECKING:
    from benchmark.contracts.skeletons import LayoutName
    from benchmark.modalities.union import Modality

TAKEN = ("raw", "test_labels", "windows")
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
            kept = write_own_params(base, name, source, out)
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
    """Make `raw` a symbolic link to `source`; never replace a folder or a file of data."""
    if raw.resolve() == source.resolve():
        return
    if raw.exists() and not raw.is_symlink():
        wanted = f"nothing, or a link to {source.resolve()}"
        wrong = "holds other clips" if raw.is_dir() else "is a file"
        raise ParamsError(raw, wrong, expected=wanted, do="Move it away, or choose another name")
    raw.parent.mkdir(parents=True, exist_ok=True)
    raw.unlink(missing_ok=True)
    # A relative link survives a move of the tree that holds project and clips.
    raw.symlink_to(os.path.relpath(source.resolve(), raw.parent.resolve()))


PAPER = "paper"
HEAD = """\
# yaml-language-server: $schema=docs/params.schema.json
# Preset `{name}`: preset `{base}` for the clips of edition `{name}`, by `mgbench edition new`.
# Change any value; docs/params.schema.json describes each key.
{why}"""
PASSES = {"zoo": 1000, "scratch": 6000}
"""Clips that a small network should see in training, from the zoo's weights and from none."""
RATES = {"zoo": 3, "scratch": 30}
"""Learning rates over those of preset default, which only tunes networks that know its classes: of
a classifier that starts from nothing, and of a whole network that does, as in preset zoo."""
FROM = {"zoo": "for classes of your own", "scratch": "from scratch"}
MOST_EPOCHS = 30
TAIL = 4
"""Clips of the largest class over those of the smallest, from which on samples are balanced."""


def write_own_params(base: Path, edition: str, clips: Path, out: Path) -> list[str]:
    """Write the preset `base` to `out`, changed to the clips of your own edition.

    Experiments that need other data, synthetic people or missing skeletons go, with all that only
    they need. Experiments that a removed one would have initialized train from scratch.

    Args:
        base: Params file of a preset for a synthetic or a published edition.
        edition: Name of your edition, and of the new preset.
        clips: Folder of the clips to train on.
        out: Params file to write.

    Returns:
        The experiments that stay.

    Raises:
        ManyFaults: clips.csv is not valid.
    """
    params, rows = read_params(base), read_own_clips(clips)
    skeleton = clips / SKELETON
    given = read_yaml(skeleton, OwnSkeleton) if skeleton.is_file() else None
    modalities = [
        name for name, spec in params.modalities.items()
        if spec.edition == params.table.edition and _is_supported(spec, given)
    ]  # fmt: skip
    kept = _trainable(params, modalities)
    document = read_document(base)
    document.ca.comment = None  # the head of `base`; HEAD replaces it
    document["preset"] = edition
    openpose = given is not None and given.joints == "openpose137"
    layout: LayoutName = "openpose36" if openpose else "own"
    _set_data(document, edition, modalities, layout)
    _set_members(document, kept)
    keep_experiments(document, params, kept)
    sources = {"scratch", *kept, *document["merges"], *document["pretraining"], *params.pretrained}
    for experiment in document["experiments"].values():
        # The zoo's networks of keypoints know OpenPose's points.
        own_points = layout == "own" and experiment["input"]["kind"] != "video"
        from_zoo = experiment["init_from"].startswith("zoo/") and not own_points
        if experiment["init_from"] not in sources and not from_zoo:
            experiment["init_from"] = "scratch"
    _set_edition(document, edition)
    why = [*_propose_folds(document, rows, edition), *_drop_what_makes_no_sense(document, rows)]
    if params.preset != PAPER:  # whose recipes are for thousands of clips
        why += _fit_recipes(document, rows)
    notes = "".join(f"# - {line}\n" for line in why)
    write_document(document, out, head=HEAD.format(name=edition, base=params.preset, why=notes))
    return kept


def _drop_what_makes_no_sense(document: Any, rows: Sequence[OwnClip]) -> list[str]:
    """Remove weights chosen on iMiGUE, rows that repeat others, files for no leaderboard."""
    why = []
    key = "oof_fusions" if "oof_fusions" in document else "fusions"
    fusions, table = document[key], document["table"]["rows"]
    fixed = [name for name, fusion in fusions.items() if fusion["rule"]["kind"] == "fixed"]
    for name in fixed:
        del fusions[name]
        why.append(f"fusion '{name}' is gone: its weights were chosen for iMiGUE")
    for row in [row for row in table if row.get("source") in fixed]:
        table.remove(row)
    even = [
        {*fusion["members"]} for fusion in fusions.values() if fusion["rule"]["kind"] == "uniform"
    ]
    for row in [row for row in table if "members" in row and {*row["members"]} in even]:
        table.remove(row)
        why.append(f"row '{row['name']}' is gone: a fusion with equal weights has the same members")
    if not any(row.split == "test" and not row.label for row in rows) and document["submissions"]:
        document["submissions"] = {}
        why.append("no submission: every label is known here")
    for entry in (*document["submissions"].values(), document["analysis"]):
        if entry["source"] in fixed:
            entry["source"] = next(iter(fusions), next(iter(document["experiments"])))
    return why


def _propose_folds(document: Any, rows: Sequence[OwnClip], edition: str) -> list[str]:
    """Deal the training clips into folds where no clip is set aside for validation."""
    train = [row for row in rows if row.split == "train"]
    if any(row.split == "val" for row in rows):
        return []
    by = "subject" if all(row.subject for row in train) else "video"
    pairs = {(row.label, row.subject if by == "subject" else row.video) for row in train}
    largest = max(Counter(row.label for row in train).values(), default=0)
    number = min(USUAL_FOLDS["number"], len({group for _, group in pairs}), largest)
    if number < FEWEST_MEMBERS:
        return [f"no folds: they need two {by}s, and two clips of a class"]
    groups = Counter(label for label, _ in pairs)
    lone = sorted(str(label) for label in groups if groups[label] == 1)
    document["folds"] = {
        edition: USUAL_FOLDS | {
            "groups": by, "number": number, "over": ["train"],
            "lone_classes": "keep" if lone else "refuse",
            "experiments": [*document["experiments"]],
        }
    }  # fmt: skip
    set_fold_graph(document)
    document["oof_fusions"], document["fusions"] = document["fusions"], {}
    document["table"]["subset_scores"] = document["analysis"]["scores"] = "oof"
    for row in document["table"]["rows"]:
        row["scores"] = "oof"
    why = f"{number} folds by {by}: no clip is set aside for validation, so each one is scored by"
    said = [f"{why} networks that never saw its {by} (docs/folds.md)"]
    return said + ([f"never right out of fold, of one {by}: {', '.join(lone)}"] if lone else [])


def _fit_recipes(document: Any, rows: Sequence[OwnClip]) -> list[str]:
    """Set epochs by the number of clips and learning rates by the starts; balance a long tail."""
    why = []
    labels = Counter(row.label for row in rows if row.split == "train")
    clips = sum(labels.values())
    for name, recipe in document["recipes"].items():
        runs = document["experiments"].values()
        starts = {run["init_from"] for run in runs if run["recipe"] == name}
        start = "scratch" if "scratch" in starts else "zoo"
        passes = PASSES[start]
        recipe["optimizer"]["lr"] = round(RATES[start] * recipe["optimizer"]["lr"], 9)
        why.append(f"recipe '{name}': {RATES[start]} times the learning rate, {FROM[start]}")
        needed = max(int(recipe["epochs"]), math.ceil(passes / max(clips, 1)))
        if needed != recipe["epochs"]:
            # Each epoch ends with a validation: with few clips, an epoch goes through them often.
            recipe["repeats"] = math.ceil(needed / MOST_EPOCHS)
            recipe["epochs"] = math.ceil(needed / recipe["repeats"])
            why.append(
                f"recipe '{name}': each of your {clips} clips {needed} times, {passes} in all"
            )
    if labels and max(labels.values()) >= TAIL * min(labels.values()):
        for recipe in document["recipes"].values():
            recipe["sampling"] = {"kind": "class_balanced", "power": 0.5}
        (large, most), (small, least) = labels.most_common()[0], labels.most_common()[-1]
        why.append(f"samples are balanced: '{large}' has {most} clips, '{small}' {least}")
    return why


def _is_supported(spec: Modality, given: OwnSkeleton | None) -> bool:
    """Tell whether the folder holds what a modality is made from; `given` are its skeletons."""
    if given is None:
        return not isinstance(spec, SkeletonModality | PersonCropModality)
    return given.without_videos is None or isinstance(spec, SkeletonModality)


def _set_members(document: Any, kept: list[str]) -> None:
    """Let fusions and the analysis, where too few of their members stay, take all that stay."""
    for entry in (*document["fusions"].values(), document["analysis"]):
        if len({*entry["members"]} & {*kept}) < FEWEST_MEMBERS:
            entry["members"] = list(kept)  # its own: YAML would write an alias
            if "weights" in entry.get("rule", {}):
                entry["rule"] = {"kind": "uniform"}


def _trainable(params: Params, modalities: list[str]) -> list[str]:
    """List the experiments on `modalities`, without those that would repeat another one.

    An experiment whose initial weights are not available would train from scratch. If another
    experiment has the same modality and input, the two would then be the same.
    """
    able = {key: run for key, run in params.experiments.items() if run.modality in modalities}
    zoo = {run.init_from for run in able.values() if run.init_from.startswith("zoo/")}
    available = {"scratch", *zoo, *able, *params.merges, *params.pretraining, *params.pretrained}
    inputs = [(run.modality, run.input) for run in able.values()]
    return [
        key for key, run in able.items()
        if run.init_from in available or inputs.count((run.modality, run.input)) == 1
    ]  # fmt: skip


def _set_data(document: Any, edition: str, modalities: list[str], layout: LayoutName) -> None:
    # online goes too: its window is as long as the gestures of the preset's edition.
    for section in ("synthetic", "synthetic_ma52", "external", "online"):
        document[section] = {}
    for section in ("folds", "fold_graph", "oof_fusions"):
        document.pop(section, None)
    document["editions"] = {edition: {"excluded": []}}
    keep_only(document["modalities"], modalities)
    for spec in document["modalities"].values():
        # MediaPipe's points (kind `pose`) have a fixed layout; files of yours have your own.
        if "layout" in spec and spec["kind"] != "pose":
            spec["layout"] = layout
    # Each preset previews one edition, the one that its table scores.
    document["previews"] = {edition: next(iter(document["previews"].values()))}


def _set_edition(document: Any, edition: str) -> None:
    """Set your edition everywhere, and remove what refers to published results."""
    entries = [document["table"], document["analysis"]]
    sections = ("modalities", "windows", "previews", "experiments", "fusions", "submissions")
    for section in sections:
        entries += document[section].values()
    for entry in entries:
        entry["edition"] = edition
    for row in document["table"]["rows"]:
        row.pop("paper_top1", None)
    # Scores on other clips say nothing about yours.
    document["table"]["leaderboard"] = {}
    for entry in document["submissions"].values():
        entry["challenge"] = edition
