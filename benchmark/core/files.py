"""Write files so that half a file never passes for a whole one: write beside, then rename."""

from __future__ import annotations

import csv
import io
import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write a file to; the file takes `path`'s place on success."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Beside, not in /tmp: renaming is atomic only within one file system.
    work = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield work
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; it takes `path`'s place on success."""
    path.parent.mkdir(parents=True, exist_ok=True)
    work = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        yield work
        # Unlike a file, a folder cannot be replaced in one step: for a moment there is none.
        if path.exists():
            shutil.rmtree(path)
        work.rename(path)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends, atomically."""
    with replacing(path) as work:
        work.write_text(text, encoding="utf-8", newline="\n")  # equal bytes on every system


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write an RGB picture, uint8 (H, W, 3), atomically; equal pictures give equal bytes."""
    import cv2  # not at the top: params.yaml is read without OpenCV

    ok, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not ok:
        raise RuntimeError("OpenCV cannot write a PNG")
    with replacing(path) as work:
        work.write_bytes(data.tobytes())


def csv_text(header: Sequence[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a CSV table with Unix line ends; cells with commas or quotes are quoted."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def inside(root: Path, relative: str) -> Path:
    """Join `root / relative`, and refuse a path that leaves `root`.

    Raises:
        ValueError: `relative` is absolute or climbs out of `root`.
    """
    # A link inside may lead out: that is the user's own will. Hence no resolve(), which follows it.
    path = Path(os.path.abspath(root / relative))  # noqa: PTH100
    if not path.is_relative_to(Path(os.path.abspath(root))):  # noqa: PTH100
        raise ValueError(f"{relative!r} leaves {root}")
    return path
