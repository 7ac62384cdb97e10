"""Film one clip of the plan."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from benchmark.synthetic.actions.action import Action, perform
from benchmark.synthetic.actions.staging import of_whole_clip, stage_action
from benchmark.synthetic.actions.studio import build_studio
from benchmark.synthetic.appearance import choose_appearance
from benchmark.synthetic.assets import read_body
from benchmark.synthetic.gestures.motion import LEFT, RIGHT, Take
from benchmark.synthetic.legs import seat
from benchmark.synthetic.mesh import Group
from benchmark.synthetic.person_mesh import dress
from benchmark.synthetic.plan import generator
from benchmark.synthetic.render import Renderer, Shot
from benchmark.synthetic.trousers import with_legs

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from benchmark.synthetic.actions.plan import Clip
    from benchmark.synthetic.choreography import Acting
    from benchmark.synthetic.person_mesh import PersonMesh
    from benchmark.synthetic.scene import Camera, Scene
    from benchmark.synthetic.spec import ActionsSpec

_PENS = {LEFT: Group.PEN_LEFT, RIGHT: Group.PEN_RIGHT}
_GLASSES = 0.25
"""Share of other clips with glasses, so that glasses do not tell the class "pushing glasses"."""


class ClipFilm:
    """One clip while it is filmed."""

    def __init__(self, spec: ActionsSpec, clip: Clip) -> None:
        self._spec, self._clip = spec, clip
        body = read_body(clip.identity)
        person = _dressed(spec.seed, clip.identity, _has_glasses(spec, clip))
        studio = build_studio(
            self._person("room"), self._rng("camera"), seat(clip.identity),
            num_frames=clip.num_frames, size=(spec.width, spec.height),
        )  # fmt: skip
        self._scene: Scene = studio.scene
        self.camera: Camera = studio.camera
        habits, rng = self._person("habits"), self._rng("acting")
        handed, vigor = habits.choice([0.25, 0.75]), habits.uniform(0.8, 1.15)
        side = LEFT if rng.random() < handed else RIGHT
        strength = float(vigor * rng.uniform(0.85, 1.15))
        motion = perform(clip.action, Take(rng, clip.length, side, strength, spec.fps))
        self.acting: Acting = stage_action(
            body, self._scene, of_whole_clip(motion, clip.start, clip.num_frames),
            fps=spec.fps, habits=habits, rng=rng,
        )  # fmt: skip
        self._renderer = Renderer(
            person, self._scene, self._rng("noise"), width=spec.width, height=spec.height
        )

    def _person(self, purpose: str) -> np.random.Generator:
        """Return a generator that draws alike in all clips of the person."""
        return generator(self._spec.seed, f"actions person {purpose}", self._clip.identity)

    def _rng(self, purpose: str) -> np.random.Generator:
        return _of_clip(self._spec, self._clip, purpose)

    def frames(self) -> Iterator[NDArray[np.uint8]]:
        """Yield RGB frames (H, W, 3) in order; the next frame overwrites the array."""
        for frame in range(self._clip.num_frames):
            pen = _PENS.get(int(self.acting.pen[frame]))
            away = {Group.PEN_ON_DESK, *_PENS.values()} - {pen}
            shot = Shot(
                self.acting.matrices[frame], self.acting.actions[frame], self.camera.rows[frame],
                self.camera.view[frame], Renderer.hidden(*away), frame * 7919,
            )  # fmt: skip
            yield self._renderer.draw(shot).rgb


def _of_clip(spec: ActionsSpec, clip: Clip, purpose: str) -> np.random.Generator:
    return generator(spec.seed, f"actions {clip.split} {purpose}", clip.number)


def _has_glasses(spec: ActionsSpec, clip: Clip) -> bool:
    chance = _of_clip(spec, clip, "glasses").random() < _GLASSES
    return chance or clip.action is Action.PUSHING_GLASSES


@lru_cache(maxsize=4)
def _dressed(seed: int, identity: int, glasses: bool) -> PersonMesh:
    """Dress a whole person."""
    # Painting takes far longer than a frame. Clips are filmed person by person, so few are kept.
    appearance = choose_appearance(generator(seed, "actions person look", identity), cap=False)
    appearance = replace(appearance, glasses=appearance.glasses or glasses)
    body = read_body(identity)
    upper = dress(body, appearance, generator(seed, "actions person cloth", identity))
    return with_legs(upper, body, appearance, generator(seed, "actions person trousers", identity))
