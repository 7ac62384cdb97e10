"""Trained systems, opened to recognize gestures: experiments, fusions, and the zoo."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.contracts.clips import Clips, index_file, read_clips
from benchmark.contracts.folds import oof_labels
from benchmark.contracts.labels import index_labels
from benchmark.contracts.predictions import Probabilities, read_probabilities
from benchmark.contracts.skeletons import OPENPOSE36, Layout, read_layout
from benchmark.core.errors import MismatchError, ParamsError
from benchmark.core.files import find_root
from benchmark.core.half_precision import SUFFIX, ZOO, ZOO_NAME, read_half
from benchmark.core.schema import AboveZero, Share, Strict
from benchmark.data.manifest import FILE, FORMAT
from benchmark.editions.edition import Edition, of_project, read_edition
from benchmark.editions.splits import OOF
from benchmark.modalities.depth.depth import DepthModality, FixedScale
from benchmark.params.checks import check_system
from benchmark.params.params import Params, read_params
from benchmark.params.recipes import Recipe
from benchmark.weights.cards import read_card
from benchmark.weights.model_folder import ModelMetadata, Network
from submission.fusion.blend import Blend
from submission.fusion.fitted import read_fitted
from submission.fusion.fuse import blended
from submission.fusion.temperature import fit_temperature

if TYPE_CHECKING:
    from benchmark.modalities.union import Modality


class ValScore(Strict):
    """How well a system does on the validation clips."""

    temperature: AboveZero
    """The temperature of least log-loss: with it, probabilities are calibrated."""
    top1: Share
    """Top-1 accuracy, in [0, 1]. A fusion is fitted on the same clips, which flatters it."""

    @classmethod
    def of(cls, p: NDArray[np.float64], label: NDArray[np.int64]) -> ValScore:
        top1 = float((p.argmax(1) == label).mean())
        return cls(temperature=fit_temperature(p, label), top1=top1)


def oof_score(root: Path, edition: Edition, name: str) -> ValScore | None:
    """Score a fusion that is fitted out of fold by its nested answers; None without its files.

    Raises:
        MismatchError: They are of other clips than the index.
    """
    file = root / "predictions/fusions" / name / "oof.parquet"
    index = index_file(edition.name, root)
    if not index.is_file() or not file.is_file():
        return None
    return _scored(read_probabilities(file), read_clips(index, edition))


def val_score_of(
    root: Path, edition: Edition, split: Literal["val", "oof"], members: Sequence[str], blend: Blend
) -> ValScore | None:
    """Score a system on validation or out of fold; None where no clip or no probabilities are.

    Args:
        root: Folder of the project.
        edition: Of the clips.
        split: Which probabilities the blend was fitted on.
        members: Experiments.
        blend: Fuses them, sorted by name.

    Raises:
        MismatchError: The probabilities are of other clips than the index.
    """
    folder = root / "predictions" / ("experiments" if split == "val" else "oof")
    files = [folder / name / f"{split}.parquet" for name in members]
    index = index_file(edition.name, root)
    if not index.is_file() or not all(file.is_file() for file in files):
        return None
    clips = read_clips(index, edition)
    if split == "val" and not len(clips.split("val")):
        return None
    # `blended` sorts the members by source, so that must be the name that the weights go by.
    both = [replace(read_probabilities(file), source=name)
            for name, file in zip(members, files, strict=True)]  # fmt: skip
    return _scored(replace(blended(both, blend, source=split), stamp=both[0].stamp), clips)


def _scored(fused: Probabilities, clips: Clips) -> ValScore:
    stamp = fused.stamp
    if fused.split == OOF and stamp is not None:
        truth = oof_labels(clips, stamp.over, stamp.groups)
    else:
        truth = index_labels(clips, "val")
    p = truth.joined(fused, where=fused.source)
    return ValScore.of(p.astype(np.float64), truth.label)


ZOO_SYSTEM = ZOO / "system.json"
"""The fitted fusion of the zoo's networks."""


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
    rescore: Callable[[Sequence[str], Blend], ValScore | None] | None = None
    """Scores some of its members with another blend; None for a system of no project."""

    @property
    def layout(self) -> Layout | None:
        """The points that the members know; None if none of them needs points."""
        for member in self.members.values():
            modality = member.metadata.modality
            if modality.needs_points:
                if getattr(modality, "layout", "openpose36") != "own":
                    return OPENPOSE36
                return read_layout(modality.keypoints_folder(member.prepared))
        return None

    @property
    def with_points(self) -> list[str]:
        """The members that need a skeleton."""
        return [n for n, member in self.members.items() if member.metadata.modality.needs_points]

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
        val_score = self.rescore(list(members), blend) if self.rescore else None
        return replace(self, members=members, blend=blend, val_score=val_score)


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
    with of_project(root):
        edition = read_edition(opened[members[0]].metadata.edition)
    if name in params.oof_fusions:
        rescore = partial(val_score_of, root, edition, "oof")
        val_score = oof_score(root, edition, name)
    else:
        rescore = partial(val_score_of, root, edition, "val")
        val_score = rescore(members, blend)
    return System(name, root, edition, opened, blend, val_score, rescore)


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
        networks.append(Network.read(folder))
    prepared = root / "data" / experiment.edition / experiment.modality
    recipe = params.recipes[experiment.recipe]
    return Member(tuple(networks), prepared, recipe, spec.mean if spec else "arithmetic")


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
