"""The front door to MediaPipe: OpenPose's 137 points of the frames of a video.

MediaPipe is an optional extra and imported only where an estimator opens its models; the mapping
itself needs nothing but numpy. Left and right are the person's, in both conventions.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmark.archives.openpose import NUM_POINTS
from benchmark.core.errors import ArchiveError, MissingExtra
from benchmark.core.pinned_file import sha256
from benchmark.modalities.person_crop import cropped

if TYPE_CHECKING:
    from benchmark.data.person_box import Box

FloatArray: TypeAlias = NDArray[np.float32]

INSTALL = "pip install --no-deps mediapipe==1.2.2"
BODY, FACE = slice(0, 25), slice(25, 95)
LEFT_HAND, RIGHT_HAND = slice(95, 116), slice(116, 137)

BODY25: tuple[tuple[int, ...], ...] = (
    (0,), (11, 12),  # nose, neck: between the shoulders
    (12,), (14,), (16,), (11,), (13,), (15,),  # right, then left shoulder, elbow, wrist
    (23, 24), (24,), (26,), (28,), (23,), (25,), (27,),  # mid hip; right, left hip, knee, ankle
    (5,), (2,), (8,), (7,),  # right eye, left eye, right ear, left ear
    (31,), (), (29,), (32,), (), (30,),  # left, then right big toe, small toe, heel
)  # fmt: skip
"""MediaPipe's pose landmarks whose mean is each point of BODY_25; () where it has none."""

FACE70: tuple[int, ...] = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,  # jaw
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,  # right, left brow
    168, 197, 5, 4, 98, 97, 2, 326, 327,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # right, left eye
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # outer lips
    78, 82, 13, 312, 308, 317, 14, 87,  # inner lips
    468, 473,  # right, left pupil
)  # fmt: skip
"""MediaPipe's face landmark that is each point of OpenPose's face, which starts at the right ear.

The 21 points of a hand have the same order in both."""

_WRISTS = (15, 16)
_REACH, _NAME = 2.0, 0.5
_HEAD = slice(0, 11)
_ROOM = 2.0
"""Side of the square in which a face is looked for, as a multiple of the head's landmarks."""


class PoseModels(NamedTuple):
    """MediaPipe's model bundles, as published."""

    pose: Path
    """pose_landmarker_lite.task, pose_landmarker_full.task or pose_landmarker_heavy.task."""
    hands: Path | None = None
    """hand_landmarker.task; without it the hands are missing points."""
    face: Path | None = None
    """face_landmarker.task; without it the face is missing points."""


class Landmarks(NamedTuple):
    """What MediaPipe found in one frame: x and y as shares of width and height, z as it comes."""

    pose: FloatArray | None
    """(33, 4) x, y, z, visibility 0..1 of one person."""
    hands: FloatArray
    """(n, 21, 3) of n = 0, 1 or 2 hands, in no order."""
    called_right: NDArray[np.bool_]
    """(n,) whether MediaPipe takes the hand for a right one, the picture being no mirror's."""
    face: FloatArray | None
    """(478, 3) of one face."""


class KeypointEstimator:
    """Finds the points of one video, frame after frame: it tracks, so every video needs its own.

    Raises:
        MissingExtra: On entering, if MediaPipe is not installed.
        ArchiveError: On entering, if a model file is missing or not the bundle it should be.
    """

    def __init__(self, models: PoseModels, fps: float) -> None:
        if not 0 < fps <= 1000:
            raise ValueError(f"{fps} frames per second")
        self._models, self._fps = models, fps
        self._frame = 0
        self._open = ExitStack()
        self._pose = self._hands = self._face = self._image = None

    def __enter__(self) -> Self:
        for path in _files(self._models).values():
            _check_file(path)
        vision, self._image = _mediapipe()
        models = self._models
        with ExitStack() as opening:
            keep = opening.enter_context
            self._pose = keep(_landmarker(vision, "Pose", "VIDEO", models.pose))
            if models.hands is not None:
                self._hands = keep(_landmarker(vision, "Hand", "VIDEO", models.hands, num_hands=2))
            if models.face is not None:
                self._face = keep(_landmarker(vision, "Face", "IMAGE", models.face))
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def points(self, frame: NDArray[np.uint8]) -> FloatArray:
        height, width = frame.shape[:2]
        found = self.landmarks(frame)
        left, right = assign_hands(found, width, height)
        return to_openpose137(found.pose, left, right, found.face, width=width, height=height)

    def landmarks(self, frame: NDArray[np.uint8]) -> Landmarks:
        """Find MediaPipe's own landmarks in the next frame, uint8 (H, W, 3) RGB."""
        if self._pose is None or self._image is None:
            raise RuntimeError("an estimator opens its models in a with statement")
        picture = self._image(np.ascontiguousarray(frame))
        at = round(self._frame * 1000 / self._fps)
        self._frame += 1
        poses = self._pose.detect_for_video(picture, at).pose_landmarks
        hands, sides = [], []
        if self._hands is not None:
            seen = self._hands.detect_for_video(picture, at)
            hands, sides = seen.hand_landmarks, seen.handedness
        pose = _array(poses[0], visibility=True) if poses else None
        return Landmarks(
            pose=pose,
            hands=np.array([_array(hand) for hand in hands], np.float32).reshape(-1, 21, 3),
            called_right=np.array([side[0].category_name == "Right" for side in sides], np.bool_),
            face=None if pose is None else self._find_face(frame, pose),
        )

    def _find_face(self, frame: NDArray[np.uint8], pose: FloatArray) -> FloatArray | None:
        """Find the face in a square around the head: in a whole frame most are too small."""
        height, width = frame.shape[:2]
        square = head_square(pose, width, height)
        if self._face is None or self._image is None or square is None:
            return None
        faces = self._face.detect(self._image(cropped(frame, square))).face_landmarks
        if not faces:
            return None
        left, top, side, _ = square
        face = _array(faces[0]) * side + [left, top, 0]
        return (face / [width, height, width]).astype(np.float32)


def model_hashes(models: PoseModels) -> dict[str, str]:
    """Hash the model files: SHA-256 by part.

    Raises:
        ArchiveError: A model file is missing.
    """
    hashes = {}
    for part, path in _files(models).items():
        _check_file(path)
        hashes[part] = sha256(path)
    return hashes


def to_openpose137(
    pose: FloatArray | None, left_hand: FloatArray | None, right_hand: FloatArray | None,
    face: FloatArray | None, *, width: int, height: int,
) -> FloatArray:  # fmt: skip
    """Arrange OpenPose's 137 points: float32 (137, 3) of x px, y px, confidence; 0 if missing.

    Order: body 25, face 70, left hand 21, right hand 21. The confidence of a body point is
    MediaPipe's visibility, how sure it is that the point is in the frame and not covered; of the
    neck and the mid hip, which lie between two points, the lower of the two. MediaPipe says
    nothing of the single points of hands and faces: 1 where the part was found. Small toes are
    always missing. MediaPipe guesses points beyond the frame too; they stay where it puts them,
    outside 0..width or 0..height, with the low visibility that it gives them.

    Args:
        pose: (33, 4) x and y as shares of width and height, z, visibility.
        left_hand: (21, 3) x, y, z likewise.
        right_hand: (21, 3) likewise.
        face: (478, 3) likewise.
        width: Of the frame, px.
        height: Of the frame, px.
    """
    points = np.zeros((NUM_POINTS, 3), np.float32)
    size = np.array([width, height], np.float32)
    if pose is not None:
        for k, sources in enumerate(BODY25):
            if sources:
                points[k, :2] = pose[list(sources), :2].mean(0) * size
                points[k, 2] = pose[list(sources), 3].min().clip(0, 1)
    face = None if face is None else face[list(FACE70)]
    for part, found in ((FACE, face), (LEFT_HAND, left_hand), (RIGHT_HAND, right_hand)):
        if found is not None:
            points[part, :2] = found[:, :2] * size
            points[part, 2] = 1
    points[points[:, 2] == 0] = 0
    return points


def assign_hands(
    found: Landmarks, width: int, height: int
) -> tuple[FloatArray | None, FloatArray | None]:
    """Choose the person's left and right hand: by the nearest wrist and by what MediaPipe says.

    Neither alone will do: where arms cross, the wrists of the pose are often wrong, and elsewhere
    the name is. Distances count in lengths of the hand, and a contradicted name as `_NAME` of them.
    A hand further than `_REACH` lengths from a wrist belongs to somebody else.
    """
    if found.pose is None:
        return None, None
    size = np.array([width, height])
    hands = found.hands[..., :2] * size
    wrists = found.pose[list(_WRISTS), :2] * size
    lengths = np.linalg.norm(hands - hands[:, :1], axis=2).max(1).clip(min=1)
    distances = np.linalg.norm(hands[:, :1] - wrists, axis=2) / lengths[:, None]
    contradicted = found.called_right[:, None] != np.array([False, True])
    far = distances > _REACH
    cost = distances + _NAME * contradicted + 1e6 * far
    sides: list[FloatArray | None] = [None, None]
    for hand, side in zip(*linear_sum_assignment(cost), strict=True):
        if not far[hand, side]:
            sides[side] = found.hands[hand]
    return sides[0], sides[1]


def head_square(pose: FloatArray, width: int, height: int) -> Box | None:
    """Find a square around the head, with room, in whole px; None where it misses the frame."""
    head = pose[_HEAD, :2] * [width, height]
    center = head.mean(0)
    side = round(_ROOM * 2 * float(np.linalg.norm(head - center, axis=1).max())) + 1
    left, top = (int(c) for c in np.round(center - side / 2))
    inside = -side < left < width and -side < top < height
    return (left, top, side, side) if inside else None


def _array(landmarks: Iterable[Any], *, visibility: bool = False) -> FloatArray:
    rows = [(p.x, p.y, p.z, p.visibility) if visibility else (p.x, p.y, p.z) for p in landmarks]
    return np.array(rows, np.float32)


def _files(models: PoseModels) -> dict[str, Path]:
    return {part: path for part, path in models._asdict().items() if path is not None}


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ArchiveError(
            path, "no such model", expected="a model bundle of MediaPipe (.task)",
            found="nothing", do="docs/skeletons-from-video.md says which files to fetch",
        )  # fmt: skip


def _mediapipe() -> tuple[Any, Any]:
    """Import the vision tasks, and a function that wraps an RGB frame.

    Raises:
        MissingExtra: MediaPipe is not installed.
    """
    try:
        import mediapipe  # pyright: ignore[reportMissingImports]
        from mediapipe.tasks.python import vision  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise _missing(error) from error
    rgb = mediapipe.ImageFormat.SRGB
    return vision, lambda frame: mediapipe.Image(image_format=rgb, data=frame)


def _missing(error: Exception) -> MissingExtra:
    return MissingExtra(
        "mediapipe", "finding the points of a video needs this optional package",
        expected="mediapipe 1.2.2", found=str(error), do=f"Install it: {INSTALL}",
    )  # fmt: skip


def _landmarker(vision: Any, kind: str, mode: str, path: Path, **limits: int) -> Any:
    from mediapipe.tasks.python import BaseOptions  # pyright: ignore[reportMissingImports]

    options = getattr(vision, f"{kind}LandmarkerOptions")(
        base_options=BaseOptions(model_asset_path=str(path), delegate=BaseOptions.Delegate.CPU),
        running_mode=vision.RunningMode[mode],
        **limits,
    )
    try:
        return getattr(vision, f"{kind}Landmarker").create_from_options(options)
    except (FileNotFoundError, RuntimeError, ValueError) as error:
        raise ArchiveError(
            path, f"MediaPipe cannot open it as its {kind.lower()} landmarker",
            expected=f"a {kind.lower()} landmarker bundle (.task)",
            found=" ".join(str(error).split())[:300],
            do="Fetch the file again, and see docs/skeletons-from-video.md for which goes where",
        ) from error  # fmt: skip
    except OSError as error:  # the library itself does not load
        raise _missing(error) from error
