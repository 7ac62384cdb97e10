"""Parameters of the generator; `params.yaml` reads them, so no code of the generator loads here."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from benchmark.core.schema import Seed, Strict

Split: TypeAlias = Literal["train", "val", "test"]

NUM_BODIES = 64
"""Bodies in the assets."""
BODIES: dict[Split, int] = {"train": 36, "val": 12, "test": 16}
"""Bodies of each split; every person of a split is one of its bodies, or the mean of two."""
TRAINING_BODIES: dict[Split, int] = {"train": 26, "val": 5, "test": 5}
"""How `cast: training` divides the bodies of train into three splits."""

_Count = Annotated[int, Field(ge=1)]
_Pixels = Annotated[int, Field(ge=64, multiple_of=2)]  # 4:2:0 video stores color per 2 x 2 pixels


class _FilmSpec(Strict):
    """Parameters of every generated data set: seed, sizes, people, camera."""

    seed: Seed
    """Seed of every random choice."""
    train_clips: _Count
    """Clips in the train split."""
    val_clips: _Count
    """Clips in the validation split."""
    test_clips: _Count
    """Clips in the test split."""
    train_people: _Count
    """People in train; no person, and no body that a person is made of, is in two splits."""
    val_people: _Count
    """People in validation."""
    test_people: _Count
    """People in test."""
    width: _Pixels
    """Frame width in pixels."""
    height: _Pixels
    """Frame height in pixels."""
    fps: Annotated[int, Field(ge=1)]
    """Frames per second; motions keep their speed in seconds."""
    crf: Annotated[int, Field(ge=0, le=51)]
    """x264 quality, lower is better."""

    def bodies(self) -> dict[Split, int]:
        """Return how many bodies each split has."""
        return TRAINING_BODIES

    def clips(self) -> dict[Split, int]:
        """Return how many clips each split has."""
        return {"train": self.train_clips, "val": self.val_clips, "test": self.test_clips}

    def people(self) -> dict[Split, int]:
        """Return how many people each split has."""
        return {"train": self.train_people, "val": self.val_people, "test": self.test_people}

    @model_validator(mode="after")
    def _check_people(self) -> Self:
        people = self.people()
        for split, bodies in self.bodies().items():
            most = bodies + bodies * (bodies - 1) // 2
            if people[split] > most:
                raise ValueError(f"{split}: {people[split]} people, but its bodies give {most}")
            if self.clips()[split] < people[split]:
                clips = self.clips()[split]
                raise ValueError(f"{split}: {clips} clips are too few for {people[split]} people")
        return self


class ActionsSpec(_FilmSpec):
    """A generated data set of whole persons' actions, to pre-train on: bodies of train alone."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        # The camera fits the person's width into the frame: in a narrower one they would be tiny.
        if self.height > 3 * self.width:
            raise ValueError(f"{self.width} x {self.height} is too narrow for a seated person")
        return self


class GesturesSpec(_FilmSpec):
    """A generated data set of gestures; the archive withholds the labels of its test split."""

    cast: Literal["everyone", "training"]
    """Whose bodies: of every split its own, or those of train alone, divided into three splits."""

    def bodies(self) -> dict[Split, int]:
        """Return how many bodies each split has."""
        return BODIES if self.cast == "everyone" else TRAINING_BODIES
