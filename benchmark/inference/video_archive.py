"""Wraps a video as a small archive, so that its windows are prepared as training clips were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.archives.folder import CLASSES, CLIPS, Folder
from benchmark.archives.openpose import NUM_POINTS
from benchmark.archives.own_skeleton import FILE as SKELETON
from benchmark.contracts.clips import plain_name
from benchmark.contracts.skeletons import OPENPOSE36, Layout
from benchmark.core.errors import ArchiveError
from benchmark.core.files import write_text
from benchmark.core.schema import write_json

if TYPE_CHECKING:
    from benchmark.contracts.clips import Clips
    from benchmark.editions.edition import Edition
    from benchmark.modalities.one_file import Span
    from benchmark.modalities.union import Modality


class VideoArchive(NamedTuple):
    """A folder in the format of docs/own-clips.md, with each window of the video as a test clip."""

    root: Path
    edition: Edition
    clips: Clips

    def modality(self, spec: Modality, out: Path) -> Path:
        """Prepare a modality of all windows in the folder `out`, as for training; return `out`."""
        # The archive holds the points that the networks know, in a layout file of its own.
        spec = spec.with_own_points().model_copy(update={"shards": 1})
        spec.prepare(self.root, self.edition, self.clips, out, workers=1)
        return out


def video_archive(
    root: Path, video: Path, windows: Sequence[Span], edition: Edition, *,
    points: NDArray[np.float32] | None, layout: Layout | None,
) -> VideoArchive:  # fmt: skip
    """Write the archive of some windows of a video.

    Args:
        root: An empty folder.
        video: The video; the archive links to it.
        windows: Frames of each clip.
        edition: Gives the classes.
        points: float32 (T, J, 3) with one row per frame of the video, or None.
        layout: The points that the networks know, or None.

    Raises:
        ArchiveError: The video is damaged, or the points are not those of the layout.
    """
    # The index must not hold the video's own name: it may contain commas, quotes or newlines.
    ending = video.suffix.lower() if video.suffix.isascii() and video.suffix[1:].isalnum() else ""
    name = f"video{ending}"
    (root / name).symlink_to(video.resolve())
    lines = ["clip_id,split,label,video,start_frame,end_frame"]
    ids = window_ids(safe_name(video.name), len(windows))
    lines += [
        f"{clip},test,,{name},{span.start},{span.end}"
        for clip, span in zip(ids, windows, strict=True)
    ]
    write_text(root / CLIPS, "\n".join(lines) + "\n")
    write_text(root / CLASSES, "\n".join(edition.classes) + "\n")
    if points is not None and layout is not None:
        _write_points(root, dict(zip(ids, windows, strict=True)), points, layout)
    own = edition.model_copy(
        update={"dataset": Folder.dataset, "withheld": ("test",), "counts": None, "ids": None}
    )
    return VideoArchive(root, own, Folder(root, own).index(excluded=(), workers=1))


def safe_name(video: str) -> str:
    """Return a video's name without folder and ending, in letters that a clip id may have."""
    return plain_name(Path(video).stem)


def safe_names(videos: Sequence[str]) -> dict[str, str]:
    """Give each of several videos its `safe_name`, and a digest where two would have the same."""
    names = {video: safe_name(video) for video in videos}
    counts = Counter(names.values())
    return {
        video: name if counts[name] == 1 else f"{name}-{sha256(video.encode()).hexdigest()[:12]}"
        for video, name in names.items()
    }


def window_ids(name: str, count: int) -> list[str]:
    """Return the clip ids of the windows of a video with that safe name."""
    # Views draw their frames from a seed that contains the clip's id, so ids must be stable: the
    # video's name and a number, as in iMiGUE.
    return [f"{name}_{number}" for number in range(count)]


def _write_points(
    root: Path, windows: dict[str, Span], points: NDArray[np.float32], layout: Layout
) -> None:
    if points.shape[1] == NUM_POINTS and layout == OPENPOSE36:
        points = points[:, list(layout.points)]
    count = len(layout.points)
    if points.shape[1] != count:
        raise ArchiveError(
            "skeletons", "not the points that the networks know",
            expected=f"{count} points" + (f" or {NUM_POINTS}" if layout == OPENPOSE36 else ""),
            found=str(points.shape[1]),
        )  # fmt: skip
    end = max(span.end for span in windows.values())
    if len(points) < end:
        raise ArchiveError(
            "skeletons", "too short", expected=f"{end} rows, one per frame", found=str(len(points))
        )
    names = [f"p{number}" for number in range(count)]
    pairs = [(left, right) for left, right in enumerate(layout.swap) if left < right]
    named = {"joints": names, "edges": [(names[a], names[b]) for a, b in layout.edges]}
    write_json(root / SKELETON, named | {"pairs": [(names[a], names[b]) for a, b in pairs]})
    (root / "skeletons").mkdir()
    for clip, span in windows.items():
        part = np.ascontiguousarray(points[span.start : span.end], np.float32)
        np.save(root / "skeletons" / f"{clip}.npy", part)
