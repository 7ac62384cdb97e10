"""Which code the result of each stage hangs on, as one file a stage that DVC can watch.

DVC does not follow imports. A list by hand of each stage's modules would be long, soon wrong, and
slow: DVC writes dvc.lock anew, with every dependency of every stage, after each stage that ran.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import grimp
from ruamel.yaml import YAML

from benchmark.core.pinned_file import sha256
from benchmark.data.inputs import Input
from benchmark.modalities.specs import Modality
from benchmark.models.union import Backbone

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ("benchmark", "pipelines", "submission")
GRAPH = "dvc.yaml"
CODE = "runs/code"
"""Folder of the files, as dvc.yaml names it."""
CARRIERS = frozenset({
    # They check, choose, show or carry; every value that they hold comes from a file that DVC sees.
    "benchmark.models.union",
    "benchmark.challenges.challenge",
    "benchmark.tracking.provenance",
    "benchmark.editions.edition",
    "benchmark.core.errors",
    "benchmark.plots.figures",
    "benchmark.core.files",
    "submission.fusion.spec",
    "benchmark.data.inputs",
    "benchmark.modalities.specs",
    "benchmark.models.check_tensors",
    "benchmark.params.params",
    "benchmark.params.checks",
    "benchmark.params.recipes",
    "benchmark.tracking.records",
    "benchmark.tracking.ui",
    "benchmark.core.schema",
    "benchmark.tracking.sync",
    "benchmark.results.runs",
    "benchmark.modalities.depth.tiny_spec",
    "benchmark.tracking.store",
    "benchmark.core.pinned_file",
    "benchmark.runtime.parallel",
    "pipelines._stage",
})  # fmt: skip
"""Modules that cannot change a number; what only they import cannot either."""


def _kinds(union: Any) -> list[str]:
    """What `kind` of a union of specs can be."""
    (members, *_) = get_args(union) if get_origin(union) is Annotated else (union,)
    return [member.model_fields["kind"].annotation.__args__[0] for member in get_args(members)]


TEMPLATES = {
    "item.kind": _kinds(Modality),
    "item.input.kind": _kinds(Input),
    "item.backbone.kind": _kinds(Backbone),
}
"""What stands for a template in a path of code; no other template names code."""


def stage_digests(root: Path) -> dict[str, str]:
    """Stage -> a line `path SHA-256` for each module that it runs and dvc.yaml does not name.

    Modules of one kind alone (a backbone, an input, modality) are named there, as the entry's own.
    Stage `check` itself waits for nothing.
    """
    stages = YAML(typ="safe").load((root / GRAPH).read_text("utf-8"))["stages"]
    graph = grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)
    return {
        stage: _lines(root, run_modules(graph, f"pipelines.{stage}"), body.get("do", body)["deps"])
        for stage, body in stages.items()
        if stage != "check"
    }


def run_modules(graph: grimp.ImportGraph, start: str) -> set[str]:
    """`start` and all that it imports, at first or second hand, but carriers."""
    found, todo = {start}, [start]
    while todo:
        near = graph.find_modules_directly_imported_by(todo.pop()) - CARRIERS - found
        found |= near
        todo += near
    return found


def changed_code(root: Path) -> dict[str, list[str]]:
    """Stage -> files that are not as when stage `check` last looked."""
    changed = {}
    for stage, text in stage_digests(root).items():
        file = root / CODE / f"{stage}.txt"
        known = set(file.read_text("utf-8").splitlines()) if file.is_file() else set()
        paths = {line.split()[0] for line in known ^ set(text.splitlines())}
        if paths:
            changed[stage] = sorted(paths)
    return changed


def covers(dep: str, path: str) -> bool:
    """Whether a dependency of dvc.yaml is the file `path` or a folder that holds it."""
    pattern = re.escape(dep)
    for name, values in TEMPLATES.items():
        pattern = pattern.replace(re.escape(f"${{{name}}}"), f"({'|'.join(values)})")
    return re.fullmatch(f"{pattern}(/.*)?", path) is not None


def _lines(root: Path, modules: set[str], deps: list[str]) -> str:
    paths = sorted(_path(root, module) for module in modules)
    own = [path for path in paths if not any(covers(dep, path) for dep in deps)]
    return "".join(f"{path} {sha256(root / path)}\n" for path in own)


def _path(root: Path, module: str) -> str:
    package = f"{module.replace('.', '/')}/__init__.py"
    return package if (root / package).is_file() else package.replace("/__init__", "")
