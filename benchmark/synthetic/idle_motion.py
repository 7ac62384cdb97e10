"""Move a person who makes no gesture: breath, sway, glances, blinks, talk; rest the hands.

A class must not be told from stillness alone: real people never stop moving.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmark.synthetic.assets import read_rig
from benchmark.synthetic.geometry import Array, smooth_noise, smoothstep
from benchmark.synthetic.gestures.motion import Axes, Contact, Desk, Goal, Vector
from benchmark.synthetic.skeleton import Control


class IdleMotion(NamedTuple):
    """Idle motion of T frames."""

    controls: Array
    """(T, len(Control))."""
    actions: Array
    """(T, A) face actions without talk."""
    talk: Array
    """(T, A) face actions of talk, which gestures may mute."""


def idle_motion(rng: np.random.Generator, num_frames: int, fps: float) -> IdleMotion:
    """Make up one person's idle motion."""
    controls = np.zeros((num_frames, len(Control)))
    restless = rng.uniform(0.6, 1.9)
    seconds = np.arange(num_frames) / fps
    breath = np.sin(2 * np.pi * rng.uniform(0.22, 0.34) * seconds + rng.uniform(0, 6))
    controls[:, Control.CHEST] = 0.010 * breath
    controls[:, Control.RISE] = 0.0015 * breath
    spread = {
        Control.LEAN: 0.018, Control.SIDE: 0.016, Control.TWIST: 0.03, Control.SLIDE: 0.006,
        Control.ROLL: 0.035, Control.SHRUG_LEFT: 0.02, Control.SHRUG_RIGHT: 0.02,
    }  # fmt: skip
    slow = smooth_noise(rng, num_frames, 1.6 * fps, len(spread))
    for column, (control, size) in enumerate(spread.items()):
        controls[:, control] += restless * size * slow[:, column]
    controls[:, Control.LEAN] += rng.uniform(-0.02, 0.12)
    controls[:, Control.SIDE] += rng.normal(0, 0.03)
    controls[:, Control.TWIST] += rng.normal(0, 0.08)
    head = smooth_noise(rng, num_frames, 0.9 * fps, 2)
    controls[:, Control.PITCH] = rng.normal(0.03, 0.05) + restless * 0.045 * head[:, 0]
    controls[:, Control.YAW] = rng.normal(0, 0.12) + restless * 0.10 * head[:, 1]
    twitch = _twitches(rng, num_frames, fps, 3)
    controls[:, Control.SHRUG_LEFT] += 0.09 * restless * twitch[:, 0]
    controls[:, Control.SHRUG_RIGHT] += 0.09 * restless * twitch[:, 1]
    controls[:, Control.TWIST] += 0.05 * restless * twitch[:, 2]
    # Eyes jump from place to place: rounding turns the slow noise into steps.
    gaze = np.round(smooth_noise(rng, num_frames, 0.7 * fps, 2) * 1.2) * [0.12, 0.06]
    controls[:, [Control.GAZE_YAW, Control.GAZE_PITCH]] = gaze
    return IdleMotion(controls, _blinks(rng, num_frames, fps), _talk(rng, num_frames, fps))


def _twitches(rng: np.random.Generator, num_frames: int, fps: float, columns: int) -> Array:
    """Sample (T, columns) rare bumps of about 0.6 s and random height below 1.

    Args:
        rng: Random generator.
        num_frames: T.
        fps: Frames per second.
        columns: Independent tracks.
    """
    bumps = np.zeros((num_frames, columns))
    shape = np.hanning(max(3, round(0.6 * fps)))
    for column in range(columns):
        at = rng.exponential(3.0) * fps
        while at < num_frames - len(shape):
            bumps[int(at) : int(at) + len(shape), column] += shape * rng.uniform(-0.3, 1.0)
            at += len(shape) + rng.exponential(3.0) * fps
    return bumps


def _blinks(rng: np.random.Generator, num_frames: int, fps: float) -> Array:
    rig = read_rig()
    shut = np.zeros(num_frames)
    at = rng.exponential(2.5) * fps
    shape = np.array([0.5, 1.0, 0.95, 0.6, 0.25])
    while at < num_frames - 5:
        shut[int(at) : int(at) + 5] = shape
        at += 6 + rng.exponential(2.6) * fps
    actions = np.zeros((num_frames, len(rig.actions)))
    brow = 0.25 * np.maximum(smooth_noise(rng, num_frames, fps, 1)[:, 0], 0)
    for side in ("Left", "Right"):
        actions[:, rig.actions[f"eyeBlink{side}"]] = shut
    actions[:, rig.actions["browInnerUp"]] = brow
    lips = np.maximum(_twitches(rng, num_frames, fps, 1)[:, 0], 0)
    for name in ("mouthPressLeft", "mouthPressRight", "mouthRollLower"):
        actions[:, rig.actions[name]] = 0.45 * lips
    return actions


def _talk(rng: np.random.Generator, num_frames: int, fps: float) -> Array:
    """Open the mouth for syllables, about 4.5 per second, in phrases of one to four seconds."""
    rig = read_rig()
    actions = np.zeros((num_frames, len(rig.actions)))
    phrase = smoothstep(
        smooth_noise(rng, num_frames, 1.3 * fps, 1)[:, 0] * 1.5 + rng.uniform(0.2, 0.9)
    )
    syllable = np.abs(smooth_noise(rng, num_frames, fps / 7.0, 3))
    loud = rng.uniform(0.22, 0.42)
    actions[:, rig.actions["jawOpen"]] = loud * phrase * syllable[:, 0]
    actions[:, rig.actions["mouthFunnel"]] = 0.3 * phrase * syllable[:, 1]
    for side in ("Left", "Right"):
        actions[:, rig.actions[f"mouthStretch{side}"]] = 0.3 * phrase * syllable[:, 2]
        actions[:, rig.actions[f"mouthLowerDown{side}"]] = 0.3 * phrase * syllable[:, 0]
    return actions


_RESTS: tuple[tuple[Vector, Vector, Vector], ...] = (
    ((0.16, 0.30, 0.045), (-0.75, -0.65, 0.0), (0.0, 0.0, -1.0)),
    ((0.05, 0.33, 0.05), (-0.9, -0.4, 0.05), (-0.1, 0.1, -1.0)),
    ((0.26, 0.33, 0.045), (-0.25, -0.95, 0.0), (-0.3, 0.0, -0.95)),
    ((0.12, 0.28, 0.05), (-0.7, -0.6, 0.2), (-0.75, 0.4, -0.4)),
    ((0.14, 0.12, -0.10), (-0.6, -0.75, -0.2), (-0.2, 0.2, -0.95)),
)
"""Place on the desk, pointing, palm: flat, near the other hand, apart, on edge, in the lap."""


def rest_goals(rng: np.random.Generator, num_frames: int) -> dict[int, Goal]:
    """Choose where each hand lies for a while: side -> goal for all frames."""
    goals: dict[int, Goal] = {}
    # Both hands often rest alike, but not always.
    common = int(rng.choice(len(_RESTS), p=[0.34, 0.2, 0.16, 0.22, 0.08]))
    for side in (1, -1):
        single = int(rng.choice(len(_RESTS), p=[0.34, 0.2, 0.16, 0.22, 0.08]))
        at, pointing, palm = _RESTS[common if rng.random() < 0.7 else single]
        x, y, z = np.array(at) + rng.normal(0, [0.025, 0.02, 0.004])
        y += 0.03 * (side > 0)  # hands that meet must not intersect
        curls = np.full((num_frames, 6), 0.12)
        curls[:, 1:5] += rng.uniform(0.0, 0.35) + rng.normal(0, 0.04, 4)
        goals[side] = Goal(
            place=Desk((float(x), float(y), float(z))), contact=Contact.WRIST, pointing=pointing,
            palm=palm, elbow=(0.65, 0.3, -0.75), weight=np.ones(num_frames), curls=curls,
            drift=np.zeros((num_frames, 3)), wobble=np.zeros(num_frames), axes=Axes.CHEST,
            arc=(0.0, 0.0, 0.0),
        )  # fmt: skip
    return goals
