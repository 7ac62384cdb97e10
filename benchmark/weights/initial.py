"""Initial weights: the folder that a training starts from, with tensors or without (`scratch`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from benchmark.core.errors import FormatError, MismatchError
from benchmark.core.files import replacing_folder
from benchmark.core.pinned_file import verified
from benchmark.core.schema import Strict, read_yaml, write_json
from benchmark.data.inputs import FeaturesInput, Input, VideoInput
from benchmark.models.check_tensors import read_checkpoint
from benchmark.weights.convert import HEAD, CheckpointFormat, convert, fill, merge
from benchmark.weights.model_folder import (
    METADATA,
    REPRO,
    WEIGHTS,
    ModelMetadata,
    Seen,
    read_metadata,
    read_weights,
    write_tensors,
)  # fmt: skip

if TYPE_CHECKING:
    import torch
    from torch import nn

    from benchmark.modalities.union import Modality
    from benchmark.params.params import Pretrained

INITIAL_WEIGHTS = "initial_weights.json"
FORMAT = "initial_weights/3"


class InitialWeights(Strict):
    """initial_weights.json: metadata of initial weights that are no finished model."""

    format: str = Field(pattern=f"^{FORMAT}$")
    checkpoint_format: Literal["scratch", "merged", "masked_video"] | CheckpointFormat
    """How the tensors are named: `merged` has the names of two pathways, `masked_video` those of
    a pre-training network, `scratch` no tensors."""
    origin: str
    """Whose weights they are."""
    seen: Seen | None = Field(default=None, exclude_if=lambda seen: seen is None)
    """What two merged networks of a fold have learned from; absent for others."""
    transductive: bool
    """Whether frames of test videos took part in training them."""


def write_no_weights(out: Path) -> None:
    """Write a folder without tensors: training keeps the network's own initialization."""
    write_initial(out, None, checkpoint_format="scratch", origin="none", transductive=False)


def write_merged_weights(rgb: Path, pose: Path, out: Path) -> None:
    """Write two trained models as the two pathways of one network.

    Raises:
        FormatError: A model cannot be read.
    """
    tensors = merge(read_weights(rgb), read_weights(pose))
    of_rgb, of_pose = read_metadata(rgb), read_metadata(pose)
    origin = f"{of_rgb.experiment} and {of_pose.experiment}"
    seen = _seen_by_both(of_rgb, of_pose)
    transductive = of_rgb.transductive or of_pose.transductive
    write_initial(
        out, tensors, checkpoint_format="merged", origin=origin, seen=seen,
        transductive=transductive,
    )  # fmt: skip


def _seen_by_both(rgb: ModelMetadata, pose: ModelMetadata) -> Seen | None:
    """Join what two networks of one fold have seen; one of another edition has seen none of it."""
    seen = [one.seen for one in (rgb, pose) if one.seen is not None]
    if not seen:
        return None
    if len({(one.folds, one.fold) for one in seen}) > 1:
        where, found = f"merge of {rgb.experiment} and {pose.experiment}", "two folds"
        raise MismatchError(where, "not of one fold", expected="models of one fold", found=found)
    groups = {group for one in seen for group in one.groups}
    return seen[0].model_copy(update={"groups": tuple(sorted(groups))})


def seen_by_start(folder: Path, edition: str) -> Seen | None:
    """Return what initial weights have learned from; None for weights of other data.

    Raises:
        MismatchError: They are a model of the same edition that is of no fold: it may have seen
            any clip.
        ParamsError: Their metadata break the schema.
    """
    if not (folder / METADATA).is_file():
        return _read_initial(folder).seen
    start = read_metadata(folder)
    if start.edition == edition and start.seen is None:
        raise MismatchError(
            folder, f"'{start.experiment}' is of no fold and has seen the clips of every fold",
            expected="a model of the same fold", do="Run 'mgbench edition folds'",
        )  # fmt: skip
    return start.seen if start.edition == edition else None


def write_pretrained(spec: Pretrained, out: Path) -> None:
    """Write the tensors of a published file, without running anything in it.

    Raises:
        ArchiveError: The file is missing, is not the pinned one, or holds more than tensors.
    """
    path = verified(spec.file, expected="the file that `pretrained` in params.yaml names")
    # The names stay the file's: only the training knows the network that they must fit.
    tensors = read_checkpoint(path).tensors
    write_initial(
        out, tensors, checkpoint_format=spec.checkpoint_format, origin=path.name,
        transductive=False,
    )  # fmt: skip


def write_initial(out: Path, tensors: dict[str, torch.Tensor] | None, **metadata: Any) -> None:
    """Write a folder of initial weights; `metadata` are the fields of `InitialWeights`."""
    with replacing_folder(out) as work:
        if tensors is not None:
            write_tensors(work / WEIGHTS, tensors)
        write_json(work / INITIAL_WEIGHTS, InitialWeights(format=FORMAT, **metadata))


def _read_initial(folder: Path) -> InitialWeights:
    return read_yaml(folder / INITIAL_WEIGHTS, InitialWeights, do=REPRO)


def points_of(
    network_input: Input, modality: Modality, own: Sequence[str] | None = None
) -> str | None:
    """Name the keypoints behind the channels of a network's volumes; None if it reads none.

    `own` are the names of the points of an own layout: several have as many points.
    """
    if isinstance(network_input, VideoInput | FeaturesInput):
        return None
    layout = getattr(modality, "layout", "openpose36")
    names = f" points {', '.join(own)}" if own and layout == "own" else ""
    return f"{network_input.stream} of {layout}{names}"


def is_transductive(folder: Path) -> bool:
    """Tell whether frames of test videos took part in training the weights of a folder."""
    if (folder / METADATA).is_file():
        return read_metadata(folder).transductive
    return _read_initial(folder).transductive


def load_initial_weights(
    folder: Path, model: nn.Module, classes: tuple[str, ...], *, points: str | None,
    groups: tuple[int, ...] | None = None,
) -> str:  # fmt: skip
    """Load the weights of a folder into the network; return what was done, in one line.

    A trained model's classifier is kept if its classes and groups are these. That of any other
    folder is kept if the folder has one of as many classes.

    Args:
        folder: The weights.
        model: The network.
        classes: Of the edition.
        points: What the network's channels stand for, from `points_of`.
        groups: Group of each class, for a head of groups.

    Raises:
        FormatError: The folder is damaged, or its weights do not fit the network.
        ParamsError: Its metadata breaks the schema.
    """
    if (folder / METADATA).is_file():
        metadata = read_metadata(folder)
        theirs = points_of(metadata.input, metadata.modality, metadata.own_points)
        # As many channels of another meaning would fit, and mislead.
        if theirs != points:
            raise FormatError(
                folder, "the initial weights read other points", expected=points or "no points",
                found=theirs or "no points", do="Name another init_from in params.yaml",
            )  # fmt: skip
        same = (metadata.classes, metadata.groups) == (classes, groups)
        head = "keep" if same else "fresh"
        filled = fill(model, read_weights(folder), where=folder, head=head)
        return f"{metadata.experiment}: {filled}"
    initial = _read_initial(folder)
    if initial.checkpoint_format == "scratch":
        return "scratch"
    tensors = read_weights(folder)
    if initial.checkpoint_format != "merged" and initial.checkpoint_format != "masked_video":
        tensors = convert(tensors, initial.checkpoint_format, where=folder)
    both = (model.state_dict(), tensors)
    have_heads = all(any(name.startswith(HEAD) for name in names) for names in both)
    head = "keep" if have_heads else "fresh"
    return f"{initial.origin}: {fill(model, tensors, where=folder, head=head)}"
