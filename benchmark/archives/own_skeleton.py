"""`skeleton.yaml`: what the user's own skeletons consist of: OpenPose's points, or named joints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from benchmark.contracts.skeletons import Layout
from benchmark.core.schema import AboveZero, Positive, Strict, read_yaml

FILE = "skeleton.yaml"


class Recording(Strict):
    """What a video would say, where there are skeletons alone."""

    fps: AboveZero
    """Frames per second."""
    width: Positive
    """Width in pixels of the picture that x belongs to."""
    height: Positive
    """Height in pixels of the picture that y belongs to."""


class OwnSkeleton(Strict):
    """The content of the file; edges and pairs name joints."""

    joints: Literal["openpose137"] | Annotated[tuple[str, ...], Field(min_length=1)]
    """In the order of the arrays' second axis; OpenPose's 137 points are known by that word."""
    edges: tuple[tuple[str, str], ...] = ()
    """Limbs."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Left and right joints that change places in a mirror."""
    without_videos: Recording | None = None
    """For skeletons that come without any video."""

    @model_validator(mode="after")
    def _names_are_joints(self) -> OwnSkeleton:
        if self.joints == "openpose137":
            if self.edges or self.pairs:
                raise ValueError("openpose137 has its own edges and pairs: leave them out")
            return self
        if missing := sorted({"edges", "pairs"} - self.model_fields_set):
            raise ValueError(f"{' and '.join(missing)}: missing; named joints need them")
        if len(set(self.joints)) != len(self.joints):
            raise ValueError("two joints have the same name")
        for kind, ends in (("edges", self.edges), ("pairs", self.pairs)):
            unknown = sorted({name for pair in ends for name in pair} - {*self.joints})
            if unknown:
                raise ValueError(f"{kind}: no joint '{unknown[0]}'")
        paired = [name for pair in self.pairs for name in pair]
        if len(set(paired)) != len(paired):
            raise ValueError("pairs: a joint is in two pairs")
        return self


def read_own_skeleton(path: Path) -> OwnSkeleton:
    """Read a `skeleton.yaml`.

    Raises:
        ParamsError: The file breaks its schema.
    """
    return read_yaml(path, OwnSkeleton)


def recording_of(root: Path) -> Recording | None:
    """Return what the skeletons in the folder `root` belong to; None where there are videos.

    Raises:
        ParamsError: `skeleton.yaml` breaks its schema.
    """
    path = root / FILE
    return read_own_skeleton(path).without_videos if path.is_file() else None


def read_own_layout(path: Path) -> Layout | None:
    """Read the layout that a `skeleton.yaml` describes; None for OpenPose's 137 points.

    Raises:
        ParamsError: The file breaks its schema.
    """
    skeleton = read_own_skeleton(path)
    if skeleton.joints == "openpose137":
        return None
    # People write names, networks read numbers: the array's axis has the order of `joints`.
    number = {name: index for index, name in enumerate(skeleton.joints)}
    swap = list(range(len(skeleton.joints)))
    for left, right in skeleton.pairs:
        swap[number[left]], swap[number[right]] = number[right], number[left]
    return Layout(
        name="own",
        points=tuple(range(len(skeleton.joints))),
        edges=tuple((number[start], number[end]) for start, end in skeleton.edges),
        swap=tuple(swap),
        names=skeleton.joints,
    )
