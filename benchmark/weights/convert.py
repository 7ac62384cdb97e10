"""Tensors of a checkpoint: renamed to our names, and loaded into a network.

Our names are mmaction2's: `backbone.*` and `cls_head.fc_cls.*`; with two pathways
`backbone.rgb_path.*`, `backbone.pose_path.*`, `cls_head.fc_rgb.*` and `cls_head.fc_pose.*`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, assert_never

from torch.nn.functional import pad

from benchmark.core.errors import FormatError
from benchmark.models.check_tensors import tensor_faults
from benchmark.weights.convert_swin import REBUILT, from_2d, from_torchvision, inflate
from benchmark.weights.convert_videomae import from_authors, from_transformers

if TYPE_CHECKING:
    from torch import Tensor, nn

CheckpointFormat: TypeAlias = Literal["mmaction", "swin_2d", "swin_3d", "videomae", "videomae_hf"]
"""How a file names its tensors: as mmaction2 and PYSKL, a 2-D Swin, torchvision's Video Swin, the
authors of VideoMAE, or transformers."""

LANDMARKS: dict[CheckpointFormat, tuple[str, ...]] = {
    "mmaction": ("backbone.",), "swin_2d": ("layers.0.blocks.0.attn.",),
    "swin_3d": ("features.0.0.attn.",), "videomae": ("encoder.blocks.0.attn.", "blocks.0.attn."),
    "videomae_hf": ("videomae.encoder.layer.0.",),
}  # fmt: skip
"""Beginnings of some names in each format."""

HEAD = "cls_head."
LATERAL = "_lateral."
ONE_STAGE = ("backbone.norm.", "backbone.fc_norm.", "encoder_to_decoder.", "mask_token", "decoder.")
"""Parts that a VideoMAE has in masked pre-training alone, or in classification alone."""

WIDENED = frozenset(
    f"backbone.{path}.{block}.{part}.conv.weight"
    for path, blocks in (("rgb_path", (3, 4)), ("pose_path", (2, 3)))
    for block in (f"layer{number}.0" for number in blocks)
    for part in ("conv1", "downsample")
)
"""Convolutions that receive the other pathway's channels behind their own."""


class Filled(NamedTuple):
    """What became of each tensor, by name."""

    loaded: tuple[str, ...]
    """The file's, loaded as they are."""
    adapted: tuple[str, ...]
    """The file's, loaded in another shape."""
    reinitialized: tuple[str, ...]
    """The network's, left as built: a new classifier, lateral connections."""
    skipped: tuple[str, ...]
    """The file's, not used."""

    def __str__(self) -> str:
        """Count the tensors of each kind in one line for the log."""
        how = ("loaded", "adapted in shape", "of the network left as built", "of the file not used")
        counts = [
            f"{len(names)} {kind}" + (f" (first {names[0]})" if names and kind != "loaded" else "")
            for names, kind in zip(self, how, strict=True)
        ]
        return "tensors: " + ", ".join(counts)


def convert(
    tensors: Mapping[str, Tensor], checkpoint_format: CheckpointFormat, *, where: object
) -> dict[str, Tensor]:
    """Rename a file's tensors to our names; their shapes stay.

    mmaction2 1.x, PYSKL and MM-Gesture use our names: `mmaction` changes nothing. `convert_swin`
    and `convert_videomae` rename the other formats.

    Raises:
        FormatError: No name is of that format; `where` is the file that the message names.

    Source: mmaction2 1.2.0 and PYSKL, RGBPoseConv3D, ResNet3dPathway, RGBPoseHead (read).
    """
    matching = [
        key for key, mark in LANDMARKS.items() if any(name.startswith(mark) for name in tensors)
    ]
    if checkpoint_format not in matching:
        right = matching[0] if matching else f"none of {[*LANDMARKS]}"
        raise FormatError(
            where, f"not of checkpoint format {checkpoint_format}",
            expected=f"tensors named {' or '.join(LANDMARKS[checkpoint_format])}*",
            found=f"{len(tensors)} tensors, first {next(iter(tensors), 'none')}",
            do=f"Its format is {right}",
        )  # fmt: skip
    match checkpoint_format:
        case "mmaction":
            return dict(tensors)
        case "swin_2d":
            return from_2d(tensors)
        case "swin_3d":
            return from_torchvision(tensors)
        case "videomae":
            return from_authors(tensors)
        case "videomae_hf":
            return from_transformers(tensors, where=where)
        case _:
            assert_never(checkpoint_format)


def merge(rgb: Mapping[str, Tensor], pose: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename two single-stream networks to the two pathways and their heads; shapes stay.

    A tensor that is neither backbone nor classifier gets a name that `fill` refuses.

    Source: Duan et al., PYSKL, configs/rgbpose_conv3d/merge_pretrain.ipynb.
    """
    both = {}
    for stream, tensors in (("rgb", rgb), ("pose", pose)):
        head = {f"{HEAD}fc_cls.": f"{HEAD}fc_{stream}."}
        prefixes = {"backbone.": f"backbone.{stream}_path.", **head}
        for name, x in tensors.items():
            old = next((prefix for prefix in prefixes if name.startswith(prefix)), "")
            both[prefixes.get(old, f"{stream}: ") + name.removeprefix(old)] = x
    return both


def fill(
    model: nn.Module, tensors: Mapping[str, Tensor], *, where: object,
    head: Literal["keep", "fresh"],
) -> Filled:  # fmt: skip
    """Load tensors into a network that has just been built.

    Two kinds of tensors change their shape: those of a 2-D Swin for a 3-D one
    (`convert_swin.inflate`), and the convolutions (out, in, t, h, w) of `WIDENED`. The classifier
    stays as built if the file's has another number of classes. Buffers that the network makes
    itself stay its own, and so do parts of a VideoMAE that only one of the two has (`ONE_STAGE`).

    Args:
        model: The network; it changes only if everything fits.
        tensors: The file's tensors under our names.
        where: The file or folder that a message names.
        head: Whether to load the classifier, or to leave it as built.

    Raises:
        FormatError: Tensors are missing, other than lateral connections and a fresh classifier;
            or are left over, of another shape, or not finite numbers.

    Source: for the zeros, Duan et al., PYSKL, configs/rgbpose_conv3d/merge_pretrain.ipynb.
    """
    network = model.state_dict()
    # Other classes, or as many with other meanings, make a trained classifier worthless: a fresh
    # one, close to 0, starts from equal probabilities.
    fresh = {name for name in (*network, *tensors) if name.startswith(HEAD)}
    fresh = fresh if head == "fresh" else _of_other_classes(network, tensors)
    built, left = _of_one_stage(network, tensors)
    left |= fresh | ({name for name, _ in model.named_buffers()} - network.keys())
    skipped = [name for name in tensors if name in left or name.endswith(REBUILT)]
    used = {name: x for name, x in tensors.items() if name not in skipped}
    adapted = {**inflate(model, used), **_widened(network, used)}
    ready = {**used, **adapted}
    # Single streams have no lateral connections, so a merged network draws its own. A trained
    # network with two pathways has them, and they are loaded.
    as_built = [
        name for name in network
        if name in {*fresh, *built} or (LATERAL in name and name not in tensors)
    ]  # fmt: skip
    optional = [*as_built, *(name for name in network if name.endswith(REBUILT))]
    wanted = {name: x for name, x in network.items() if name not in optional}
    if faults := tensor_faults(wanted, ready):
        raise FormatError(
            where, "not the tensors of this network", found=faults,
            do="The backbone in params.yaml must be the network that they are of",
        )  # fmt: skip
    model.load_state_dict({**network, **ready})
    loaded = [name for name in ready if name not in adapted]
    return Filled(tuple(loaded), tuple(adapted), tuple(as_built), tuple(skipped))


def _of_one_stage(
    network: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> tuple[set[str], set[str]]:
    """Name the tensors of `ONE_STAGE` that only the network has, and those that only the file has.

    A part that both have must fit whole. Of networks other than a VideoMAE there are none.
    """
    ours, theirs = (
        {part for part in ONE_STAGE if any(name.startswith(part) for name in names)}
        for names in (network, tensors)
    )
    if not {"backbone.fc_norm.", "mask_token"} & (ours | theirs):
        return set(), set()
    return (
        {name for name in network if name.startswith(tuple(ours - theirs))},
        {name for name in tensors if name.startswith(tuple(theirs - ours))},
    )


def _of_other_classes(network: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> set[str]:
    """Name the classifiers (K, C) and (K,) that differ from the file's in K alone."""
    names = set()
    for name, x in network.items():
        if name.startswith(HEAD) and name.endswith(".weight") and name in tensors:
            shape = tensors[name].shape
            if shape != x.shape and shape[1:] == x.shape[1:]:
                names |= {name, name.removesuffix("weight") + "bias"}
    return names


def _widened(network: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Append zeros to convolutions (out, in, t, h, w) for the input channels that they lack."""
    # With zeros the other pathway's channels do not count yet: a merged network starts with
    # exactly the answers of its two streams.
    wider = {}
    for name in [name for name in network if name in WIDENED and name in tensors]:
        x, shape = tensors[name], network[name].shape
        lacks = shape[1] - x.shape[1] if x.ndim == 5 else 0
        if lacks > 0 and (shape[0], *shape[2:]) == (x.shape[0], *x.shape[2:]):
            wider[name] = pad(x, (0, 0) * 3 + (0, lacks))
    return wider
