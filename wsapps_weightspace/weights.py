"""The weights of many small sine fields, as data.

Shape suffixes: N fields, P parameters of one field, I and O neurons before and after a layer, Q points,
D coordinates, C values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Architecture:
    """What is common to the fields of a dataset: ``sin(omega (W x + b))`` layers and a linear output.

    Args:
        sizes: neurons of each layer: coordinates, hidden layers, values, as in (2, 32, 32, 1).
        omega_0, omega_hidden: frequency factors of the first sine and of the others.
    """

    sizes: tuple[int, ...]
    omega_0: float = 30.0
    omega_hidden: float = 30.0

    def __post_init__(self) -> None:
        if len(self.sizes) < 3 or min(self.sizes) < 1:
            raise ValueError(f"a field has at least one hidden layer and a neuron in each, got {self.sizes}")
        if not (self.omega_0 > 0 and self.omega_hidden > 0):
            raise ValueError(f"omegas must be positive, got {self.omega_0} and {self.omega_hidden}")

    @property
    def layers(self) -> int:
        """Affine layers, the linear output among them."""
        return len(self.sizes) - 1

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """``(I, O)`` of each affine layer."""
        return list(zip(self.sizes[:-1], self.sizes[1:], strict=True))

    @property
    def parameters(self) -> int:
        """P, parameters of one field."""
        return sum(fan_in * fan_out + fan_out for fan_in, fan_out in self.pairs)

    def omega(self, layer: int) -> float:
        """The frequency factor of the sine after an affine layer, from 0; the output has none."""
        if not 0 <= layer < self.layers - 1:
            raise ValueError(f"sines follow the layers 0 to {self.layers - 2}, got {layer}")
        return self.omega_hidden if layer else self.omega_0


@dataclass(frozen=True)
class FieldWeights:
    """The weights of N fields: ``weights[l]`` is ``(N, I, O)`` and ``biases[l]`` is ``(N, O)``.

    A layer computes ``x @ W + b``: matrices are the transposes of those of ``nn.Linear``.
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def __len__(self) -> int:
        return len(self.weights[0])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(zip(self.weights, self.biases, strict=True))

    def __getitem__(self, fields: Tensor | slice) -> FieldWeights:
        """Some of the fields, by slice, indices or mask."""
        return FieldWeights(tuple(w[fields] for w in self.weights), tuple(b[fields] for b in self.biases))

    def to(self, *args: object, **kwargs: object) -> FieldWeights:
        """As ``Tensor.to``."""
        return FieldWeights(
            tuple(w.to(*args, **kwargs) for w in self.weights),  # type: ignore[call-overload]
            tuple(b.to(*args, **kwargs) for b in self.biases),  # type: ignore[call-overload]
        )

    def flat(self) -> Tensor:
        """``(N, P)``: bias, then matrix in row-major ``(I, O)`` order, layer by layer."""
        rows = [part for w, b in self for part in (b, w.flatten(1))]
        return torch.cat(rows, dim=1)


def from_flat(flat_NP: Tensor, architecture: Architecture) -> FieldWeights:
    """The inverse of :meth:`FieldWeights.flat`; views of the rows.

    Raises:
        ValueError: the rows have another length than the architecture.
    """
    if flat_NP.ndim != 2 or flat_NP.shape[1] != architecture.parameters:
        raise ValueError(f"expected rows of {architecture.parameters} parameters, got {tuple(flat_NP.shape)}")
    weights, biases, start = [], [], 0
    for fan_in, fan_out in architecture.pairs:
        biases.append(flat_NP[:, start : start + fan_out])
        start += fan_out
        weights.append(flat_NP[:, start : start + fan_in * fan_out].unflatten(1, (fan_in, fan_out)))
        start += fan_in * fan_out
    return FieldWeights(tuple(weights), tuple(biases))


def evaluate(fields: FieldWeights, architecture: Architecture, coordinates: Tensor) -> Tensor:
    """Values ``(N, Q, C)`` of all fields at coordinates ``(Q, D)``, the same for all, or ``(N, Q, D)``."""
    x = coordinates.expand(len(fields), *coordinates.shape[-2:])
    for layer, (w, b) in enumerate(fields):
        x = torch.baddbmm(b[:, None, :], x, w)
        if layer < architecture.layers - 1:
            x = torch.sin(architecture.omega(layer) * x)
    return x
