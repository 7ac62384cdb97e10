"""The knobs of stage prepare: one spec a kind of modality."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from benchmark.core.pinned_file import WeightsFile
from benchmark.core.schema import Positive, Strict

EditionName: TypeAlias = Annotated[str, Field(description="Whose archive it is made of.")]
Shards: TypeAlias = Annotated[
    int,
    Field(
        gt=0, description="Files that hold the clips; a stopped preparation goes on at the next."
    ),
]
ShortSide: TypeAlias = Annotated[
    int, Field(gt=0, description="Pixels of the shorter side of the stored frames.")
]
Gop: TypeAlias = Annotated[int, Field(gt=0, description="Frames between key frames.")]
Crf: TypeAlias = Annotated[
    int,
    Field(ge=0, le=51, description="H.264: 0 loses nothing, 18 is hard to tell from the source."),
]


class SkeletonModality(Strict):
    """Keypoints of every clip as one array."""

    kind: Literal["skeleton"]
    edition: EditionName
    layout: Literal["openpose36", "own"]
    """Which points of the raw file are kept and how they are joined: MM-Gesture's 36 of OpenPose's
    137, or the archive's own (data set `folder`)."""
    shards: Shards


class PoseModality(Strict):
    """Keypoints found in the raw videos by MediaPipe (docs/skeletons-from-video.md)."""

    kind: Literal["pose"]
    edition: EditionName
    layout: Literal["openpose36"]
    """Which of the 137 points that are found are kept."""
    pose: str
    """Path of the pose model; the three files are yours, none comes with the harness."""
    hands: str | None
    """Path of the hand model; null for no hands."""
    face: str | None
    """Path of the face model; null for no face."""
    shards: Shards


class RgbModality(Strict):
    """Clips cut out of the raw videos, resized, as short closed-GOP H.264 in tar shards."""

    kind: Literal["rgb"]
    edition: EditionName
    short_side: ShortSide
    gop: Gop
    crf: Crf
    shards: Shards


class PersonCropModality(Strict):
    """RGB clips cut to the square around the person, and the keypoints in the same pixels.

    The square is that of PoseConv3D's compact crop, over all frames of a clip; where it leaves the
    picture it is black.
    """

    kind: Literal["person_crop"]
    edition: EditionName
    layout: Literal["openpose36", "own"]
    """Of the keypoints, as in modality of kind `skeleton`."""
    side: Annotated[int, Field(gt=0, multiple_of=2)]
    """Pixels of a side of the stored frames; H.264 with halved colors needs it even."""
    gop: Gop
    crf: Crf
    shards: Shards


class TaylorModality(Strict):
    """Taylor videos: where a clip moves, and how that changes (Wang et al., ICML 2024)."""

    kind: Literal["taylor"]
    edition: EditionName
    variant: Literal["paper", "mm_gesture", "signed"]
    """How a frame becomes 8 bit. paper: negative motion to 0, each channel of each frame by its own
    maximum; mm_gesture: one maximum over the three channels; signed: one scale a clip, 128 is no
    motion, so that sign and strength survive."""
    terms: Annotated[int, Field(ge=1, le=6)]
    """Terms of the series; the paper takes 3."""
    window: Positive
    """Frames of a block, at least terms + 3."""
    short_side: ShortSide
    gop: Gop
    crf: Crf
    shards: Shards

    @model_validator(mode="after")
    def _holds_the_differences(self) -> TaylorModality:
        if self.window < self.terms + 3:
            raise ValueError(f"window must be at least terms + 3 ({self.terms + 3})")
        return self


class DisFlow(Strict):
    """Dense inverse search (Kroeger et al., ECCV 2016) of OpenCV."""

    kind: Literal["dis"]
    preset: Literal["ultrafast", "fast", "medium"]
    """OpenCV's name for how fine the search is."""


class SparseToDenseFlow(Strict):
    """Lucas-Kanade on a grid, interpolated at edges; OpenCV contrib. Better below a pixel."""

    kind: Literal["sparse_to_dense"]


class RaftFlow(Strict):
    """RAFT (Teed and Deng, ECCV 2020) of torchvision."""

    kind: Literal["raft"]
    size: Literal["small", "large"]
    """Which of the two published networks."""
    weights: WeightsFile
    """The state dict, as torchvision publishes it."""
    updates: Positive
    """Refinements; 12 as published."""


class MemFlow(Strict):
    """MemFlow (Dong and Fu, CVPR 2024) of ptlflow: sees the motion of earlier frames."""

    kind: Literal["memflow"]
    weights: WeightsFile
    """A checkpoint of the authors (.pth) or of ptlflow (.ckpt)."""
    updates: Positive
    """Refinements; 15 as published."""
    window: Annotated[int, Field(ge=2)]
    """Frames after which the memory of earlier ones is emptied."""


FlowBackend: TypeAlias = Annotated[
    DisFlow | SparseToDenseFlow | RaftFlow | MemFlow, Field(discriminator="kind")
]


class FlowModality(Strict):
    """Optical flow of each frame to the next; the last frame repeats the one before."""

    kind: Literal["flow"]
    edition: EditionName
    backend: FlowBackend
    """What finds the flow."""
    work_side: Positive
    """Shorter side in pixels at which flow is found, before it is stored smaller."""
    rendering: Literal["components", "wheel"]
    """components: x and y in two channels, 128 is no motion, one scale for the data set, so that
    strength survives. wheel: the color wheel of MM-Gesture, each frame by its own maximum."""
    limit: Annotated[float, Field(gt=0)]
    """Pixels at `work_side` that the components reach; faster motion is clipped to it."""
    short_side: ShortSide
    gop: Gop
    crf: Crf
    shards: Shards


class TinyBackend(Strict):
    """The network of stage `tiny_depth`: knows generated people and nothing else."""

    kind: Literal["tiny"]
    network: str
    """Folder that the stage writes."""


class DepthAnythingBackend(Strict):
    """Depth Anything (Yang et al., 2024, versions 1 and 2) of transformers, frame by frame."""

    kind: Literal["depth_anything"]
    weights: WeightsFile
    """model.safetensors as published."""
    config: WeightsFile
    """config.json as published: versions 1 and 2 have the same tensors and take other layers."""
    input_size: Annotated[int, Field(gt=0, multiple_of=14)]
    """Pixels of the side that is fitted, see docs/modalities.md; 518 as published."""


class VideoDepthAnythingBackend(Strict):
    """Video Depth Anything (Chen et al., CVPR 2025): windows of 32 frames, on one scale a clip."""

    kind: Literal["video_depth_anything"]
    weights: WeightsFile
    """video_depth_anything_vits.pth (Apache-2.0); _vitb and _vitl are for research only."""
    input_size: Annotated[int, Field(gt=0, multiple_of=14)]
    """Pixels of the short side that the network sees; 518 as published."""


DepthBackend: TypeAlias = Annotated[
    TinyBackend | DepthAnythingBackend | VideoDepthAnythingBackend,
    Field(discriminator="kind"),
]


class FixedScale(Strict):
    """Given: right for networks whose scale is known."""

    kind: Literal["fixed"]
    low: float
    """Inverse depth that becomes 0."""
    high: float
    """Inverse depth that becomes 255."""

    @model_validator(mode="after")
    def _goes_up(self) -> FixedScale:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class SampledScale(Strict):
    """Quantiles over some training clips, found before anything is stored."""

    kind: Literal["sampled"]
    clips: Positive
    """Training clips that are looked at, evenly spread over the index."""
    quantile: Annotated[float, Field(gt=0.5, le=1)]
    """Becomes 255; one minus it becomes 0."""


class DepthModality(Strict):
    """Relative inverse depth as gray: what is near is light."""

    kind: Literal["depth"]
    edition: EditionName
    backend: DepthBackend
    """What finds the depth."""
    work_side: Positive
    """Shorter side in pixels of the frames that the backend is given."""
    scale: Annotated[FixedScale | SampledScale, Field(discriminator="kind")]
    """Inverse depth that 0 and 255 stand for, the same in the whole data set."""
    short_side: ShortSide
    gop: Gop
    crf: Crf
    shards: Shards


VideoModality: TypeAlias = RgbModality | TaylorModality | FlowModality | DepthModality
"""What is stored as clips of H.264."""

Modality: TypeAlias = Annotated[
    SkeletonModality | PoseModality | PersonCropModality | VideoModality,
    Field(discriminator="kind"),
]
