"""Edits of params.yaml that keep its comments and order, and the writer of all our YAML."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Container, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from benchmark.core.errors import ParamsError
from benchmark.core.files import write_text
from benchmark.core.schema import validate
from benchmark.core.text_files import read_text
from benchmark.evaluation.diversity import FEWEST_MEMBERS, MOST_MEMBERS
from benchmark.params.folds import Folds, fold_graph
from benchmark.params.params import Experiment, Merge, Params

USUAL_FOLDS: dict[str, Any] = {
    "groups": "video", "number": 5, "seed": 0, "over": ["train", "val"], "lone_classes": "refuse",
    "mean": "arithmetic", "refit": False,
}  # fmt: skip
"""An entry of section `folds` where nothing is asked for; `experiments` are its caller's."""


class FoldSections(BaseModel):
    """The sections of params.yaml that `fold_graph` follows from."""

    folds: dict[str, Folds] = {}
    experiments: dict[str, Experiment]
    merges: dict[str, Merge]


def read_document(path: Path) -> Any:
    """Read a YAML file with its comments and order, to edit and to write again.

    Raises:
        ParamsError: It is no YAML for this reader, which takes no tab after a colon, as others do.
    """
    try:
        return _yaml().load(read_text(path))
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path} line {mark.line + 1}" if mark else path
        do = "Write a space instead of a tab" if "'\\t'" in str(error.problem) else ""
        raise ParamsError(where, f"not valid YAML: {error.problem}", do=do) from None


def write_document(document: Any, path: Path, *, head: str = "") -> None:
    """Write an edited params document, with the comment lines `head` before it.

    Raises:
        ParamsError: The document is not valid; nothing is written.
    """
    text = head + document_text(document)
    validate(path, YAML(typ="safe").load(text), Params)
    write_text(path, text)


def document_text(document: Any) -> str:
    """Return the text of a params document, with one empty line before each section."""
    # ruamel writes the comment of an emptied section between its key and its braces, which is
    # not valid YAML; plain braces instead of its emptied mapping avoid that.
    for section in ("synthetic_ma52", "windows", "merges", "pretrained", "pretraining", "external",
                    "fusions", "online"):  # fmt: skip
        if section in document:
            document[section] = document[section] or {}
    # ruamel attaches the empty line between two sections to the last entry of the first one, so
    # that removing the entry removes the line.
    return re.sub(r"\n+(?=(?!preset|seed)[a-z])", "\n\n", yaml_text(document))


def yaml_text(value: Any) -> str:
    """Return a document, or plain data, as YAML."""
    text = io.StringIO()
    _yaml().dump(value, text)
    return text.getvalue()


def keep_experiments(document: Any, params: Params, kept: Sequence[str]) -> list[str]:
    """Remove all experiments but `kept`, and all that only they need, in place.

    Modalities, editions, recipes, merges and checkpoints that nothing trains on any more go too.
    Fusions lose the removed members, and go if fewer than two members are left. Table rows that
    need a removed experiment or fusion go. What names a system that goes names the best one left.

    Returns:
        What went, or changed, besides the experiments; a line each.

    Raises:
        ParamsError: Nothing of the table's edition is left to train, or no row of the table.
    """
    if not kept:
        raise ParamsError("experiments", "none would be left", do="Keep one of them")
    said = _drop_modalities(document, params, kept)
    _drop_folds(document, kept)
    keep_only(document["experiments"], kept)
    keep_only(document["recipes"], {params.experiments[key].recipe for key in kept})
    merges = [key for key, merge in params.merges.items() if {merge.rgb, merge.pose} <= {*kept}]
    keep_only(document["merges"], merges)
    streams = {*kept, *params.external}
    pretraining = _pretraining_of(params, kept)
    keep_only(document["pretraining"], pretraining)
    keep_only(document["windows"], {params.pretraining[key].windows for key in pretraining})
    init_from = {params.experiments[key].init_from for key in kept}
    init_from |= {params.pretraining[key].init_from for key in pretraining}
    keep_only(document["pretrained"], init_from)
    _drop_members(document["fusions"], streams)
    sources = {*streams, *document["fusions"], *document.get("oof_fusions", {})}
    rows = document["table"]["rows"]
    # Backward, so that the places of the rows that are still to check do not shift.
    for place, row in reversed(list(enumerate(params.table.rows))):
        if not {*(row.members or (row.source,)), *row.repeats} <= sources:
            del rows[place]
    if not rows:
        raise ParamsError("table.rows", f"no row of {', '.join(kept)}", do="Write one first")
    keep_only(document["table"]["subsets"], streams)
    members = document["analysis"]["members"]
    keep_only(members, streams)
    if not members:
        members += kept[:MOST_MEMBERS]
    keep_only(document["online"], {k for k, o in params.online.items() if o.source in kept})
    return said + _name_sources(document, sources, kept)


def _pretraining_of(params: Params, kept: Sequence[str]) -> list[str]:
    """List the entries of `pretraining` that these experiments start from, at any remove."""
    found, todo = [], [params.experiments[key].init_from for key in kept]
    while todo:
        if (name := todo.pop()) in params.pretraining and name not in found:
            found.append(name)
            todo.append(params.pretraining[name].init_from)
    return found


def _name_sources(document: Any, sources: Collection[str], kept: Sequence[str]) -> list[str]:
    """Replace sources that are gone by the largest fusion that is left, or the first experiment."""
    fusions = {**document["fusions"], **document.get("oof_fusions", {})}
    best = max(fusions, key=lambda name: len(fusions[name]["members"]), default=kept[0])
    users = {f"submissions.{key}": entry for key, entry in document["submissions"].items()}
    said = []
    for where, entry in {**users, "analysis": document["analysis"]}.items():
        if (gone := entry["source"]) not in sources:
            entry["source"] = best
            said.append(f"{where}.source is now '{best}': '{gone}' is gone")
    return said


def _drop_members(fusions: Any, kept: Collection[str]) -> None:
    left: list[Any] = []
    for name, fusion in list(fusions.items()):
        keep_only(fusion["members"], kept)
        keep_only(fusion["rule"].get("weights", {}), kept)
        # Without the members that told them apart, two fusions may be one.
        if len(fusion["members"]) < FEWEST_MEMBERS or fusion in left:
            del fusions[name]
        else:
            left.append(fusion)


def _drop_folds(document: Any, kept: Collection[str]) -> None:
    for edition, folds in list(document.get("folds", {}).items()):
        keep_only(folds["experiments"], kept)
        if not folds["experiments"]:
            del document["folds"][edition]
    _drop_members(document.get("oof_fusions", {}), kept)
    set_fold_graph(document)


def set_fold_graph(document: Any) -> int:
    """Write section `fold_graph` of a document anew, as its `folds` ask; return its trainings."""
    document.pop("fold_graph", None)
    for section in ("folds", "oof_fusions"):
        if not document.get(section, True):
            del document[section]
    # Plain braces for an emptied section: see `document_text`.
    plain = {key: document[key] or {} for key in FoldSections.model_fields if key in document}
    raw = YAML(typ="safe").load(yaml_text(plain))
    sections = validate(Path("params.yaml"), raw, FoldSections)
    graph = fold_graph(sections.folds, sections.experiments, sections.merges)
    if graph.runs:
        document["fold_graph"] = CommentedMap(
            (section, CommentedMap((key, _one_line(entry)) for key, entry in entries.items()))
            for section, entries in graph.model_dump(mode="json").items()
        )
    return len(graph.runs)


def _one_line(entry: dict[str, str]) -> CommentedMap:
    line = CommentedMap(entry)
    line.fa.set_flow_style()
    return line


def _drop_modalities(document: Any, params: Params, kept: Sequence[str]) -> list[str]:
    """Remove modalities that no kept experiment reads, and editions that only they use.

    Previews alone keep none: its files would be prepared, for hours, to be looked at.
    """
    modalities = params.modalities
    used = {params.experiments[key].modality for key in kept}
    windows = {params.pretraining[key].windows for key in _pretraining_of(params, kept)}
    used |= {params.windows[key].modality for key in windows}
    analysis = document["analysis"]
    if analysis["modality"] not in used:
        edition = params.table.edition
        left = [name for name in modalities if name in used and modalities[name].edition == edition]
        if not left:
            raise ParamsError("table.edition", f"nothing of {edition} would be left")
        analysis["modality"] = left[0]
    gone = [name for name in modalities if name not in used]
    editions = {modalities[name].edition for name in gone}
    editions -= {modalities[name].edition for name in used} | {params.table.edition}
    keep_only(document["modalities"], used)
    for previews in document["previews"].values():
        keep_only(previews["videos"], used)
        if previews["skeleton"] not in used:
            previews["skeleton"] = None
    for section in ("editions", "synthetic_ma52"):
        keep_only(document[section], {*document[section]} - editions)
    said = [f"modalities that nothing trains on: {', '.join(gone)}"] if gone else []
    return said + ([f"editions: {', '.join(sorted(editions))}"] if editions else [])


def keep_only(section: Any, names: Container[str]) -> None:
    """Remove from a mapping or a list all that `names` lacks."""
    for key in [key for key in section if key not in names]:
        if isinstance(section, list):
            section.remove(key)
        else:
            del section[key]


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 200
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    # By default ruamel writes None as nothing at all, which reads like a forgotten value.
    yaml.representer.add_representer(
        type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml
