"""report.html: one page of the files of other stages, which needs no file beside it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from benchmark.core.html import data_uri, render_template
from benchmark.core.pinned_file import sha256
from benchmark.editions.edition import Edition, read_edition
from benchmark.evaluation.bootstrap import Interval
from benchmark.evaluation.online import ClassScores, class_scores, f1, match_counts
from benchmark.plots.analysis import curves_figure, overlaps_figure, timeline_figure
from benchmark.plots.figures import svg
from benchmark.results.entries import GroundTruth, Scoring, read_entries
from benchmark.results.online import Found, OnlineRow, online_rows
from benchmark.results.screen import chosen, read_rows
from benchmark.results.table import NOT_COVERED, SIGNIFICANT, Resampling, verdict
from benchmark.tracking.records import PACKAGES, origin

if TYPE_CHECKING:
    from benchmark.params.params import Params
    from benchmark.params.recipes import SelectCheckpoint
    from benchmark.results.report.gallery import Gallery

TEMPLATE = Path(__file__).with_name("report.html.j2")
SHEETS = 3
"""Modality sheets in the page: of classes spread over the list."""
PICTURES = {
    "confusion.svg": "Confusion by class",
    "body_parts.svg": "Confusion by body part",
    "calibration.svg": "Reliability: how sure, how right",
    "complementarity.svg": "How the members complement each other",
}
TITLES = {"val": "Validation", "oof": "Out of fold", "test": "Test"}


class Answers(NamedTuple):
    """The clips of one split, and the classes that each row predicts for them."""

    clips: list[str]
    labels: list[int]
    rows: dict[str, list[int]]
    """Place and name of the row -> predicted class of each clip."""


def answers(scoring: Scoring, truth: GroundTruth) -> Answers:
    """Collect the predicted classes of all rows on the split of `truth`.

    Raises:
        FormatError: A file is missing or breaks its schema.
        MismatchError: A row is of other clips.
    """
    rows = {}
    for entry in read_entries(scoring, truth.split):
        p = truth.joined(entry.probabilities, where=f"row '{entry.name}'")
        rows[f"{entry.index:02d} {entry.name}"] = p.argmax(1).tolist()
    return Answers(list(truth.clip_id), truth.label.tolist(), rows)


def render(
    reports: Path, edition: Edition, params: Params, *, galleries: Sequence[Gallery],
    answers: Mapping[str, Answers], online: OnlineView | None, provenance: Mapping[str, str],
) -> str:  # fmt: skip
    """Render the page.

    Args:
        reports: Folder of all that other stages have written.
        edition: Whose clips the page is about.
        params: Name the experiments and the analyzed system.
        galleries: Clips that play in the page, one gallery per split.
        answers: What every row of the table answers, by split: the page compares any two of them.
        online: Gestures found in whole videos; None where params.yaml asks for none.
        provenance: What made the numbers, such as commit and machine.
    """
    table = _read(reports / "table/table.csv")
    best = chosen(read_rows(reports / "table/table.csv"))
    splits = [
        _split(reports, rows.to_dict("records"), str(split), best)
        # Unsorted: the table lists validation before test.
        for split, rows in table.groupby("split", sort=False)
    ]
    data_report = reports / "data" / edition.name / "data_report.json"
    return render_template(
        TEMPLATE, edition=edition, even=np.log(len(edition.classes)), fusions=_fusions(table),
        system=params.analysis.source, members=", ".join(params.analysis.members),
        splits=splits, galleries=galleries, online=online, provenance=provenance,
        significant=SIGNIFICANT, curves=_curves(reports, params), costs=_costs(reports, params),
        pretraining=_pretraining(reports, params),
        data_report=json.loads(data_report.read_text("utf-8")),
        sheets=_sheets(reports / "modalities", edition, params),
        not_covered=NOT_COVERED, classes=edition.classes,
        answers={split: each._asdict() for split, each in answers.items()},
        several=any(len(each.rows) > 1 for each in answers.values()),
    )  # fmt: skip


def _curves(reports: Path, params: Params) -> str:
    files = {name: reports / "experiments" / name / "history.csv" for name in params.experiments}
    histories = {name: pd.read_csv(file) for name, file in files.items()}
    kept = {
        name: kept_epoch(history, params.recipes[params.experiments[name].recipe].select_checkpoint)
        for name, history in histories.items()
    }
    return svg(curves_figure(histories, kept)) if histories else ""


def _costs(reports: Path, params: Params) -> dict[str, dict[str, Any]]:
    """Read what each experiment cost; one that another version trained tells nothing."""
    names = (*params.pretraining, *params.experiments)
    files = {name: reports / "experiments" / name / "cost.json" for name in names}
    return {name: json.loads(file.read_text("utf-8")) for name, file in files.items()}


def _pretraining(reports: Path, params: Params) -> list[tuple[str, str, str]]:
    """Embed of each pre-training its loss curve and its pictures: name, curve, pictures."""
    shown = []
    for name in params.pretraining:
        folder = reports / "experiments" / name
        files = (folder / "history.png", folder / "reconstructions.png")
        shown.append((name, *map(_file_uri, files)))
    return shown


def kept_epoch(history: pd.DataFrame, select: SelectCheckpoint) -> int:
    """Return the epoch, from 1, whose weights a training keeps."""
    epochs, scores = (history[key].to_numpy(float) for key in ("epoch", f"val/{select.metric}"))
    if select.epoch == "last" or np.isnan(scores).all():
        return int(epochs.max())
    return int(epochs[np.nanargmax(scores)])


def _fusions(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Describe each fused row of the table: its name, rule and weights."""
    fusions = []
    for row in table.dropna(subset="weights").drop_duplicates("name").to_dict("records"):
        pairs = [pair.split("=") for pair in row["weights"].split()]
        weights = ", ".join(f"{member} {float(weight):.3f}" for member, weight in pairs)
        fusions.append((str(row["name"]), f"{row['rule']} weights: {weights}"))
    return fusions


def _split(
    reports: Path, rows: list[dict[Any, Any]], split: str, best: str | None
) -> dict[str, Any]:
    folder = reports / "analysis" / split
    classes = folder / "classes.csv"
    pictures = [
        (title, (folder / name).read_text("utf-8"))
        for name, title in PICTURES.items() if (folder / name).is_file()
    ]  # fmt: skip
    return {
        "name": split,
        "title": TITLES[split],
        "clips": rows[0]["n"],
        "videos": rows[0]["num_videos"],
        "majority_baseline": rows[0]["majority_baseline"],
        # One system on all cards: the best of each split would report the luck of the choice.
        "best": next((row for row in rows if row["name"] == best), rows[0]),
        "rows": [_row(row, {other["best_single"] for other in rows}) for row in rows],
        "picture": (reports / "table/pictures" / f"{split}.svg").read_text("utf-8"),
        "pictures": pictures,
        # Of the splits that the analysis looks at; the table may have one more.
        "classes": _read(classes).to_dict("records") if classes.is_file() else [],
    }  # fmt: skip


def _read(file: Path) -> pd.DataFrame:
    # A class or a row may be called None, null or NA, which pandas takes for empty cells.
    return pd.read_csv(file, keep_default_na=False, na_values=[""])


def _row(row: dict[str, Any], best: set[Any]) -> dict[str, Any]:
    """Add to a line of table.csv what its comparison with the best single stream says.

    `best` names the rows that others are compared with.
    """
    word, points = "", None
    # pandas reads an empty cell as NaN: such a row is the best single stream itself.
    if isinstance(row["best_single"], str):
        points = row["best_single_difference"]
        # One video gives no interval: NaN as well.
        low, high = row["best_single_low"], row["best_single_high"]
        bounds = None if np.isnan(low) else Interval(low=low, high=high)
        word = verdict(points, bounds, row["best_single_holm"])
    return {**row, "verdict": word, "points": points, "best": row["name"] in best}


def provenance(params: Params, file: Path, folder: Path) -> dict[str, str]:
    """Tell what made the numbers: code, machine, params and the hashes of the probabilities.

    `file` is that of `params`, `folder` that of all probabilities.
    """
    edition = read_edition(params.analysis.edition)
    tags = origin(Path.cwd())
    dirty = " with changes" if tags["git.dirty"] == "true" else ""
    folders = [params.folder_of(name) for name in (*params.streams, *params.every_fusion)]
    return {
        "edition": f"{edition.name}, version {edition.version}; {edition.source}",
        "commit": tags["git.commit"] + dirty,
        "machine": f"{platform.system()} {platform.machine()}, Python {tags['python']}",
        "packages": ", ".join(f"{name} {tags[f'version.{name}']}" for name in PACKAGES),
        "params.yaml": f"SHA-256 {sha256(file)}, preset {params.preset}, seed {params.seed}",
        **{
            f"predictions/{name}/val.parquet": f"SHA-256 {sha256(folder / name / 'val.parquet')}"
            for name in folders if (folder / name / "val.parquet").is_file()
        },
    }  # fmt: skip


def _sheets(folder: Path, edition: Edition, params: Params) -> list[tuple[str, str]]:
    """Embed some sheets of modalities, each with the class that it shows."""
    # Several entries of `previews` may be of this edition; the page shows the first one's sheets.
    keys = [key for key, spec in params.previews.items() if spec.edition == edition.name]
    if not keys:
        return []
    # A sheet is named after the index of its class; a file may be missing where no clip has it.
    files = sorted((folder / keys[0]).glob("[0-9]*.png"))
    places = np.unique(np.linspace(0, len(files) - 1, min(SHEETS, len(files))).round().astype(int))
    return [(edition.classes[int(files[k].stem)], _file_uri(files[k])) for k in places]


def _file_uri(path: Path) -> str:
    return data_uri("image/png", path.read_bytes())


class Entry(NamedTuple):
    """One entry of section `online` on the last split whose labels are known."""

    name: str
    split: str
    classes: list[tuple[str, ClassScores]]
    """Name and scores of each class that is labeled or found."""
    video: str
    """The one in the timeline."""
    timeline: str
    """SVG."""


class OnlineView(NamedTuple):
    """What the section shows."""

    rows: list[OnlineRow]
    overlaps: str
    """SVG: average precision over overlaps."""
    entries: list[Entry]


def online_view(
    each: Sequence[Found], resampling: Resampling, fps: Mapping[str, float]
) -> OnlineView | None:
    """Score and draw what was found, in videos of `fps`; None where there is no entry."""
    if not each:
        return None
    rows = online_rows(each, resampling)
    curves = {f"{row.name}, {row.split}": row.scores.ap_at for row in rows}
    last = [one for one in each if one.split == each[-1].split]
    return OnlineView(rows, svg(overlaps_figure(curves)), [_entry(one, fps) for one in last])


def _entry(one: Found, fps: Mapping[str, float]) -> Entry:
    found = one.found.on(one.truth.videos)
    classes = [(found.classes[k.label], k) for k in class_scores(one.truth, found)]
    video = typical_video(one)
    picture = svg(timeline_figure(one.truth, found.sure(), video, fps[video]))
    return Entry(one.name, one.split, classes, video, picture)


def typical_video(one: Found) -> str:
    """Return the video whose strict F1 is the median: neither the best nor the worst picture."""
    found = one.found.on(one.truth.videos).sure()
    scores = f1(match_counts(one.truth, found, "strict"), "strict")
    return one.truth.videos[np.argsort(scores, kind="stable")[(len(scores) - 1) // 2]]
