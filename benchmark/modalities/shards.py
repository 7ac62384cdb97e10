"""Shards: packs clips in parallel, and resumes after an interruption without redoing a shard.

Everything grows in a work folder beside the result, which takes its name when it is whole. A
shard counts as made when the JSON beside it has its key: the spec, its clips, size and time of
the raw files, the code.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from benchmark.archives.union import open_archive
from benchmark.core.errors import FaultList
from benchmark.core.files import replacing, write_text
from benchmark.data.manifest import ManifestRow
from benchmark.runtime.parallel import claimed, is_helper, map_in_processes
from benchmark.tracking.provenance import digest_of

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clip, Clips
    from benchmark.modalities.packing import PackingJob, Stamps

    Write: TypeAlias = Callable[["Shard", Path], list[ManifestRow]]

log = logging.getLogger(__name__)

LIBRARIES = ("av", "numpy", "opencv-contrib-python-headless", "torch")
"""Another release may decode or resize to other bytes."""


class Shard(NamedTuple):
    """The clips of some videos, written to one file."""

    name: str
    clips: tuple[Clip, ...]
    key: str = ""
    """Digest of all that the file depends on."""


def plan_shards(clips: Clips, number: int, name: str) -> list[Shard]:
    """Deal the videos, in the index's order, to at most `number` shards of about equal size.

    `name` takes the number of the shard, as in "shard-{:03d}.tar".
    """
    counts = Counter(clips.videos)
    order = {video: k for k, video in enumerate(counts)}
    per_shard = max(1, -(-len(clips) // number))
    before, shard_of = 0, {}
    for video, count in counts.items():
        shard_of[video] = before // per_shard
        before += count
    rows = sorted(clips, key=lambda clip: order[clip.video])
    groups = groupby(rows, key=lambda clip: shard_of[clip.video])
    return [Shard(name.format(k), tuple(group)) for k, (_, group) in enumerate(groups)]


def keyed(
    shards: Sequence[Shard], stamps: Stamps, job: PackingJob, more_config: str = ""
) -> list[Shard]:
    """Give the shards their keys.

    Args:
        shards: Which clips go together.
        stamps: Returns values that change when the raw files of some clips do.
        job: What is packed; its spec says which code makes it.
        more_config: Text of what the result depends on besides the job's.
    """
    libraries = ",".join(f"{name} {version(name)}" for name in LIBRARIES)
    # The union of archives only names them: the module that reads this one is named here.
    reader = type(open_archive(job.raw, job.edition)).__module__
    text = job.config + more_config + digest_of(job.spec, start=[reader]) + libraries
    base = hashlib.sha256(text.encode())
    with_keys = []
    for shard in shards:
        rows = [list(vars(clip).values()) for clip in shard.clips]
        digest = base.copy()
        digest.update(json.dumps([shard.name, rows, stamps(shard.clips)]).encode())
        with_keys.append(shard._replace(key=digest.hexdigest()))
    return with_keys


def work_folder(out: Path) -> Path:
    """Return the folder in which `out` grows."""
    return out.with_name(f".{out.name}.work")


def make_shards(
    shards: Sequence[Shard], write: Write, work: Path, *, what: str, workers: int, do: str
) -> list[ManifestRow]:
    """Write the shards that are not there yet; return the manifest rows of all of them.

    Args:
        shards: The plan, with keys.
        write: Writes one shard to a path; worker processes must be able to import it.
        work: Folder in which the result grows.
        what: Name of the work, for the progress bar.
        workers: Processes.
        do: What the user is told to do about faults.

    Raises:
        ManyFaults: After all shards were tried.
        SystemExit: This process only helps, and nothing is left to make.
    """
    work.mkdir(parents=True, exist_ok=True)
    make = partial(_make, write=write, work=work)
    while todo := [shard for shard in shards if _made(shard, work) is None]:
        if not any(map_in_processes(make, todo, what=what, workers=workers, do=do)):
            time.sleep(1)  # other processes make the rest
    if is_helper():
        raise SystemExit
    return [row for shard in shards for row in _made(shard, work) or []]


def finish(work: Path, out: Path, keep: Sequence[str]) -> None:
    """Give the finished work its name; only the files `keep` belong to it, named from `work`."""
    kept = {work / name for name in keep}
    for path in sorted(work.rglob("*"), reverse=True):  # what lies in a folder before the folder
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()
    if out.exists():
        shutil.rmtree(out)
    work.rename(out)


def collect_videos(shard: Shard) -> Iterator[tuple[list[Clip], FaultList]]:
    """Yield the clips of each video of a shard; raise the faults that were collected at the end."""
    faults = FaultList()
    for _, clips in groupby(shard.clips, key=lambda clip: clip.video):
        yield list(clips), faults
    faults.raise_any(shard.name)


def _sidecar(shard: Shard, work: Path) -> Path:
    return work / f"{shard.name}.json"


def _made(shard: Shard, work: Path) -> list[ManifestRow] | None:
    sidecar = _sidecar(shard, work)
    if not sidecar.is_file() or not (work / shard.name).is_file():
        return None
    try:
        saved = json.loads(sidecar.read_text("utf-8"))
        return [ManifestRow(*row) for row in saved["rows"]] if saved["key"] == shard.key else None
    except (ValueError, TypeError, KeyError):
        log.warning("%s is damaged: the shard is made again", sidecar)
        return None


def _make(shard: Shard, *, write: Write, work: Path) -> bool:
    """Make a shard unless another process does; return whether this one did."""
    with claimed(work / shard.name) as mine:
        if not mine or _made(shard, work) is not None:
            return mine
        _sidecar(shard, work).unlink(missing_ok=True)  # first: it may belong to an older file
        with replacing(work / shard.name) as path:
            rows = write(shard, path)
        write_text(_sidecar(shard, work), json.dumps({"key": shard.key, "rows": rows}))
    return True
