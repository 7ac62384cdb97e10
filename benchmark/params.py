"""The twin of params.yaml: every knob, typed. No default lives in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from benchmark.datasets.mimic.spec import ActionsSpec, MimicSpec
from benchmark.editions import edition_names
from benchmark.media_params import (
    DepthMedia,
    FlowMedia,
    Media,
    PoseMedia,
    RgbMedia,
    SkeletonMedia,
    TaylorMedia,
    TinyBackend,
)
from benchmark.recipe_params import Recipe
from benchmark.schema import Strict, read_yaml
from benchmark.tiny_depth_spec import TinyDepthSpec

if TYPE_CHECKING:
    from pathlib import Path

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Positive: TypeAlias = Annotated[int, Field(gt=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]

# ---------------------------------------------------------------- editions: stage index


class EditionUse(Strict):
    """How the archive of an edition is taken."""

    left_out: tuple[str, ...]
    """Damaged videos that one goes on without, by name. Their clips are in no training and no
    score, and a submission answers them with the most frequent class."""


# ---------------------------------------------------------------- inputs of a network


class SkeletonInput(Strict):
    """Heat-map volumes, made on the device from keypoints."""

    kind: Literal["skeleton"]
    stream: Literal["joint", "limb"]
    """A map of each joint, or of each limb."""
    frames: Positive
    """Frames of one view, sampled uniformly over the clip."""
    size: Positive
    """Height and width of the heat maps in training, after a random crop."""
    test_size: Positive
    """Height and width in test, where the whole person is seen."""
    sigma: Annotated[float, Field(gt=0)]
    """Standard deviation of a joint's Gaussian in heat-map pixels."""
    crop_area: tuple[Share, Share]
    """Range of the random crop's share of the area in training."""
    flip: Share
    """Probability of a left-right flip in training."""
    views: Positive
    """Temporal views in test; each also flipped where `flip_views`."""
    flip_views: bool


class DatasetNorm(Strict):
    """Channels minus `mean`, over `std`, on the scale 0 to 255."""

    kind: Literal["dataset"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class TrainSplitNorm(Strict):
    """As `dataset`, with the media's own numbers over the training clips (media.parquet)."""

    kind: Literal["train_split"]


class StillRemoved(Strict):
    """Each pixel minus its own mean over the view: what does not move is 0.

    With few training clips, clothes and backgrounds are learnt by heart before any movement is.
    """

    kind: Literal["still_removed"]
    scale: Annotated[float, Field(gt=0)]
    """Grey levels that become 1; well above the camera's noise, so that noise stays small."""


class UniformSampling(Strict):
    """One frame of each of as many equal segments: random in training, fixed in test."""

    kind: Literal["uniform"]


class IntervalSampling(Strict):
    """Frames at a fixed distance; past the end the clip starts again."""

    kind: Literal["interval"]
    interval: Positive


class VideoInput(Strict):
    """Frames of a stored video modality."""

    kind: Literal["video"]
    modality: Literal["rgb", "taylor", "flow", "depth"]
    """The kind of its media."""
    frames: Positive
    sampling: Annotated[UniformSampling | IntervalSampling, Field(discriminator="kind")]
    size: Positive
    """Height and width of the network's input."""
    resize: Positive
    """Shorter side that frames are brought to before the centre crop of test."""
    region: Literal["frame", "centre"]
    """What training views are cropped from: the whole frame, or its central square."""
    crop_area: tuple[Share, Share]
    crop_ratio: tuple[float, float]
    """Range of width / height of the random crop in training."""
    flip: Share
    normalisation: Annotated[
        DatasetNorm | TrainSplitNorm | StillRemoved, Field(discriminator="kind")
    ]
    views: Positive
    """Temporal views in test."""
    crops: Literal[1, 3]
    """Spatial views in test: the centre, or left, centre and right."""


Input: TypeAlias = Annotated[SkeletonInput | VideoInput, Field(discriminator="kind")]

# ---------------------------------------------------------------- backbones


class PoseConv3d(Strict):
    """SlowOnly ResNet3d over heat maps (Duan et al., CVPR 2022)."""

    kind: Literal["pose_conv3d"]
    base_channels: Positive
    stem_stride: Literal[1, 2]
    """Spatial stride of the first convolution; 1 in the paper."""
    stage_blocks: tuple[Positive, ...]
    spatial_strides: tuple[Positive, ...]
    temporal_strides: tuple[Positive, ...]
    inflate: tuple[Literal[0, 1], ...]
    dropout: Share


class VideoSwin(Strict):
    """Video Swin transformer (Liu et al., CVPR 2022)."""

    kind: Literal["video_swin"]
    embed_dims: Positive
    depths: tuple[Positive, ...]
    num_heads: tuple[Positive, ...]
    patch_size: tuple[Positive, Positive, Positive]
    window_size: tuple[Positive, Positive, Positive]
    drop_path: Share
    dropout: Share


Backbone: TypeAlias = Annotated[PoseConv3d | VideoSwin, Field(discriminator="kind")]

# ---------------------------------------------------------------- experiments


class Experiment(Strict):
    """One training: what goes in, which network, how it is trained."""

    edition: str
    media: Name
    """The entry of `media` that it reads."""
    input: Input
    backbone: Backbone
    recipe: Name


# ---------------------------------------------------------------- fusion, table, submission


class Uniform(Strict):
    """The mean of the members' probabilities."""

    kind: Literal["uniform"]


class Convex(Strict):
    """Weights on the simplex that minimise log-loss on validation, shrunk towards uniform."""

    kind: Literal["convex"]
    shrinkage: Share
    """0: the fitted weights; 1: uniform ones."""


FusionRule: TypeAlias = Annotated[Uniform | Convex, Field(discriminator="kind")]


class Fusion(Strict):
    """Several members made one."""

    edition: str
    members: tuple[Name, ...] = Field(min_length=2)
    rule: FusionRule


class TableRow(Strict):
    """One row of the results table."""

    name: str
    source: Name
    """The experiment or fusion that the row scores."""


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
        faults = [*_unknown_editions(self), *_media_faults(self), *_experiment_faults(self)]
        for key, fusion in self.fusions.items():
            if key in self.experiments:
                faults.append(f"fusions.{key}: an experiment has the same name")
            for member in fusion.members:
                if member not in self.experiments:
                    faults.append(f"fusions.{key}.members: no experiment '{member}'")
        users = [(f"table row '{row.name}'", row.source) for row in self.table.rows]
        users += [(f"submissions.{key}", entry.source) for key, entry in self.submissions.items()]
        faults += [
            f"{user}: no '{name}' in experiments or fusions"
            for user, name in users
            if name not in sources
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _reads(spec: Input, media: Media) -> bool:
    """Whether an input is of the kind of its media."""
    if isinstance(spec, SkeletonInput):
        return isinstance(media, SkeletonMedia | PoseMedia)
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
