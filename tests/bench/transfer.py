"""Does the zoo's joint network help on real skeletons? From the zoo against from scratch.

Real sets of gestures that public repositories hold, persons held out: KARD (18 actions, 10 persons;
Gaglio et al., 2015) and UTD-MHAD (27 actions, 8 persons; Chen et al., 2015), both of a Kinect, so
without hands and face. Neither states a license in those repositories, so nothing of them is here:
clone one and name its folder.

    python tests/bench/transfer.py --kard Activity-Recognition-skeleton-datasets/kard_screen
    python tests/bench/transfer.py --utd kinect-sequence-classification/data/Skeleton

Each seed holds out other persons and draws other clips. The last epoch counts: nothing is chosen on
the persons that are held out. Prints top-1 of each start per number of clips, and the gain with its
95 % interval over seeds (t distribution).
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import numpy as np
from scipy import stats
from scipy.io import loadmat

from benchmark.archives.folder import describe
from benchmark.archives.union import open_archive
from benchmark.contracts.clips import Clips
from benchmark.modalities.skeleton import SkeletonModality
from benchmark.params.params import read_params
from benchmark.presets.preset import ZOO_PRESET
from benchmark.runtime.distributed import alone
from benchmark.training.checkpoint import Checkpoints
from benchmark.training.loop import train
from benchmark.training.state import TrainSpec
from benchmark.weights.cards import write_starts
from benchmark.weights.initial import write_no_weights

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmark.contracts.clips import Clip

KARD_JOINTS = (0, 1, 2, 3, 4, 4, 5, 6, 7, 7)
"""KARD's joints of `OPENPOSE`; a hand stands for the wrist and for the root of the hand."""
KINECT_JOINTS = (3, 2, 8, 9, 10, 11, 4, 5, 6, 7)
"""The joints of Kinect version 1 of `OPENPOSE`."""
OPENPOSE = (0, 1, 2, 3, 4, 116, 5, 6, 7, 95)
"""OpenPose's nose, neck, and both arms, each with the root of its hand."""
FOCAL, CENTER, SIZE = 525.0, (320.0, 240.0), (640, 480)
"""Of a Kinect's color camera, px."""


class RealClip(NamedTuple):
    """One clip of a person."""

    label: str
    person: str
    take: str
    points: NDArray[np.float32]
    """(T, 137, 3) x px, y px, confidence."""


def kard(folder: Path) -> Iterator[RealClip]:
    """Read kard_screen: text of 15 joints per frame, u px, v px, depth mm, in 640 x 480."""
    for path in sorted(folder.glob("*.txt")):
        label, person, take = re.search(r"a(\d+)_s(\d+)_e(\d+)", path.name).groups()
        joints = np.array(path.read_text().split(), np.float32).reshape(-1, 15, 3)
        yield RealClip(f"a{label}", person, take, _openpose(joints, KARD_JOINTS))


def utd(folder: Path) -> Iterator[RealClip]:
    """Read UTD-MHAD: .mat of 20 joints in meters, seen by the Kinect; projected to its picture."""
    for path in sorted(folder.glob("*.mat")):
        if match := re.search(r"a(\d+)_s(\d+)_t(\d+)", path.name):
            label, person, take = match.groups()
            x, y, z = np.moveaxis(loadmat(path)["d_skel"].transpose(2, 0, 1), -1, 0)
            screen = np.stack([CENTER[0] - FOCAL * x / z, CENTER[1] - FOCAL * y / z], -1)
            points = _openpose(screen.astype(np.float32), KINECT_JOINTS)
            yield RealClip(f"a{label}", person, take, points)


def _openpose(joints: NDArray[np.float32], order: tuple[int, ...]) -> NDArray[np.float32]:
    points = np.zeros((len(joints), 137, 3), np.float32)
    points[:, OPENPOSE, :2] = joints[:, order, :2]
    points[:, OPENPOSE, 2] = 1
    return points


def write_folder(clips: list[RealClip], root: Path) -> None:
    """Write own clips without videos (docs/own-clips.md)."""
    (root / "skeletons").mkdir(parents=True)
    lines = ["clip_id,split,label,video,subject"]
    for clip in clips:
        name = f"{clip.label}_{clip.person}_{clip.take}"
        np.save(root / f"skeletons/{name}.npy", clip.points)
        split = "val" if clip.person == clips[0].person else "train"
        lines.append(f"{name},{split},{clip.label},{clip.person},{clip.person}")
    (root / "clips.csv").write_text("\n".join(lines) + "\n")
    (root / "classes.txt").write_text("\n".join(sorted({clip.label for clip in clips})) + "\n")
    size = "without_videos: {{fps: 30, width: {}, height: {}}}\n".format(*SIZE)
    (root / "skeleton.yaml").write_text("joints: openpose137\n" + size)


class Bench:
    """A real set, prepared once; trains on parts of it."""

    def __init__(self, clips: list[RealClip], root: Path) -> None:
        write_folder(clips, root / "raw")
        self._edition = describe("real", root / "raw")
        self._clips = open_archive(root / "raw", self._edition).read(excluded=(), workers=2)
        self._modality = SkeletonModality(
            kind="skeleton", edition="real", layout="openpose36", shards=4
        )
        self._root, self._params = root, read_params(ZOO_PRESET)
        self._modality.prepare(
            root / "raw", self._edition, self._clips, root / "skeleton", workers=2
        )
        write_starts(root / "zoo")
        write_no_weights(root / "zoo/scratch")

    def split(self, seed: int, per_class: int, held_out: int) -> Clips:
        """Hold out some persons as validation; of the others, train on some clips per class."""
        rng = np.random.default_rng(seed)
        persons = rng.permutation(sorted({clip.subject for clip in self._clips}))
        kept: dict[int, int] = {}
        rows: list[Clip] = []
        for k in rng.permutation(len(self._clips)):
            clip = self._clips.rows[k]
            if clip.subject in persons[:held_out]:
                rows.append(replace(clip, split="val"))
            elif kept.get(clip.label, 0) < per_class:
                kept[clip.label] = kept.get(clip.label, 0) + 1
                rows.append(replace(clip, split="train"))
            else:
                rows.append(replace(clip, split="test"))
        return Clips("real", tuple(sorted(rows, key=lambda clip: clip.clip_id)))

    def top1(self, start: str, clips: Clips, seed: int, steps: int) -> float:
        """Train from a start; return top-1 on the persons held out, percent."""
        experiment = self._params.experiments["joint"].model_copy(update={"edition": "real"})
        recipe = self._params.recipes[experiment.recipe]
        # One long epoch: the persons held out are predicted once.
        repeats = max(1, round(steps * 8 / len(clips.split("train"))))
        recipe = recipe.model_copy(
            update={
                "epochs": 1, "repeats": repeats, "warmup_epochs": 0.1, "batch_size": 8,
                "micro_batch_size": 8, "ema": None,
            }
        )  # fmt: skip
        spec = TrainSpec(
            experiment, recipe, self._modality, self._root / "skeleton", self._root / "zoo" / start,
            clips, self._edition.classes, seed,
        )  # fmt: skip
        checkpoints = Checkpoints(self._root / ".ckpt", start, {"run": f"{start} {seed} {clips}"})
        result = train(spec, alone(recipe), checkpoints, lambda epoch, row: None)
        return 100 * float((result.val.argmax(1) == clips.split("val").labels()).mean())


@click.command()
@click.option("--kard", "kard_folder", type=click.Path(exists=True, path_type=Path))
@click.option("--utd", "utd_folder", type=click.Path(exists=True, path_type=Path))
@click.option("--start", default="joint", show_default=True, help="Network of the zoo.")
@click.option("--seeds", default=5, show_default=True)
@click.option(
    "--steps", default=400, show_default=True, help="Steps of 8 clips, of every training."
)
@click.option("--clips", default="1,5,20,1000", show_default=True, help="Clips per class.")
def main(
    kard_folder: Path | None, utd_folder: Path | None, start: str, seeds: int, steps: int,
    clips: str,
) -> None:  # fmt: skip
    """Print the table of each set."""
    for name, read, folder, held_out in (
        ("KARD", kard, kard_folder, 3), ("UTD-MHAD", utd, utd_folder, 2),
    ):  # fmt: skip
        if folder is None:
            continue
        with tempfile.TemporaryDirectory() as root:
            bench = Bench(list(read(folder)), Path(root))
            click.echo(f"{name}: {held_out} persons held out, {seeds} seeds, {steps} steps")
            click.echo("clips per class  from scratch   from zoo      gain, 95 % interval")
            for per_class in map(int, clips.split(",")):
                scores = np.empty((seeds, 2))
                for seed in range(seeds):
                    part = bench.split(seed, per_class, held_out)
                    scores[seed] = [bench.top1(s, part, seed, steps) for s in ("scratch", start)]
                click.echo(_row(per_class, scores))


def _row(per_class: int, scores: NDArray[np.float64]) -> str:
    """Describe scores (seeds, 2) of the two starts."""
    gain = scores[:, 1] - scores[:, 0]
    half = stats.t.ppf(0.975, len(gain) - 1) * gain.std(ddof=1) / np.sqrt(len(gain))
    shown = "all" if per_class >= 1000 else str(per_class)
    cells = [
        f"{m:6.1f} ± {s:4.1f}" for m, s in zip(scores.mean(0), scores.std(0, ddof=1), strict=False)
    ]
    low, high = gain.mean() - half, gain.mean() + half
    return f"{shown:>15} {'  '.join(cells)}    {gain.mean():+5.1f} ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    main()
