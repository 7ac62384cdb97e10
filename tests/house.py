"""Print the figures of the house: rooms, circles, small files, docstrings, comments.

Run it with `make house`; `tests/test_house.py` holds the limits.
"""

from __future__ import annotations

import ast
import io
import tokenize
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import grimp

REPO = Path(__file__).parents[1]
PACKAGES = ("benchmark", "pipelines", "submission")
GENERATOR = "benchmark/synthetic/"
SMALL_LINES = 40
MANY_PARAMETERS = 4
VERBS = frozenset((Path(__file__).with_name("house_verbs.txt")).read_text("utf-8").split())
"""First words that say what a function does; add one where it is an English verb."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """One file of code."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """Count its lines."""
        return len(self.text.splitlines())


@cache
def sources() -> tuple[Source, ...]:
    """Read every Python file of the packages."""
    paths = sorted(path for package in PACKAGES for path in (REPO / package).rglob("*.py"))
    texts = [(path.relative_to(REPO).as_posix(), path.read_text("utf-8")) for path in paths]
    return tuple(Source(path, text, ast.parse(text)) for path, text in texts)


def loose_modules() -> list[str]:
    """List the modules at the top of `benchmark` that are in no room."""
    return sorted(
        path.stem for path in (REPO / "benchmark").glob("*.py") if path.stem != "__init__"
    )


def rooms() -> list[str]:
    """List the rooms: the folders of `benchmark`, and the other two packages."""
    inside = (path.parent.name for path in (REPO / "benchmark").glob("*/__init__.py"))
    return [*sorted(inside), "pipelines", "submission"]


def room_of(module: str) -> str:
    """Name the room of a module. Fusion is below params and so a room of its own."""
    parts = module.split(".")
    deep = parts[0] in {"benchmark", "submission"} or parts[:2] == ["pipelines", "cli"]
    return ".".join(parts[:2]) if deep else parts[0]


def circles() -> list[str]:
    """Find rooms that import each other, at first or second hand."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)
    needs: dict[str, set[str]] = {}
    for module in graph.modules:
        room = room_of(module)
        imported = graph.find_modules_directly_imported_by(module)
        needs.setdefault(room, set()).update({room_of(name) for name in imported} - {room})
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def small_files() -> list[str]:
    """List the files of code below 40 lines; `__init__.py` holds none, and stages are thin."""
    return [
        one.path for one in sources()
        if one.lines < SMALL_LINES
        and not one.path.endswith("__init__.py")
        and Path(one.path).parent != Path("pipelines")
    ]  # fmt: skip


def functions() -> list[tuple[str, Function]]:
    """List every function and method that has a docstring, with `path:line`."""
    return [
        (f"{one.path}:{node.lineno} {node.name}", node)
        for one in sources()
        for node in ast.walk(one.tree)
        if isinstance(node, Function) and ast.get_docstring(node)
    ]


def without_args() -> list[str]:
    """List documented functions of four parameters and more that lack an `Args:` section.

    A click command has none: its docstring is its help text, and each option has its own.
    """
    return [
        where for where, node in functions()
        if _parameters(node) >= MANY_PARAMETERS and not _decorators(node) & {"command"}
        and "Args:" not in (ast.get_docstring(node) or "")
    ]  # fmt: skip


def without_verb() -> list[str]:
    """List functions whose docstring does not begin with a verb; a property names a thing."""
    return [
        f"{where}: {_first_word(node)}"
        for where, node in functions()
        if not is_property(node) and _first_word(node).lower() not in VERBS
    ]


def comment_share(*, generator: bool = True) -> float:
    """Divide the lines that hold a comment by all lines."""
    comments = lines = 0
    for one in sources():
        if generator or not one.path.startswith(GENERATOR):
            found = tokenize.generate_tokens(io.StringIO(one.text).readline)
            comments += sum(
                token.type == tokenize.COMMENT and _says(token.string) for token in found
            )
            lines += one.lines
    return comments / lines


def harness_lines() -> int:
    """Count the lines of all code but the generator's."""
    return sum(one.lines for one in sources() if not one.path.startswith(GENERATOR))


def _says(comment: str) -> bool:
    """Tell a comment from an instruction to a tool."""
    return not comment.startswith(("# noqa", "# fmt", "# pyright", "# type:", "# -----"))


def _parameters(node: Function) -> int:
    arguments = node.args
    names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return len([one for one in names if one.arg not in {"self", "cls"}])


def _first_word(node: Function) -> str:
    return (ast.get_docstring(node) or "").split()[0].strip("`.,:'")


def is_property(node: Function) -> bool:
    """Tell a property, which names a thing, from a function, which does one."""
    return bool(_decorators(node) & {"property", "cached_property"})


def _decorators(node: Function) -> set[str]:
    return {ast.unparse(one).partition("(")[0].split(".")[-1] for one in node.decorator_list}


def main() -> None:
    """Print each figure with its limit, and what misses it."""
    documented = [one for one in functions() if not is_property(one[1])]
    verbs = 1 - len(without_verb()) / len(documented)
    rows: list[tuple[str, object, str, list[str]]] = [
        ("loose modules at the top", len(loose_modules()), "<= 3", loose_modules()),
        ("rooms", len(rooms()), "<= 22", []),
        ("circles of rooms", len(circles()), "0", circles()),
        ("files of code below 40 lines", len(small_files()), "<= 15", small_files()),
        ("functions of 4+ parameters without Args:", len(without_args()), "0", without_args()),
        ("docstrings that begin with a verb", f"{verbs:.1%}", ">= 95 %", without_verb()),
        ("comment share", f"{comment_share():.2%}", ">= 2 %", []),
        ("lines without the generator", harness_lines(), "<= 22,800", []),
    ]
    for name, figure, limit, misses in rows:
        print(f"{name:42} {figure!s:>8}   limit {limit}")  # noqa: T201 - the command's output
        for miss in misses if len(misses) <= 30 else misses[:10]:
            print(f"    {miss}")  # noqa: T201


if __name__ == "__main__":
    main()
