"""Files of tensors in half precision: the networks of the zoo, which ship with the package."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from benchmark.core.errors import FormatError
from benchmark.core.files import replacing

if TYPE_CHECKING:
    from torch import Tensor

ZOO = Path(__file__).parents[1] / "weights/zoo"
"""NAME.safetensors holds the tensors of a network, NAME.json is its card."""
ZOO_NAME = "zoo"
"""Stands for the fusion of these networks where a system is named."""
LICENSE = "Apache-2.0"
"""Of what the harness trains on its own generated people."""
SUFFIX = ".safetensors"
NOT_NETWORKS = ("depth", "system")
"""Other cards of the folder: the depth network, and the fusion of the recognition networks."""
CARD = "system.json"
"""The card of an exported system."""
DO = "Restore it with git, or install the package again"


def systems_folder() -> Path:
    """Return the user's folder of installed systems, of all projects."""
    return Path(click.get_app_dir("mgbench")) / "systems"


def is_installed(name: str) -> bool:
    """Tell whether a system of that name is installed."""
    return "/" not in name and (systems_folder() / name / CARD).is_file()


def shipped_names() -> list[str]:
    """List the recognition networks of the zoo, sorted."""
    return sorted(path.stem for path in ZOO.glob("*.json") if path.stem not in NOT_NETWORKS)


def write_half(path: Path, tensors: dict[str, Tensor]) -> str:
    """Write tensors in half precision, integers as they are, and return the file's SHA-256.

    Raises:
        FormatError: A value is not finite, or not in half precision.
    """
    import safetensors.torch
    import torch

    halves = {
        name: tensor.detach().to("cpu", torch.float16 if tensor.is_floating_point() else None)
        for name, tensor in tensors.items()
    }
    for name, tensor in halves.items():
        if not tensor.isfinite().all():
            raise FormatError(path, f"{name} has a value that half precision cannot hold")
    # Without safetensors' own metadata, whose order differs from run to run.
    data = safetensors.torch.save({name: t.contiguous() for name, t in halves.items()})
    with replacing(path) as work:
        work.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def read_half(path: Path, sha256: str) -> dict[str, Tensor]:
    """Read the tensors of a file in single precision.

    Raises:
        FormatError: The file is missing, or its bytes are not those that its card names.
    """
    import safetensors.torch

    tensors = safetensors.torch.load(verified_bytes(path, sha256))
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def verified_bytes(path: Path, sha256: str) -> bytes:
    """Read a file whose hash is known.

    Raises:
        FormatError: The file is missing, or its bytes are others.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(path, f"cannot be read ({error.strerror})", do=DO) from None
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise FormatError(
            path, "is damaged or does not belong to its card", expected=f"SHA-256 {sha256}",
            found=found, do=DO,
        )  # fmt: skip
    return data
