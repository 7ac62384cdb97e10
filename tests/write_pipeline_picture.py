"""Draw docs/pipeline.svg from dvc.yaml: run `python tests/write_pipeline_picture.py`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import networkx
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from ruamel.yaml import YAML

REPO = Path(__file__).parents[1]
PICTURE = REPO / "docs/pipeline.svg"
COLUMN, ROW = 1.75, 0.9
BLUE, GREY = "#0072B2", "#666666"


def edges() -> dict[str, set[str]]:
    """Map each stage, in the order of dvc.yaml, to the stages whose outputs it reads."""
    stages = YAML(typ="safe").load((REPO / "dvc.yaml").read_text("utf-8"))["stages"]
    command = [sys.executable, "-m", "dvc", "dag", "--dot"]
    dot = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout
    before: dict[str, set[str]] = {name: set() for name in stages}
    for source, target in re.findall(r'"([^"]+)" -> "([^"]+)"', dot):
        writer, reader = source.partition("@")[0], target.partition("@")[0]
        if writer != reader:
            before[reader].add(writer)
    return before


def drawn_edges(before: dict[str, set[str]]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Return forward arrows, without those that a longer path implies, and backward arrows.

    Stage merge_weights reads models of stage train and writes initial weights for it.
    """
    order = list(before)
    ahead = {n: {o for o in before[n] if order.index(o) < order.index(n)} for n in order}
    graph = networkx.DiGraph([(other, name) for name in order for other in ahead[name]])
    graph.add_nodes_from(order)
    reduced = networkx.transitive_reduction(graph)
    return {n: set(reduced.predecessors(n)) for n in order}, {
        n: before[n] - ahead[n] for n in order
    }


def figure() -> Figure:
    """Draw the stages in columns by depth, with an arrow from each stage to its readers."""
    ahead, back = drawn_edges(edges())
    depth: dict[str, int] = {}
    for name, others in ahead.items():
        depth[name] = 1 + max((depth[other] for other in others), default=-1)
    columns = [[name for name in ahead if depth[name] == k] for k in range(max(depth.values()) + 1)]
    tallest = max(map(len, columns))
    place = {
        name: (COLUMN * column, -ROW * (row + (tallest - len(names)) / 2))
        for column, names in enumerate(columns)
        for row, name in enumerate(names)
    }
    drawing = Figure(figsize=(COLUMN * len(columns), ROW * tallest + 0.4))
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    for name, (x, y) in place.items():
        axes.add_patch(
            FancyBboxPatch(
                (x - 0.55, y - 0.13), 1.1, 0.26, "round,pad=0.05", fc="#e8f1f8", ec=BLUE, zorder=2
            )
        )
        axes.text(x, y, name, ha="center", va="center", size=8, zorder=3)
        for others, style in ((ahead[name], "-"), (back[name], "--")):
            for other in sorted(others):
                forward = place[other][0] < x
                start = (place[other][0] + (0.61 if forward else -0.61), place[other][1])
                arrow = {"arrowstyle": "->", "color": GREY, "lw": 0.8, "linestyle": style}
                end = (x + (-0.61 if forward else 0.61), y)
                axes.annotate("", end, start, arrowprops=arrow, zorder=1)
    axes.set_xlim(-0.8, COLUMN * (len(columns) - 1) + 0.8)
    axes.set_ylim(-ROW * (tallest - 0.5), ROW * 0.5)
    return drawing


def write(path: Path) -> None:
    """Write the picture; equal graphs give equal bytes."""
    with mpl.rc_context({"svg.hashsalt": "pipeline", "svg.fonttype": "none"}):
        figure().savefig(path, format="svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    write(PICTURE)
