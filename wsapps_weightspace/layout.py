"""The order of a field's parameters in a row of ``params``, as fit-a-nef writes it.

``param_config`` is JSON, a list of [name, shape] in the order of the row: biases before kernels, layer by
layer, under the names of fit-a-nef's SIREN (samuelepapa/fit-a-nef, fit_a_nef/nef/siren.py):
``kernel_net_0.linear.bias``, ``kernel_net_0.linear.kernel``, ..., ``output_linear.bias``,
``output_linear.kernel``. Kernels are ``(I, O)``. Rows in another order are put into this one, which is that
of :meth:`~wsapps_weightspace.weights.FieldWeights.flat`. What is not known to be a sine field is refused.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from wsapps.atomic import explained, write_text
from wsapps.errors import UserError, one_line
from wsapps_weightspace.weights import Architecture, FieldWeights

NEF_JSON = "nef.json"
_HIDDEN = re.compile(r"kernel_net_([0-9]{1,3})\.linear\.(bias|kernel)", re.ASCII)
_OUTPUT = re.compile(r"output_linear\.(bias|kernel)")
_MOST_ENTRIES, _MOST_NEURONS, _MOST_JSON = 256, 1 << 20, 1 << 20


@dataclass(frozen=True)
class Layout:
    """Where the parameters of each layer stand in a row: ``(start, end)`` of bias and kernel.

    Args:
        sizes: neurons of each layer, as :attr:`Architecture.sizes`.
        biases, kernels: a slice of the row for each affine layer.
    """

    sizes: tuple[int, ...]
    biases: tuple[slice, ...]
    kernels: tuple[slice, ...]

    @property
    def parameters(self) -> int:
        """P, parameters of one field."""
        return sum(part.stop - part.start for part in self.biases + self.kernels)

    def weights(self, rows_NP: Tensor) -> FieldWeights:
        """The fields of rows; views of them."""
        pairs = zip(self.sizes[:-1], self.sizes[1:], strict=True)
        kernels = [
            rows_NP[:, part].unflatten(1, pair) for part, pair in zip(self.kernels, pairs, strict=True)
        ]
        return FieldWeights(tuple(kernels), tuple(rows_NP[:, part] for part in self.biases))


def param_config(architecture: Architecture) -> str:
    """The JSON that describes a row of :meth:`FieldWeights.flat`."""
    entries: list[tuple[str, list[int]]] = []
    for layer, (fan_in, fan_out) in enumerate(architecture.pairs):
        last = layer == architecture.layers - 1
        name = "output_linear" if last else f"kernel_net_{layer}.linear"
        entries += [(f"{name}.bias", [fan_out]), (f"{name}.kernel", [fan_in, fan_out])]
    return json.dumps(entries)


def parse_param_config(text: str, where: str) -> Layout:
    """What a ``param_config`` says.

    Raises:
        UserError: it is damaged, or describes something else than a sine field with a linear output.
    """
    biases: dict[int, slice] = {}
    kernels: dict[int, slice] = {}
    shapes: dict[int, tuple[int, ...]] = {}
    start = 0
    for name, shape in _entries(text, where):
        layer, kind = _place(name, where)
        parts = biases if kind == "bias" else kernels
        if layer in parts:
            raise UserError(f"{where}: param_config names {name} twice")
        parts[layer] = slice(start, start + math.prod(shape))
        start = parts[layer].stop
        if len(shape) != (1 if kind == "bias" else 2):
            raise UserError(f"{where}: {name} has shape {list(shape)}; a bias has one axis, a kernel two")
        if kind == "kernel":
            shapes[layer] = shape
    return _joined(biases, kernels, shapes, where)


def _entries(text: str, where: str) -> list[tuple[str, tuple[int, ...]]]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: param_config is not valid JSON; build or export it again") from error
    good = (
        isinstance(entries, list)
        and 0 < len(entries) <= _MOST_ENTRIES
        and all(isinstance(entry, list) and len(entry) == 2 for entry in entries)
        and all(isinstance(name, str) and isinstance(shape, list) for name, shape in entries)
        and all(type(size) is int and 1 <= size <= _MOST_NEURONS for _, shape in entries for size in shape)
    )
    if not good:
        raise UserError(
            f"{where}: param_config must list at most {_MOST_ENTRIES} pairs [name, shape] with sizes of 1 to "
            f"{_MOST_NEURONS}, got {one_line(text[:100])}"
        )
    return [(name, tuple(shape)) for name, shape in entries]


def _place(name: str, where: str) -> tuple[int, str]:
    """The layer of a parameter, -1 for the output, and whether it is its "bias" or its "kernel"."""
    if match := _HIDDEN.fullmatch(name):
        return int(match[1]), match[2]
    if match := _OUTPUT.fullmatch(name):
        return -1, match[1]
    raise UserError(
        f"{where}: param_config names {name[:60]!r}, which is no parameter of a sine field as fit-a-nef's "
        "SIREN has them (kernel_net_<i>.linear, output_linear); other networks cannot be read"
    )


def _joined(
    biases: dict[int, slice], kernels: dict[int, slice], shapes: dict[int, tuple[int, ...]], where: str
) -> Layout:
    """The layers in order, checked to fit one another."""
    order = [*range(len(kernels) - 1), -1]
    if len(kernels) < 2 or set(order) != set(kernels) or set(order) != set(biases):
        raise UserError(
            f"{where}: param_config must give kernel_net_0, 1, ... and output_linear a bias and a kernel each"
        )
    sizes = [shapes[order[0]][0]]
    for layer in order:
        fan_in, fan_out = shapes[layer]
        if fan_in != sizes[-1] or biases[layer].stop - biases[layer].start != fan_out:
            raise UserError(
                f"{where}: the kernel {[fan_in, fan_out]} of layer {layer} fits neither the {sizes[-1]} "
                "neurons before it nor its own bias"
            )
        sizes.append(fan_out)
    return Layout(tuple(sizes), tuple(biases[i] for i in order), tuple(kernels[i] for i in order))


def write_nef_json(folder: Path, architecture: Architecture) -> bool:
    """Write fit-a-nef's ``nef.json`` beside shards, so that it can load them; False where it cannot say that.

    Its SIREN has one omega and one width.

    Raises:
        UserError: the file cannot be written.
    """
    width, *others = architecture.sizes[1:-1]
    if architecture.omega_0 != architecture.omega_hidden or any(other != width for other in others):
        return False
    params = {
        "hidden_dim": width,
        "num_layers": architecture.layers,
        "omega_0": float(architecture.omega_0),
        "output_dim": architecture.sizes[-1],
    }
    write_text(folder / NEF_JSON, json.dumps({"name": "SIREN", "params": params}))
    return True


def foreign_omega(folder: Path) -> float:
    """``omega_0`` of fit-a-nef's ``nef.json``, which its shards themselves do not hold.

    Raises:
        UserError: the file is missing, damaged, or describes another network.
    """
    path = folder / NEF_JSON
    if not path.is_file():
        raise UserError(
            f"{folder} holds shards of fit-a-nef without {NEF_JSON}, so that the frequency factor of their "
            'sines is not known; put it there: {"name": "SIREN", "params": {"omega_0": 8.0}}'
        )
    with explained("read", path), open(path, "rb") as file:
        data = file.read(_MOST_JSON)
    try:
        described: Any = json.loads(data)
        name, omega = described["name"], described["params"]["omega_0"]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise UserError(f"{path} is not fit-a-nef's description of a SIREN: no name or omega_0") from error
    if name != "SIREN":
        raise UserError(f"{path}: fields of kind {str(name)[:60]!r} cannot be read, only fit-a-nef's SIREN")
    if isinstance(omega, bool) or not isinstance(omega, int | float) or not 0 < omega < 1e9:
        raise UserError(f"{path}: omega_0 must be a positive number, got {str(omega)[:60]}")
    return float(omega)
