"""Draw one frame of one person: RGB and exact depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.synthetic import raster
from benchmark.synthetic.assets import read_rig
from benchmark.synthetic.mesh import Group, join

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmark.synthetic.person_mesh import PersonMesh
    from benchmark.synthetic.scene import Scene

_NOISE_LENGTH = 1 << 18


class Frame(NamedTuple):
    """What the camera gives; the renderer owns the arrays and overwrites them with the next one."""

    rgb: NDArray[np.uint8]
    """(H, W, 3)."""
    depth: NDArray[np.float32]
    """(H, W) meters along the optical axis; `raster.FAR` where only the backdrop is seen."""
    skin: NDArray[np.float32]
    """(V, 3) the body's vertices: x px, y px, depth m."""


class Shot(NamedTuple):
    """Everything that changes from frame to frame."""

    matrices: NDArray[np.float32]
    """(B + 1, 3, 4) maps of the bones, the last one static."""
    actions: NDArray[np.float32]
    """(A,) face action weights."""
    camera: NDArray[np.float32]
    """(15,) row of `scene.Camera`."""
    view: NDArray[np.float32]
    """(3,) row of the backdrop's view."""
    hidden: NDArray[np.bool_]
    """(len(Group),) groups left out."""
    noise_at: int
    """Where in the noise this frame begins."""


class Renderer:
    """Draws one person in one scene, always into the same buffers."""

    def __init__(
        self, person: PersonMesh, scene: Scene, rng: np.random.Generator, *, width: int, height: int
    ) -> None:
        # The body is the first part: keypoints and face actions find its vertices by number.
        self.mesh = join([*person.parts, *scene.parts])
        """Person and scene; the body's vertices come first."""
        self._rig = read_rig()
        self._texture = person.texture
        self._scene = scene
        s = raster.SUPERSAMPLE
        num_vertices = len(self.mesh.rest)
        self._to_frame = np.array([s, s, 1], np.float32)
        self._acted, self._place, self._normal, self._light = (
            np.zeros((num_vertices, 3), np.float32) for _ in range(4)
        )
        self.points = np.zeros((num_vertices, 3), np.float32)
        """(V, 3) the mesh in the frame drawn last: x, y in samples, depth in meters."""
        self._rgb = np.zeros((height * s, width * s, 3), np.float32)
        self._depth = np.empty((height * s, width * s), np.float32)
        self._out = np.empty((height, width, 3), np.uint8)
        self._out_depth = np.empty((height, width), np.float32)
        # Fresh grain for every pixel of every frame would cost time: frames read one long array,
        # each from another start.
        self._noise = rng.standard_normal(_NOISE_LENGTH).astype(np.float32)
        self._gain = np.array([*scene.tint, scene.grain, scene.grain * 0.5], np.float32)

    def draw(self, shot: Shot) -> Frame:
        """Draw one frame."""
        mesh, rig = self.mesh, self._rig
        screen = shot.camera.astype(np.float32).copy()
        # Focal length and center in samples make the projection land on the sample grid at once.
        screen[12:] *= raster.SUPERSAMPLE
        raster.apply_actions(
            mesh.rest, shot.actions.astype(np.float32), rig.action_start, rig.action_vertex,
            rig.action_offset, self._acted,
        )  # fmt: skip
        raster.pose_vertices(
            self._acted, mesh.normals, mesh.bone_idx, mesh.bone_w, shot.matrices.astype(np.float32),
            self._place, self._normal,
        )  # fmt: skip
        raster.project_vertices(self._place, screen, self.points)
        raster.light_vertices(self._normal, self._scene.lights, self._light)
        # Only depth is cleared: `resolve` reads colors of no sample whose depth is still FAR.
        self._depth.fill(raster.FAR)
        raster.fill_triangles(
            self.points, self._light, mesh.faces, mesh.face_uv, mesh.group, shot.hidden,
            self._texture, self._rgb, self._depth,
        )  # fmt: skip
        raster.resolve(
            self._rgb, self._depth, self._scene.backdrop, shot.view, self._scene.shadow,
            self._noise, shot.noise_at % _NOISE_LENGTH, self._gain, self._out, self._out_depth,
        )  # fmt: skip
        skin = self.points[: len(self._rig.main_bone)] / self._to_frame
        return Frame(self._out, self._out_depth, skin)

    @staticmethod
    def hidden(*groups: Group) -> NDArray[np.bool_]:
        """Return flags (groups,) that leave out the given groups."""
        flags = np.zeros(len(Group), np.bool_)
        flags[list(groups)] = True
        return flags
