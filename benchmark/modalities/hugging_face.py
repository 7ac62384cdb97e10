"""The front door to transformers: its classes, without a download, a pickle or code of others."""

from __future__ import annotations

from typing import Any

from benchmark.core.errors import MissingExtra

INSTALL = "pip install --no-deps transformers==5.23.0 tokenizers==0.23.3"


def transformers_classes(*names: str, wanted_by: str) -> tuple[Any, ...]:
    """Return classes of transformers. Any: their types are known to nobody else.

    Raises:
        MissingExtra: transformers is not installed.
    """
    try:
        import transformers

        return tuple(getattr(transformers, name) for name in names)
    except (ImportError, TypeError, AttributeError) as error:  # TypeError: tokenizers is missing
        raise MissingExtra(
            "transformers", f"{wanted_by} needs this optional package",
            expected="transformers 5.23.0", found=str(error), do=f"Install it: {INSTALL}",
        ) from error  # fmt: skip
