"""The symmetries of a sine network: other weights, the same function.

A hidden neuron h = sin(omega (w x + b)) that is read with the weights u can be

    permuted  with its neighbours,
    flipped   (w, b, u) -> (-w, -b, -u), for the sine is odd,
    shifted   (w, b, u) -> (w, b + pi j / omega, (-1)^j u), j whole, for half a turn negates the sine.

A flip d followed by a shift j is (w, b, u) -> ((-1)^d w, (-1)^d b + pi j / omega, (-1)^(d + j) u). Flips and
shifts of one neuron form the infinite dihedral group.

Shape suffixes: N fields, H neurons of a hidden layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from wsapps_weightspace.weights import Architecture, FieldWeights


@dataclass(frozen=True)
class LayerElement:
    """What happens to one hidden layer of N fields: neuron k is made of neuron ``source[k]``.

    Args:
        source_NH: int64, a permutation in each row.
        sign_NH: +1 or -1, int64: (-1)^d.
        shift_NH: j, int64.
    """

    source_NH: Tensor
    sign_NH: Tensor
    shift_NH: Tensor

    @property
    def activation_sign_NH(self) -> Tensor:
        """The factor of the neuron's activation, and so of the weights that read it: (-1)^(d + j)."""
        return self.sign_NH * (1 - 2 * (self.shift_NH % 2))


GroupElement = tuple[LayerElement, ...]  # one for each hidden layer


def identity(architecture: Architecture, fields: int, device: torch.device | str = "cpu") -> GroupElement:
    """The element that changes nothing."""
    return _for_each_layer(architecture, lambda width: _identity_layer(fields, width, device))


def random_element(
    architecture: Architecture,
    fields: int,
    permute: bool = True,
    flip: bool = True,
    most_shift: int = 0,
    generator: torch.Generator | None = None,
    device: torch.device | str = "cpu",
) -> GroupElement:
    """One element for each field, all uniform; shifts in -most_shift .. most_shift."""

    def draw(width: int) -> LayerElement:
        layer = _identity_layer(fields, width, device)
        shape, options = (fields, width), {"generator": generator, "device": device}
        source, sign, shift = layer.source_NH, layer.sign_NH, layer.shift_NH
        if permute:
            source = torch.rand(shape, **options).argsort(dim=1)
        if flip:
            sign = 1 - 2 * torch.randint(0, 2, shape, **options)
        if most_shift:
            shift = torch.randint(-most_shift, most_shift + 1, shape, **options)
        return LayerElement(source, sign, shift)

    return _for_each_layer(architecture, draw)


def act(element: GroupElement, fields: FieldWeights, architecture: Architecture) -> FieldWeights:
    """The fields after the element: other weights, the same values everywhere.

    Raises:
        ValueError: the element has another number of layers than the fields have hidden ones.
    """
    if len(element) != architecture.layers - 1:
        raise ValueError(f"{len(element)} layers of an element for {architecture.layers - 1} hidden layers")
    for layer, one in enumerate(element):
        fields = act_on_layer(one, fields, layer, architecture.omega(layer))
    return fields


def act_on_layer(element: LayerElement, fields: FieldWeights, layer: int, omega: float) -> FieldWeights:
    """The fields after what happens to one hidden layer, counted from 0."""
    weights, biases = list(fields.weights), list(fields.biases)
    w, b, u = weights[layer], biases[layer], weights[layer + 1]
    sign_NH = element.sign_NH.to(w.dtype)
    weights[layer] = w.gather(2, element.source_NH[:, None, :].expand_as(w)) * sign_NH[:, None, :]
    biases[layer] = b.gather(1, element.source_NH) * sign_NH + element.shift_NH.to(b.dtype) * (
        math.pi / omega
    )
    outgoing = u.gather(1, element.source_NH[:, :, None].expand_as(u))
    weights[layer + 1] = outgoing * element.activation_sign_NH[:, :, None].to(u.dtype)
    return FieldWeights(tuple(weights), tuple(biases))


def compose(second: GroupElement, first: GroupElement) -> GroupElement:
    """The element that acts as ``first`` and then ``second``."""
    return tuple(_compose_layer(after, before) for after, before in zip(second, first, strict=True))


def inverse(element: GroupElement) -> GroupElement:
    """The element that undoes it."""
    return tuple(_inverse_layer(layer) for layer in element)


def _compose_layer(second: LayerElement, first: LayerElement) -> LayerElement:
    source = second.source_NH
    return LayerElement(
        first.source_NH.gather(1, source),
        second.sign_NH * first.sign_NH.gather(1, source),
        second.sign_NH * first.shift_NH.gather(1, source) + second.shift_NH,
    )


def _inverse_layer(layer: LayerElement) -> LayerElement:
    source = layer.source_NH.argsort(dim=1)
    sign = layer.sign_NH.gather(1, source)
    return LayerElement(source, sign, -sign * layer.shift_NH.gather(1, source))


def _identity_layer(fields: int, width: int, device: torch.device | str) -> LayerElement:
    source = torch.arange(width, device=device).expand(fields, width)
    return LayerElement(source, torch.ones_like(source), torch.zeros_like(source))


def _for_each_layer(architecture: Architecture, make: Callable[[int], LayerElement]) -> GroupElement:
    return tuple(make(width) for width in architecture.sizes[1:-1])
