"""What a file of somebody else really is, and how long it says it is."""

from __future__ import annotations

import lzma
import os
import tokenize
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal

_HEAD = 4096
# A page or a pointer that somebody saved instead of the file; text in small letters.
_WORDS = (
    (b"version https://git-lfs", "a Git LFS pointer of {size} bytes (the file: 'git lfs pull')"),
    (b"/annex/objects/", "a git-annex pointer (the file: 'git annex get')"),
    (b"outs:\n- md5", "a DVC pointer (the file: 'dvc pull')"),
    *((mark, "an HTML page, such as a login or error page")
      for mark in (b"<!doctype html", b"<html", b"<head", b"<body")),
    *((mark, "XML, such as a server's error message") for mark in (b"<?xml", b"<error")),
)  # fmt: skip
_MAGIC = (
    (0, b"\x1f\x8b", "a gzip archive"), (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"), (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"), (257, b"ustar", "a tar archive"), (0, b"%PDF", "a PDF"),
    (0, b"\x89PNG", "a PNG picture"), (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"{", "JSON text"), (0, b"\x89HDF", "an HDF5 file"), (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"PAR1", "a parquet table"), (0, b"\xd0\xcf\x11\xe0", "an old Office file, such as .xls"),
    *((0, bytes([0x80, protocol]), "a Python pickle") for protocol in range(2, 6)),
    *((0, mark, "sound (mp3)") for mark in (b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2")),
    (0, b"\xff\xf1", "sound (aac)"), (0, b"fLaC", "sound (flac)"), (8, b"WAVE", "sound (wav)"),
    (8, b"AVI ", "an AVI video"), (4, b"ftyp", "an mp4 or mov file"), (0, b"FLV", "an FLV video"),
    (0, b"\x1aE\xdf\xa3", "a Matroska or WebM video"), (0, b"GIF8", "a GIF"),
)  # fmt: skip
_MEMBERS = (
    ("xl/workbook.xml", "an Excel sheet"), ("word/document.xml", "a Word document"),
    ("data.pkl", "a PyTorch file"), (".npy", "an archive of NumPy arrays (npz)"),
)  # fmt: skip
_BOXES = frozenset(
    b"ftyp moov mdat moof free skip wide uuid mfra sidx ssix styp meta pnot udta emsg prft".split()
)
DAMAGED_ZIP = (
    zipfile.BadZipFile, NotImplementedError, EOFError, UnicodeDecodeError, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
"""What `zipfile` raises for a damaged zip; the Unicode one for a name, and OSError besides."""
_ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")


def stand_in(path: Path) -> str:
    """Name what lies there instead of the file: a page, a pointer, nothing; "" for a real file."""
    head = _head(path)
    if not any(head):
        return "zero bytes, as of a download that did not finish" if head else "an empty file"
    # Editors begin a text with a byte order mark.
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    words = next((words for mark, words in _WORDS if text.startswith(mark)), "")
    return words.format(size=path.stat().st_size)


def what_is(path: Path, reason: object = "") -> str:
    """Say what a file is by its first bytes, and why a reader refuses it (`reason`)."""
    if not path.is_file():
        return str(reason)
    if instead := stand_in(path):
        return instead
    head = _head(path)
    known = [words for place, mark, words in _MAGIC if head.startswith(mark, place)]
    words = _zip(path) if head.startswith(b"PK") else known[0] if known else ""
    return f"{words} ({reason})" if words and reason else words or str(reason)


def load_array(path: Path, mmap_mode: Literal["r"] | None = None) -> Any:
    """Read a .npy or .npz file as `np.load` does, without running anything in it.

    Raises:
        ValueError: The file is damaged or something else; `what_is` says what.
    """
    import numpy as np

    try:
        # A pickle in the file would run its maker's code.
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    except (EOFError, zipfile.BadZipFile, tokenize.TokenError, SyntaxError, TypeError) as error:
        # NumPy reads the header as Python text, and sorts its keys whatever they are.
        raise ValueError((str(error).splitlines() or ["cut off"])[0]) from None


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD)


def _zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (*DAMAGED_ZIP, OSError, ValueError):
        return "a zip that is cut or damaged"
    kinds = (words for end, words in _MEMBERS if any(name.endswith(end) for name in names))
    first = f" of {len(names)} files, the first {names[0]}" if names else " without files"
    return next(kinds, f"a zip{first}")


def claimed_size(path: Path) -> int | None:
    """Return how many bytes a video claims to have; None where its format does not say.

    The claim comes from the lengths that the container writes before its parts, whatever streams
    it holds: mp4 and mov, Matroska and WebM, AVI, ASF (wmv), and FLV as far as its last tag.
    """
    size = path.stat().st_size
    head = _head(path)
    with path.open("rb") as file:
        if head[:4] == b"\x1aE\xdf\xa3":
            return _matroska_size(head)
        if head[:16] == _ASF:
            start = int.from_bytes(head[16:24], "little")
            file.seek(start + 16)
            return start + int.from_bytes(file.read(8), "little")
        if head[4:8] in _BOXES:
            return _end(file, 0, _box)
        if head[:4] == b"RIFF":
            # Some writers count the 8 bytes of the header as well, some omit a padding byte.
            end = _end(file, 0, _chunk)
            return end if end > size + 8 else size
        if head[:3] == b"FLV":
            end = _end(file, int.from_bytes(head[5:9], "big") + 4, _tag)
            # The length behind the last tag may be missing. A cut between two tags is not seen.
            return end if end > size + 4 else None
    return None


def _end(file: BinaryIO, place: int, length: Callable[[bytes], int]) -> int:
    """Return where the last part ends that begins in the file; a length of 0 ends the walk.

    The first part begins at `place`; `length` tells the bytes of one from its first 16.
    """
    size = file.seek(0, os.SEEK_END)
    while place < size:
        file.seek(place)
        if not (step := length(file.read(16))):
            return size
        place += step
    return place


def _box(start: bytes) -> int:
    if len(start) < 8:
        return 8 if any(start) else 0
    if start[4:8] not in _BOXES:  # what some programs append
        return 0
    short = int.from_bytes(start[:4], "big")
    return int.from_bytes(start[8:16], "big") if short == 1 else short


def _chunk(start: bytes) -> int:
    length = int.from_bytes(start[4:8], "little")
    # A camera that lost power leaves 0.
    return 8 + length + length % 2 if start[:4] == b"RIFF" and length else 0


def _tag(start: bytes) -> int:
    return 11 + int.from_bytes(start[1:4], "big") + 4 if start[0] & 0x1F in {8, 9, 18} else 0


def _matroska_size(head: bytes) -> int | None:
    """Return where the segment ends, by the length before it; None for a live recording."""
    length, place = _number(head, 4)
    place += length
    if head[place : place + 4] != b"\x18S\x80g":
        return None
    length, start = _number(head, place + 4)
    is_unknown = length == 2 ** (7 * (start - place - 4)) - 1
    return None if is_unknown else start + length


def _number(data: bytes, place: int) -> tuple[int, int]:
    """Read Matroska's number at `place`; return it and the place behind it."""
    # The leading zero bits count the bytes that follow the first one.
    count = 9 - data[place].bit_length() if place < len(data) else 1
    value = int.from_bytes(data[place : place + count], "big") & (2 ** (7 * count) - 1)
    return value, place + count
