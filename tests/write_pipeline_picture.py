"""Draws docs/pipeline.svg from dvc.yaml: run `python tests/write_pipeline_picture.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from ruamel.yaml import YAML

REPO = Path(__file__).parents[1]
PICTURE = REPO / "docs/pipeline.svg"
CODE = ("benchmark", "pipelines", "submission")
COLUMN, ROW = 1.75, 0.9
BLUE, GREY = "#0072B2", "#666666"


def paths(entries: list[Any]) -> list[str]:
    """Paths of deps or outs, what stands for an entry's name as a star."""
    names = [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]
    return [re.sub(r"\$\{[^}]*\}", "*", name) for name in names]


def edges() -> dict[str, set[str]]:
    """Stage -> the stages whose outputs it reads."""
    stages = YAML(typ="safe").load((REPO / "dvc.yaml").read_text("utf-8"))["stages"]
    bodies = {name: stage.get("do", stage) for name, stage in stages.items()}
    makes = {
        name: paths([*body.get("outs", []), *body.get("metrics", []), *body.get("plots", [])])
        for name, body in bodies.items()
    }
    found: dict[str, set[str]] = {}
    for name, body in bodies.items():
        read = [path for path in paths(body["deps"]) if not path.startswith(CODE)]
        found[name] = {
            other
            for other, made in makes.items()
            if other != name and any(_meets(a, b) for a in read for b in made)
        }
    return found


def _meets(read: str, made: str) -> bool:
    """Whether a path that is read is one that is made, or lies inside or around it."""
    for one, other in zip(read.split("/"), made.split("/"), strict=False):
        pattern = re.escape(one).replace(r"\*", "[^/]*")
        back = re.escape(other).replace(r"\*", "[^/]*")
        if not (re.fullmatch(pattern, other) or re.fullmatch(back, one)):
            return False
    return True


def depth(name: str, before: dict[str, set[str]], seen: tuple[str, ...] = ()) -> int:
    """The longest way from a stage that reads nothing."""
    others = [other for other in before[name] if other not in seen]
    return 1 + max((depth(other, before, (*seen, name)) for other in others), default=-1)


def figure() -> Figure:
    """Stages in columns by their depth, an arrow for each that another one reads."""
    before = edges()
    columns: dict[int, list[str]] = {}
    for name in before:
        columns.setdefault(depth(name, before), []).append(name)
    tallest = max(map(len, columns.values()))
    place = {
        name: (COLUMN * column, -ROW * (row + (tallest - len(names)) / 2))
        for column, names in columns.items()
        for row, name in enumerate(names)
    }
    drawn = Figure(figsize=(1.2 * COLUMN * len(columns), ROW * tallest + 0.4))
    axes = drawn.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for name, (x, y) in place.items():
        axes.add_patch(
            FancyBboxPatch((x - 0.6, y - 0.16), 1.2, 0.32, "round,pad=0.06", fc="#e8f1f8", ec=BLUE)
        )
        axes.text(x, y, name, ha="center", va="center", size=9)
        for other in sorted(before[name]):
            start, end = (place[other][0] + 0.67, place[other][1]), (x - 0.67, y)
            arrow = {"arrowstyle": "->", "color": GREY, "lw": 0.8, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", end, start, arrowprops=arrow)
    axes.set_xlim(-0.8, COLUMN * (len(columns) - 1) + 0.8)
    axes.set_ylim(-ROW * (tallest - 0.5), ROW * 0.5)
    return drawn


def write(path: Path) -> None:
    """The picture; equal graphs give equal bytes."""
    with mpl.rc_context({"svg.hashsalt": "pipeline", "svg.fonttype": "none"}):
        figure().savefig(path, format="svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    write(PICTURE)
