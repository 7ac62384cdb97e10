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
        loader=FileSystemLoader(template.parent),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template.name).render(**values)


def data_uri(media_type: str, data: bytes) -> str:
    """Embed a file in a page, such as `data_uri("image/png", ...)`."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def jpeg_uri(picture: NDArray[np.uint8], *, quality: int = 85) -> str:
    """Embed an RGB picture, uint8 (H, W, 3), as a JPEG; `quality` runs from 0 to 100."""
    # OpenCV takes arrays for BGR, and tells a failure by its first result alone.
    bgr, options = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    ok, data = cv2.imencode(".jpg", bgr, options)
    if not ok:
        raise RuntimeError(f"OpenCV cannot write a JPEG of shape {picture.shape}")
    return data_uri("image/jpeg", data.tobytes())
