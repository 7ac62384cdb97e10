"""What goes into a network: which frames, which region, which test views."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from benchmark.core.schema import Positive, Share, Strict

Stream: TypeAlias = Literal["joint", "limb"]

# ---------------------------------------------------------------- normalization and sampling


class DatasetNorm(Strict):
    """Channels minus `mean`, over `std`, on the scale 0 to 255."""

    kind: Literal["dataset"]
    mean: tuple[float, float, float]
    """Of each channel, 0 to 255: subtracted."""
    std: tuple[float, float, float]
    """Of each channel: divided by."""


class TrainSplitNorm(Strict):
    """As `dataset`, with the modality's own numbers over the training clips (manifest.parquet).

    A standard deviation below one gray level counts as one.
    """

    kind: Literal["train_split"]


class TemporalMeanRemoved(Strict):
    """Each pixel minus its own mean over the view: what does not move is 0.

    With few training clips, clothes and backgrounds are learnt by heart before any movement is.
    """

    kind: Literal["temporal_mean_removed"]
    scale: Annotated[float, Field(gt=0)]
    """Gray levels that become 1; well above the camera's noise, so that noise stays small."""


Normalization: TypeAlias = Annotated[
    DatasetNorm | TrainSplitNorm | TemporalMeanRemoved, Field(discriminator="kind")
]


class UniformSampling(Strict):
    """One frame of each of as many equal segments: random in training, fixed in test."""

    kind: Literal["uniform"]


class LoopedSampling(Strict):
    """As the frames of a skeleton: a clip shorter than the view begins again at its end."""

    kind: Literal["looped"]


class IntervalSampling(Strict):
    """Frames at a fixed distance; past the end the clip starts again."""

    kind: Literal["interval"]
    interval: Positive
    """Frames from one to the next."""


Sampling: TypeAlias = Annotated[
    UniformSampling | LoopedSampling | IntervalSampling, Field(discriminator="kind")
]

# ---------------------------------------------------------------- inputs


class SkeletonInput(Strict):
    """Heat-map volumes, made on the device from keypoints."""

    kind: Literal["skeleton"]
    stream: Stream
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
    """Whether test sees each view mirrored too."""


class VideoInput(Strict):
    """Frames of a stored video modality."""

    kind: Literal["video"]
    modality: Literal["rgb", "taylor", "flow", "depth", "person_crop"]
    """The kind of its modality."""
    frames: Positive
    """Frames that the network sees."""
    sampling: Sampling
    """Which ones."""
    size: Positive
    """Height and width of the network's input."""
    resize: Positive
    """Shorter side that frames are brought to before the center crop of test."""
    region: Literal["frame", "center"]
    """What training views are cropped from: the whole frame, or its central square."""
    crop_area: tuple[Share, Share]
    """Least and largest share of the picture that a training crop takes."""
    crop_ratio: tuple[float, float]
    """Range of width / height of the random crop in training."""
    flip: Share
    """Share of training clips that are mirrored; the labels stay."""
    normalization: Normalization
    """How pixels become numbers around 0."""
    views: Positive
    """Temporal views in test."""
    crops: Literal[1, 3]
    """Spatial views in test: the center, or left, center and right."""


class RgbPoseInput(Strict):
    """Frames of a person and the heat maps of the same crop, for the two pathways of one network.

    Reads modality of kind `person`.
    """

    kind: Literal["rgb_pose"]
    stream: Stream
    """Which maps the skeleton's pathway sees."""
    rgb_frames: Positive
    """Frames that the RGB pathway sees."""
    pose_frames: Positive
    """Sampled apart from the RGB frames; their number is the network's `speed_ratio` times them."""
    size: Positive
    """Height and width of the RGB frames in training, after a random crop."""
    test_size: Positive
    """Height and width in test, where the whole person is seen."""
    map_scale: Annotated[float, Field(gt=0, le=1)]
    """Side of a heat map over the side of a frame."""
    sigma: Annotated[float, Field(gt=0)]
    """Standard deviation of a joint's Gaussian in heat-map pixels."""
    crop_area: tuple[Share, Share]
    """Least and largest share of the picture that a training crop takes."""
    flip: Share
    """Share of training clips that are mirrored."""
    normalization: Normalization
    """How pixels become numbers around 0."""
    views: Positive
    """Temporal views in test."""


Input: TypeAlias = Annotated[SkeletonInput | VideoInput | RgbPoseInput, Field(discriminator="kind")]
