"""The knobs of stage prepare: one spec a kind of media."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from benchmark.schema import Strict

Positive: TypeAlias = Annotated[int, Field(gt=0)]


class SkeletonMedia(Strict):
    """Keypoints of every clip as one array."""

    kind: Literal["skeleton"]
    edition: str
    layout: Literal["openpose36", "own"]
    """Which points of the raw file are kept and how they are joined: MM-Gesture's 36 of OpenPose's
    137, or the archive's own (data set `folder`)."""
    shards: Positive
    """In how many files the keypoints lie; an interrupted preparation goes on at the next one."""


class PoseMedia(Strict):
    """Keypoints found in the raw videos by MediaPipe (docs/skeletons-from-video.md)."""

    kind: Literal["pose"]
    edition: str
    layout: Literal["openpose36"]
    """Which of the 137 points that are found are kept."""
    pose: str
    """Path of the pose model; the three files are yours, none comes with the harness."""
    hands: str | None
    """Path of the hand model; null for no hands."""
    face: str | None
    """Path of the face model; null for no face."""
    shards: Positive


class RgbMedia(Strict):
    """Clips cut out of the raw videos, resized, as short closed-GOP H.264 in tar shards."""

    kind: Literal["rgb"]
    edition: str
    short_side: Positive
    """Pixels of the shorter side of the stored frames."""
    gop: Positive
    """Frames between key frames."""
    crf: Annotated[int, Field(ge=0, le=51)]
    """Quality of H.264: 0 loses nothing, 18 is hard to tell from the source."""
    shards: Positive
    """In how many tar files the clips lie."""


class TaylorMedia(Strict):
    """Taylor videos: where a clip moves, and how that changes (Wang et al., ICML 2024)."""

    kind: Literal["taylor"]
    edition: str
    variant: Literal["paper", "mm_gesture", "signed"]
    """How a frame becomes 8 bit. paper: negative motion to 0, each channel of each frame by its own
    maximum; mm_gesture: one maximum over the three channels; signed: one scale a clip, 128 is no
    motion, so that sign and strength survive."""
    terms: Annotated[int, Field(ge=1, le=6)]
    """Terms of the series; the paper takes 3."""
    window: Positive
    """Frames of a block, at least terms + 3."""
    short_side: Positive
    gop: Positive
    crf: Annotated[int, Field(ge=0, le=51)]
    shards: Positive

    @model_validator(mode="after")
    def _holds_the_differences(self) -> TaylorMedia:
        if self.window < self.terms + 3:
            raise ValueError(f"window must be at least terms + 3 ({self.terms + 3})")
        return self


class DisFlow(Strict):
    """Dense inverse search (Kroeger et al., ECCV 2016) of OpenCV."""

    kind: Literal["dis"]
    preset: Literal["ultrafast", "fast", "medium"]


class SparseToDenseFlow(Strict):
    """Lucas-Kanade on a grid, interpolated at edges; OpenCV contrib. Better below a pixel."""

    kind: Literal["sparse_to_dense"]


class RaftFlow(Strict):
    """RAFT (Teed and Deng, ECCV 2020) of torchvision."""

    kind: Literal["raft"]
    size: Literal["small", "large"]
    weights: str
    """Path of the state dict, as torchvision publishes it."""
    updates: Positive
    """Refinements; 12 as published."""


class FlowMedia(Strict):
    """Optical flow of each frame to the next; the last frame repeats the one before."""

    kind: Literal["flow"]
    edition: str
    backend: Annotated[DisFlow | SparseToDenseFlow | RaftFlow, Field(discriminator="kind")]
    work_side: Positive
    """Shorter side in pixels at which flow is found, before it is stored smaller."""
    rendering: Literal["components", "wheel"]
    """components: x and y in two channels, 128 is no motion, one scale for the data set, so that
    strength survives. wheel: the colour wheel of MM-Gesture, each frame by its own maximum."""
    limit: Annotated[float, Field(gt=0)]
    """Pixels at `work_side` that the components reach; faster motion is clipped to it."""
    short_side: Positive
    gop: Positive
    crf: Annotated[int, Field(ge=0, le=51)]
    shards: Positive


VideoMedia: TypeAlias = RgbMedia | TaylorMedia | FlowMedia
"""What is stored as clips of H.264."""

Media: TypeAlias = Annotated[SkeletonMedia | PoseMedia | VideoMedia, Field(discriminator="kind")]
