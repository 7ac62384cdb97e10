"""Graph input: keypoints -> coordinates, bones or their motions, for networks over the skeleton."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from benchmark.core.schema import Positive, Share
from benchmark.data.person_box import person_box, to_box
from benchmark.data.sampling import TEST_SEED, looped_view, looped_views, rng_for
from benchmark.data.skeleton_graph import skeleton_graph
from benchmark.data.transforms import mirrored_points
from benchmark.data.views import FixedViews, InputBase, distinct

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.modalities.modality import ModalityBase

    Points: TypeAlias = NDArray[np.float32]

GraphStream: TypeAlias = Literal["joint", "bone", "joint_motion", "bone_motion"]
SIDE = 2
"""Side of the square around the person, which reaches from -1 to 1."""


class GraphInput(InputBase):
    """Keypoints as a graph: two coordinates and the confidence of each point.

    The square around all points that were seen in the clip (`person_box`) becomes -1 to 1. A point
    that was not seen is 0, 0, 0.
    """

    kind: Literal["graph"]
    reads: ClassVar = ("keypoints",)
    mixes: ClassVar = False
    stream: GraphStream
    """Positions, bones (a point minus its neighbor toward the center), or how either changes from
    one frame of the clip to the next."""
    frames: Positive
    """Frames of one view, sampled uniformly over the clip."""
    scale: Annotated[float, Field(ge=0, lt=1)]
    """In training, sizes vary by up to this share."""
    rotation: Annotated[float, Field(ge=0, le=180)]
    """In training, skeletons are turned by up to so many degrees to either side."""
    flip: Share
    """Probability of a left-right flip in training."""
    views: Positive
    """Temporal views in test; each also flipped where `flip_views`."""
    flip_views: bool
    """Whether test sees each view mirrored too."""

    def clip_views(
        self, modality: ModalityBase, folder: Path, clips: Clips, *, cache_gib: float
    ) -> GraphViews:
        return GraphViews(self, modality.keypoints_folder(folder), clips)


class GraphViews:
    """Views of clips for training (one, random) and for test (all, fixed).

    A view is float32 (frames, J, 3): x, y and confidence, of the spec's stream.
    """

    def __init__(self, spec: GraphInput, folder: Path, clips: Clips) -> None:
        from benchmark.data.readers import SkeletonReader

        self._spec = spec
        self._reader = SkeletonReader(folder, clips)
        self.layout = self._reader.layout
        self._parent = skeleton_graph(self.layout).parent
        self._shape = {clip.clip_id: (float(clip.width), float(clip.height)) for clip in clips}

    def train(self, clip_id: str, rng: np.random.Generator) -> tuple[Points]:
        """Draw one random view: float32 (frames, J, 3)."""
        spec, clip = self._spec, self._read(clip_id)
        numbers = looped_view(len(clip), spec.frames, rng)
        angle = np.deg2rad(rng.uniform(-spec.rotation, spec.rotation))
        clip = turned(clip, angle, 1 + rng.uniform(-spec.scale, spec.scale))
        if rng.random() < spec.flip:
            clip = mirrored_points(clip, 0, self.layout)
        return (stream_of(clip, spec.stream, self._parent)[numbers],)

    def test(self, clip_id: str, *, quick: bool) -> FixedViews:
        """Give the distinct fixed views, each followed by its mirror; only the first if `quick`.

        float32 (V, frames, J, 3).
        """
        spec, clip = self._spec, self._read(clip_id)
        rng = rng_for(TEST_SEED, "test frames", clip_id)
        numbers = looped_views(len(clip), spec.frames, 1 if quick else spec.views, rng)
        places, weight = distinct([one.tobytes() for one in numbers])
        sides = [clip]
        if spec.flip_views and not quick:
            sides.append(mirrored_points(clip, 0, self.layout))
        streams = [stream_of(side, spec.stream, self._parent) for side in sides]
        found = [stream[numbers[place]] for place in places for stream in streams]
        share = np.repeat(weight / np.float32(len(sides)), len(sides))
        return FixedViews((np.stack(found),), share)

    def _read(self, clip_id: str) -> Points:
        """Read a clip and make its coordinates relative to the person: -1 to 1."""
        clip = self._reader.read(clip_id)
        clip = to_box(clip, person_box(clip, self._shape[clip_id]), SIDE)
        clip[..., :2] -= SIDE / 2
        clip[clip[..., 2] <= 0] = 0
        return clip


def turned(clip: Points, angle: float, size: float) -> Points:
    """Turn all points around 0, 0 by `angle` radians, and enlarge them `size` times."""
    cos, sin = size * np.cos(angle), size * np.sin(angle)
    moved = clip.copy()
    moved[..., :2] = clip[..., :2] @ np.array([[cos, sin], [-sin, cos]], np.float32)
    return moved


def stream_of(clip: Points, stream: GraphStream, parent: tuple[int, ...]) -> Points:
    """Return what a stream shows of a clip (T, J, 3), in the same shape.

    A difference of two points has the lower one of their confidences, and is 0, 0, 0 if one of them
    was not seen. The bone of the center is 0, and so is the motion of the last frame.

    Args:
        clip: x, y and confidence; 0, 0, 0 for a point that was not seen.
        stream: Positions, bones or their motions.
        parent: Where the bone of each point begins.

    Source: JointToBone and ToMotion of mmaction2, which average the confidences and count unseen
    points as if they were at 0, 0.
    """
    if stream.startswith("bone"):
        clip = _difference(clip, clip[:, list(parent)])
    if stream.endswith("motion"):
        clip = _difference(np.concatenate([clip[1:], clip[-1:]]), clip)
    return clip


def _difference(end: Points, start: Points) -> Points:
    difference = end - start
    difference[..., 2] = np.minimum(end[..., 2], start[..., 2])
    difference[difference[..., 2] <= 0] = 0
    return difference
