"""A file of HDF5 with its own length and checksum in its first 512 bytes, a user block that HDF5 passes over.

Whatever happened to it is found before the HDF5 library sees it.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from wsapps.atomic import explained
from wsapps.errors import UserError

VERSION = 1
BLOCK = 512
_HEADER = re.compile(rb"wsapps-nefs ([0-9]{1,4}) bytes:([0-9]{1,18}) sha256:([0-9a-f]{64})\n\0+")
_HDF5 = b"\x89HDF\r\n\x1a\n"


def sealed(data: bytearray) -> bytes:
    """A file that begins with an empty block, with its length and checksum in it."""
    digest = hashlib.sha256(memoryview(data)[BLOCK:]).hexdigest()
    header = f"wsapps-nefs {VERSION} bytes:{len(data)} sha256:{digest}\n".encode()
    data[:BLOCK] = header.ljust(BLOCK, b"\0")
    return bytes(data)


def check_sealed(path: Path) -> bool:
    """Check a shard's length and checksum; True if it has them, False for a shard from elsewhere.

    Raises:
        UserError: it is cut off, damaged, or no shard.
    """
    with explained("read the shard", path), open(path, "rb") as file:
        header = file.read(BLOCK)
        if header.startswith(_HDF5):
            return False
        match = _HEADER.fullmatch(header)
        if match is None:
            if not header.strip(b"\0"):
                raise UserError(f"{path} is empty; delete it, and build it again")
            raise UserError(f"{path} is damaged at its beginning, or no shard of fields; build it again")
        size = os.fstat(file.fileno()).st_size
        if size != int(match[2]):
            raise UserError(f"{path} is cut off: {size} bytes of {int(match[2])}; build it again")
        if int(match[1]) != VERSION:
            raise UserError(f"{path} has version {int(match[1])}, this wsapps reads {VERSION}")
        digest = hashlib.sha256()
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    if digest.hexdigest() != match[3].decode():
        raise UserError(f"{path} is damaged: its checksum does not match; build it again")
    return True
