"""report.html: put together from the files of other stages, self-contained."""

from __future__ import annotations

import base64
import io
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmark.core.pinned_file import sha256
from benchmark.plots.figures import DPI
from benchmark.results.report.charts import classes_figure, curves_figure
from benchmark.results.table import SIGNIFICANT
from benchmark.tracking.records import PACKAGES, origin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from benchmark.editions.edition import Edition
    from benchmark.params.params import Params
    from benchmark.results.report.gallery import Gallery

TEMPLATE = "report.html.j2"
SHEETS = 3
"""Modality sheets in the page: of classes spread over the list."""
PICTURES = {
    "confusion.png": "Confusion by class",
    "body_parts.png": "Confusion by body part",
    "calibration.png": "Reliability",
    "complementarity.png": "How the members complement each other",
}


class Sources(NamedTuple):
    """Folders that other stages have written."""

    table: Path
    analysis: Path
    curves: Path
    """`<experiment>/history.csv` of each."""
    sheets: Path | None
    """Pictures of modalities."""
    data_report: Path
    """Folder of the data report."""


def render(
    sources: Sources, edition: Edition, params: Params,
    *, galleries: Sequence[Gallery], provenance: Mapping[str, str], train: np.ndarray,
) -> str:  # fmt: skip
    """The page; `train` counts the training clips of each class, int64 (K,)."""
    table = pd.read_csv(sources.table / "table.csv")
    splits = [
        _split(sources, edition, rows.to_dict("records"), str(split), train)
        for split, rows in table.groupby("split", sort=False)
    ]
    histories = {
        name: pd.read_csv(sources.curves / name / "history.csv") for name in params.experiments
    }
    data_report = json.loads((sources.data_report / "data_report.json").read_text("utf-8"))
    loader = FileSystemLoader(Path(__file__).parent)
    env = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return env.get_template(TEMPLATE).render(
        edition=edition,
        even=np.log(len(edition.classes)),
        fusions=_fusions(table),
        system=params.analysis.source,
        members=", ".join(params.analysis.members),
        splits=splits,
        galleries=galleries,
        curves=figure_uri(curves_figure(histories)),
        data_report=data_report,
        sheets=_sheets(sources.sheets, edition),
        provenance=provenance,
        significant=SIGNIFICANT,
    )


def _fusions(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Each fused row of the table, and what it is made of."""
    found = []
    for row in table.dropna(subset="weights").drop_duplicates("name").to_dict("records"):
        pairs = [pair.split("=") for pair in row["weights"].split()]
        weights = ", ".join(f"{member} {float(weight):.3f}" for member, weight in pairs)
        found.append((str(row["name"]), f"{row['rule']} weights: {weights}"))
    return found


def _split(
    sources: Sources, edition: Edition, rows: list[dict[Any, Any]], split: str, train: np.ndarray
) -> dict[str, Any]:
    """What the page says of one split."""
    folder = sources.analysis / split
    classes = pd.read_csv(folder / "confusion.csv", index_col="label").to_numpy()
    parts = pd.read_csv(folder / "body_parts.csv", index_col="label").to_numpy()
    first, best = rows[0], max(rows, key=lambda row: row["top1"])
    return {
        "name": split,
        "title": {"val": "Validation", "test": "Test"}[split],
        "clips": first["n"],
        "videos": first["num_videos"],
        "majority": first["majority"],
        "best": best,
        "rows": [_row(row, {other["best_single"] for other in rows}) for row in rows],
        "picture": file_uri(sources.table / "pictures" / f"{split}.png"),
        "pictures": [(title, file_uri(folder / name)) for name, title in PICTURES.items()],
        "recall": figure_uri(classes_figure(classes, edition.classes, train)),
        "parts": figure_uri(classes_figure(parts, tuple(edition.groups), None)),
    }  # fmt: skip


def _row(row: dict[str, Any], best: set[Any]) -> dict[str, Any]:
    """A line of the table, with what its comparison with a row of `best` says."""
    verdict, points = "", None
    if isinstance(row["best_single"], str):
        points = row["best_single_difference"]
        sure = row["best_single_holm"] < SIGNIFICANT and (
            row["best_single_low"] > 0 or row["best_single_high"] < 0
        )
        verdict = "noise" if not sure else "better" if points > 0 else "worse"
    return {**row, "verdict": verdict, "points": points, "best": row["name"] in best}


def provenance(params: Params, edition: Edition, knobs: Path, folder: Path) -> dict[str, str]:
    """Code, machine, knobs and the hashes of the probabilities below `folder`."""
    tags = origin(Path.cwd())
    dirty = " with changes" if tags["git.dirty"] == "true" else ""
    names = (*params.experiments, *params.fusions)
    files = {name: folder / params.folder_of(name) / "val.parquet" for name in names}
    versions = {key.removeprefix("version."): value for key, value in tags.items()}
    return {
        "edition": f"{edition.name}, version {edition.version}; {edition.source}",
        "commit": tags["git.commit"] + dirty,
        "machine": f"{platform.system()} {platform.machine()}, Python {tags['python']}",
        "packages": ", ".join(f"{name} {versions[name]}" for name in PACKAGES),
        "params.yaml": f"SHA-256 {sha256(knobs)}, profile {params.preset}, seed {params.seed}",
        **{
            f"predictions/{params.folder_of(name)}/val.parquet": f"SHA-256 {sha256(file)}"
            for name, file in files.items()
            if file.is_file()
        },
    }


def _sheets(folder: Path | None, edition: Edition) -> list[tuple[str, str]]:
    """Some pictures of modalities, with the class that each shows."""
    if folder is None:
        return []
    files = sorted(folder.glob("[0-9]*.png"))
    places = np.unique(np.linspace(0, len(files) - 1, min(SHEETS, len(files))).round().astype(int))
    return [(edition.classes[int(files[k].stem)], file_uri(files[k])) for k in places]


def figure_uri(figure: Figure) -> str:
    """A PNG as a data URI."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI, metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def file_uri(path: Path) -> str:
    """A PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
