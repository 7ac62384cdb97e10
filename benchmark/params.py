"""The twin of params.yaml: every knob, typed. No default lives in Python."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from benchmark.backbone_params import Backbone, RgbPoseConv3d
from benchmark.datasets.mimic.spec import ActionsSpec, MimicSpec
from benchmark.editions import edition_names, read_edition
from benchmark.fusion_params import Fixed, FusionRule, Temperature
from benchmark.input_params import Input, RgbPoseInput, SkeletonInput
from benchmark.media_params import (
    DepthMedia,
    FlowMedia,
    Media,
    PersonMedia,
    PoseMedia,
    RgbMedia,
    SkeletonMedia,
    TaylorMedia,
    TinyBackend,
)
from benchmark.recipe_params import Recipe
from benchmark.schema import Positive, Strict, read_yaml
from benchmark.tiny_depth_spec import TinyDepthSpec
from benchmark.weights import WeightsFile

if TYPE_CHECKING:
    from pathlib import Path

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]

# ---------------------------------------------------------------- editions: stage index


class EditionUse(Strict):
    """How the archive of an edition is taken."""

    left_out: tuple[str, ...]
    """Damaged videos that one goes on without, by name. Their clips are in no training and no
    score, and a submission answers them with the most frequent class."""


# ---------------------------------------------------------------- experiments


class Experiment(Strict):
    """One training: what goes in, which network, how it is trained."""

    edition: str
    media: Name
    """The entry of `media` that it reads."""
    input: Input
    backbone: Backbone
    start: Name
    """Whose weights it starts from: `scratch`, or an experiment, a merge or published ones."""
    recipe: Name


class Merge(Strict):
    """Two experiments as the two pathways of one network, to start from."""

    rgb: Name
    pose: Name


class Published(Strict):
    """A file of weights that the user brings, to start from (docs/weights.md)."""

    layout: Literal["mmaction", "swin_2d", "swin_3d"]
    """How its tensors are named: mmaction2 and PYSKL, a 2-D Swin, torchvision's Video Swin."""
    file: WeightsFile


# ---------------------------------------------------------------- fusion, table, submission


class Fusion(Strict):
    """Several members made one."""

    edition: str
    members: tuple[Name, ...] = Field(min_length=2)
    rule: FusionRule
    temperature: Temperature


class TableRow(Strict):
    """One row of the results table."""

    name: str
    source: Name | None = None
    """The experiment or fusion that the row scores."""
    members: tuple[Name, ...] | None = None
    """In its place: experiments that the row fuses with equal weights."""
    published: float | None = None
    """Top-1 in per cent that the paper reports for this step, where its data are the row's."""

    @model_validator(mode="after")
    def _one_of_both(self) -> TableRow:
        if (self.source is None) == (self.members is None):
            raise ValueError(f"row '{self.name}' needs either source or members")
        return self


class Table(Strict):
    """The results table: rows in the order of the page."""

    edition: str
    rows: tuple[TableRow, ...] = Field(min_length=1)
    resamples: Positive
    """Bootstrap resamples of videos for the 95 % intervals."""


class Sheets(Strict):
    """Pictures of clips in several modalities side by side."""

    edition: str
    skeleton: Name | None
    """The entry of media whose joint and limb maps are shown; null for none."""
    videos: tuple[Name, ...]
    """Entries of media or estimates, from top to bottom."""
    moments: Positive
    """Frames shown of each clip."""


class Submission(Strict):
    """One file for the leaderboard."""

    edition: str
    source: Name


class Params(Strict):
    """The whole of params.yaml."""

    profile: Literal["default", "paper"]
    """Which of the two complete sets of knobs this one comes from."""
    seed: int
    mimic: MimicSpec
    mimic_ma52: ActionsSpec
    editions: dict[str, EditionUse]
    """The editions that stage `index` reads."""
    tiny_depth: TinyDepthSpec
    media: dict[Name, Media]
    estimates: dict[Name, DepthMedia]
    """More media: those that the network of stage `tiny_depth` makes."""
    sheets: dict[Name, Sheets]
    recipes: dict[Name, Recipe]
    experiments: dict[Name, Experiment]
    merges: dict[Name, Merge]
    published: dict[Name, Published]
    fusions: dict[Name, Fusion]
    table: Table
    submissions: dict[Name, Submission]

    @property
    def all_media(self) -> dict[Name, Media]:
        """Media of the archives and estimated ones."""
        return {**self.media, **self.estimates}

    @model_validator(mode="after")
    def _names_exist(self) -> Params:
        """Every name used somewhere is defined somewhere; all faults in one message."""
        sources = {**self.experiments, **self.fusions}
        checks = (_unknown_editions, _media_faults, _experiment_faults, _start_faults)
        faults = [fault for check in checks for fault in check(self)]
        for key, fusion in self.fusions.items():
            if key in self.experiments:
                faults.append(f"fusions.{key}: an experiment has the same name")
            for member in fusion.members:
                if member not in self.experiments:
                    faults.append(f"fusions.{key}.members: no experiment '{member}'")
            if isinstance(fusion.rule, Fixed) and set(fusion.rule.weights) != set(fusion.members):
                faults.append(f"fusions.{key}.rule.weights: must name exactly the members")
        users = [
            (f"table row '{row.name}'", name)
            for row in self.table.rows
            for name in (row.members or (row.source,))
            if name is not None
        ]
        users += [(f"submissions.{key}", entry.source) for key, entry in self.submissions.items()]
        faults += [
            f"{user}: no '{name}' in experiments or fusions"
            for user, name in users
            if name not in sources
        ]
        edition = self.table.edition
        if edition in edition_names() and not read_edition(edition).comparable:
            faults += [
                f"table row '{row.name}': published numbers are not of edition '{edition}'"
                for row in self.table.rows
                if row.published is not None
            ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _reads(spec: Input, media: Media) -> bool:
    """Whether an input is of the kind of its media."""
    if isinstance(spec, SkeletonInput):
        return isinstance(media, SkeletonMedia | PoseMedia)
    if isinstance(spec, RgbPoseInput):
        return isinstance(media, PersonMedia)
    return spec.modality == media.kind


def _media_faults(params: Params) -> list[str]:
    """Each entry belongs where the stage that makes it looks for it."""
    faults = [
        f"estimates.{key}: media has an entry of the same name"
        for key in params.estimates
        if key in params.media
    ]
    for section in ("media", "estimates"):
        for key, spec in getattr(params, section).items():
            ours = isinstance(spec, DepthMedia) and isinstance(spec.backend, TinyBackend)
            if ours != (section == "estimates"):
                right = "estimates" if ours else "media"
                faults.append(f"{section}.{key}.backend: belongs into section {right}")
    for key, sheets in params.sheets.items():
        known = params.all_media
        for kinds, names in (
            ((SkeletonMedia, PoseMedia), [sheets.skeleton] if sheets.skeleton else []),
            ((RgbMedia, TaylorMedia, FlowMedia, DepthMedia), sheets.videos),
        ):
            faults += [
                f"sheets.{key}: '{name}' is no such media of edition '{sheets.edition}'"
                for name in names
                if not isinstance(known.get(name), kinds) or known[name].edition != sheets.edition
            ]
    return faults


def _experiment_faults(params: Params) -> list[str]:
    """Names that an experiment uses and nobody defines, and media that its input cannot read."""
    faults = []
    for key, experiment in params.experiments.items():
        media = params.all_media.get(experiment.media)
        if media is None:
            faults.append(
                f"experiments.{key}.media: no entry '{experiment.media}' in media or estimates"
            )
        elif not _reads(experiment.input, media):
            faults.append(f"experiments.{key}.media: its input cannot read kind '{media.kind}'")
        elif media.edition != experiment.edition:
            faults.append(f"experiments.{key}.media: belongs to edition '{media.edition}'")
        if experiment.recipe not in params.recipes:
            faults.append(f"experiments.{key}.recipe: no recipe '{experiment.recipe}'")
        faults += [f"experiments.{key}.{fault}" for fault in _pathway_faults(experiment)]
    return faults


def _pathway_faults(experiment: Experiment) -> list[str]:
    """Two inputs go with two pathways, and their frames with the ratio between them."""
    spec, backbone = experiment.input, experiment.backbone
    if isinstance(spec, RgbPoseInput) != isinstance(backbone, RgbPoseConv3d):
        return [f"backbone: kind '{backbone.kind}' cannot take input '{spec.kind}'"]
    if not isinstance(spec, RgbPoseInput) or not isinstance(backbone, RgbPoseConv3d):
        return []
    if spec.pose_frames != spec.rgb_frames * backbone.speed_ratio:
        return [
            f"input.pose_frames: must be rgb_frames * backbone.speed_ratio "
            f"({spec.rgb_frames * backbone.speed_ratio})"
        ]
    return []


def _start_faults(params: Params) -> list[str]:
    """Starts that nobody makes, names made twice, and experiments that start from each other."""
    made = ["scratch", *params.experiments, *params.merges, *params.published]
    faults = [f"'{name}' is made twice: experiments, merges and published share their names"
              for name in sorted({name for name in made if made.count(name) > 1})]  # fmt: skip
    before = {key: [experiment.start] for key, experiment in params.experiments.items()}
    for key, merge in params.merges.items():
        before[key] = [merge.rgb, merge.pose]
        faults += [
            f"merges.{key}.{path}: no experiment '{name}'"
            for path, name in (("rgb", merge.rgb), ("pose", merge.pose))
            if name not in params.experiments
        ]
    faults += [
        f"experiments.{key}.start: no '{experiment.start}' in experiments, merges or published"
        for key, experiment in params.experiments.items()
        if experiment.start not in made
    ]
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        faults.append("experiments: start from each other: " + " -> ".join(error.args[1]))
    return faults


def _unknown_editions(params: Params) -> list[str]:
    known = edition_names()
    used = {f"editions.{name}": name for name in params.editions}
    for section in ("media", "estimates", "sheets", "experiments", "fusions", "submissions"):
        entries = getattr(params, section)
        used |= {f"{section}.{key}.edition": entry.edition for key, entry in entries.items()}
    used["table.edition"] = params.table.edition
    return [f"{where}: no edition '{name}'" for where, name in used.items() if name not in known]


def read_params(path: Path) -> Params:
    """Read params.yaml.

    Raises:
        ParamsError: All faults of the file at once, each with its path.
    """
    return read_yaml(path, Params)
