"""Read score files that others pickled: nothing in them runs, and torch is not needed.

A pickle names functions to call. This reader knows a handful of names and answers each of them with
a function of this module; at any other name it stops.
"""

from __future__ import annotations

import io
import math
import pickle  # noqa: TID251 - this is the reader that lets nothing run
import re
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmark.core.errors import FormatError

STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "<u2",
    "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1",
    "ByteStorage": "<u1", "BoolStorage": "<u1",
}  # fmt: skip
"""Storage class of torch -> numpy type of its bytes; bfloat16 is the upper half of a float32."""

ARRAY = object()
"""Stands for the class of numpy's arrays: a file can name it, but not call it."""
PLAIN = re.compile(r"[fiub][1248]|\?|[US][0-9]{1,6}")
"""Types of numpy without pointers: numbers, truth values, texts."""


class Refused(pickle.UnpicklingError):
    """The file names something that this reader does not know."""


class _Kind(NamedTuple):
    """The class of a storage, by name."""

    name: str


class _Storage(NamedTuple):
    """A storage of torch before its bytes are read."""

    kind: _Kind
    key: str
    numel: int


def read_pickle(path: Path) -> Any:
    """Read lists, dicts, numbers, texts, arrays and tensors; tensors become numpy arrays.

    Raises:
        FormatError: The file is damaged, or wants to call something.
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
    """Knows the names of `_ANSWERS` and no others."""

    def find_class(self, module: str, name: str) -> Any:
        """Find the function of this module that stands for a name.

        Raises:
            Refused: There is none.
        """
        if (answer := _ANSWERS.get((module, name))) is not None:
            return answer
        if module == "torch" and name in STORAGES:
            return _Kind(name)
        raise Refused(f"it asks for {module}.{name}, which is not data")

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects elsewhere: only the file of a storage may hold them."""
        raise Refused("it refers to objects outside the file")


class _StorageReader(_Reader):
    """Reads the object in the file of a storage: one reference to its bytes."""

    def persistent_load(self, pid: Any) -> _Storage:
        """Read a reference ('storage', class, key, place, elements, view).

        Raises:
            Refused: It is no such reference, or the storage is a view of another one.
        """
        kind, key, numel = pid[1], pid[2], pid[4]
        if pid[0] != "storage" or not isinstance(kind, _Kind) or pid[5:] not in {(), (None,)}:
            raise Refused("it holds a storage of an unknown form")
        return _Storage(kind, str(key), int(numel))


def _load_from_bytes(data: bytes) -> NDArray[Any]:
    """Read the elements of a storage that torch saved in its old form: (n,)."""
    file = io.BytesIO(data)
    for _ in range(3):  # torch writes a magic number, a version and the machine first
        _Reader(file).load()
    storage = _StorageReader(file).load()
    keys = _Reader(file).load()
    if not isinstance(storage, _Storage) or keys != [storage.key]:
        raise Refused("it holds a storage of an unknown form")
    (count,) = np.frombuffer(file.read(8), "<i8")
    dtype = np.dtype(STORAGES[storage.kind.name])
    content = file.read()
    if count != storage.numel or len(content) != count * dtype.itemsize:
        raise Refused("it holds a storage that ends early")
    elements = np.frombuffer(content, dtype)
    if storage.kind.name == "BFloat16Storage":
        # numpy has no bfloat16: 16 zero bits behind it make it a float32 of the same value.
        elements = (elements.astype(np.uint32) << 16).view(np.float32)
    return elements


def _rebuild_tensor(
    storage: NDArray[Any], offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> NDArray[Any]:
    """Copy a tensor out of its storage.

    Args:
        storage: Elements, (n,).
        offset: Place of the first element.
        size: Length of each axis.
        stride: Elements from one index of each axis to the next.
        _: What torch adds (gradients, hooks), ignored.

    Raises:
        Refused: The tensor reaches beyond its storage, or is larger than it.
    """
    # Larger than its storage: strides of 0 would let a few bytes fill the memory.
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


class _Dtype:
    """A type of numpy, held until its whole state is known.

    numpy's own `dtype.__setstate__` believes its state: fields and flags that contradict each
    other let it follow bytes of the file as a pointer, which ends the process.
    """

    def __init__(self, code: Any, *_: Any) -> None:
        self._code = code.decode("latin1") if isinstance(code, bytes) else code
        self._order = "="

    def __setstate__(self, state: Any) -> None:
        """Take the byte order; a type with fields or parts is none of ours."""
        if not isinstance(state, tuple) or state[1] not in {"<", ">", "|", "="} or any(state[2:5]):
            raise Refused("it holds an array with fields")
        self._order = state[1]

    @property
    def real(self) -> np.dtype[Any]:
        """The type, which holds no pointers."""
        if not isinstance(self._code, str) or not PLAIN.fullmatch(self._code):
            raise Refused(f"it holds an array of type {str(self._code)[:20]!r}")
        return np.dtype(self._order + self._code)


class _Array(np.ndarray[Any, Any]):
    """An array that waits for its state, which follows in the pickle."""

    def __setstate__(self, state: Any) -> None:
        """Take shape, type and bytes; numpy checks that their sizes agree."""
        _, shape, dtype, is_fortran, content = state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
            raise Refused("it holds an array of an unknown form")
        super().__setstate__((1, shape, dtype.real, is_fortran, content))


def _reconstruct(kind: Any, *_: Any) -> NDArray[Any]:
    """Make an empty array for its state to fill."""
    if kind is not ARRAY:
        raise Refused("it holds an array of an unknown class")
    return np.empty(0, np.uint8).view(_Array)


def _no_bytes() -> bytes:
    """Give the empty bytes, which protocols before 3 write as a call."""
    return b""


def _encode(text: Any, code: Any = "latin1") -> bytes:
    """Decode bytes as protocols before 3 write them: as a text."""
    if code != "latin1" or not isinstance(text, str):
        raise Refused("it holds bytes of an unknown form")
    return text.encode("latin1")


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None) -> NDArray[Any]:
    # As protocol 5 writes an array. The order is "C" or "F"; since NumPy 2.4 also "K", with the
    # axes in the order in which they lie in memory.
    if not isinstance(dtype, _Dtype):
        raise Refused("it holds an array of an unknown form")
    array = np.frombuffer(data, dtype.real).reshape(shape, order="F" if order == "F" else "C")
    return array if axes is None else array.transpose(axes)


def _scalar(dtype: Any, data: Any = b"") -> Any:
    """Read a number of numpy."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
        raise Refused("it holds a number of an unknown form")
    return np.frombuffer(data, dtype.real)[0]


_ANSWERS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch.storage", "_load_from_bytes"): _load_from_bytes,
    ("numpy", "ndarray"): ARRAY,
    ("numpy", "dtype"): _Dtype,
    **{
        (f"numpy.{core}.{name}", function): answer
        for core in ("core", "_core")  # numpy 2 renamed the package
        for name, function, answer in (
            ("multiarray", "_reconstruct", _reconstruct),
            ("multiarray", "scalar", _scalar),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}
