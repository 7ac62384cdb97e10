"""Parameters of the generator; `params.yaml` reads them, so no code of the generator loads here."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from benchmark.core.schema import Strict

NUM_IDENTITIES = 64
"""Bodies in the assets, of which every generated person is one."""

_Count = Annotated[int, Field(ge=1)]
_Pixels = Annotated[int, Field(ge=64, multiple_of=2)]  # 4:2:0 video stores color per 2 x 2 pixels


class _FilmSpec(Strict):
    """Parameters of every generated data set: seed, sizes, camera."""

    seed: Annotated[int, Field(ge=0)]
    """Seed of every random choice."""
    train_clips: _Count
    """Clips in the train split."""
    val_clips: _Count
    """Clips in the validation split."""
    test_clips: _Count
    """Clips in the test split."""
    width: _Pixels
    """Frame width in pixels."""
    height: _Pixels
    """Frame height in pixels."""
    fps: Annotated[int, Field(ge=1)]
    """Frames per second; motions keep their speed in seconds."""
    crf: Annotated[int, Field(ge=0, le=51)]
    """x264 quality, lower is better."""


class ActionsSpec(_FilmSpec):
    """A generated data set of whole persons' actions, to pre-train on."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        # The camera fits the person's width into the frame: in a narrower one they would be tiny.
        if self.height > 3 * self.width:
            raise ValueError(f"{self.width} x {self.height} is too narrow for a seated person")
        return self


class GesturesSpec(_FilmSpec):
    """A generated data set of gestures; the archive withholds the labels of its test split."""

    train_people: _Count
    """People in train, each in one video; no person is in two splits."""
    val_people: _Count
    """People in validation."""
    test_people: _Count
    """People in test."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        total = self.train_people + self.val_people + self.test_people
        if total > NUM_IDENTITIES:
            raise ValueError(f"{total} people, but there are {NUM_IDENTITIES} identities")
        sizes = (
            ("train", self.train_clips, self.train_people),
            ("val", self.val_clips, self.val_people),
            ("test", self.test_clips, self.test_people),
        )
        for split, clips, people in sizes:
            if clips < people:
                raise ValueError(f"{split}: {clips} clips are too few for {people} people")
        return self
