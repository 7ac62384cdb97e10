"""Pages that need no file beside them: Jinja templates, and files embedded as data URIs."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

if TYPE_CHECKING:
    import numpy as np


def render_template(template: Path, **values: object) -> str:
    """Fill a Jinja template with `values`; a name that the template misses is an error.

    Names of clips, videos and classes come from files of the user, so HTML in them is escaped.

    Raises:
        UndefinedError: The template uses a name that `values` lacks.
    """
    environment = Environment(
        loader=FileSystemLoader(template.parent), autoescape=True, undefined=StrictUndefined,
        keep_trailing_newline=True,
    )  # fmt: skip
    return environment.get_template(template.name).render(**values)


def data_uri(media_type: str, data: bytes) -> str:
    """Embed a file in a page, such as `data_uri("image/png", ...)`."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def jpeg_uri(picture: NDArray[np.uint8]) -> str:
    """Embed an RGB picture, uint8 (H, W, 3), as a JPEG of quality 85."""
    # OpenCV takes arrays for BGR, and tells a failure by its first result alone.
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not ok:
        raise RuntimeError(f"OpenCV cannot write a JPEG of shape {picture.shape}")
    return data_uri("image/jpeg", data.tobytes())
