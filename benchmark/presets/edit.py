"""Edits of params.yaml that keep its comments and order, and the writer of all our YAML."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from benchmark.core.errors import ParamsError
from benchmark.core.files import write_text
from benchmark.core.schema import validate
from benchmark.core.text_files import read_text
from benchmark.evaluation.diversity import FEWEST_MEMBERS
from benchmark.params.params import Params

if TYPE_CHECKING:
    from collections.abc import Collection, Container
    from pathlib import Path


def read_document(path: Path) -> Any:
    """Read a YAML file with its comments and order, to edit and to write again."""
    return _yaml().load(read_text(path))


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
    for section in ("synthetic_ma52", "merges", "pretrained", "external", "fusions"):
        document[section] = document[section] or {}
    # ruamel attaches the empty line between two sections to the last entry of the first one, so
    # that removing the entry removes the line.
    return re.sub(r"\n+(?=(?!preset|seed)[a-z])", "\n\n", yaml_text(document))


def yaml_text(value: Any) -> str:
    """Return a document, or plain data, as YAML."""
    text = io.StringIO()
    _yaml().dump(value, text)
    return text.getvalue()


def keep_experiments(document: Any, params: Params, kept: Collection[str]) -> None:
    """Remove all experiments but `kept`, and all that only they need, in place.

    `params` are the values of the document. Modalities, editions, recipes, merges and checkpoints
    that nothing uses any more go too. Fusions lose the removed members, and go if fewer than two
    members are left. Table rows that need a removed experiment or fusion go.

    Raises:
        ParamsError: The analysis or a submission needs something that would go.
    """
    keep_only(document["experiments"], kept)
    _drop_modalities(document, params, kept)
    keep_only(document["recipes"], {params.experiments[key].recipe for key in kept})
    merges = [key for key, merge in params.merges.items() if {merge.rgb, merge.pose} <= {*kept}]
    keep_only(document["merges"], merges)
    streams = {*kept, *params.external}
    init_from = {experiment["init_from"] for experiment in document["experiments"].values()}
    keep_only(document["pretrained"], init_from)
    _drop_members(document["fusions"], streams)
    sources = {*streams, *document["fusions"]}
    # Backward, so that the places of the rows that are still to check do not shift.
    rows = document["table"]["rows"]
    for place, row in reversed(list(enumerate(params.table.rows))):
        if not {*(row.members or (row.source,)), *row.repeats} <= sources:
            del rows[place]
    keep_only(document["table"]["subsets"], streams)
    keep_only(document["analysis"]["members"], streams)
    users = {f"submissions.{key}": entry for key, entry in document["submissions"].items()}
    for where, entry in {**users, "analysis": document["analysis"]}.items():
        if entry["source"] not in sources:
            wrong = f"its source '{entry['source']}' would be removed"
            raise ParamsError(where, wrong, do="Set another source first")


def _drop_members(fusions: Any, kept: Collection[str]) -> None:
    for name, fusion in list(fusions.items()):
        keep_only(fusion["members"], kept)
        keep_only(fusion["rule"].get("weights", {}), kept)
        if len(fusion["members"]) < FEWEST_MEMBERS:
            del fusions[name]


def _drop_modalities(document: Any, params: Params, kept: Collection[str]) -> None:
    """Remove modalities that only removed experiments use, and editions that only they use."""
    modalities = params.modalities
    shown = {
        name for previews in params.previews.values()
        for name in (previews.skeleton, *previews.videos)
    }  # fmt: skip
    used = {params.experiments[key].modality for key in kept} | shown | {params.analysis.modality}
    unused = {experiment.modality for experiment in params.experiments.values()} - used
    still_read = {spec.edition for name, spec in modalities.items() if name not in unused}
    editions = {modalities[name].edition for name in unused} - still_read - {params.table.edition}
    keep_only(document["modalities"], {*modalities} - unused)
    for section in ("editions", "synthetic_ma52"):
        keep_only(document[section], {*document[section]} - editions)


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
