"""Files of a raw archive, unpacked or still in the zip that was downloaded."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from benchmark.core.errors import ArchiveError, BenchmarkError
from benchmark.core.foreign_file import DAMAGED_ZIP, what_is
from benchmark.core.parent import reads

if TYPE_CHECKING:
    from benchmark.core.video import VideoInfo

MAX_GROWTH = 100
"""A member of a zip may unpack to this many times its size, ..."""
MIN_BOMB = 2**28
"""... or to this many bytes."""


@dataclass(frozen=True)
class RawFile:
    """One file: on the disk, or a member of a zip."""

    path: Path
    """The file, or the zip that holds it."""
    member: str | None = None
    checksum: tuple[int, int] = (0, 0)
    """Size and CRC of a member, as the zip lists them."""

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path}!{self.member}"

    @property
    def name(self) -> str:
        """Last part of its path."""
        return PurePosixPath(self.member).name if self.member else self.path.name

    @contextmanager
    def local(self) -> Iterator[Path]:
        """Give a path to read from; a member is unpacked for as long as the block lasts.

        An error that names the unpacked copy is changed to name this file.

        Raises:
            ArchiveError: The member is damaged or encrypted.
        """
        reads(self)
        if self.member is None:
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="mgbench-") as folder:
            path = Path(folder) / self.name
            self._unpack(self.member, path)
            try:
                yield path
            except BenchmarkError as error:
                error.rename(str(path), str(self))
                raise

    def _unpack(self, member: str, path: Path) -> None:
        info = _opened(self.path).getinfo(member)
        if info.file_size > max(MAX_GROWTH * info.compress_size, MIN_BOMB):
            # Videos and sheets are compressed already. Such a member is made to fill a disk.
            raise ArchiveError(
                self, "unpacks to far more than it should", do="Fetch it again",
                expected=f"at most {MAX_GROWTH} times its {info.compress_size} bytes",
                found=f"{info.file_size} bytes",
            )  # fmt: skip
        try:
            with _opened(self.path).open(member) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except NotImplementedError as error:  # which is a RuntimeError, too
            raise ArchiveError(self, str(error), do="Unpack the zip yourself") from None
        except RuntimeError as error:  # zipfile's way to say "encrypted"
            raise ArchiveError(
                self, str(error), do="Unpack it yourself, with the organizers' password"
            ) from None
        except (*DAMAGED_ZIP, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's; that of damaged bzip2 has no number
            raise ArchiveError(self, f"cannot be unpacked ({error})", do="Fetch it again") from None

    def stamp(self) -> tuple[str, int, int]:
        """Return what changes when the file does: name, size, time of change (or checksum)."""
        if self.member is None:
            state = self.path.stat()
            return (self.path.name, state.st_size, state.st_mtime_ns)
        return (self.member, *self.checksum)


@cache  # one per process: opening a zip reads the whole list of members
def _opened(path: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def probe_raw(file: RawFile, *, excluded: bool) -> VideoInfo:
    """Read size, rate and number of frames of a video; it decodes every frame.

    All four are 0 for an excluded video that cannot be opened: see `is_unreadable`.

    Raises:
        ArchiveError: The video is damaged, and the user does not exclude it.
    """
    # Not at the top: PyAV loads FFmpeg, and many modules need only the names of data sets.
    from benchmark.core.video import VideoInfo, probe

    try:
        with file.local() as path:
            return probe(path)
    except BenchmarkError:
        if excluded:
            return VideoInfo(width=0, height=0, fps=0.0, frames=0)
        raise


def is_unreadable(info: VideoInfo) -> bool:
    """Tell whether `info` stands for an excluded video that cannot be opened."""
    return info.width == 0


def _is_junk(name: str) -> bool:
    # What operating systems leave behind.
    return name.startswith(".") or name.lower() in {"__macosx", "thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class Tree:
    """What an archive unpacks to: a folder, or the same within the zip that was downloaded."""

    base: Path | zipfile.Path

    def __str__(self) -> str:
        return _told(self.base)

    def folders(self, sub: str) -> list[str]:
        """List the names of the folders in `sub`, sorted.

        Raises:
            ArchiveError: There is no folder `sub`.
        """
        return sorted(place.name for place in self._inside(sub) if place.is_dir())

    def files(self, sub: str) -> list[str]:
        """List the names of the files in `sub`, sorted; hidden files do not belong to the archive.

        Raises:
            ArchiveError: There is no folder `sub`.
        """
        return sorted(place.name for place in self._inside(sub) if place.is_file())

    def _inside(self, sub: str) -> list[Path | zipfile.Path]:
        # Some zips list their folders as members of their own, some list only files: `zipfile.Path`
        # sees the same tree in both.
        place = self.base.joinpath(sub.rstrip("/"))
        if not place.is_dir():
            raise _missing("folder", place)
        return [path for path in place.iterdir() if not _is_junk(path.name)]

    def file(self, sub: str) -> RawFile:
        """Find the file at `sub`.

        Raises:
            ArchiveError: There is none.
        """
        place = self.base.joinpath(sub)
        if not place.is_file():
            raise _missing("file", place)
        if isinstance(place, Path):
            return RawFile(place)
        info = place.root.getinfo(place.at)
        return RawFile(Path(str(place.root.filename)), place.at, (info.file_size, info.CRC))


def _told(place: Path | zipfile.Path) -> str:
    return str(place) if isinstance(place, Path) else f"{place.root.filename}!{place.at}"


def _missing(what: str, place: Path | zipfile.Path) -> ArchiveError:
    if isinstance(place, Path):
        return ArchiveError(place, f"no such {what}", do="Unpack the archive again")
    return ArchiveError(_told(place), f"no such {what} in the zip", do="Fetch it again")


def open_tree(root: Path, folder: str, archive: str) -> Tree:
    """Open what the zip `archive` unpacks to: the folder `root/folder` if it exists, else the zip.

    Raises:
        ArchiveError: Neither is there, or the zip is damaged or holds something else.
    """
    if (root / folder).is_dir():
        return Tree(root / folder)
    path = root / archive
    if not path.is_file():
        found = next(
            (n for name in (folder, archive) for n in sorted(root.glob(f"*/{name}"))), None
        )
        do = "Fetch the archive" if found is None else f"Move it up, into {root}"
        wrong = f"neither the folder {folder} nor {archive}"
        raise ArchiveError(root, wrong, found=str(found or ""), do=do)
    try:
        names = [n for n in _opened(path).namelist() if not _is_junk(n.split("/")[0])]
    except (*DAMAGED_ZIP, OSError) as error:
        found = what_is(path, error)
        raise ArchiveError(path, "not a readable zip", found=found, do="Fetch it again") from None
    if not names:
        raise ArchiveError(path, "the zip is empty", do="Fetch it again")
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ArchiveError(path, f"{twice} comes twice in the zip", do="Fetch it again")
    # Some tools pack the folder itself, some only what is in it.
    inside = any(name.startswith(f"{folder}/") for name in names)
    return Tree(zipfile.Path(_opened(path), f"{folder}/" if inside else ""))
