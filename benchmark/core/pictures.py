"""Pictures as files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2

from benchmark.core.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write RGB, uint8 (H, W, 3); equal pictures give equal bytes."""
    ok, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not ok:
        raise RuntimeError("OpenCV cannot write a PNG")
    with replacing(path) as work:
        work.write_bytes(data.tobytes())
