"""The strict base of all models that files hold; its reader names all faults at once."""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypeVar, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, SequenceNode

from benchmark.core.errors import FormatError, ParamsError, one_per_line
from benchmark.core.files import write_text
from benchmark.core.text_files import read_text

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DEEPEST = 100
"""Levels of lists and mappings of a YAML file."""
LARGEST = 2**63
"""First whole number that a library in C cannot hold."""
LONGEST = 2**24
"""Letters of a YAML file."""
MOST_VALUES = 200_000
"""Numbers, texts, lists and mappings of a YAML file, with aliases unfolded."""

M = TypeVar("M", bound=BaseModel)


def in_one_line(text: str) -> str:
    """Return text that pages can show in one line.

    Raises:
        ValueError: It holds a control character or a line end.
    """
    odd = [c for c in text if unicodedata.category(c) in {"Cc", "Zl", "Zp", "Cs"}]
    if odd:
        raise ValueError(f"holds a control character ({odd[0]!r}): pages show it in one line")
    return text


def rising(pair: tuple[float, float]) -> tuple[float, float]:
    """Return a range above 0 from its low to its high end.

    Raises:
        ValueError: It is none.
    """
    low, high = pair
    if not 0 < low <= high:
        raise ValueError(f"a range from low to high, above 0; found {low:g} to {high:g}")
    return pair


Line: TypeAlias = Annotated[str, AfterValidator(in_one_line)]
"""Text of pages, tables and pictures: no control characters and no line ends."""
Positive: TypeAlias = Annotated[int, Field(gt=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
AboveZero: TypeAlias = Annotated[float, Field(gt=0)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0)]
Shares: TypeAlias = Annotated[tuple[Share, Share], AfterValidator(rising)]
"""Range of shares that random numbers are drawn from."""
Seed: TypeAlias = Annotated[int, Field(ge=0, lt=2**32)]
"""As scikit-learn and NumPy's older generators take it."""


class Strict(BaseModel):
    """Frozen, no unknown keys, no coercion: `"1e-3"` is no float, `true` and NaN are no numbers."""

    # Without `use_attribute_docstrings`, which parses every class at its import: two thirds of the
    # time of read_params. tests/write_params_schema.py reads these texts for the schema in docs.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def read_yaml(path: Path, model: type[M], *, do: str = "") -> M:
    """Read a YAML 1.2 file into `model`; `do` says what helps if the file is missing.

    Raises:
        ParamsError: The file is missing, is not YAML, or breaks the schema (one line per fault).
    """
    raw = load_yaml(path, do=do)
    try:
        return validate(path, raw, model)
    except ParamsError as error:
        raise type(error)(path, _numbered(str(error).removeprefix(f"{path}: "), path)) from None


def _numbered(message: str, path: Path) -> str:
    """Put the line of the file before each line of a message that begins with a dotted key."""
    try:
        root = YAML(typ="rt").compose(read_text(path))
    except YAMLError:  # a tab behind a colon, which the reader of values takes
        return message
    shown = []
    for line in message.split("\n"):
        text = line.lstrip()
        number = _line_of(text.partition(":")[0].split("."), root)
        shown.append(line if number is None else f"{line[: -len(text)]}line {number}: {text}")
    return "\n".join(shown)


def _line_of(keys: list[str], node: Any) -> int | None:
    """Find the line, from 1, of the deepest of nested keys that the file has."""
    line = None
    for key in keys:
        if isinstance(node, MappingNode):
            pairs = [(name, value) for name, value in node.value if name.value == key]
        elif isinstance(node, SequenceNode) and key.isdigit() and int(key) < len(node.value):
            pairs = [(node.value[int(key)], node.value[int(key)])]
        else:
            break
        if not pairs:
            break
        name, node = pairs[-1]
        line = name.start_mark.line + 1
    return line


def load_yaml(path: Path, *, do: str = "") -> Any:
    """Read a YAML 1.2 file as plain data; `do` says what helps if the file is missing.

    Raises:
        ParamsError: The file is missing, is not YAML, or holds what JSON cannot.
        ArchiveError: It is not UTF-8.
    """
    if not path.is_file():
        raise ParamsError(path, "no such file", do=do)
    text = read_text(path)
    if len(text) > LONGEST:
        raise ParamsError(path, "too large", expected=f"{LONGEST} letters", found=f"{len(text)}")
    try:
        _check_size(text)
        raw = YAML(typ="safe").load(text)
        _count(raw, {})
    except YAMLError as error:
        raise ParamsError(path, f"not valid YAML: {_place(error)}") from None
    except ValueError as error:
        reason = str(error).partition("; use sys.")[0]  # Python's word on numbers of 4300 digits
        raise ParamsError(path, f"not valid: {reason}") from None
    return raw


def _check_size(text: str) -> None:
    # The loader in C calls itself per level, and dies of too many; the parser does not. It is also
    # far quicker.
    depth = 0
    for number, event in enumerate(YAML(typ="safe").parse(text)):
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if number > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values")
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} lists and mappings within each other")


def _place(error: YAMLError) -> str:
    """Return what is wrong and where, without ruamel's hints for programmers."""
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    context, mark = f"{error.context}: " if error.context else "", error.problem_mark
    return f"{context}{error.problem} at line {mark.line + 1}, column {mark.column + 1}"


def _count(node: Any, counts: dict[int, int]) -> int:
    """Count the values below a node, an alias as often as it stands in the file.

    A few lines of aliases of aliases unfold to more than any memory holds.

    Raises:
        ValueError: There are too many, or a value is none of JSON's.
    """
    if isinstance(node, int) and abs(node) >= LARGEST:
        raise ValueError(f"{node} is too large a number")
    if node is None or isinstance(node, str | int | float):
        return 1
    if not isinstance(node, dict | list):
        raise ValueError(f"{node!r} is a {type(node).__name__}: put it in quotes")  # noqa: TRY004
    if id(node) not in counts:
        counts[id(node)] = MOST_VALUES  # an alias of a node that holds it
        keys = list(node) if isinstance(node, dict) else []
        if odd := [key for key in keys if not isinstance(key, str)]:
            raise ValueError(f"key {odd[0]!r} is no text: put it in quotes")
        parts = node.values() if isinstance(node, dict) else node
        counts[id(node)] = 1 + sum(_count(part, counts) for part in parts)
    if counts[id(node)] >= MOST_VALUES:
        raise ValueError(f"its aliases unfold to more than {MOST_VALUES} values")
    return counts[id(node)]


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
        # Editors may begin it with a byte order mark, which pydantic refuses.
        text = data.decode(json.detect_encoding(data))
        # pydantic takes the last of two values of one key.
        json.loads(text, object_pairs_hook=_each_key_once)
        return model.model_validate_json(text)
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
    try:
        # Through JSON: in its JSON mode, strict pydantic takes a list for a tuple.
        content = model.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        lines = [line for fault in error.errors() for line in _lines(fault, raw, model)]
        raise ParamsError(where, one_per_line(lines)) from None
    if lines := list(_coerced(raw, content.model_dump(), "")):
        raise ParamsError(where, one_per_line(lines))
    return content


def _coerced(raw: Any, value: Any, path: str) -> Iterator[str]:
    """Find `true` and 1.0 where a whole number is meant: pydantic takes them for the literal 1."""
    if isinstance(raw, dict):
        for key in raw.keys() & value.keys():
            yield from _coerced(raw[key], value[key], f"{path}.{key}".lstrip("."))
    elif isinstance(raw, list):
        for number, part in enumerate(raw):
            yield from _coerced(part, value[number], f"{path}.{number}")
    elif isinstance(raw, bool | float) and isinstance(value, int) and type(raw) is not type(value):
        yield f"{path}: Input should be a whole number (got {json.dumps(raw)})"


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
    if fault["type"] == "union_tag_invalid":
        return [f"{path}: {_unknown_kind(fault.get('ctx', {}))}"]
    said = fault["msg"].removeprefix("Value error, ").split("\n")
    if isinstance(fault["input"], dict):
        return [f"{path}: {line}" if location else line for line in said]
    got = json.dumps(fault["input"], default=str)
    got = got if len(got) <= 60 else got[:57] + "..."
    return [f"{path}: {line} (got {got})" for line in said]


def _unknown_kind(told: dict[str, Any]) -> str:
    """Say that a union has no member of that tag, as `kind` names it, in fewer words."""
    key, tag = told["discriminator"].strip("'"), told["tag"]
    tags = [one.strip().strip("'") for one in told["expected_tags"].split(",")]
    near = difflib.get_close_matches(tag, tags, n=1)
    known = f"did you mean '{near[0]}'?" if near else "known: " + ", ".join(tags)
    return f"no {key} '{tag}'; {known}"


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
