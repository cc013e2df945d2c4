"""A text of variable length in an HDF5 file, read from the file's own bytes.

The library allocates whatever length a file claims, and does not return from some damaged heaps. The layout
is that of the HDF5 File Format Specification, version 3: a reference of 16 bytes (length, address of a heap
collection, number of an object in it), and collections (section III.E, "Level 1E - Global Heap") of objects.
"""

from __future__ import annotations

import struct
from pathlib import Path

_REFERENCE = struct.Struct("<IQI")
_COLLECTION = struct.Struct("<4sB3xQ")
_OBJECT = struct.Struct("<HHIQ")


def variable_text(path: Path, offset: int, most: int) -> bytes:
    """The text to which the reference at a place in a file points.

    Args:
        path: of a file with addresses and lengths of 8 bytes, and no user block.
        offset: of the reference.
        most: bytes that the text and its heap may have.

    Raises:
        ValueError: the reference or the heap is damaged, or too long.
    """
    with open(path, "rb") as file:
        file.seek(offset)
        length, address, number = _REFERENCE.unpack(_exactly(file.read(_REFERENCE.size), _REFERENCE.size))
        file.seek(min(address, path.stat().st_size))
        signature, version, size = _COLLECTION.unpack(_exactly(file.read(_COLLECTION.size), _COLLECTION.size))
        if signature != b"GCOL" or version != 1 or length > most:
            raise ValueError(f"no text of at most {most} bytes at {address}")
        if not _COLLECTION.size <= size <= most:
            raise ValueError(f"a heap of {size} bytes; at most {most} are read")
        objects = file.read(size - _COLLECTION.size)
    return _object(objects, number)[:length]


def _object(objects: bytes, number: int) -> bytes:
    """The object of that number. Each is a head and its bytes, filled up to a multiple of 8; 0 is free."""
    start = 0
    while start + _OBJECT.size <= len(objects):
        index, _, _, size = _OBJECT.unpack_from(objects, start)
        start += _OBJECT.size
        if index == 0 or size > len(objects) - start:
            break
        if index == number:
            return objects[start : start + size]
        start += -(-size // 8) * 8
    raise ValueError(f"the heap has no object {number}")


def _exactly(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise ValueError("the file is cut off")
    return data
