"""The strict base of every model read from a file, and the reader that names all faults at once."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from benchmark.core.errors import FormatError, ParamsError, listed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails


M = TypeVar("M", bound=BaseModel)
Positive: TypeAlias = Annotated[int, Field(gt=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
AboveZero: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]


class Strict(BaseModel):
    """Frozen, no unknown keys, no coercion: `"1e-3"` is not a float and `true` is not an int."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


def read_yaml(path: Path, model: type[M], *, do: str = "") -> M:
    """Read a YAML 1.2 file into `model`; `do` says what helps if there is none.

    Raises:
        ParamsError: The file is missing, is not YAML, or breaks the schema (one line a fault).
    """
    try:
        raw = YAML(typ="safe").load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ParamsError(path, "no such file", do=do) from None
    except YAMLError as error:
        raise ParamsError(path, f"not valid YAML: {error}") from None
    return validate(path, raw, model)


def read_json(path: Path, model: type[M], *, what: str, do: str) -> M:
    """Read a JSON file that a stage has written; `what` names it in the message ("a layout").

    Raises:
        FormatError: The file is missing or breaks the schema; `do` says how to get a good one.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise FormatError(path, "no such file", do=do) from None
    except ValidationError as error:
        first, *more = error.errors(include_url=False)
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        others = f", and {len(more)} more" if more else ""
        raise FormatError(path, f"not {what}: {key}: {first['msg']}{others}", do=do) from None


def validate(where: Path, raw: Any, model: type[M]) -> M:
    """Check plain data against `model`, in JSON mode (a list is a tuple, a string a path)."""
    try:
        return model.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        lines = [line for fault in error.errors() for line in _lines(fault, raw, model)]
        raise ParamsError(where, listed(lines)) from None


def _lines(fault: ErrorDetails, raw: Any, model: type[BaseModel]) -> list[str]:
    """One fault as `path.to.key: what is wrong (got value)`, or all that one check found."""
    location = list(_walkable(fault["loc"], raw))
    if fault["type"] == "missing":
        location.append(fault["loc"][-1])
    path = ".".join(str(part) for part in location) or "the file"
    if fault["type"] == "extra_forbidden":
        known = set(_known_names(model)) - {location[-1]}
        near = difflib.get_close_matches(str(location[-1]), known, n=1)
        return [f"{path}: unknown key" + (f"; did you mean '{near[0]}'?" if near else "")]
    if fault["type"] == "missing":
        return [f"{path}: missing"]
    said = fault["msg"].removeprefix("Value error, ").split("\n")
    if isinstance(fault["input"], dict):
        return [f"{path}: {line}" if location else line for line in said]
    got = json.dumps(fault["input"], default=str)
    got = got if len(got) <= 60 else got[:57] + "..."
    return [f"{path}: {line} (got {got})" for line in said]


def _walkable(location: tuple[int | str, ...], raw: Any) -> Iterator[int | str]:
    """Drop the union tags that pydantic puts into a location but no file contains."""
    for part in location:
        if _has(raw, part):
            raw = raw[part]
            yield part


def _has(raw: Any, part: int | str) -> bool:
    if isinstance(raw, list):
        return isinstance(part, int) and part < len(raw)
    return isinstance(raw, dict) and part in raw


def _known_names(model: type[BaseModel]) -> list[str]:
    """Every field name below `model`, for 'did you mean'."""
    schema = model.model_json_schema()
    names = set(schema.get("properties", {}))
    for definition in schema.get("$defs", {}).values():
        names |= set(definition.get("properties", {}))
    return sorted(names)


def kinds_of(union: Any, base: type = object) -> list[str]:
    """List what `kind` can be in a union of specs, or in those of its members that are a `base`."""
    members = get_args(union)
    if get_origin(union) is Annotated:
        members = get_args(members[0])
    return [
        get_args(member.model_fields["kind"].annotation)[0]
        for member in members
        if issubclass(member, base)
    ]
