"""The schema of params.yaml.

Every setting is in the file, and no default is in Python: only keys that most entries do not need
(`seed` and `head` of an experiment, some of a recipe and of a table row) may be absent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from benchmark.core.pinned_file import WeightsFile
from benchmark.core.schema import (
    AboveZero,
    Line,
    NotNegative,
    Positive,
    Seed,
    Share,
    Strict,
    read_yaml,
)
from benchmark.data.inputs import Input
from benchmark.data.video_input import VideoInput
from benchmark.editions.edition import of_project
from benchmark.evaluation.diversity import FEWEST_MEMBERS, MOST_MEMBERS
from benchmark.modalities.union import Modality
from benchmark.modalities.windows import Windows
from benchmark.models.masking import Masking
from benchmark.models.union import Backbone
from benchmark.models.vision_transformer import VisionTransformer
from benchmark.params.checks import find_problems
from benchmark.params.folds import FoldGraph, Folds
from benchmark.params.recipes import PretrainingRecipe, Recipe
from benchmark.synthetic.spec import ActionsSpec, GesturesSpec
from submission.fusion.rules.union import FusionRule
from submission.fusion.temperature import Temperature

# A name becomes part of folder names and of DVC's stage names, such as train@joint.
Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
ScoredOn: TypeAlias = Literal["val", "oof"]


class EditionUse(Strict):
    """How stage `index` reads the archive of one edition."""

    excluded: tuple[str, ...]
    """Names of damaged videos to leave out. Their clips are not trained on and not scored; a
    submission predicts the most frequent class for them."""
    shared_subjects: tuple[str, ...] = ()
    """Persons who may be in several splits. Of any other, the stages refuse it: a network that has
    met a test person scores better than it is."""


class Experiment(Strict):
    """One training run: data, network input, backbone, initial weights and recipe."""

    edition: str
    """Edition whose clips the network learns and predicts."""
    modality: Name
    """Entry of `modalities` that the experiment reads."""
    input: Input
    """How a clip becomes the input of the network."""
    backbone: Backbone
    """Architecture of the network."""
    init_from: Annotated[str, StringConstraints(pattern=r"^(zoo/)?[a-z][a-z0-9_]*$")]
    """Initial weights: `scratch`, `zoo/` and a name that `mgbench zoo list` prints, or an entry of
    `experiments`, `merges`, `pretraining` or `pretrained`."""
    recipe: Name
    """Entry of `recipes` to train with."""
    seed: Seed | None = None
    """Overrides the global `seed`, for an experiment that repeats another one."""
    head: Literal["flat", "groups"] = "flat"
    """`groups`: one classifier of the edition's groups and one of the classes within each; the
    probability of a class is their product. `flat`: one classifier of all classes."""


class External(Strict):
    """Scores that another program computed, as a stream beside the experiments (docs/fusion.md)."""

    edition: str
    """Edition whose clips are scored."""
    val: Line
    """File of scores of validation: .pkl of mmaction2 or PYSKL, .npy, .csv, or our .parquet."""
    test: Line
    """File of scores of test."""
    head: str | None
    """Head to read from files with several, such as rgb or pose; null for one."""
    logits: bool
    """Whether the files hold logits instead of probabilities."""


class Merge(Strict):
    """Initial weights of a two-pathway network, taken from two trained experiments."""

    rgb: Name
    """Experiment whose weights initialize the RGB pathway."""
    pose: Name
    """Experiment whose weights initialize the pose pathway."""


class Pretrained(Strict):
    """A checkpoint that you supply as initial weights (docs/weights.md)."""

    checkpoint_format: Literal["mmaction", "swin_2d", "swin_3d", "videomae", "videomae_hf"]
    """Naming scheme of the tensors: mmaction2 or PYSKL, a 2-D Swin, torchvision's Video Swin, the
    authors of VideoMAE, or VideoMAE of transformers."""
    file: WeightsFile


class Pretraining(Strict):
    """Masked pre-training on windows, without labels (docs/masked-video.md)."""

    windows: Name
    """Entry of `windows` to learn from."""
    input: VideoInput
    """How a window becomes the input of the network."""
    backbone: VisionTransformer
    """The encoder, which experiments start from."""
    masking: Masking
    """What is hidden, and what predicts it."""
    init_from: Name
    """Initial weights: `scratch`, or an entry of `pretrained` or `pretraining`."""
    recipe: PretrainingRecipe
    """How to train it; no entry of `recipes`, because nothing is classified."""
    pictures: Positive
    """Windows to show with their hidden parts predicted."""


class Fusion(Strict):
    """A late fusion of several experiments."""

    edition: str
    """Edition whose clips the members predict."""
    members: tuple[Name, ...] = Field(min_length=FEWEST_MEMBERS)
    """Experiments and external streams to fuse."""
    rule: FusionRule
    """How to set the weights of the members."""
    temperature: Temperature
    """When to apply temperature scaling, fitted on validation log-loss: per member (`before`), on
    the fused output (`after`), `both` or `none`."""


class TableRow(Strict):
    """One row of the results table."""

    name: Annotated[Line, Field(min_length=1)]
    """Name of the row on the page."""
    source: Name | None = None
    """Experiment, external stream or fusion to score."""
    members: Annotated[tuple[Name, ...], Field(min_length=1)] | None = None
    """Instead of `source`: streams to fuse with equal weights and to score."""
    repeats: tuple[Name, ...] = ()
    """Experiments that repeat `source` with other seeds; the row shows their standard deviation."""
    paper_top1: float | None = None
    """Top-1 accuracy in percent that the paper reports for this row, on the same edition."""
    scores: ScoredOn = "val"
    """`oof`: score the row out of fold instead of on validation, and on test as the mean of the
    networks of all folds."""

    @model_validator(mode="after")
    def _has_one_source(self) -> TableRow:
        if (self.source is None) == (self.members is None):
            raise ValueError(f"row '{self.name}' needs either source or members")
        if self.repeats and self.source is None:
            raise ValueError(f"row '{self.name}': repeats need a source")
        return self


class Table(Strict):
    """The results table."""

    edition: str
    """Edition whose clips the table scores."""
    rows: tuple[TableRow, ...] = Field(min_length=1)
    """Rows from top to bottom."""
    resamples: Positive
    """Bootstrap resamples of videos for the 95 % intervals."""
    subsets: tuple[Name, ...] = Field(max_length=MOST_MEMBERS)
    """Streams of which every subset is fused with equal weights and scored; empty for none."""
    subset_scores: ScoredOn = "val"
    """Whether the subsets are scored on validation or out of fold."""
    leaderboard: dict[Line, Share]
    """Your own leaderboard results, name to score from 0 to 1; listed beside the published ones."""


class Analysis(Strict):
    """Error analysis: confusion, calibration, complementarity and the hardest clips."""

    edition: str
    """Edition to analyze; the same as the table's."""
    source: Name
    """Experiment, external stream or fusion whose confusion and calibration are shown."""
    members: tuple[Name, ...] = Field(min_length=1, max_length=MOST_MEMBERS)
    """Streams to compare with each other."""
    modality: Name
    """Entry of `modalities` whose frames show the hardest clips; an entry that stores no video
    shows none."""
    hardest: Positive
    """Number of hardest clips to show."""
    scores: ScoredOn = "val"
    """`oof`: analyze scores out of fold instead of those on validation."""


class Previews(Strict):
    """Pictures of clips in several modalities below each other."""

    edition: str
    """Edition whose clips are shown."""
    skeleton: Name | None
    """Entry of `modalities` whose joint and limb heat maps are shown; null for none."""
    videos: tuple[Name, ...]
    """Entries of `modalities` to show, from top to bottom."""
    moments: Positive
    """Frames to show per clip."""


class Submission(Strict):
    """One leaderboard file."""

    edition: str
    """Edition whose test clips are submitted."""
    challenge: str
    """Challenge that defines the file format: a file of benchmark/challenges, or an edition."""
    source: Name
    """Experiment, external stream or fusion to submit."""
    transductive: bool
    """Your statement whether unlabeled test clips took part in training or fusing. Pre-training on
    windows of test videos counts without it."""


class Grouping(Strict):
    """How scores of windows become candidates."""

    smoothing: NotNegative
    """Standard deviation of the Gaussian over neighboring windows, in windows; 0 for none."""
    levels: tuple[Share, ...] = Field(min_length=1)
    """A run of windows whose probability of a class reaches one of these is a candidate."""
    soft_nms: AboveZero
    """Sigma of the decay by overlap; a smaller one suppresses more."""


class Online(Strict):
    """Online recognition: one experiment scores windows that slide over whole videos."""

    edition: str
    """Edition whose validation and test videos are searched."""
    source: Name
    """Experiment that scores the windows, by the first test view of each."""
    window: AboveZero
    """Seconds of a window: about those of a gesture."""
    step: AboveZero
    """Seconds from the start of a window to that of the next."""
    grouping: Grouping


class Params(Strict):
    """The whole of params.yaml."""

    preset: Name
    """Name of this set of parameters: one that ships, such as `default` or `paper`, or your own."""
    seed: Seed
    """Seed of all training runs and bootstraps; an experiment can override it."""
    synthetic: dict[Name, GesturesSpec]
    """Synthetic data sets in the layout of iMiGUE, by edition: stage `synthesize`."""
    synthetic_ma52: dict[Name, ActionsSpec]
    """Synthetic pre-training data sets, by edition: stage `synthesize_ma52`."""
    editions: dict[str, EditionUse]
    """Editions to read: stages `index` and `data_report`."""
    modalities: dict[Name, Modality]
    """Modalities to extract from the raw archives: stage `prepare`."""
    windows: dict[Name, Windows]
    """Clips without labels, cut over whole videos: stage `windows`."""
    previews: dict[Name, Previews]
    """Pictures of clips in all modalities: stage `previews`."""
    recipes: dict[Name, Recipe]
    """Training recipes."""
    experiments: dict[Name, Experiment]
    """Networks to train: stages `train` and `predict`."""
    merges: dict[Name, Merge]
    """Initial weights merged from two experiments: stage `merge_weights`."""
    pretrained: dict[Name, Pretrained]
    """Checkpoints that you supply as initial weights: stage `import_weights`."""
    pretraining: dict[Name, Pretraining]
    """Networks to pre-train without labels: stage `pretrain`."""
    external: dict[Name, External]
    """Scores of other programs, as streams: stage `import_scores`."""
    fusions: dict[Name, Fusion]
    """Late fusions of streams: stage `fuse`."""
    table: Table
    """Results table: stage `table`."""
    analysis: Analysis
    """Error analysis: stage `analyse`."""
    submissions: dict[Name, Submission]
    """Leaderboard files: stage `submit`."""
    online: dict[Name, Online]
    """Gestures found in whole videos: stages `predict_windows` and `detect`."""
    folds: dict[str, Folds] = Field(default_factory=dict)
    """Editions whose labeled clips are dealt into folds: stage `folds` (docs/folds.md)."""
    fold_graph: FoldGraph = FoldGraph()
    """One entry per training of a fold; `mgbench edition folds` writes it."""
    oof_fusions: dict[Name, Fusion] = Field(default_factory=dict)
    """Late fusions that are fitted out of fold instead of on validation: stage `fuse_oof`."""

    @property
    def every_fusion(self) -> dict[Name, Fusion]:
        """The fusions, wherever they are fitted."""
        return {**self.fusions, **self.oof_fusions}

    @property
    def streams(self) -> tuple[Name, ...]:
        """Everything that has probabilities of its own: experiments and external streams."""
        return (*self.experiments, *self.external)

    def folder_of(self, source: Name) -> str:
        """Return the folder below `predictions/` of a stream or a fusion."""
        return f"{'fusions' if source in self.every_fusion else 'experiments'}/{source}"

    @model_validator(mode="after")
    def _is_consistent(self) -> Params:
        # One error with all problems: the user fixes the file in one go.
        if problems := find_problems(self):
            raise ValueError("\n".join(problems))
        return self


def read_params(path: Path) -> Params:
    """Read params.yaml.

    Raises:
        ParamsError: The file is missing or invalid; the message lists every problem with its key.
    """
    do = "Run the command in the project folder, which holds params.yaml and dvc.yaml"
    with of_project(path.parent):  # whose editions they name
        return read_yaml(path, Params, do=do)
