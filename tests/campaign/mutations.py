"""Seeded mutations of bytes, of lines, and of values in nested data."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

ODD_TEXTS = (
    "",
    " ",
    "\ufeffx",
    "a\x00b",
    "\u202eabc",
    "é日本",
    "\U0001f600",
    "x" * 5000,
    "../../x",
    "/etc/passwd",
    "-1",
    "NaN",
    "1e309",
    "true",
    "null",
    "1_0",
    "٣",
    "0x10",
    "1,5",
    "<b>",
    "{{ 7*7 }}",
    "$(x)",
    "=1+1",
    "a\nb",
    "a\r",
    "a\tb",
    "'",
    '"',
    "`",
    "|",
    "&",
    "\\",
    "%s",
    "*",
    "~",
    "a b",
    ".",
    "..",
    "con",
)
ODD_NUMBERS = (
    0,
    -1,
    1,
    2,
    255,
    256,
    2**15,
    2**31 - 1,
    2**31,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    10**30,
    10**5000,
    0.0,
    -0.0,
    0.5,
    1e-320,
    1e308,
    float("inf"),
    float("-inf"),
    float("nan"),
)
ODD_BYTES = (
    b"\x00",
    b"\xff",
    b"\xfe\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe9",
    b"\xed\xa0\x80",
    b"\r",
    b"\n",
    b"\r\n",
    b",",
    b'"',
    b"'",
    b":",
    b"{",
    b"[",
    b"&a ",
    b"*a",
    b"- ",
    b"\t",
    b"#",
    b"\x1b[2J",
)


def mutated_bytes(data: bytes, rng: Random) -> tuple[bytes, str]:
    """Flip, cut, insert, double or delete bytes; return the new bytes and what was done."""
    kind = rng.choice(("flip", "flip", "cut", "insert", "odd", "double", "delete", "zero", "swap"))
    place = rng.randrange(len(data) + 1)
    size = min(int(2 ** rng.uniform(0, 12)), max(1, len(data) // 2))
    match kind:
        case "flip":
            count = rng.choice((1, 1, 1, 8, 64))
            changed = bytearray(data)
            for _ in range(count if data else 0):
                changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            return bytes(changed), f"{count} bit(s) flipped"
        case "cut":
            return data[:place], f"cut at {place}"
        case "insert":
            return data[:place] + rng.randbytes(size) + data[place:], f"{size} bytes in at {place}"
        case "odd":
            odd = rng.choice(ODD_BYTES)
            return data[:place] + odd + data[place:], f"{odd!r} in at {place}"
        case "double":
            part = data[place : place + size]
            return data[:place] + part + data[place:], f"{size} bytes twice at {place}"
        case "delete":
            return data[:place] + data[place + size :], f"{size} bytes out at {place}"
        case "zero":
            return data[:place] + bytes(size) + data[place + size :], f"{size} zeros at {place}"
        case _:
            other = rng.randrange(len(data) + 1)
            low, high = sorted((place, other))
            return data[:low] + data[high:] + data[low:high], f"end and middle swapped at {low}"


def mutated_text(data: bytes, rng: Random) -> tuple[bytes, str]:
    """Mutate a text: its encoding, its lines, its cells, or its bytes."""
    kind = rng.choice(("encoding", "lines", "lines", "cell", "cell", "cell", "bytes", "bytes"))
    text = data.decode()
    if kind == "encoding":
        return _encoded(text, rng)
    if kind == "lines":
        return _lines(text, rng)
    if kind == "cell":
        return _cell(text, rng)
    return mutated_bytes(data, rng)


def _encoded(text: str, rng: Random) -> tuple[bytes, str]:
    kind = rng.choice(
        ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "crlf", "cr")
    )
    if kind in {"crlf", "cr"}:
        return text.replace("\n", "\r\n" if kind == "crlf" else "\r").encode(), f"line ends {kind}"
    if kind in {"latin-1", "cp1252"}:
        place = rng.randrange(len(text) + 1)
        text = text[:place] + "é" + text[place:]
    return text.encode(kind, "replace"), f"as {kind}"


def _lines(text: str, rng: Random) -> tuple[bytes, str]:
    lines = text.split("\n")
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.choice(("double", "delete", "swap", "empty", "indent"))
    match kind:
        case "double":
            lines.insert(other, lines[place])
        case "delete":
            del lines[place]
        case "swap":
            lines[place], lines[other] = lines[other], lines[place]
        case "empty":
            lines[place] = ""
        case _:
            lines[place] = " " * rng.randrange(1, 4) + lines[place]
    return "\n".join(lines).encode(), f"line {place + 1}: {kind}"


def _cell(text: str, rng: Random) -> tuple[bytes, str]:
    """Replace one word between separators by something odd."""
    lines = text.split("\n")
    place = rng.randrange(len(lines))
    sign = "," if "," in lines[place] else ":"
    cells = lines[place].split(sign)
    odd = odd_text(rng)
    cells[rng.randrange(len(cells))] = odd
    lines[place] = sign.join(cells)
    return "\n".join(lines).encode("utf-8", "surrogatepass"), f"line {place + 1}: {odd[:20]!r}"


def odd_text(rng: Random) -> str:
    """Draw a text or a number that surprises a reader of texts."""
    if rng.random() < 0.5:
        return rng.choice(ODD_TEXTS)
    number = rng.choice(ODD_NUMBERS)
    # Python refuses to print integers of more than 4,300 digits.
    return "9" * 5000 if isinstance(number, int) and number > 10**4000 else str(number)


def odd_value(rng: Random, old: Any) -> Any:
    """Draw a value of another type, or one of the same type that is out of range."""
    kind = rng.choice(
        ("text", "number", "number", "bool", "null", "list", "map", "wrap", "text of it")
    )
    match kind:
        case "text":
            return rng.choice(ODD_TEXTS)
        case "number":
            return rng.choice(ODD_NUMBERS)
        case "bool":
            return rng.choice((True, False))
        case "null":
            return None
        case "list":
            return []
        case "map":
            return {}
        case "wrap":
            return [old]
        case _:
            return str(old)[:100]


def mutated_tree(tree: Any, rng: Random) -> tuple[Any, str]:
    """Change one value, key or order somewhere in nested dicts and lists."""
    tree = copy.deepcopy(tree)
    places = list(_places(tree))
    parent, key, path = rng.choice(places)
    kind = rng.choice(("value", "value", "value", "delete", "double", "rename", "swap"))
    if kind == "value":
        parent[key] = odd_value(rng, parent[key])
        return tree, f"{path} = {_short(parent[key])}"
    if kind == "swap":
        other, name, there = rng.choice(places)
        parent[key], other[name] = copy.deepcopy(other[name]), copy.deepcopy(parent[key])
        return tree, f"{path} and {there} swapped"
    if kind == "delete":
        del parent[key]
    elif isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
    else:
        name = rng.choice((str(key) + "x", str(key).upper(), rng.choice(ODD_TEXTS)))
        parent[name] = parent[key] if kind == "double" else parent.pop(key)
    return tree, f"{path}: {kind}"


def _places(tree: Any, path: str = "") -> Any:
    """Yield (container, key, path) of every value."""
    items = (
        tree.items()
        if isinstance(tree, dict)
        else enumerate(tree)
        if isinstance(tree, list)
        else ()
    )
    for key, value in items:
        here = f"{path}.{key}" if path else str(key)
        yield tree, key, here
        yield from _places(value, here)


def _short(value: Any) -> str:
    if isinstance(value, int) and abs(value) > 10**4000:
        return "an integer of 5,000 digits"
    text = repr(value)
    return text if len(text) <= 30 else text[:27] + "..."
