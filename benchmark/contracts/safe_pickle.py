"""Score files that others pickled, read without running anything that is in them, without torch.

A pickle names functions to call. Here a handful of names is known, each is answered by a function
of this module, and any other name ends the reading.
"""

from __future__ import annotations

import io
import math
import pickle  # noqa: TID251 - this is the reader that lets nothing run
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmark.core.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "<u2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1",
    "ByteStorage": "<u1", "BoolStorage": "<u1",
}  # fmt: skip
"""Classes of torch -> what lies in their bytes; bfloat16 is the upper half of a float32."""


ARRAY = object()
"""Stands for the class of numpy's arrays: it can be named, not called."""


class Refused(pickle.UnpicklingError):
    """The file names something that is not known here."""


class _Kind(NamedTuple):
    """The class of a storage, by name only."""

    name: str


class _Storage(NamedTuple):
    """A storage inside the file of one, before its bytes are read."""

    kind: _Kind
    key: str
    numel: int


def read_pickle(path: Path) -> Any:
    """What was pickled, of lists, dicts, numbers, texts, arrays and tensors (as numpy arrays).

    Raises:
        FormatError: The file is damaged, or would run something to be read.
    """
    try:
        with path.open("rb") as file:
            return _Reader(file).load()
    except Refused as error:
        raise FormatError(
            path, str(error), expected="lists, dicts, numbers, texts, numpy arrays, torch tensors",
            do="If you trust its maker, save the scores again as .npy or .csv",
        ) from None  # fmt: skip
    except Exception as error:  # a broken pickle can raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        do = "It may be cut off: fetch or dump it again"
        raise FormatError(path, f"cannot be read ({reason})", do=do) from None


class _Reader(pickle.Unpickler):
    """Knows the names below and no others."""

    def find_class(self, module: str, name: str) -> Any:
        """The function of this module that stands for a name."""
        if (found := _KNOWN.get((module, name))) is not None:
            return found
        if module == "torch" and name in STORAGES:
            return _Kind(name)
        raise Refused(f"it asks for {module}.{name}, which is not data")

    def persistent_load(self, pid: Any) -> Any:
        """Only the file of a storage has these."""
        raise Refused("it refers to objects outside the file")


class _StorageReader(_Reader):
    """Reads the object of a storage's file: one reference to its bytes."""

    def persistent_load(self, pid: Any) -> _Storage:
        """('storage', class, key, place, elements, view)."""
        kind, key, numel = pid[1], pid[2], pid[4]
        if pid[0] != "storage" or not isinstance(kind, _Kind) or pid[5:] not in {(), (None,)}:
            raise Refused("it holds a storage of an unknown form")
        return _Storage(kind, str(key), int(numel))


def _load_from_bytes(data: bytes) -> NDArray[Any]:
    """The elements of a storage that torch has saved in its old form: (n,)."""
    file = io.BytesIO(data)
    for _ in range(3):  # a magic number, a version, the machine
        _Reader(file).load()
    storage = _StorageReader(file).load()
    keys = _Reader(file).load()
    if not isinstance(storage, _Storage) or keys != [storage.key]:
        raise Refused("it holds a storage of an unknown form")
    (count,) = np.frombuffer(file.read(8), "<i8")
    dtype = np.dtype(STORAGES[storage.kind.name])
    rest = file.read()
    if count != storage.numel or len(rest) != count * dtype.itemsize:
        raise Refused("it holds a storage that ends early")
    found = np.frombuffer(rest, dtype)
    if storage.kind.name == "BFloat16Storage":
        found = (found.astype(np.uint32) << 16).view(np.float32)
    return found


def _rebuild_tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """A tensor as an array of its own."""
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    outside = 0 not in size and last >= len(storage)
    if min(*size, *stride, offset, 0) < 0 or outside or math.prod(size) > len(storage):
        raise Refused("it holds a tensor beyond its storage")
    places = np.full(size, offset, np.int64)
    for axis, (n, step) in enumerate(zip(size, stride, strict=True)):
        shape = [1] * len(size)
        shape[axis] = n
        places = places + step * np.arange(n).reshape(shape)
    return storage[places]


def _reconstruct(kind: Any, shape: Any, code: Any) -> NDArray[Any]:
    """An empty array; its state, which follows, fills it."""
    if kind is not ARRAY:
        raise Refused("it holds an array of an unknown class")
    return np.empty(shape, code.decode() if isinstance(code, bytes) else code)


def _encode(text: Any, code: Any = "latin1") -> bytes:
    """Bytes, as protocols before 3 write them: as a text."""
    if code != "latin1" or not isinstance(text, str):
        raise Refused("it holds bytes of an unknown form")
    return text.encode("latin1")


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    """An array, as protocol 5 writes it."""
    if not isinstance(dtype, np.dtype) or dtype.hasobject:
        raise Refused("it holds an array of an unknown form")
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    """A number of numpy."""
    if not isinstance(dtype, np.dtype) or dtype.hasobject or not isinstance(data, bytes):
        raise Refused("it holds a number of an unknown form")
    return np.frombuffer(data, dtype)[0]


_KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch.storage", "_load_from_bytes"): _load_from_bytes,
    ("numpy", "ndarray"): ARRAY,
    ("numpy", "dtype"): np.dtype,
    **{
        (f"numpy.{core}.{name}", function): ours
        for core in ("core", "_core")
        for name, function, ours in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}
