"""The strict base of all models that files hold; its reader names all faults at once."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from benchmark.core.errors import FormatError, ParamsError, one_per_line
from benchmark.core.files import write_text
from benchmark.core.text_files import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic_core import ErrorDetails


M = TypeVar("M", bound=BaseModel)
LARGEST = 1_000_000
"""Values in a YAML file, aliases unfolded: far more than any of ours holds."""
Positive: TypeAlias = Annotated[int, Field(gt=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
AboveZero: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]


class Strict(BaseModel):
    """Frozen, no unknown keys, no coercion: `"1e-3"` is not a float and `true` is not an int."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def read_yaml(path: Path, model: type[M], *, do: str = "") -> M:
    """Read a YAML 1.2 file into `model`; `do` says what helps if the file is missing.

    Raises:
        ParamsError: The file is missing, is not YAML, or breaks the schema (one line per fault).
    """
    if not path.is_file():
        raise ParamsError(path, "no such file", do=do)
    try:
        raw = YAML(typ="safe").load(read_text(path))
    # A whole number of 5,000 digits is a ValueError, brackets in brackets a RecursionError.
    except (YAMLError, ValueError, RecursionError) as error:
        raise ParamsError(path, f"not valid YAML: {error or 'nested too deeply'}") from None
    return validate(path, raw, model)


def read_json(path: Path, model: type[M], *, what: str, do: str) -> M:
    """Read a JSON file that a stage wrote.

    Args:
        path: The file.
        model: Class of its content.
        what: Name of the content in the message, "a layout".
        do: How to get a good file, for the message.

    Raises:
        FormatError: The file is missing or breaks the schema.
    """
    if not path.is_file():
        raise FormatError(path, "no such file", do=do)
    data = path.read_bytes()
    try:
        # pydantic takes the last of two values of one key.
        json.loads(data, object_pairs_hook=_each_key_once)
        return model.model_validate_json(data)
    except ValidationError as error:
        first, *more = error.errors(include_url=False)
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        count = f", and {len(more)} more" if more else ""
        raise FormatError(path, f"not {what}: {key}: {first['msg']}{count}", do=do) from None
    except (ValueError, RecursionError) as error:
        reason = str(error).split("\n", 1)[0]
        raise FormatError(path, f"not {what}: not valid JSON: {reason}", do=do) from None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(content := dict(pairs)) < len(pairs):
        twice = next(key for k, (key, _) in enumerate(pairs) if key in dict(pairs[:k]))
        raise ValueError(f"the key '{twice}' comes twice")
    return content


def write_json(path: Path, content: BaseModel | Mapping[str, object]) -> None:
    """Write JSON with sorted keys: equal contents give equal bytes, in any order of the keys."""
    plain = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
    write_text(path, json.dumps(plain, indent=1, sort_keys=True) + "\n")


def validate(where: Path, raw: Any, model: type[M]) -> M:
    """Check plain data against `model`.

    Raises:
        ParamsError: The data break the schema (one line per fault).
    """
    if _unfolds_to_too_much(raw):
        wrong = f"its aliases (&, *) unfold to more than {LARGEST:,} values"
        raise ParamsError(where, wrong, do="Write the values out")
    try:
        # Through JSON: in its JSON mode, strict pydantic takes a list for a tuple.
        raw = json.loads(text := json.dumps(raw, default=str))
        made = model.model_validate_json(text)
    except TypeError:
        raise ParamsError(where, "a key is neither text nor number") from None
    except ValidationError as error:
        lines = [line for fault in error.errors() for line in _lines(fault, raw, model)]
        raise ParamsError(where, one_per_line(lines)) from None
    # `Literal[1]` takes true, since Python counts it as equal to 1.
    if lines := list(_truths(raw, made.model_dump())):
        raise ParamsError(where, one_per_line(lines))
    return made


def _truths(raw: Any, made: Any, path: str = "") -> Iterator[str]:
    """Find where a file says true or false and its model holds a number."""
    if isinstance(raw, bool):
        if not isinstance(made, bool):
            yield f"{path}: expected a number (got {json.dumps(raw)})"
    elif isinstance(raw, dict | list):
        for key in raw if isinstance(raw, dict) else range(len(raw)):
            yield from _truths(raw[key], made[key], f"{path}.{key}".lstrip("."))


def _unfolds_to_too_much(raw: Any) -> bool:
    waiting, count = [raw], 0
    while waiting and count <= LARGEST:
        value = waiting.pop()
        inner = list(value.values()) if isinstance(value, dict) else value
        if isinstance(inner, list):
            waiting += inner
            count += len(inner)
    return bool(waiting)


def _lines(fault: ErrorDetails, raw: Any, model: type[BaseModel]) -> list[str]:
    """Write a fault as `path.to.key: what is wrong (got value)`; one check may find several."""
    location = list(_walkable(fault["loc"], raw))
    if fault["type"] == "missing":
        location.append(fault["loc"][-1])
    path = ".".join(str(part) for part in location) or "the file"
    if fault["type"] == "extra_forbidden":
        names = set(_field_names(model)) - {location[-1]}
        near = difflib.get_close_matches(str(location[-1]), names, n=1)
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


def _field_names(model: type[BaseModel]) -> list[str]:
    """List every field name below `model`, for 'did you mean'."""
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
