"""MATLAB 5 files: numbers, cells and structs, as in the "MAT-File Format" document of MathWorks.

This is a reader of our own because a dataset check must survive damaged files: SciPy's (1.17) ends
the whole process with a segmentation fault on a single wrong byte in a type code.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from vos_core.errors import CorruptFileError, DatasetError

MatValue: TypeAlias = npt.NDArray[Any] | list["MatValue"] | list[dict[str, "MatValue"]] | None
"""An array, the values of a cell, the elements of a struct array, or None for any other class."""

_HEADER_BYTES = 128
_LARGEST = 1 << 28  # ours: no mask comes near, and a hostile file must not fill the memory
# Storage types (table 1-1 of the document) that hold numbers -> NumPy's names of them.
_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT = 1, 2  # array classes (table 1-3)
_NUMERIC = range(6, 16)
# What reading wrong counts, offsets and types comes to.
_DAMAGED = (
    ArithmeticError,
    LookupError,
    RecursionError,
    ValueError,
    struct.error,
    zlib.error,
)


def read_mat(path: Path) -> dict[str, MatValue]:
    """Read the variables of a file.

    Args:
        path: A file of MATLAB version 5 to 7.2, compressed or not.

    Returns:
        Name -> value. Arrays have MATLAB's shape; cells and struct arrays are flat, in MATLAB's
        (column-major) order. Text, sparse matrices and objects are left out, and None inside of
        cells and structs.

    Raises:
        DatasetError: If there is no such file.
        CorruptFileError: If it is of another format, cut short or damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as err:
        raise DatasetError(f"{path}: no such file; check the path.") from err
    except OSError as err:
        raise CorruptFileError(f"{path}: cannot be read ({err.strerror}); fetch it again.") from err
    if data.startswith(b"MATLAB 7.3"):
        raise CorruptFileError(f"{path}: is a MATLAB 7.3 file; save it with MATLAB's option -v7.")
    order = {b"IM": "<", b"MI": ">"}.get(data[_HEADER_BYTES - 2 : _HEADER_BYTES])
    if order is None:
        raise CorruptFileError(f"{path}: is no MATLAB 5 file; fetch it again.")
    try:
        found = list(_variables(_Elements(data[_HEADER_BYTES:], order)))
    except _DAMAGED as err:
        raise CorruptFileError(f"{path}: cannot be decoded ({err}); fetch it again.") from err
    return {name: value for name, value in found if name}


class _Elements:
    """A run of data elements, read one after the other."""

    def __init__(self, data: bytes, order: str) -> None:
        self.data = data
        self.order = order
        self.position = 0

    @property
    def left(self) -> int:
        return len(self.data) - self.position

    def next(self) -> tuple[int, bytes]:
        """Return storage type and content of the next element."""
        kind, size = struct.unpack_from(f"{self.order}II", self.data, self.position)
        start = self.position + 8
        if kind >> 16:  # the small format: both in one word, then up to four bytes of content
            kind, size, start = kind & 0xFFFF, kind >> 16, start - 4
            self.position = start + 4
        else:  # padded to a multiple of eight, but for compressed elements
            self.position = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if start + size > self.position or self.position > len(self.data):
            raise ValueError("an element is cut short")
        return kind, self.data[start : start + size]

    def numbers(self) -> npt.NDArray[Any]:
        """Return the next element's numbers."""
        kind, content = self.next()
        if kind not in _NUMBERS:
            raise ValueError(f"type {kind} where numbers should be")
        return np.frombuffer(content, dtype=f"{self.order}{_NUMBERS[kind]}")

    def matrix(self) -> tuple[str, MatValue]:
        """Return name and value of the next element."""
        kind, content = self.next()
        if kind != _MATRIX:
            raise ValueError(f"type {kind} where an array should be")
        return _matrix(_Elements(content, self.order)) if content else ("", np.zeros((0, 0)))

    def matrices(self, count: int) -> list[MatValue]:
        """Return the values of the next elements."""
        if count * 8 > self.left:
            raise ValueError("fewer elements than announced")
        return [self.matrix()[1] for _ in range(count)]


def _variables(elements: _Elements) -> Iterator[tuple[str, MatValue]]:
    while elements.left:
        start = elements.position
        kind, content = elements.next()
        if kind == _COMPRESSED:
            yield _Elements(_unpacked(content), elements.order).matrix()
        else:
            elements.position = start
            yield elements.matrix()


def _unpacked(content: bytes) -> bytes:
    stream = zlib.decompressobj()
    data = stream.decompress(content, _LARGEST)
    if not stream.eof:
        raise ValueError("compressed content is cut short or too large")
    return data


def _matrix(parts: _Elements) -> tuple[str, MatValue]:
    array_class = int(parts.numbers()[0]) & 0xFF
    if array_class not in (_CELL, _STRUCT, *_NUMERIC):
        return "", None
    shape = [int(n) for n in parts.numbers()]
    if min(shape, default=-1) < 0:
        raise ValueError(f"array of shape {shape}")
    name = parts.next()[1].decode("ascii")
    if array_class == _CELL:
        return name, parts.matrices(math.prod(shape))
    if array_class == _STRUCT:
        return name, _structs(parts, math.prod(shape))
    return name, parts.numbers().reshape(shape, order="F")


def _structs(parts: _Elements, count: int) -> list[dict[str, MatValue]]:
    width = int(parts.numbers()[0])
    packed = parts.next()[1]
    if width < 1 or len(packed) % width:
        raise ValueError("struct with broken field names")
    fields = [
        packed[i : i + width].split(b"\0")[0].decode("ascii") for i in range(0, len(packed), width)
    ]
    values = parts.matrices(count * len(fields))
    rows = range(0, len(values), len(fields) or 1)
    return [dict(zip(fields, values[i : i + len(fields)], strict=True)) for i in rows]
