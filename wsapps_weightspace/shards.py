"""Fitted fields in files of fixed index ranges: ``nefs_{first}-{last}.hdf5``, last excluded.

The datasets are those of fit-a-nef, so that its readers and neural-field-arena's load them: ``params``
``(n, P)`` float32, ``param_config`` (see :mod:`wsapps_weightspace.layout`), ``labels`` ``(n,)``. Ours beside
them: ``range``, ``psnr``, ``sample_index``, ``init_number``, ``view``, ``coordinates`` and ``about`` (JSON).

A shard of ours has a checksum (:mod:`wsapps_weightspace.sealed_file`). One from elsewhere has none, and is
read with the care of :mod:`wsapps_weightspace.hdf5_checks`.
"""

from __future__ import annotations

import io
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from wsapps.atomic import explained, write_bytes
from wsapps.errors import UserError
from wsapps_weightspace.about import ShardAbout, about_from_json
from wsapps_weightspace.hdf5_checks import numbers, opened, text
from wsapps_weightspace.layout import Layout, foreign_omega, param_config, parse_param_config
from wsapps_weightspace.sealed_file import BLOCK, check_sealed, sealed
from wsapps_weightspace.weights import Architecture, FieldWeights, from_flat

_NAME = re.compile(r"nefs_(0|[1-9][0-9]{0,17})-([1-9][0-9]{0,17})\.hdf5", re.ASCII)
_log = logging.getLogger("wsapps")


@dataclass(frozen=True)
class Shard:
    """The fields ``first`` to ``last``, excluded, of a dataset; n of them.

    Args:
        path: of its file.
        architecture: of the fields.
        flat: ``(n, P)`` float32, rows as :meth:`FieldWeights.flat`.
        labels: ``(n,)`` int64.
        psnr: ``(n,)`` float32 dB, NaN where it is not known.
        index: ``(n,)`` int64, which sample each field fits.
        init_number, view: ``(n,)`` int64, which of the sample's initial weights and augmented views, from 0.
        about: what the dataset's shards share; None for a shard from elsewhere.
    """

    path: Path
    first: int
    last: int
    architecture: Architecture
    flat: Tensor
    labels: Tensor
    psnr: Tensor
    index: Tensor
    init_number: Tensor
    view: Tensor
    about: ShardAbout | None

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def weights(self) -> FieldWeights:
        """The fields; views of ``flat``."""
        return from_flat(self.flat, self.architecture)


def shard_name(first: int, last: int) -> str:
    """The file name of the fields ``first`` to ``last``, excluded."""
    if not 0 <= first < last:
        raise ValueError(f"a shard holds the fields first <= i < last, got {first} and {last}")
    return f"nefs_{first}-{last}.hdf5"


def shard_range(name: str) -> tuple[int, int] | None:
    """``(first, last)`` of a file name that :func:`shard_name` gives, None for any other."""
    match = _NAME.fullmatch(name)
    if match is None or not int(match[1]) < int(match[2]):
        return None
    return int(match[1]), int(match[2])


def shard_paths(folder: Path | str) -> list[Path]:
    """The shards in a folder, by their first field.

    Raises:
        UserError: the folder cannot be read.
    """
    folder = Path(folder)
    with explained("read the folder", folder):
        named = [(shard_range(item.name), item) for item in folder.iterdir()]
    return [path for place, path in sorted((place, path) for place, path in named if place is not None)]


def some_shard_paths(folder: Path | str) -> list[Path]:
    """As :func:`shard_paths`, at least one; raises UserError where there is none."""
    paths = shard_paths(folder)
    if not paths:
        raise UserError(f"{folder} holds no shards nefs_<first>-<last>.hdf5; build a dataset there first")
    return paths


def finished_ranges(folder: Path | str) -> list[tuple[int, int]]:
    """``(first, last)`` of the intact shards in a folder, in order; the log names those that are damaged.

    Shards of other programs have no checksum and count as intact. Empty where there is no folder yet.

    Raises:
        UserError: the folder cannot be read.
    """
    if not Path(folder).exists():
        return []
    ranges = []
    for path in shard_paths(folder):
        try:
            check_sealed(path)
        except UserError as error:
            _log.warning("passed over: %s", error)
        else:
            ranges += [place for place in [shard_range(path.name)] if place is not None]
    return ranges


def write_shard(
    folder: Path | str,
    first: int,
    last: int,
    weights: FieldWeights,
    labels: Tensor,
    psnr: Tensor,
    index: Tensor,
    about: ShardAbout,
    init_number: Tensor | None = None,
    view: Tensor | None = None,
) -> Path:
    """Write the fields ``first`` to ``last``, excluded; equal arguments give equal bytes.

    Args:
        folder: exists; a shard of that range is replaced.
        weights: n = last - first fields of ``about.architecture``.
        labels, psnr, index, init_number, view: ``(n,)``, as :class:`Shard` holds them; by default the last
            two are 0.
        about: the same for all shards of a dataset.

    Raises:
        UserError: the file cannot be written; what was there is still whole.
        ValueError: sizes do not match.
    """
    folder, name = Path(folder), shard_name(first, last)
    count, architecture = last - first, about.architecture
    if [tuple(w.shape[1:]) for w in weights.weights] != architecture.pairs:
        raise ValueError(f"the fields have other sizes than {architecture.sizes}")
    zeros = torch.zeros(count, dtype=torch.int64)
    columns = {
        "labels": (labels, torch.int64),
        "psnr": (psnr, torch.float32),
        "sample_index": (index, torch.int64),
        "init_number": (zeros if init_number is None else init_number, torch.int64),
        "view": (zeros if view is None else view, torch.int64),
    }
    data = {"params": weights.flat().detach().to("cpu", torch.float32)}
    data |= {key: column.detach().to("cpu", dtype) for key, (column, dtype) in columns.items()}
    for key, tensor in data.items():
        if len(tensor) != count or tensor.ndim != (2 if key == "params" else 1):
            raise ValueError(
                f"{key} has shape {tuple(tensor.shape)}, for the {count} fields {first} to {last}"
            )
    if about.coordinates is not None:
        data["coordinates"] = about.coordinates.detach().to("cpu", torch.float32)
    arrays = {key: tensor.numpy() for key, tensor in data.items()} | {"range": np.array([first, last])}
    texts = {"param_config": param_config(architecture), "about": about.to_json()}
    write_bytes(folder / name, sealed(_hdf5(arrays, texts)))
    return folder / name


def _hdf5(arrays: dict[str, np.ndarray], texts: dict[str, str]) -> bytearray:
    """An HDF5 file, with an empty user block. Made in memory: the library copes badly with full disks."""
    memory = io.BytesIO()
    with h5py.File(memory, "w", userblock_size=BLOCK, libver=("earliest", "v108")) as file:
        for key, words in texts.items():
            file.create_dataset(key, data=np.array([words.encode()]))
        for key, array in arrays.items():
            file.create_dataset(key, data=array)
    return bytearray(memory.getbuffer())


def read_shard(path: Path | str) -> Shard:
    """Read a shard of ours or of fit-a-nef. Nothing is unpickled, and sizes are checked before allocation.

    One from elsewhere has unknown PSNRs (NaN), its own index as that of the sample, and the omega of
    ``nef.json`` beside it.

    Raises:
        UserError: it is cut off, damaged, hostile, or of a network that is not known.
    """
    path = Path(path)
    place = shard_range(path.name)
    if place is None:
        raise UserError(
            f"{path}: shards are named nefs_<first>-<last>.hdf5, after their fields, last excluded"
        )
    ours = check_sealed(path)
    with opened(path) as file:
        layout = parse_param_config(text(file, "param_config", path), str(path))
        params = numbers(file, "params", (place[1] - place[0], layout.parameters), "f", path)
        flat = torch.from_numpy(params.astype(np.float32, copy=False))
        labels = _column(file, "labels", path, place)
        if ours:
            return _ours(file, path, place, layout, flat, labels)
    architecture = Architecture(layout.sizes, *[foreign_omega(path.parent)] * 2)
    unknown, zeros = torch.full(labels.shape, torch.nan), torch.zeros_like(labels)
    rows = layout.weights(flat).flat()
    return Shard(path, *place, architecture, rows, labels, unknown, torch.arange(*place), zeros, zeros, None)


def _ours(
    file: h5py.File, path: Path, place: tuple[int, int], layout: Layout, flat: Tensor, labels: Tensor
) -> Shard:
    coordinates = None
    if "coordinates" in file:
        coordinates = torch.from_numpy(numbers(file, "coordinates", (None, layout.sizes[0]), "f", path))
    about = about_from_json(text(file, "about", path), coordinates, str(path))
    if about.architecture.sizes != layout.sizes:
        raise UserError(
            f"{path}: params are of {layout.sizes} neurons, but `about` says {about.architecture.sizes}"
        )
    if tuple(numbers(file, "range", (2,), "iu", path).tolist()) != place:
        raise UserError(f"{path} was renamed: it holds other fields than its name says; restore its name")
    index, init_number, view = (
        _column(file, name, path, place) for name in ("sample_index", "init_number", "view")
    )
    psnr = torch.from_numpy(numbers(file, "psnr", (place[1] - place[0],), "f", path).astype(np.float32))
    return Shard(path, *place, about.architecture, flat, labels, psnr, index, init_number, view, about)


def _column(file: h5py.File, name: str, path: Path, place: tuple[int, int]) -> Tensor:
    """Whole numbers, one a field, ``(n,)`` int64."""
    return torch.from_numpy(numbers(file, name, (place[1] - place[0],), "iu", path).astype(np.int64))
