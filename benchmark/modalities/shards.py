"""Clips of neighbouring videos in shards: made in parallel, each once, whatever stops the work.

Everything grows in a work folder beside the result, which takes its name when it is whole. A
shard counts as made when the note beside it has its key: the knobs, its clips, the size and time
of the raw files, the code.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from functools import partial
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import benchmark
from benchmark.core.errors import FaultList
from benchmark.core.files import replacing, write_text
from benchmark.data.manifest import ManifestRow
from benchmark.runtime.parallel import map_in_processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmark.contracts.clips import Clip, Clips

    Write: TypeAlias = Callable[["Shard", Path], list[ManifestRow]]


LIBRARIES = ("av", "numpy", "opencv-contrib-python-headless", "torch")
"""Another release may decode or resize to other bytes."""


class Shard(NamedTuple):
    """The clips of some videos, to be written to one file."""

    name: str
    clips: tuple[Clip, ...]
    key: str = ""
    """What the file hangs on."""

    def by_video(self) -> Iterator[list[Clip]]:
        """The clips of each video."""
        for _, clips in groupby(self.clips, key=lambda clip: clip.video):
            yield list(clips)


def plan_shards(clips: Clips, number: int, name: str) -> list[Shard]:
    """Videos in the index's order, at most `number` shards with about equally many clips.

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
    shards: Sequence[Shard],
    stamps: Callable[[Sequence[Clip]], list[object]],
    config: str,
) -> list[Shard]:
    """The shards with their keys; `stamps` changes when the raw files of some clips do."""
    base = hashlib.sha256((config + _code()).encode())
    found = []
    for shard in shards:
        rows = [list(vars(clip).values()) for clip in shard.clips]
        digest = base.copy()
        digest.update(json.dumps([shard.name, rows, stamps(shard.clips)]).encode())
        found.append(shard._replace(key=digest.hexdigest()))
    return found


def _code() -> str:
    """Everything that reads raw files or writes modality, and the libraries that do the work."""
    home = Path(benchmark.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(
        [*home.glob("modalities/**/*.py"), *home.glob("datasets/*.py"), *home.glob("*.py")]
    ):
        digest.update(path.relative_to(home).as_posix().encode() + path.read_bytes())
    return digest.hexdigest() + ",".join(f"{name} {version(name)}" for name in LIBRARIES)


def work_folder(out: Path) -> Path:
    """Where `out` grows."""
    return out.with_name(f".{out.name}.work")


def make_shards(
    shards: Sequence[Shard], write: Write, work: Path, *, what: str, workers: int, do: str
) -> list[ManifestRow]:
    """Write the shards that are not there yet; the modality of all of them.

    `write` (importable by name) writes one shard to a path.

    Raises:
        ManyFaults: After all shards were tried; `do` is what the user is told.
    """
    work.mkdir(parents=True, exist_ok=True)
    todo = [shard for shard in shards if _made(shard, work) is None]
    make = partial(_make, write=write, work=work)
    map_in_processes(make, todo, what=what, workers=workers, do=do)
    return [medium for shard in shards for medium in _made(shard, work) or []]


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
    """The clips of each video of a shard; faults noted by the caller are raised at the end."""
    faults = FaultList()
    for clips in shard.by_video():
        yield clips, faults
    faults.raise_any(shard.name)


def _note(shard: Shard, work: Path) -> Path:
    return work / f"{shard.name}.json"


def _made(shard: Shard, work: Path) -> list[ManifestRow] | None:
    note = _note(shard, work)
    if not note.is_file() or not (work / shard.name).is_file():
        return None
    found = json.loads(note.read_text("utf-8"))
    return [ManifestRow(*row) for row in found["modality"]] if found["key"] == shard.key else None


def _make(shard: Shard, *, write: Write, work: Path) -> None:
    _note(shard, work).unlink(missing_ok=True)  # before the file: it may speak of another one
    with replacing(work / shard.name) as path:
        modality = write(shard, path)
    write_text(_note(shard, work), json.dumps({"key": shard.key, "modality": modality}))
