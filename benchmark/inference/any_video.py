"""Recognize gestures in any video file with the zoo, or an experiment or fusion of a project.

system = open_system("convex")    # or open_zoo()
recognized = recognize(system, Path("talk.mp4"))
print(recognized[0].top(3))
"""

from __future__ import annotations

import json
import tempfile
from contextlib import chdir, contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from benchmark.archives.keypoints import check_points
from benchmark.contracts.skeletons import OPENPOSE36, Layout, read_layout
from benchmark.core.errors import (
    ArchiveError,
    BenchmarkError,
    ManyFaults,
    MismatchError,
    ParamsError,
)
from benchmark.core.foreign_file import load_array, what_is
from benchmark.core.half_precision import SUFFIX, ZOO, ZOO_NAME, read_half
from benchmark.core.video import probe, timeline
from benchmark.data.manifest import FILE, FORMAT
from benchmark.editions.edition import Edition, read_edition
from benchmark.inference.predict import Trained, predict_with
from benchmark.inference.val_score import ValScore, oof_score, val_score_of
from benchmark.inference.video_archive import VideoArchive, needs_points, video_archive
from benchmark.modalities.depth.depth import DepthModality, FixedScale
from benchmark.modalities.one_file import Span
from benchmark.params.checks import check_system
from benchmark.params.params import Params, read_params
from benchmark.params.recipes import Recipe
from benchmark.tracking.store import find_root
from benchmark.weights.cards import read_card
from benchmark.weights.model_folder import ModelMetadata, read_metadata, read_weights
from submission.fusion.blend import Blend, apply_temperature
from submission.fusion.fitted import read_fitted
from submission.fusion.fuse import blended
from submission.fusion.rules.rule import uniform_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from benchmark.contracts.predictions import Probabilities
    from benchmark.core.video import Timeline
    from benchmark.modalities.union import Modality


ZOO_SYSTEM = ZOO / "system.json"
"""The fitted fusion of the zoo's networks."""


class Network(NamedTuple):
    """A trained network."""

    metadata: ModelMetadata
    weights: Callable[[], dict[str, Tensor]]
    """Reads its tensors, once."""


class Member(NamedTuple):
    """A stream: one network, or one per fold."""

    networks: tuple[Network, ...]
    prepared: Path
    """Folder of the data that it has learned from; it need not exist."""
    recipe: Recipe
    mean: Literal["arithmetic", "geometric"] = "arithmetic"
    """Of the probabilities of its networks."""

    @property
    def metadata(self) -> ModelMetadata:
        """That of the first network; all read the same modality."""
        return self.networks[0].metadata


@dataclass(frozen=True)
class System:
    """A trained experiment or fusion, ready for videos."""

    name: str
    root: Path
    """Folder that paths in params are relative to: the project's."""
    edition: Edition
    members: dict[str, Member]
    """A single stream is its only member."""
    blend: Blend
    """Fuses the members, sorted by name."""
    val_score: ValScore | None
    """None where the members' validation probabilities are missing."""

    @property
    def layout(self) -> Layout | None:
        """The points that the members know; None if none of them needs points."""
        for member in self.members.values():
            modality = member.metadata.modality
            if needs_points(modality):
                if getattr(modality, "layout", "openpose36") != "own":
                    return OPENPOSE36
                return read_layout(modality.keypoints_folder(member.prepared))
        return None

    @property
    def with_points(self) -> list[str]:
        """The members that need a skeleton."""
        return [n for n, member in self.members.items() if needs_points(member.metadata.modality)]

    def without_points(self) -> System:
        """Return the members that need no skeleton, with their weights in the same ratios.

        Raises:
            ParamsError: Every member needs a skeleton, or those that do not have no weight.
        """
        names = sorted(self.members)
        kept = [row for row, name in enumerate(names) if name not in self.with_points]
        weights = self.blend.weights[kept]
        if not weights.any():
            raise ParamsError(
                self.name, "every member that has a weight needs a skeleton",
                do="Give --skeleton or MediaPipe's --pose: docs/skeletons-from-video.md",
            )  # fmt: skip
        before = None if self.blend.before is None else self.blend.before[kept]
        # A regression has coefficients for all members together: without some of them, only the
        # weighted mean is left.
        blend = replace(
            self.blend, weights=weights / weights.sum(), before=before, stack=None, rerank=None
        )
        members = {names[row]: self.members[names[row]] for row in kept}
        val_score = val_score_of(self.root, self.edition, list(members), blend)
        return replace(self, members=members, blend=blend, val_score=val_score)


class Recognized(NamedTuple):
    """Class probabilities of one window of a video."""

    span: Span
    """Frames, half-open."""
    start_s: float
    end_s: float
    p: NDArray[np.float64]
    """Probability of each class: float64 (K,), summing to 1."""
    classes: tuple[str, ...]

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the most probable classes with their probabilities, best first."""
        order = np.argsort(-self.p, kind="stable")[:count]
        return [(self.classes[index], float(self.p[index])) for index in order]


def open_system(name: str, root: Path | None = None) -> System:
    """Open an experiment or fusion of the project in `root`, or in the working folder's project.

    Raises:
        ParamsError: No experiment or fusion has that name, or its model is missing.
        FormatError: A file of it is missing or damaged.
        MismatchError: Its weights were fitted for other members.
    """
    root = (root or find_root()).resolve()
    params = read_params(root / "params.yaml")
    check_system(name, params)
    if name in params.every_fusion:
        members = params.every_fusion[name].members
        blend = _fitted_blend(root, params, name)
    else:
        members, blend = (name,), Blend(np.ones(1))
    opened = {
        member: _member(root, params, member, folds=name in params.oof_fusions)
        for member in members
    }
    edition = read_edition(opened[members[0]].metadata.edition, root)
    if name in params.oof_fusions:
        val_score = oof_score(root, edition, name)
    else:
        val_score = val_score_of(root, edition, members, blend)
    return System(name, root, edition, opened, blend, val_score)


def open_zoo() -> System:
    """Open the fusion of the networks that ship with the package, trained on generated people.

    Raises:
        ParamsError: A card, or the fusion, breaks its schema.
    """
    fitted, members = read_fitted(ZOO_SYSTEM), {}
    for name in fitted.weights:
        card = read_card(name)
        weights = cache(partial(read_half, ZOO / f"{name}{SUFFIX}", card.sha256))
        recipe = Recipe.model_validate(card.recipe, strict=False)
        members[name] = Member((Network(card.model, weights),), Path("none"), recipe)
    edition = read_edition(fitted.edition)
    return System(ZOO_NAME, Path.cwd(), edition, members, fitted.blend(), None)


def _fitted_blend(root: Path, params: Params, name: str) -> Blend:
    members = params.every_fusion[name].members
    file = f"predictions/{params.folder_of(name)}/weights.json"
    fitted = read_fitted(root / file)
    if sorted(members) != sorted(fitted.weights):
        raise MismatchError(
            file, "fitted for other members than params.yaml names",
            expected=", ".join(sorted(members)), found=", ".join(sorted(fitted.weights)),
            do=f"Run 'dvc repro {'fuse' if name in params.fusions else 'fuse_oof'}@{name}'",
        )  # fmt: skip
    return fitted.blend()


def _member(root: Path, params: Params, name: str, *, folds: bool) -> Member:
    experiment = params.experiments[name]
    spec = params.folds[experiment.edition] if folds else None
    models = [f"{name}-fold{k}" for k in range(spec.number)] if spec else [name]
    networks = []
    for model in models:
        folder, stage = root / "models" / model, "train_fold" if folds else "train"
        if not folder.is_dir():
            do = f"Run 'dvc repro {stage}@{model}', or 'dvc pull models/{model}'"
            raise ParamsError(folder, "no such model", do=do)
        networks.append(Network(read_metadata(folder), cache(partial(read_weights, folder))))
    prepared = root / "data" / experiment.edition / experiment.modality
    recipe = params.recipes[experiment.recipe]
    return Member(tuple(networks), prepared, recipe, spec.mean if spec else "arithmetic")


def sliding_windows(times: Timeline, whole: Span, length: float, step: float) -> list[Span]:
    """Return windows of `length` seconds, `step` seconds apart, each of at least one frame.

    Args:
        times: When each frame of the video is on the screen.
        whole: The part of the video; the last window ends with it.
        length: Seconds of a window; that of a part that is shorter is the whole part.
        step: Seconds from the start of a window to that of the next.
    """
    first, last = (float(times.edges[edge]) for edge in whole)
    if length >= last - first:
        return [whole]
    starts = np.append(np.arange(first, last - length, step), last - length)
    spans = []
    for start in starts.tolist():
        begin = min(times.nearest(start), whole.end - 1)
        spans.append(Span(begin, max(begin + 1, times.nearest(start + length))))
    # While one frame stands still, several windows are the same.
    return list(dict.fromkeys(spans))


def recognize(
    system: System, video: Path, windows: Sequence[Span] | None = None,
    points: NDArray[np.float32] | None = None,
) -> list[Recognized]:  # fmt: skip
    """Compute class probabilities of each window of a video.

    Args:
        system: From `open_system`.
        video: A video file.
        windows: Spans of frames; the whole video if None.
        points: A skeleton as float32 (T, J, 3) of x px, y px, confidence, with one row per frame of
            the video; J points as the networks know them, or OpenPose's 137. Without it the members
            that need a skeleton are left out.

    Raises:
        ArchiveError: The video is damaged, or the points do not fit.
        ParamsError: Every member needs points, and there are none.
    """
    if points is None and system.with_points:
        system = system.without_points()
    info, edges = probe(video), timeline(video).edges.tolist()
    if points is not None:
        check_points(points, info[:2], where="points")
    spans = list(windows or [Span(0, info.frames)])
    # The code of the stages indexes, prepares and predicts the windows, so that they get the
    # probabilities that `dvc repro` would give to clips of these frames.
    with tempfile.TemporaryDirectory(prefix="mgbench-") as name, named(video, Path(name)):
        work = Path(name)
        (work / "raw").mkdir()
        archive = video_archive(
            work / "raw", video, spans, system.edition, points=points, layout=system.layout
        )
        # Modalities name the weights of extractors (depth, flow) by paths relative to the project.
        with chdir(system.root):
            p = _predict_windows(system, archive, work)
    if system.val_score is not None:
        p = apply_temperature(p, system.val_score.temperature)
    return [
        Recognized(span, edges[span.start], edges[span.end], row, system.edition.classes)
        for span, row in zip(spans, p, strict=True)
    ]


@contextmanager
def named(video: Path, work: Path) -> Iterator[None]:
    """Let errors of the archive in `work`, which the user never sees, name the video."""
    try:
        yield
    except BenchmarkError as error:
        for path in (work / "raw").iterdir():
            error.rename(str(path), str(video) if path.is_symlink() else path.name)
        if isinstance(error, ManyFaults):
            # Without the advice about params.yaml: the video has no entry there.
            lines = [line.removeprefix(f"{video}: ") for line in error.lines]
            raise ArchiveError(video, "; ".join(lines)) from None
        raise


def _predict_windows(system: System, archive: VideoArchive, work: Path) -> NDArray[np.float64]:
    """Compute the fused probabilities of each window: float64 (W, K)."""
    # Members with the same modality share one folder of prepared data.
    folders: dict[str, Path] = {}
    predictions: list[Probabilities] = []
    for name, member in system.members.items():
        spec = with_levels(member.metadata.modality, member.prepared)
        key = spec.model_dump_json()
        if key not in folders:
            folders[key] = archive.modality(spec, work / f"modality{len(folders)}")
        found = [
            predict_with(
                Trained(one.metadata, one.weights()), folders[key], archive.clips, "test",
                member.recipe,
            )
            for one in member.networks
        ]  # fmt: skip
        if len(found) > 1:
            even = Blend(uniform_weights(len(found)), geometric=member.mean == "geometric")
            each = [replace(one, source=str(place)) for place, one in enumerate(found)]
            found = [blended(each, even, source=name)]
        predictions.append(replace(found[0], source=name))
    ids = archive.clips.split("test").ids
    fused = blended(predictions, system.blend, source=system.name)
    return fused.aligned(ids).p.astype(np.float64)


def with_levels(spec: Modality, prepared: Path) -> Modality:
    """Give depth whose scale was found in the training clips the levels of the `prepared` data.

    Raises:
        FormatError: They are needed, and the manifest of the prepared data is missing.
    """
    if not isinstance(spec, DepthModality) or isinstance(spec.scale, FixedScale):
        return spec
    _, told = FORMAT.read(prepared / FILE, do="Its depth scale is needed: run 'dvc repro prepare'")
    levels = FixedScale(kind="fixed", **json.loads(told["spec"])["levels"])
    return spec.model_copy(update={"scale": levels})


def read_points(path: Path) -> NDArray[np.float32]:
    """Read a skeleton from .npy, float32 (T, J, 3), or OpenPose's sheet (.xlsx) or folder of JSON.

    Raises:
        ArchiveError: The file has neither format, or is damaged.
    """
    if path.is_dir() or path.suffix.lower() == ".xlsx":
        from benchmark.archives.openpose import read_openpose

        return read_openpose(path)
    try:
        points = load_array(path)
    except (ValueError, OSError):
        points = None
    if not isinstance(points, np.ndarray) or points.dtype.kind not in "fiu":
        expected = ".npy of numbers, or OpenPose's .xlsx or folder of JSON"
        raise ArchiveError(path, "not a skeleton", expected=expected, found=what_is(path))
    if points.ndim != 3 or points.shape[2] != 3:
        raise ArchiveError(
            path, "not a skeleton", expected="(frames, points, 3)", found=str(points.shape)
        )
    return points.astype(np.float32)
