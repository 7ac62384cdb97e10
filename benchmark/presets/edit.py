"""Taking experiments out of a params.yaml, with all that names them; comments and order stay."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from benchmark.core.errors import ParamsError
from benchmark.core.files import write_text
from benchmark.core.schema import validate
from benchmark.evaluation.diversity import FEWEST_MEMBERS
from benchmark.params.params import Params

if TYPE_CHECKING:
    from collections.abc import Collection, Container
    from pathlib import Path


def read_document(path: Path) -> Any:
    """params.yaml as it is written, to be changed and written again."""
    return _yaml().load(path.read_text("utf-8"))


def write_document(document: Any, path: Path, *, head: str = "") -> None:
    """Write a changed document, one empty line before each section.

    Raises:
        ParamsError: It does not fit together; nothing is written.
    """
    text = head + document_text(document)
    validate(path, YAML(typ="safe").load(text), Params)
    write_text(path, text)


def document_text(document: Any) -> str:
    """The text of a document."""
    for section in ("synthetic_ma52", "estimates", "merges", "published", "fusions"):
        # Without entries, its comment would part it from its braces.
        document[section] = document[section] or {}
    text = io.StringIO()
    _yaml().dump(document, text)
    # What was taken out took the empty line after it along.
    return re.sub(r"\n+(?=(?!preset|seed)[a-z])", "\n\n", text.getvalue())


def keep_experiments(document: Any, params: Params, kept: Collection[str]) -> None:
    """Leave of the document, whose values are `params`, the experiments `kept` and what they use.

    Fusions lose the others as members, or go if they have fewer than two left; rows of the table
    that name what is gone go too, and so does all that nothing else needs: modality, their editions,
    recipes.

    Raises:
        ParamsError: What is analysed or submitted would be gone.
    """
    keep_only(document["experiments"], kept)
    _drop_media(document, params, kept)
    keep_only(document["recipes"], {params.experiments[key].recipe for key in kept})
    merges = [key for key, one in params.merges.items() if {one.rgb, one.pose} <= {*kept}]
    keep_only(document["merges"], merges)
    keep_only(
        document["pretrained"], {one["init_from"] for one in document["experiments"].values()}
    )
    for one in document["fusions"].values():
        keep_only(one["members"], kept)
        keep_only(one["rule"].get("weights", {}), kept)
    few = [key for key, one in document["fusions"].items() if len(one["members"]) < FEWEST_MEMBERS]
    keep_only(document["fusions"], {*params.fusions} - {*few})
    sources = {*kept, *document["fusions"]}
    for place, row in reversed(list(enumerate(params.table.rows))):
        if not {*(row.members or (row.source,)), *row.repeats} <= sources:
            del document["table"]["rows"][place]
    keep_only(document["table"]["subsets"], kept)
    keep_only(document["analysis"]["members"], kept)
    for where, entry in {**document["submissions"], "analysis": document["analysis"]}.items():
        if entry["source"] not in sources:
            raise ParamsError(
                where,
                f"its source '{entry['source']}' would be gone",
                do="Choose another one first",
            )


def _drop_media(document: Any, params: Params, kept: Collection[str]) -> None:
    """Take out modality that only gone experiments used, and editions of such modality alone."""
    modality = params.all_modalities
    shown = {name for one in params.previews.values() for name in (one.skeleton, *one.videos)}
    used = {params.experiments[key].modality for key in kept} | shown | {params.analysis.modality}
    gone = {one.modality for one in params.experiments.values()} - used
    left = {one.edition for name, one in modality.items() if name not in gone}
    editions = {modality[name].edition for name in gone} - left - {params.table.edition}
    for section in ("modalities", "estimates"):
        keep_only(document[section], {*modality} - gone)
    for section in ("editions", "synthetic_ma52"):
        keep_only(document[section], {*document[section]} - editions)


def keep_only(section: Any, names: Container[str]) -> None:
    """Take out of a mapping or a list what `names` lacks."""
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
    yaml.representer.add_representer(type(None), _null)
    return yaml


def _null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")
