"""Generate the data set of actions, to pre-train on, archived as Micro-Action 52 is.

Everything grows in a work folder beside the archive, which takes the archive's name when it is
whole. A killed run resumes there: a clip counts as made when its file, which is renamed into place,
is in its split's folder.
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
from benchmark.synthetic.actions.film_clip import ClipFilm
from benchmark.synthetic.actions.plan import Clip, plan
from benchmark.synthetic.plan import SPLITS, Split
from benchmark.synthetic.work_folder import claim_work, refuse_existing

if TYPE_CHECKING:
    from pathlib import Path

    from benchmark.synthetic.spec import ActionsSpec

log = logging.getLogger(__name__)

_GOP = 12


def write_actions(spec: ActionsSpec, raw: Path, *, workers: int) -> None:
    """Make every missing clip, write the lists, then move the archive to `raw` at once.

    Args:
        spec: The data set.
        raw: Folder that the archive becomes.
        workers: Processes; the bytes do not depend on their number.

    Raises:
        ArchiveError: There is something at `raw` already.
    """
    refuse_existing(raw)
    clips = plan(spec)
    work = claim_work(raw, {"spec": spec.model_dump()})
    archive = work / "archive"
    for folder in (work / "clips", *(archive / videos_folder(split) for split in SPLITS)):
        folder.mkdir(parents=True, exist_ok=True)
    todo = [clip for clip in clips if not _place(archive, clip).is_file()]
    todo.sort(key=lambda clip: clip.identity)  # a worker dresses a person once
    log.info("synthesize: %d of %d clips to make with %d workers", len(todo), len(clips), workers)
    map_in_processes(partial(make_clip, spec, work), todo, what="film", workers=workers)
    for split in SPLITS:
        lines = [f"{clip.name} {int(clip.action)}\n" for clip in clips if clip.split == split]
        write_text(archive / list_file(split), "".join(lines))
    # Nothing is at `raw` until everything is: no later stage can read half an archive.
    archive.rename(raw)
    shutil.rmtree(work)


def videos_folder(split: Split) -> str:
    """Name the folder of a split's clips in the archive."""
    return f"videos_{split}"


def list_file(split: Split) -> str:
    """Name the file of a split's names and labels in the archive."""
    return f"{split}_list_videos.txt"


def make_clip(spec: ActionsSpec, work: Path, clip: Clip) -> None:
    """Film one clip and put it in place."""
    cv2.setNumThreads(1)  # the workers fill the cores, and OpenCV's threads would fight for them
    beside = work / "clips" / clip.name
    write_video(beside, ClipFilm(spec, clip).frames(), spec.fps, crf=spec.crf, gop=_GOP)
    beside.replace(_place(work / "archive", clip))


def _place(archive: Path, clip: Clip) -> Path:
    return archive / videos_folder(clip.split) / clip.name
