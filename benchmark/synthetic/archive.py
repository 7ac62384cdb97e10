"""Generate the embedded default data set: people at a press conference, archived as iMiGUE is.

It lets everyone run everything; it never stands in for a result on iMiGUE. Everything grows in a
work folder beside the archive, which takes the archive's name when it is whole. A killed run
resumes there: a video counts as made when its folder of skeletons, which is renamed into place
last, exists.
"""

from __future__ import annotations

import logging
import shutil
from functools import partial
from typing import TYPE_CHECKING

import cv2

from benchmark.core.files import write_text
from benchmark.core.video import write_video
from benchmark.runtime.parallel import map_in_processes
from benchmark.synthetic.film_clip import VideoFilm
from benchmark.synthetic.plan import Split, Video, generator, plan
from benchmark.synthetic.work_folder import claim_work, refuse_existing
from benchmark.synthetic.xlsx import write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.synthetic.spec import GesturesSpec

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
_PLACEHOLDER = 1
_GOP = 12
_CRF_SPREAD = 8


def write_archive(spec: GesturesSpec, raw: Path, test_labels: Path, *, workers: int) -> None:
    """Make every missing video, write the labels of test, then move the archive to `raw` at once.

    Args:
        spec: The data set; the bytes depend on it alone.
        raw: Folder that the archive becomes.
        test_labels: Folder of the labels of test, which the archive withholds.
        workers: Processes; the bytes do not depend on their number.

    Raises:
        ArchiveError: There is something at `raw` already.
    """
    refuse_existing(raw)
    videos = plan(spec)
    work = claim_work(raw, {"spec": spec.model_dump()})
    archive = work / "archive"
    todo = [v for v in videos if not _skeletons(archive, v).is_dir()]
    # The longest first: no worker begins a long video when the others are done.
    todo.sort(key=lambda video: -video.num_frames)
    log.info("synthesize: %d of %d videos to make with %d workers", len(todo), len(videos), workers)
    job = partial(make_video, spec, archive)
    map_in_processes(job, todo, what="film", workers=workers)
    _write_test_labels(videos, test_labels)
    # Nothing is at `raw` until everything is: no later stage can read half an archive.
    archive.rename(raw)
    shutil.rmtree(work)


def make_video(spec: GesturesSpec, archive: Path, video: Video) -> None:
    """Film one video and put its three files in place."""
    cv2.setNumThreads(1)  # the workers fill the cores, and OpenCV's threads would fight for them
    work = archive.with_name("videos") / video.name
    shutil.rmtree(work, ignore_errors=True)
    movie, skeletons = work / "movie", work / "skeletons"
    movie.mkdir(parents=True)
    skeletons.mkdir()
    film = VideoFilm(spec, video)
    # Videos of the web: some were compressed harder than others.
    crf = spec.crf + int(generator(spec.seed, "crf", video.number).integers(_CRF_SPREAD))
    write_video(movie / f"{video.name}.mp4", film.frames(), spec.fps, crf=min(crf, 51), gop=_GOP)
    table = film.detections().reshape(video.num_frames, -1)
    write_xlsx(skeletons / f"{video.name}_openpose.xlsx", table)
    (skeletons / f"{video.name}_label.csv").write_text(_label_rows(video))
    # The skeletons go last: their folder marks the video as made.
    _put(movie, archive / MOVIES[video.split] / video.name)
    _put(skeletons, _skeletons(archive, video))
    work.rmdir()


def _skeletons(archive: Path, video: Video) -> Path:
    return archive / SKELETONS[video.split] / video.name


def _put(folder: Path, target: Path) -> None:
    """Rename a finished folder into place, over what a killed run may have left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    folder.rename(target)


def _label_rows(video: Video) -> str:
    """Format iMiGUE's label file: class, first and last frame; a placeholder class in test."""
    rows = []
    for gesture, start, end in video.performances:
        label = _PLACEHOLDER if video.split == "test" else gesture.raw
        rows.append(f"{label},{start},{end}\n")
    return "".join(rows)


def _write_test_labels(videos: tuple[Video, ...], folder: Path) -> None:
    """Write the labels of test, and who is in which video."""
    labels = ["clip_id,label\n"]
    people = ["video,split,identity\n"]
    for video in videos:
        people.append(f"{video.name},{video.split},{video.identity}\n")
        if video.split == "test":
            rows = enumerate(video.performances)
            labels += [f"{video.name}_{k},{int(p.gesture)}\n" for k, p in rows]
    for name, lines in (("test_labels.csv", labels), ("people.csv", people)):
        write_text(folder / name, "".join(lines))
