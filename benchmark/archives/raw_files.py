"""Files of a raw archive, unpacked or still in the zip that was downloaded."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeAlias

from benchmark.core.errors import ArchiveError, BenchmarkError

if TYPE_CHECKING:
    from collections.abc import Iterator


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
        """The last part of its path."""
        return PurePosixPath(self.member).name if self.member else self.path.name

    @contextmanager
    def local(self) -> Iterator[Path]:
        """A path to read from; a member is unpacked for as long as the block lasts.

        Errors that name the unpacked copy name this file instead.

        Raises:
            ArchiveError: The member is damaged or encrypted.
        """
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
        try:
            with _opened(self.path).open(member) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except RuntimeError as error:  # zipfile's way to say "encrypted"
            raise ArchiveError(
                self, str(error), do="Unpack it yourself, with the organisers' password"
            ) from None
        except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
            raise ArchiveError(self, f"cannot be unpacked ({error})", do="Fetch it again") from None

    def stamp(self) -> tuple[str, int, int]:
        """What changes when the file does: name, size, time of change (or checksum)."""
        if self.member is None:
            state = self.path.stat()
            return (self.path.name, state.st_size, state.st_mtime_ns)
        return (self.member, *self.checksum)


@cache
def _opened(path: Path) -> zipfile.ZipFile:
    """One a process: opening reads the whole list of members."""
    return zipfile.ZipFile(path)


def _is_junk(name: str) -> bool:
    """What operating systems leave behind."""
    return name.startswith(".") or name == "__MACOSX"


@dataclass(frozen=True)
class FolderTree:
    """An unpacked archive."""

    base: Path

    def __str__(self) -> str:
        return str(self.base)

    def folders(self, sub: str) -> list[str]:
        """Names of the folders in `sub`, sorted.

        Raises:
            ArchiveError: There is no folder `sub`.
        """
        place = self.base / sub
        if not place.is_dir():
            raise ArchiveError(place, "no such folder", do="Unpack the archive again")
        return sorted(p.name for p in place.iterdir() if p.is_dir() and not _is_junk(p.name))

    def files(self, sub: str) -> list[str]:
        """Names of the files in `sub`, sorted; hidden ones are not the archive's."""
        place = self.base / sub
        if not place.is_dir():
            raise ArchiveError(place, "no such folder", do="Unpack the archive again")
        return sorted(p.name for p in place.iterdir() if p.is_file() and not _is_junk(p.name))

    def file(self, sub: str) -> RawFile:
        """The file at `sub`.

        Raises:
            ArchiveError: There is none.
        """
        path = self.base / sub
        if not path.is_file():
            raise ArchiveError(path, "no such file", do="Unpack the archive again")
        return RawFile(path)


@dataclass(frozen=True)
class ZipTree:
    """A zip as it was downloaded. `top` is the folder that its members begin with, or empty."""

    path: Path
    top: str

    def __str__(self) -> str:
        return f"{self.path}!{self.top}"

    @cached_property
    def _members(self) -> dict[str, set[str]]:
        """Folder -> names below it; a name that ends in '/' is a folder."""
        found: dict[str, set[str]] = {"": set()}
        for name in _opened(self.path).namelist():
            parts = name.removeprefix(self.top).strip("/").split("/")
            if not name.startswith(self.top) or parts == [""] or any(map(_is_junk, parts)):
                continue
            for depth in range(len(parts)):
                is_file = depth == len(parts) - 1 and not name.endswith("/")
                leaf = parts[depth] + ("" if is_file else "/")
                found.setdefault("/".join(parts[:depth]), set()).add(leaf)
            if name.endswith("/"):
                found.setdefault("/".join(parts), set())
        return found

    def _names(self, sub: str) -> set[str]:
        if sub.strip("/") not in self._members:
            raise ArchiveError(f"{self}{sub}", "no such folder in the zip", do="Fetch it again")
        return self._members[sub.strip("/")]

    def folders(self, sub: str) -> list[str]:
        """As of `FolderTree`."""
        return sorted(name[:-1] for name in self._names(sub) if name.endswith("/"))

    def files(self, sub: str) -> list[str]:
        """As of `FolderTree`."""
        return sorted(name for name in self._names(sub) if not name.endswith("/"))

    def file(self, sub: str) -> RawFile:
        """As of `FolderTree`."""
        folder, _, name = sub.rpartition("/")
        if name not in self._members.get(folder, set()):
            raise ArchiveError(f"{self}{sub}", "no such file in the zip", do="Fetch it again")
        info = _opened(self.path).getinfo(self.top + sub)
        return RawFile(self.path, info.filename, (info.file_size, info.CRC))


Tree: TypeAlias = FolderTree | ZipTree


def open_tree(root: Path, folder: str, archive: str) -> Tree:
    """What the zip `archive` unpacks to: `root/folder` where it is there, else the zip itself.

    Raises:
        ArchiveError: Neither is there, or the zip is damaged or holds something else.
    """
    if (root / folder).is_dir():
        return FolderTree(root / folder)
    path = root / archive
    if not path.is_file():
        raise ArchiveError(
            root, f"neither the folder {folder} nor {archive}", do="Fetch the archive"
        )
    try:
        names = [n for n in _opened(path).namelist() if not _is_junk(n.split("/")[0])]
    except (zipfile.BadZipFile, OSError) as error:
        raise ArchiveError(path, f"not a readable zip ({error})", do="Fetch it again") from None
    if not names:
        raise ArchiveError(path, "the zip is empty", do="Fetch it again")
    # Some tools pack the folder itself, some only what is in it.
    inside = any(name.startswith(f"{folder}/") for name in names)
    return ZipTree(path, f"{folder}/" if inside else "")
