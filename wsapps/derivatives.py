"""A field's value and exactly the derivatives that are wanted, by its coordinates.

:func:`derivatives` carries them forward through the field, in closed form (:mod:`wsapps.jets`), where the
field's modules have rules for that; by its parameters the results are differentiated by autograd. Nested
autograd, which knows any module, is the reference and the fallback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from wsapps.jets import Index, Jet, JetSpace, Operator, field_jet, has_jet
from wsapps.jets.space import constant_index


def derivatives(
    field: nn.Module,
    coordinates: Tensor,
    wanted: Sequence[Index],
    operators: Mapping[str, Operator] | None = None,
) -> dict[Index | str, Tensor]:
    """Derivatives of a field by its coordinates, ready for autograd by its parameters.

    torch.compile compiles this as one graph where :func:`wsapps.jets.has_jet` holds; nested autograd, which
    is taken for other fields, it does not compile.

    Args:
        field: ``(N, D)`` to ``(N, C)``, each sample by itself.
        coordinates: ``(N, D)``; they need no gradient.
        wanted: multi-indices, the order in each coordinate: u_xxt of (x, t) is (2, 1), the value (0, 0).
        operators: by name, linear combinations of derivatives that are wanted as such and cost one stream
            each: ``{"laplacian": laplacian(2)}``, ``{"heat": {(0, 1): 1.0, (2, 0): -nu}}``. Coefficients are
            numbers, 0-dimensional tensors or ``(N, 1)``.

    Returns:
        Each index and name to ``(N, C)``.

    Raises:
        ValueError: indices that are not D whole numbers >= 0, or none at all.
    """
    if not has_jet(field):
        return autograd_derivatives(field, coordinates, wanted, operators)
    operators = operators or {}
    space = _space(coordinates, wanted, operators)
    jet = field_jet(field, Jet.identity(space, coordinates))
    found: dict[Index | str, Tensor] = {constant_index(index): jet.derivative(index) for index in wanted}
    found.update((name, jet.operator(number)) for number, name in enumerate(operators))
    return found


def autograd_derivatives(
    function: Callable[[Tensor], Tensor],
    coordinates: Tensor,
    wanted: Sequence[Index],
    operators: Mapping[str, Operator] | None = None,
) -> dict[Index | str, Tensor]:
    """The same by nested reverse mode: the reference, for any function that does not mix samples.

    One backward pass gives all first derivatives of a channel, and lower derivatives are shared.

    Args, returns and raises: as :func:`derivatives`.
    """
    operators = operators or {}
    space = _space(coordinates, wanted, operators)
    keep_graph = torch.is_grad_enabled()
    with torch.inference_mode(False), torch.enable_grad():
        tower = _Tower(function, coordinates, space.indices)
        found: dict[Index | str, Tensor] = {tuple(index): tower.derivative(tuple(index)) for index in wanted}
        for name, operator in operators.items():
            terms = [scale * tower.derivative(tuple(index)) for index, scale in operator.items()]
            found[name] = torch.stack(terms).sum(dim=0)
    return found if keep_graph else {name: tensor.detach() for name, tensor in found.items()}


def _space(coordinates: Tensor, wanted: Sequence[Index], operators: Mapping[str, Operator]) -> JetSpace:
    if not wanted and not operators:
        raise ValueError("no derivatives are wanted")
    return JetSpace.of(coordinates.shape[-1], wanted, tuple(operators.values()))


class _Tower:
    """Derivatives of one function at the same points, each from one of lower order, none taken twice."""

    def __init__(self, function: Callable[[Tensor], Tensor], coordinates: Tensor, preferred: Sequence[Index]):
        if coordinates.is_inference():
            coordinates = coordinates.clone()
        elif not coordinates.requires_grad:
            coordinates = coordinates.detach()
        self._coordinates = coordinates if coordinates.requires_grad else coordinates.requires_grad_()
        self._preferred = frozenset(preferred)
        zero = (0,) * coordinates.shape[-1]
        self._values: dict[Index, Tensor] = {zero: function(self._coordinates)}  # (N, C)
        self._gradients: dict[Index, Tensor] = {}  # (N, C, D)

    def derivative(self, index: Index) -> Tensor:
        if index not in self._values:
            lower = {axis: _lowered(index, axis) for axis, order in enumerate(index) if order}
            # One whose gradient is there, else one that is needed anyway, else any.
            axis = min(
                lower,
                key=lambda axis: (lower[axis] not in self._gradients, lower[axis] not in self._preferred),
            )
            self._values[index] = self._gradient(lower[axis])[..., axis]
        return self._values[index]

    def _gradient(self, index: Index) -> Tensor:
        if index not in self._gradients:
            value = self.derivative(index)
            channels = [_gradient(channel, self._coordinates) for channel in value.unbind(dim=-1)]
            self._gradients[index] = torch.stack(channels, dim=-2)
        return self._gradients[index]


def _gradient(values: Tensor, coordinates: Tensor) -> Tensor:
    """``(N,)`` by ``(N, D)``, sample by sample: ``(N, D)``; zero where they do not depend on them."""
    if not values.requires_grad:
        return torch.zeros_like(coordinates)
    (gradient,) = torch.autograd.grad(
        values.sum(), coordinates, create_graph=True, allow_unused=True, materialize_grads=True
    )
    return gradient


def _lowered(index: Index, axis: int) -> Index:
    return tuple(order - (axis == other) for other, order in enumerate(index))
