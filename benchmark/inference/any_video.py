"""Gestures in any video file, by a trained experiment or fusion of this project.

system = open_system("convex")
found = recognize(system, Path("talk.mp4"))
print(found[0].top(3))
"""

from __future__ import annotations

import tempfile
from contextlib import chdir
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zipfile import BadZipFile

import numpy as np

from benchmark.contracts.clips import read_clips
from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.contracts.skeletons import OPENPOSE36, Layout, read_layout
from benchmark.core.errors import ArchiveError, MismatchError, ParamsError
from benchmark.core.video import probe
from benchmark.editions.edition import Edition, read_edition
from benchmark.inference.predict import predict
from benchmark.inference.video_archive import VideoArchive, video_archive
from benchmark.modalities.one_file import Span
from benchmark.modalities.person_crop import PersonCropModality
from benchmark.modalities.skeleton import SkeletonModality
from benchmark.params.params import Params, read_params
from benchmark.tracking.store import find_root
from benchmark.weights.model_folder import ModelMetadata, read_metadata
from submission.fusion.blend import Blend, apply_temperature
from submission.fusion.fitted import read_fitted
from submission.fusion.fuse import blended
from submission.fusion.temperature import fit_temperature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Worth(NamedTuple):
    """What a system is worth on validation."""

    temperature: float
    """With it, probabilities are shares of right answers."""
    top1: float
    """Share of clips that it answers right; a fusion is fitted on the same clips."""


@dataclass(frozen=True)
class System:
    """A trained experiment or fusion, ready for videos."""

    name: str
    root: Path
    """The project."""
    params: Params
    edition: Edition
    metadata: dict[str, ModelMetadata]
    """Member -> its metadata; one member for a single stream."""
    blend: Blend
    """Takes the members in the order of their names."""
    worth: Worth | None
    """None where the members' probabilities of validation are not there."""

    @property
    def layout(self) -> Layout | None:
        """The points that its members know; None where they need none."""
        for name, metadata in self.metadata.items():
            if needs_points(metadata):
                modality = self.params.experiments[name].modality
                folder = self.root / "data" / metadata.edition / modality
                own = getattr(metadata.modality, "layout", "openpose36") == "own"
                keypoints = metadata.modality.keypoints_folder(folder)
                return read_layout(keypoints) if own else OPENPOSE36
        return None

    def without_points(self) -> System:
        """The members that need no skeleton, their weights in the same ratios.

        Raises:
            ParamsError: Every member needs one, or those that do not have no weight.
        """
        names = sorted(self.metadata)
        kept = [row for row, name in enumerate(names) if not needs_points(self.metadata[name])]
        weights = self.blend.weights[kept]
        if not weights.any():
            raise ParamsError(
                self.name, "every member that has a weight needs a skeleton",
                do="Give --skeleton or MediaPipe's --pose: docs/skeletons-from-video.md",
            )  # fmt: skip
        before = None if self.blend.before is None else self.blend.before[kept]
        blend = replace(self.blend, weights=weights / weights.sum(), before=before, stack=None)
        metadata = {names[row]: self.metadata[names[row]] for row in kept}
        worth = _worth(self.root, self.edition, list(metadata), blend)
        return replace(self, metadata=metadata, blend=blend, worth=worth)


class Recognized(NamedTuple):
    """What is seen in one window of a video."""

    span: Span
    """Frames, half-open."""
    start_s: float
    end_s: float
    p: NDArray[np.float64]
    """Probability of each class: float64 (K,), summing to 1."""
    classes: tuple[str, ...]

    def top(self, count: int) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities, best first."""
        order = np.argsort(-self.p, kind="stable")[:count]
        return [(self.classes[index], float(self.p[index])) for index in order]


def needs_points(metadata: ModelMetadata) -> bool:
    """Whether a network looks at a given skeleton, or at the square around it."""
    return isinstance(metadata.modality, SkeletonModality | PersonCropModality)


def open_system(name: str, root: Path | None = None) -> System:
    """The experiment or fusion called `name` of the project at `root` (or around here).

    Raises:
        ParamsError: There is none of that name, or its model is not there.
        FormatError: A file of it is missing or damaged.
        MismatchError: Its weights were fitted for other members.
    """
    root = (root or find_root()).resolve()
    params = read_params(root / "params.yaml")
    if name in params.fusions:
        members = params.fusions[name].members
        file = f"predictions/{params.folder_of(name)}/weights.json"
        fitted = read_fitted(root / file)
        if sorted(members) != sorted(fitted.weights):
            raise MismatchError(
                file, "of other members than params.yaml names",
                expected=", ".join(sorted(members)), found=", ".join(sorted(fitted.weights)),
                do=f"Run 'dvc repro fuse@{name}'",
            )  # fmt: skip
        blend = fitted.blend()
    elif name in params.experiments:
        members, blend = (name,), Blend(np.ones(1))
    else:
        known = ", ".join([*params.fusions, *params.experiments])
        raise ParamsError("--with", f"no fusion or experiment '{name}'", expected=f"one of {known}")
    metadata = {member: _card(root, member) for member in members}
    edition = read_edition(next(iter(metadata.values())).edition)
    worth = _worth(root, edition, members, blend)
    return System(name, root, params, edition, metadata, blend, worth)


def _card(root: Path, member: str) -> ModelMetadata:
    folder = root / "models" / member
    if not folder.is_dir():
        do = f"Run 'dvc repro train@{member}', or 'dvc pull models/{member}'"
        raise ParamsError(folder, "no such model", do=do)
    return read_metadata(folder)


def _worth(root: Path, edition: Edition, members: Sequence[str], blend: Blend) -> Worth | None:
    """With the temperature of least log-loss."""
    files = [root / "predictions/experiments" / name / "val.parquet" for name in members]
    index = root / "data" / edition.name / "clips.parquet"
    if not index.is_file() or not all(file.is_file() for file in files):
        return None
    clips = read_clips(index, edition).split("val")
    val = [replace(read_probabilities(file), source=name)
           for name, file in zip(members, files, strict=True)]  # fmt: skip
    p = blended(val, blend, source="val").aligned(clips.ids).p.astype(np.float64)
    right = float((p.argmax(1) == clips.labels()).mean())
    return Worth(fit_temperature(p, clips.labels()), right)


def sliding(frames: int, length: int, step: int) -> list[Span]:
    """Windows of `length` frames, `step` apart; the last one ends with the video."""
    if length >= frames:
        return [Span(0, frames)]
    starts = [*range(0, frames - length, step), frames - length]
    return [Span(start, start + length) for start in starts]


def recognize(
    system: System, video: Path, windows: Sequence[Span] | None = None,
    points: NDArray[np.float32] | None = None,
) -> list[Recognized]:  # fmt: skip
    """What `system` sees in each window of `video`, or in the whole of it.

    `points` are the skeleton: float32 (T, J, 3) of x px, y px, confidence, a row for each frame of
    the video; J is that of the networks, or OpenPose's 137. Without it, members that need one are
    left out.

    Raises:
        ArchiveError: The video is damaged, or the points do not fit.
        ParamsError: Every member needs points, and there are none.
    """
    if points is None and any(map(needs_points, system.metadata.values())):
        system = system.without_points()
    info = probe(video)
    spans = list(windows or [Span(0, info.frames)])
    with tempfile.TemporaryDirectory(prefix="mgbench-") as name:
        work = Path(name)
        (work / "raw").mkdir()
        archive = video_archive(work / "raw", video, spans, system.edition, points, system.layout)
        # Networks that make modality, such as depth, are named by their place in the project.
        with chdir(system.root):
            p = _fused(system, archive, work)
    if system.worth is not None:
        p = apply_temperature(p, system.worth.temperature)
    return [
        Recognized(span, span.start / info.fps, span.end / info.fps, row, system.edition.classes)
        for span, row in zip(spans, p, strict=True)
    ]


def _fused(system: System, archive: VideoArchive, work: Path) -> NDArray[np.float64]:
    """Probabilities of each window: float64 (W, K)."""
    made: dict[str, Path] = {}
    found: list[Probabilities] = []
    for name, metadata in system.metadata.items():
        key = metadata.modality.model_dump_json()
        if key not in made:
            made[key] = archive.modality(metadata.modality, work / f"modality{len(made)}")
        recipe = system.params.recipes[system.params.experiments[name].recipe]
        one = predict(system.root / "models" / name, made[key], archive.clips, "test", recipe)
        found.append(replace(one, source=name))
    ids = archive.clips.split("test").ids
    return blended(found, system.blend, source=system.name).aligned(ids).p.astype(np.float64)


def read_points(path: Path) -> NDArray[np.float32]:
    """A skeleton: .npy float32 (T, J, 3), or a sheet of OpenPose (.xlsx).

    Raises:
        ArchiveError: The file is of neither form, or damaged.
    """
    if path.suffix.lower() == ".xlsx":
        from benchmark.archives.openpose import read_openpose

        return read_openpose(path)
    try:
        points = np.load(path, allow_pickle=False)
    except (ValueError, EOFError, OSError, BadZipFile):
        points = None
    if not isinstance(points, np.ndarray) or points.dtype.kind not in "fiu":
        expected = ".npy of numbers, or OpenPose's .xlsx"
        raise ArchiveError(path, "not a skeleton", expected=expected)
    if points.ndim != 3 or points.shape[2] != 3:
        raise ArchiveError(
            path, "not a skeleton", expected="(frames, points, 3)", found=str(points.shape)
        )
    return points.astype(np.float32)
