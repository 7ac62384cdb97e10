"""What a GPU of some memory can train: the largest micro-batch of every experiment."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmark.contracts.clips import index_file, read_clips
from benchmark.core.errors import BenchmarkError
from benchmark.editions.edition import read_edition
from benchmark.models.video_swin import VideoSwin
from benchmark.runtime.memory import largest_part
from benchmark.training.monitor.on_paper import BANDWIDTH, on_paper_of

if TYPE_CHECKING:
    from benchmark.params.params import Params

MARGIN = 0.1
"""Of eleven peaks that an H100 measured, the estimates were 1 % too low to 8 % too high."""
RESERVED = 1.0
"""GiB that CUDA and its libraries take beside torch's tensors."""
REACHED = 0.4
"""Share of the roofline that trainings reach: 0.27 to 0.60 on an H100."""


class Fit(NamedTuple):
    """One experiment on a GPU of some memory."""

    recipe: str
    now: int
    """Its micro_batch_size."""
    size: int
    """The one to take."""
    recompute: bool
    """Whether activations must be computed again for a single clip to fit."""
    gib: float
    """Estimated peak at `size`."""
    reason: str
    """Why this size, in a few words."""
    hours: dict[str, float]
    """Of training, by the name of a card; empty if nobody knows the number of clips."""
    disk_gib: float
    """Model and checkpoint: weights, best weights and the optimizer's state."""


def fit(name: str, params: Params, *, gib: float) -> Fit:
    """Find the largest micro-batch of an experiment that fits into `gib` GiB.

    Raises:
        BenchmarkError: Not even one clip fits.
    """
    experiment = params.experiments[name]
    recipe = params.recipes[experiment.recipe]
    usable = (gib - RESERVED) / (1 + MARGIN)
    backbone, recompute = experiment.backbone, False
    one, two = (on_paper_of(name, params, clips=clips) for clips in (1, 2))
    if one.peak > usable * 2**30 and isinstance(backbone, VideoSwin) and not backbone.recompute:
        recompute = True
        changed = backbone.model_copy(update={"recompute": True})
        changed = experiment.model_copy(update={"backbone": changed})
        params = params.model_copy(update={"experiments": {**params.experiments, name: changed}})
        one, two = (on_paper_of(name, params, clips=clips) for clips in (1, 2))
    slope = (two.peak - one.peak) / 2**30
    fixed = one.peak / 2**30 - slope
    most = int((usable - fixed) // slope)
    if most < 1:
        raise BenchmarkError(
            name, f"one clip needs {(fixed + slope) * (1 + MARGIN) + RESERVED:.1f} GiB",
            expected=f"at most {gib:g} GiB", do="Take a larger GPU or a smaller network",
        )  # fmt: skip
    size, reason = largest_part(recipe.batch_size, most), f"at most {most} fit"
    if one.batch_norms and size >= recipe.micro_batch_size:
        size, reason = recipe.micro_batch_size, f"{most} fit; batch norms see the recipe's number"
    elif one.batch_norms:
        reason += "; batch norms then see fewer clips than the recipe says"
    clips = _train_clips(experiment.edition) * recipe.repeats * recipe.views_per_clip
    hours = {
        card: clips * recipe.epochs * two.seconds_per_clip(card, recipe.batch_size)
        / REACHED / 3600
        for card in BANDWIDTH if clips
    }  # fmt: skip
    states = 1 if recipe.optimizer.kind == "sgd" else 2
    disk = one.weights * (3 + states) / 2**30
    estimate = fixed + slope * size
    return Fit(
        experiment.recipe, recipe.micro_batch_size, size, recompute, estimate, reason, hours, disk
    )


def _train_clips(edition: str) -> int:
    """Count the training clips, from the index or as published; 0 if there is neither."""
    spec, index = read_edition(edition), index_file(edition)
    if index.is_file():
        return len(read_clips(index, spec).split("train"))
    return spec.counts["train"].clips if spec.counts else 0
