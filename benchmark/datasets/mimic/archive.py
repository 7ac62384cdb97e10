"""Write the planned videos as the two phases of the iMiGUE archive; resume after a kill.

A video counts as made when its folder of skeletons is there: that folder is renamed into place
last, after the mp4's. A marker file holds the fingerprint of the spec and of this package, so that
files of another spec are never taken over.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
from tqdm import tqdm

from benchmark import video as media
from benchmark.datasets.mimic.plan import Split, Video, plan
from benchmark.datasets.mimic.shoot import Shooting
from benchmark.datasets.mimic.xlsx import write_xlsx
from benchmark.errors import ArchiveError

if TYPE_CHECKING:
    from benchmark.datasets.mimic.spec import MimicSpec

log = logging.getLogger(__name__)

SKELETONS: dict[Split, str] = {
    "train": "imigue_data_phase1/datasets/imigue_skeleton_train",
    "val": "imigue_data_phase1/datasets/imigue_skeleton_validate",
    "test": "imigue_data_phase2/imigue_skeleton_test",
}
MOVIES: dict[Split, str] = {
    "train": "imigue_rgb_phase1/train_data",
    "val": "imigue_rgb_phase1/validation_data",
    "test": "imigue_rgb_phase2",
}
_ROOTS = ("imigue_data_phase1", "imigue_data_phase2", "imigue_rgb_phase1", "imigue_rgb_phase2")
_WORK = ".mimic"
_PLACEHOLDER = 1
_GOP = 12


def write_archive(spec: MimicSpec, raw: Path, sealed: Path, *, workers: int) -> None:
    """Make every video that is not there yet, then the sealed truth."""
    videos = plan(spec)
    _claim(spec, raw)
    todo = [v for v in videos if not _skeletons(raw, v).is_dir()]
    todo.sort(key=lambda video: -video.num_frames)
    log.info("mimic: %d of %d videos to make with %d workers", len(todo), len(videos), workers)
    job = partial(make_video, spec, raw)
    if workers == 1:
        for video in tqdm(todo, unit="video", disable=None):
            job(video)
    else:
        _in_parallel(job, todo, workers)
    shutil.rmtree(raw / _WORK / "videos", ignore_errors=True)
    _seal(videos, sealed)


def make_video(spec: MimicSpec, raw: Path, video: Video) -> None:
    """Film one video and put its three files in place."""
    cv2.setNumThreads(1)
    work = raw / _WORK / "videos" / video.name
    shutil.rmtree(work, ignore_errors=True)
    movie, skeletons = work / "movie", work / "skeletons"
    movie.mkdir(parents=True)
    skeletons.mkdir()
    shooting = Shooting(spec, video)
    media.write_video(
        movie / f"{video.name}.mp4", shooting.frames(), spec.fps, crf=spec.crf, gop=_GOP
    )
    table = shooting.detections().reshape(video.num_frames, -1)
    write_xlsx(skeletons / f"{video.name}_openpose.xlsx", table)
    (skeletons / f"{video.name}_label.csv").write_text(_label_rows(video))
    _put(movie, raw / MOVIES[video.split] / video.name)
    _put(skeletons, _skeletons(raw, video))
    work.rmdir()


def _in_parallel(job: partial[None], todo: list[Video], workers: int) -> None:
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(job, video) for video in todo]
        try:
            for future in tqdm(
                as_completed(futures), total=len(futures), unit="video", disable=None
            ):
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _skeletons(raw: Path, video: Video) -> Path:
    return raw / SKELETONS[video.split] / video.name


def _put(folder: Path, target: Path) -> None:
    """Rename a finished folder into place, over what a killed run may have left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    folder.rename(target)


def _label_rows(video: Video) -> str:
    """IMiGUE's label file: class, first and last frame; a placeholder class in test."""
    rows = []
    for gesture, start, end in video.performances:
        label = _PLACEHOLDER if video.split == "test" else gesture.raw
        rows.append(f"{label},{start},{end}\n")
    return "".join(rows)


def _claim(spec: MimicSpec, raw: Path) -> None:
    """Mark the folder as this spec's; clear what another spec of ours left."""
    marker = raw / _WORK / "fingerprint.json"
    mine = {"spec": spec.model_dump(), "code": _code()}
    there = [root for root in _ROOTS if (raw / root).exists()]
    if marker.exists():
        if json.loads(marker.read_text()) == mine:
            return
        log.info("mimic: another spec's videos are cleared from %s", raw)
        shutil.rmtree(raw / _WORK)
        for root in there:
            shutil.rmtree(raw / root)
    elif there:
        raise ArchiveError(
            raw / there[0], "these files were not made by mimic", expected="an empty folder",
            found=", ".join(there), do="Give mimic a folder of its own",
        )  # fmt: skip
    marker.parent.mkdir(parents=True, exist_ok=True)
    beside = marker.with_suffix(".part")
    beside.write_text(json.dumps(mine, indent=1))
    beside.replace(marker)


def _code() -> str:
    """Fingerprint of this package's sources and assets."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for path in sorted([*here.rglob("*.py"), *(here / "assets").iterdir()]):
        digest.update(path.relative_to(here).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def _seal(videos: tuple[Video, ...], sealed: Path) -> None:
    """The truth of test, and who is in which video."""
    sealed.mkdir(parents=True, exist_ok=True)
    truth = ["clip_id,label\n"]
    people = ["video,split,identity\n"]
    for video in videos:
        people.append(f"{video.name},{video.split},{video.identity}\n")
        if video.split == "test":
            rows = enumerate(video.performances)
            truth += [f"{video.name}_{k},{int(p.gesture)}\n" for k, p in rows]
    for name, lines in (("test_labels.csv", truth), ("people.csv", people)):
        beside = sealed / f".{name}.part"
        beside.write_text("".join(lines))
        beside.replace(sealed / name)
