"""Film one video of the plan: frames and detected points."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.synthetic import choreography, keypoints
from benchmark.synthetic.appearance import Appearance, choose_appearance
from benchmark.synthetic.assets import read_body
from benchmark.synthetic.mesh import Group
from benchmark.synthetic.person_mesh import dress
from benchmark.synthetic.plan import generator
from benchmark.synthetic.render import Frame, Renderer, Shot
from benchmark.synthetic.scene import Camera, Scene, build_camera, build_scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmark.synthetic.plan import Video
    from benchmark.synthetic.spec import GesturesSpec

_PEN_GROUPS = {1: Group.PEN_LEFT, -1: Group.PEN_RIGHT, 0: Group.PEN_ON_DESK}


class Cast(NamedTuple):
    """Who and where, before the camera runs."""

    appearance: Appearance
    scene: Scene


def cast(spec: GesturesSpec, video: Video) -> Cast:
    """Appearance and scene of a video: their own generators, so no two videos share them."""
    appearance = choose_appearance(generator(spec.seed, "look", video.number), cap=video.cap)
    scene = build_scene(generator(spec.seed, "scene", video.number), spec.width, spec.height)
    return Cast(appearance, scene)


class VideoFilm:
    """One video being filmed: iterate `frames` once, then ask for the points."""

    def __init__(self, spec: GesturesSpec, video: Video) -> None:
        self._spec, self._video = spec, video
        self.body = read_body(video.identity)
        appearance, scene = cast(spec, video)
        person = dress(self.body, appearance, self._rng("cloth"))
        self.acting = choreography.act(
            self.body,
            scene,
            video.performances,
            num_frames=video.num_frames,
            fps=spec.fps,
            rng=self._rng("acting"),
        )
        self.camera: Camera = build_camera(
            self._rng("camera"), video.num_frames, spec.width, spec.height
        )
        self.renderer = Renderer(
            person, scene, self._rng("noise"), width=spec.width, height=spec.height
        )
        self._points = keypoints.find_points(self.body)
        self._places = keypoints.joint_places(self.acting.bones, self._points)
        self.exact = np.full((video.num_frames, keypoints.NUM_POINTS, 3), np.nan)
        """(T, 137, 3) exact px, px, meters; filled as frames are drawn."""
        self.hidden = np.zeros((video.num_frames, keypoints.NUM_POINTS), np.bool_)
        """(T, 137) whether a point is covered; filled as frames are drawn."""

    def _rng(self, purpose: str) -> np.random.Generator:
        return generator(self._spec.seed, purpose, self._video.number)

    def shot(self, frame: int) -> Shot:
        """What the renderer is given for one frame."""
        side = int(self.acting.pen[frame])
        hidden = Renderer.hidden(*(g for s, g in _PEN_GROUPS.items() if s != side))
        return Shot(
            self.acting.matrices[frame], self.acting.actions[frame], self.camera.rows[frame],
            self.camera.view[frame], hidden, frame * 7919,
        )  # fmt: skip

    def draw(self, frame: int) -> Frame:
        """Draw one frame and note its exact points. The arrays are reused by the next call."""
        picture = self.renderer.draw(self.shot(frame))
        exact = keypoints.exact_points(
            self._points, self._places[frame], picture.skin, self.camera.rows[frame]
        )
        self.exact[frame] = exact
        self.hidden[frame] = keypoints.hidden_points(self._points, exact, picture.depth)
        return picture

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """RGB frames (H, W, 3) in order."""
        for frame in range(self._video.num_frames):
            yield self.draw(frame).rgb

    def detections(self) -> NDArray[np.float64]:
        """(T, 137, 3) what a pose detector would report; after all frames were drawn."""
        size = (self._spec.width, self._spec.height)
        return keypoints.detect(self.exact, self.hidden, size, self._rng("detector"))
