"""The twin of params.yaml: every knob, typed. No default lives in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from benchmark.core.pinned_file import WeightsFile
from benchmark.core.schema import Positive, Share, Strict, read_yaml
from benchmark.data.inputs import Input
from benchmark.modalities.depth.depth import DepthModality
from benchmark.modalities.depth.tiny_spec import TinyDepthSpec
from benchmark.modalities.union import Modality
from benchmark.models.union import Backbone
from benchmark.params.checks import names_faults
from benchmark.params.recipes import Recipe
from benchmark.params.synthetic import ActionsSpec, GesturesSpec
from submission.fusion.spec import FusionRule, Temperature

if TYPE_CHECKING:
    from pathlib import Path

Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]

FEWEST_MEMBERS = 2
"""Experiments that can be fused, or compared."""
MOST_MEMBERS = 16
"""Experiments whose subsets are all scored: 65,535, a minute for 5,000 clips of 32 classes."""

# ---------------------------------------------------------------- generated data and depth


class GeneratedActions(ActionsSpec):
    """Actions to pre-train on, and for which people."""

    people: Name
    """The entry of `generated` whose people of the train split act."""


class TinyDepth(TinyDepthSpec):
    """A small depth network, and which people it sees."""

    people: Name
    """The entry of `generated` whose people of the train split it learns from."""


# ---------------------------------------------------------------- editions: stage index


class EditionUse(Strict):
    """How the archive of an edition is taken."""

    excluded: tuple[str, ...]
    """Damaged videos that one goes on without, by name. Their clips are in no training and no
    score, and a submission answers them with the most frequent class."""


# ---------------------------------------------------------------- experiments


class Experiment(Strict):
    """One training: what goes in, which network, how it is trained."""

    edition: str
    """Whose clips it learns and answers."""
    modality: Name
    """The entry of `modality` that it reads."""
    input: Input
    """What the network sees of a clip."""
    backbone: Backbone
    """The network."""
    init_from: Name
    """Whose weights it starts from: `scratch`, or an experiment, a merge or published ones."""
    recipe: Name
    """The entry of `recipes` that it is trained by."""
    seed: int | None = None
    """In the place of the seed of all: for an experiment that repeats another one."""


class Merge(Strict):
    """Two experiments as the two pathways of one network, to start from."""

    rgb: Name
    """The experiment that becomes the RGB pathway."""
    pose: Name
    """The experiment that becomes the skeleton's pathway."""


class Pretrained(Strict):
    """A file of weights that the user brings, to start from (docs/weights.md)."""

    checkpoint_format: Literal["mmaction", "swin_2d", "swin_3d"]
    """How its tensors are named: mmaction2 and PYSKL, a 2-D Swin, torchvision's Video Swin."""
    file: WeightsFile


# ---------------------------------------------------------------- fusion, table, submission


class Fusion(Strict):
    """Several members made one."""

    edition: str
    """Whose clips the members answer."""
    members: tuple[Name, ...] = Field(min_length=FEWEST_MEMBERS)
    """Experiments."""
    rule: FusionRule
    """How weights are found."""
    temperature: Temperature
    """Where confidence is made fit."""


class TableRow(Strict):
    """One row of the results table."""

    name: str
    """As the page shows it."""
    source: Name | None = None
    """The experiment or fusion that the row scores."""
    members: tuple[Name, ...] | None = None
    """In its place: experiments that the row fuses with equal weights."""
    repeats: tuple[Name, ...] = ()
    """Experiments that are `source` with other seeds: the row says how far they scatter."""
    paper_top1: float | None = None
    """Top-1 in per cent that the paper reports for this step, where its data are the row's."""

    @model_validator(mode="after")
    def _one_of_both(self) -> TableRow:
        if (self.source is None) == (self.members is None):
            raise ValueError(f"row '{self.name}' needs either source or members")
        if self.repeats and self.source is None:
            raise ValueError(f"row '{self.name}': only a source can be repeated")
        return self


class Table(Strict):
    """The results table: rows in the order of the page."""

    edition: str
    """Whose clips are scored."""
    rows: tuple[TableRow, ...] = Field(min_length=1)
    """From top to bottom."""
    resamples: Positive
    """Bootstrap resamples of videos for the 95 % intervals."""
    subsets: tuple[Name, ...] = Field(max_length=MOST_MEMBERS)
    """Experiments whose every subset is scored with equal weights; none for no such list."""
    leaderboard: dict[str, Share]
    """A name -> what the leaderboard gave your file, as a fraction; shown beside published ones."""


class Analysis(Strict):
    """What a system confuses and how its members complement each other."""

    edition: str
    """Whose clips are looked at: the table's."""
    source: Name
    """The experiment or fusion whose confusion and calibration are shown."""
    members: tuple[Name, ...] = Field(min_length=FEWEST_MEMBERS, max_length=MOST_MEMBERS)
    """Experiments that are compared with each other."""
    modality: Name
    """The entry of modality whose frames show the hardest clips; of skeletons there is no picture."""
    hardest: Positive
    """How many of them."""


class Previews(Strict):
    """Pictures of clips in several modalities side by side."""

    edition: str
    """Whose clips are shown."""
    skeleton: Name | None
    """The entry of modality whose joint and limb maps are shown; null for none."""
    videos: tuple[Name, ...]
    """Entries of modality or estimates, from top to bottom."""
    moments: Positive
    """Frames shown of each clip."""


class Submission(Strict):
    """One file for the leaderboard."""

    edition: str
    """Whose test clips are answered."""
    challenge: str
    """Whose form it has: a file in benchmark/challenges, or an edition."""
    source: Name
    """The experiment or fusion that answers."""
    transductive: bool
    """Whether the unlabeled test clips took part in training or fusing: you say so."""


class Params(Strict):
    """The whole of params.yaml."""

    preset: Name
    """Which complete set of knobs this is: `default`, `paper`, or one of your own."""
    seed: int
    """Of every training and resampling that has none of its own."""
    synthetic: dict[Name, GesturesSpec]
    """Data sets that stage `synthesize` draws: edition -> how."""
    synthetic_ma52: dict[Name, GeneratedActions]
    """Data sets to pre-train on that stage `synthesize_ma52` draws: edition -> how."""
    editions: dict[str, EditionUse]
    """The editions that stage `index` reads."""
    tiny_depth: dict[Name, TinyDepth]
    """Small depth networks, trained on generated people."""
    modalities: dict[Name, Modality]
    """What stage `prepare` makes of the archives."""
    estimates: dict[Name, DepthModality]
    """More modality: those that a network of `tiny_depth` makes."""
    previews: dict[Name, Previews]
    """Clips in all modalities as pictures."""
    recipes: dict[Name, Recipe]
    """How to train."""
    experiments: dict[Name, Experiment]
    """What to train."""
    merges: dict[Name, Merge]
    """Two trained networks as the two pathways of one, to start from."""
    pretrained: dict[Name, Pretrained]
    """Files of weights that you bring, to start from."""
    fusions: dict[Name, Fusion]
    """Members made one."""
    table: Table
    """The results table."""
    analysis: Analysis
    """What is looked at closely."""
    submissions: dict[Name, Submission]
    """Files for leaderboards."""

    @property
    def all_modalities(self) -> dict[Name, Modality]:
        """Modality of the archives and estimated ones."""
        return {**self.modalities, **self.estimates}

    def folder_of(self, source: Name) -> str:
        """Where below `predictions/` the probabilities of an experiment or a fusion lie."""
        return f"{'fusions' if source in self.fusions else 'experiments'}/{source}"

    @model_validator(mode="after")
    def _names_exist(self) -> Params:
        """Every name used somewhere is defined somewhere; all faults in one message."""
        if faults := names_faults(self):
            raise ValueError("\n".join(faults))
        return self


def read_params(path: Path) -> Params:
    """Read params.yaml.

    Raises:
        ParamsError: All faults of the file at once, each with its path.
    """
    do = "Stand in the folder of the project, which holds it beside dvc.yaml"
    return read_yaml(path, Params, do=do)
