"""Provenance: which code made a result. One answer for DVC stages, shards and checkpoints.

DVC does not follow imports, and a list by hand of each stage's modules would soon be wrong. So
stage `check` follows the real imports of every stage and writes one file per entry, which DVC
watches: a line per module with the hash of its syntax tree. A change that can move a number changes
a line; a docstring, a comment, a log text, an error message and a type-only import do not.

Where an entry of params.yaml names a kind (a backbone, a modality, a fusion rule), only the modules
of that kind count: they are found by the classes of the specs, which live beside their behavior.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from benchmark.core.files import write_text
from benchmark.core.pinned_file import sha256
from benchmark.core.schema import load_yaml

if TYPE_CHECKING:
    import grimp

PACKAGES = ("benchmark", "pipelines", "submission")
HOME = Path(__file__).parents[2]
GRAPH = "dvc.yaml"
CODE = "runs/code"
"""Folder of the files, as dvc.yaml names it."""

CARRIERS = {
    "benchmark.archives.union": "names the data sets",
    "benchmark.data.inputs": "names the inputs",
    "benchmark.modalities.backends": "names the backends of flow and depth",
    "benchmark.modalities.union": "names the modalities",
    "benchmark.models.union": "names the backbones",
    "benchmark.params.params": "composes the specs; every value comes from params.yaml",
    "submission.fusion.rules.union": "names the fusion rules",
}
"""Modules that only name others, and why they count for nothing. What an entry uses of the named
ones counts by its specs. A test asserts that they hold no arithmetic, default or table."""

OBSERVERS = {
    "benchmark.core.errors": "tells the user what is wrong",
    "benchmark.plots": "draws",
    "benchmark.runtime.memory": "tells the user what is wrong",
    "benchmark.tracking": "records what was done",
    "benchmark.training.monitor": "measures and shows a training run",
    "pipelines._stage": "reads params, shows errors, takes signals",
}
"""Rooms and modules that watch: nothing that they compute flows into a model or a probability."""

SHOWN = {
    "analyse": {"benchmark.plots"},
    "data_report": {"benchmark.plots", "benchmark.core.errors"},
    "previews": {"benchmark.plots"},
    "report": {"benchmark.plots", "benchmark.tracking"},
    "table": {"benchmark.plots"},
}
"""Stages whose results are pictures and pages, and the observers that therefore count for them."""
TEXTS = frozenset({"data_report"})
"""Stages whose results quote error messages: for them, texts count."""
ARCHIVES = frozenset({"index", "prepare", "windows", "predict_windows", "data_report", "report"})
"""Stages that read a raw archive."""


def stage_code(root: Path, params: Any, archive_module: Callable[[str], str]) -> dict[str, str]:
    """Hash the code of every stage, per entry: `stage` or `stage@entry` -> lines `path SHA-256`.

    `archive_module` returns the module that reads the raw archive of a named edition.

    Stage `check` itself is not among them: it waits for nothing.
    """
    stages = load_yaml(root / GRAPH)["stages"]
    graph = _graph()
    lines = {}
    for stage, body in stages.items():
        if stage == "check":
            continue
        for name, entry in _entries(body, params):
            specs = [entry, *_named_params(body.get("do", body), params, name, entry)]
            if stage == "predict_windows":  # prepares its windows itself
                specs.append(params.modalities[params.experiments[entry.source].modality])
            roots = {f"pipelines.{stage}", *_modules_of(specs)}
            if stage in ARCHIVES:
                spec = entry or params.analysis
                roots.add(archive_module(getattr(spec, "edition", None) or str(name)))
            # A reader asks the spec of a modality how its data are stored. What extracts them
            # counts for `prepare`, and reaches the reader by the hash of the data.
            alone = {name for spec in _modalities(stage, entry, params) for name in _classes(spec)}
            key = stage if name is None else f"{stage}@{name}"
            modules = run_modules(graph, roots, stage=stage) | alone
            lines[key] = _lines(modules, stage) + _shipped_lines(specs)
    return lines


def changed_code(
    root: Path, params: BaseModel, archive_module: Callable[[str], str]
) -> dict[str, list[str]]:
    """Compare the code with what stage `check` last wrote: `stage` or `stage@entry` -> files.

    Hashes are kept beside DVC's own, by the bytes of each file: the next call is quicker.
    """
    kept = root / ".dvc/tmp/code_hashes.json"
    with suppress(OSError, ValueError):
        _KNOWN.update(json.loads(kept.read_text("utf-8")))
    before = len(_KNOWN)
    code = stage_code(root, params, archive_module)
    if len(_KNOWN) > before and kept.parent.is_dir():
        write_text(kept, json.dumps(_KNOWN))
    changed = {}
    for key, text in code.items():
        file = root / CODE / f"{key}.txt"
        before = set(file.read_text("utf-8").splitlines()) if file.is_file() else set()
        paths = {line.split()[0] for line in before ^ set(text.splitlines())}
        if paths:
            changed[key] = sorted(paths)
    return changed


def digest_of(*specs: BaseModel, start: Iterable[str] = (), alone: Iterable[BaseModel] = ()) -> str:
    """Hash the code behind some specs and the modules `start`, for shards and checkpoints.

    Of the specs `alone` only their own modules count, without what those import.
    """
    modules = run_modules(_graph(), {*start, *_modules_of(specs)})
    modules |= {name for spec in alone for name in _classes(spec)}
    return hashlib.sha256(_lines(modules).encode()).hexdigest()


def run_modules(graph: grimp.ImportGraph, start: Iterable[str], *, stage: str = "") -> set[str]:
    """Follow the imports from `start`, at first or second hand, but not into what cannot count."""
    seen = set(start)
    todo = sorted(seen)
    while todo:
        imported = graph.find_modules_directly_imported_by(todo.pop())
        new = {name for name in imported - seen if _counts(name, stage)}
        seen |= new
        todo += new
    return seen


def _counts(module: str, stage: str) -> bool:
    if module in CARRIERS:
        return False
    observers = OBSERVERS.keys() - SHOWN.get(stage, set())
    return not any(module == name or module.startswith(f"{name}.") for name in observers)


@cache
def _graph() -> grimp.ImportGraph:
    import grimp

    return grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)


# What an entry of params.yaml uses


def _entries(body: Mapping[str, Any], params: BaseModel) -> Iterator[tuple[str | None, Any]]:
    """Yield the entries that a stage runs for; (None, None) for a stage that runs once."""
    if "foreach" not in body:
        yield None, None
        return
    section = body["foreach"].removeprefix("${").removesuffix("}")
    yield from attrgetter(section)(params).items()


def _named_params(
    body: Mapping[str, Any], params: BaseModel, name: str | None, entry: Any
) -> Iterator[Any]:
    # What the `params` of a stage in dvc.yaml name for an entry: its key is `${key}` there, and
    # itself `${item}`.
    def filled(match: re.Match[str]) -> str:
        return str(name if match[1] == "key" else getattr(entry, match[1].removeprefix("item.")))

    for template in body.get("params", []):
        value: Any = params
        for part in re.sub(r"\$\{([\w.]+)\}", filled, template).split("."):
            value = value[part] if isinstance(value, dict) else getattr(value, part)
        yield value


def _modalities(stage: str, entry: Any, params: Any) -> list[BaseModel]:
    """Return the specs of the modalities that a stage reads and its params name by their keys."""
    match stage:
        case "train" | "predict" | "train_fold" | "predict_fold":
            names = [entry.modality]
        case "pretrain":
            names = [params.windows[entry.windows].modality]
        case "previews":
            names = [*entry.videos, *([entry.skeleton] if entry.skeleton else [])]
        case "analyse":
            names = [params.analysis.modality]
        case _:
            names = []
    return [params.modalities[name] for name in names]


def _modules_of(specs: Iterable[Any]) -> set[str]:
    """Return the modules that define the specs and every spec inside them."""
    return {name for spec in _inside(specs) for name in _classes(spec)}


def _shipped_lines(specs: Iterable[Any]) -> str:
    """Hash the networks of the package that the specs use: they are a part of its code."""
    files = {path for spec in _inside(specs) for path in getattr(spec, "shipped_files", tuple)()}
    # The stage that needs a missing one says what to do.
    hashes = {path: sha256(path) if path.is_file() else "missing" for path in sorted(files)}
    return "".join(f"{path.relative_to(HOME)} {found}\n" for path, found in hashes.items())


def _inside(specs: Iterable[Any]) -> Iterator[BaseModel]:
    """Yield the specs and every spec inside them."""
    todo = list(specs)
    while todo:
        value = todo.pop()
        if isinstance(value, BaseModel):
            yield value
            todo += [getattr(value, name) for name in type(value).model_fields]
            todo += getattr(value, "more_specs", tuple)()
        elif isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, list | tuple):
            todo += value


def _classes(spec: BaseModel) -> set[str]:
    """Return the modules of a spec's class and of its bases: it inherits what it does not say."""
    modules = {kind.__module__ for kind in type(spec).__mro__}
    return {name for name in modules if name.startswith(PACKAGES) and name not in CARRIERS}


# Hashes of modules


def _lines(modules: Iterable[str], stage: str = "") -> str:
    paths = sorted(_path(module) for module in modules)
    return "".join(f"{path} {code_hash(HOME / path, texts=stage in TEXTS)}\n" for path in paths)


def _path(module: str) -> str:
    package = f"{module.replace('.', '/')}/__init__.py"
    return package if (HOME / package).is_file() else package.replace("/__init__", "")


# The tree of the same source differs between versions of Python.
_OWN = Path(__file__).read_bytes() + sys.version.encode()
_KNOWN: dict[str, str] = {}
"""Hash of this file, Python and a module, and whether its texts count -> what `code_hash` says."""


@cache
def code_hash(path: Path, *, texts: bool = False) -> str:
    """Hash what a module does: its syntax tree without what only people read.

    Left out are docstrings, comments, imports for the type checker, and the texts of log lines,
    command output and errors; the last three count with `texts`.
    """
    source = path.read_bytes()
    key = f"{hashlib.sha256(_OWN + source).hexdigest()} {texts}"
    if key not in _KNOWN:
        plain = _WithoutProse(texts=texts).visit(ast.parse(source))
        _KNOWN[key] = hashlib.sha256(ast.dump(plain).encode()).hexdigest()
    return _KNOWN[key]


class _WithoutProse(ast.NodeTransformer):
    def __init__(self, *, texts: bool) -> None:
        self._texts = texts

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        # A string by itself is a docstring, of a module, class, function or attribute.
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        if not self._texts and _is_message(node.value):
            return _Wordless().visit(node)
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return node if self._texts else _Wordless().visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return None
        return self.generic_visit(node)


class _Wordless(ast.NodeTransformer):
    """Empties texts. What is computed for them stays: a call could do more than speak."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant("") if isinstance(node.value, str) else node


def _is_message(value: ast.expr) -> bool:
    """Tell a log call (`log.info(...)`) or output (`click.echo(...)`) from other calls."""
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
        return False
    owner = value.func.value
    return isinstance(owner, ast.Name) and (
        owner.id == "log" or (owner.id == "click" and value.func.attr == "echo")
    )
