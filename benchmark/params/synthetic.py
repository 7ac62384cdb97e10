"""The knobs of the generator."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from benchmark.core.schema import Strict
from benchmark.synthetic.assets import NUM_IDENTITIES

_Count = Annotated[int, Field(ge=1)]


class ActionsSpec(Strict):
    """A generated data set of whole persons' actions, to pre-train on."""

    seed: Annotated[int, Field(ge=0)]
    """Everything random follows from it."""
    train_clips: _Count
    """Number of clips in the train split."""
    val_clips: _Count
    """Number of clips in the validation split."""
    test_clips: _Count
    """Number of clips in the test split."""
    width: Annotated[int, Field(ge=64, multiple_of=2)]
    """Frame width in pixels."""
    height: Annotated[int, Field(ge=64, multiple_of=2)]
    """Frame height in pixels."""
    fps: Annotated[int, Field(ge=1)]
    """Frames per second; actions keep their speed in seconds."""
    crf: Annotated[int, Field(ge=0, le=51)]
    """x264 quality, lower is better."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.height > 3 * self.width:
            raise ValueError(f"{self.width} x {self.height} is too narrow for a seated person")
        return self


class GesturesSpec(Strict):
    """A generated data set: how much, who, and what the camera gives."""

    seed: Annotated[int, Field(ge=0)]
    """Everything random follows from it."""
    train_clips: _Count
    """Number of labeled clips in the train split."""
    val_clips: _Count
    """Number of labeled clips in the validation split."""
    test_clips: _Count
    """Number of clips whose labels are sealed."""
    train_people: _Count
    """People, each in one video, in train; no person is in two splits."""
    val_people: _Count
    """People in validation."""
    test_people: _Count
    """People in test."""
    width: Annotated[int, Field(ge=64, multiple_of=2)]
    """Frame width in pixels."""
    height: Annotated[int, Field(ge=64, multiple_of=2)]
    """Frame height in pixels."""
    fps: Annotated[int, Field(ge=1)]
    """Frames per second; gestures keep their speed in seconds."""
    crf: Annotated[int, Field(ge=0, le=51)]
    """x264 quality, lower is better."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        people = self.train_people + self.val_people + self.test_people
        if people > NUM_IDENTITIES:
            raise ValueError(f"{people} people, but there are {NUM_IDENTITIES} identities")
        pairs = (
            ("train", self.train_clips, self.train_people),
            ("val", self.val_clips, self.val_people),
            ("test", self.test_clips, self.test_people),
        )
        for split, clips, heads in pairs:
            if clips < heads:
                raise ValueError(f"{split}: {clips} clips are too few for {heads} people")
        return self
