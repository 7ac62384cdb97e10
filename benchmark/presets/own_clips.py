"""The knobs for one's own clips: a profile with all that they cannot have taken out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.archives.folder import SKELETON, read_clips
from benchmark.modalities.person_crop import PersonCropModality
from benchmark.modalities.skeleton import SkeletonModality
from benchmark.params.params import read_params
from benchmark.presets.edit import keep_experiments, keep_only, read_document, write_document

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.modalities.union import Modality
    from benchmark.params.params import Params

HEAD = """\
# yaml-language-server: $schema=docs/params.schema.json
# Profile `{name}`: profile `{base}` for the clips of edition `{name}`, by `mgbench edition new`.
# Every knob is yours to change; what each key means stands in docs/params.schema.json.
"""


class Own(NamedTuple):
    """What there is of one's own clips."""

    name: str
    """Of the edition."""
    skeletons: bool
    test: bool
    """Whether there are clips to answer."""


def own_clips(name: str, folder: Path) -> Own:
    """What `folder`, of the edition `name`, holds.

    Raises:
        ManyFaults: Its list of clips breaks its form.
    """
    test = any(row.split == "test" for row in read_clips(folder))
    return Own(name, (folder / SKELETON).is_file(), test)


def write_own_params(base: Path, own: Own, path: Path) -> list[str]:
    """Write `base`, of a generated or published edition, to `path` for one's own clips.

    Experiments that need other data, a small depth network or skeletons that are not there are
    taken out, with all that names them; those that started from one of them start from nothing.
    Returns the experiments that stay.

    Raises:
        ParamsError: `base` is not valid.
    """
    params = read_params(base)
    modality = [
        key for key, one in params.modalities.items() if _kept(one, params.table.edition, own)
    ]
    kept = _experiments(params, modality)
    document = read_document(base)
    document.ca.comment = None  # the head of the profile
    document["preset"] = own.name
    _data(document, own, modality)
    keep_experiments(document, params, kept)
    starts = {*kept, *document["merges"], *params.pretrained}
    for one in document["experiments"].values():
        one["init_from"] = one["init_from"] if one["init_from"] in starts else "scratch"
    _results(document, own)
    write_document(document, path, head=HEAD.format(name=own.name, base=params.preset))
    return kept


def _kept(modality: Modality, edition: str, own: Own) -> bool:
    needs_points = isinstance(modality, SkeletonModality | PersonCropModality)
    return modality.edition == edition and (own.skeletons or not needs_points)


def _experiments(params: Params, modality: list[str]) -> list[str]:
    """Those that can be trained, and that differ in more than a start that is not there."""
    able = [key for key, one in params.experiments.items() if one.modality in modality]
    made = {"scratch", *able, *params.merges, *params.pretrained}
    sights = [(params.experiments[key].modality, params.experiments[key].input) for key in able]
    return [
        key
        for key, sight in zip(able, sights, strict=True)
        if params.experiments[key].init_from in made or sights.count(sight) == 1
    ]


def _data(document: Any, own: Own, modality: list[str]) -> None:
    """The edition and what is made of it."""
    for section in ("synthetic", "synthetic_ma52", "tiny_depth", "estimates"):
        document[section] = {}
    document["editions"] = {own.name: {"excluded": []}}
    keep_only(document["modalities"], modality)
    for one in document["modalities"].values():
        if "layout" in one:
            one["layout"] = own.name
    sheets = next(iter(document["previews"].values()))
    sheets["skeleton"] = sheets["skeleton"] if sheets["skeleton"] in modality else None
    keep_only(sheets["videos"], modality)
    document["previews"] = {own.name: sheets}


def _results(document: Any, own: Own) -> None:
    """Everything is of the own edition, and beside no published number."""
    entries = [document["table"], document["analysis"]]
    for section in ("modalities", "previews", "experiments", "fusions", "submissions"):
        entries += document[section].values()
    for entry in entries:
        entry["edition"] = own.name
    for row in document["table"]["rows"]:
        row.pop("published", None)
    document["table"]["leaderboard"] = {}
    for entry in document["submissions"].values():
        entry["challenge"] = own.name
    if not own.test:
        document["submissions"] = {}
