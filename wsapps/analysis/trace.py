"""One pass through a network, layer by layer: what its linear layers and its sines see and give.

Calls of ``torch.nn.functional.linear`` and ``torch.sin`` are noted as they happen, so that networks of
other people, whose layers are no ``nn.Linear``, are traced as well.

Shapes: N points, D coordinates, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


@dataclass(frozen=True)
class LinearCall:
    """A product with one of the network's own matrices: ``outputs = inputs W^T + b``.

    Attributes:
        name: of the weight among the network's parameters.
        inputs: ``(N, fan_in)``; outputs: ``(N, fan_out)``, in the graph of the network's values.
        weight: ``(fan_out, fan_in)``; bias: ``(fan_out,)`` or None.
    """

    name: str
    inputs: Tensor
    outputs: Tensor
    weight: Tensor
    bias: Tensor | None


@dataclass(frozen=True)
class SineCall:
    """A sine in the network: ``outputs = sin(arguments)``, both ``(N, width)``, in the graph of the values.

    Sines of fixed encodings, which depend on no trainable parameter, are not noted.
    """

    arguments: Tensor
    outputs: Tensor


@dataclass(frozen=True)
class Trace:
    """A pass: values ``(N, C)``, and the calls in their order."""

    values: Tensor
    linear: list[LinearCall] = field(default_factory=list)
    sines: list[SineCall] = field(default_factory=list)


def trace(network: nn.Module, coordinates_ND: Tensor) -> Trace:
    """Evaluate a network and note what its linear layers and sines see.

    Gradients by what was noted are those of ``torch.autograd.grad(trace.values..., call.outputs)``.
    Products with matrices that are computed from parameters (WIRE's complex ones, Gabor filters' exponents)
    are not noted: :func:`uncovered` names the parameters that they use.
    """
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    notes = _Notes(names)
    with torch.enable_grad(), notes:
        values = network(coordinates_ND)
    return Trace(values, notes.linear, notes.sines)


def uncovered(network: nn.Module, traced: Trace) -> list[str]:
    """Names of trainable parameters that no noted linear layer uses."""
    used = {id(tensor) for call in traced.linear for tensor in (call.weight, call.bias)}
    return [
        name
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and id(parameter) not in used
    ]


class _Notes(TorchFunctionMode):
    """Lets every function run, and notes two of them."""

    def __init__(self, names: dict[int, str]):
        super().__init__()
        self.names = names
        self.linear: list[LinearCall] = []
        self.sines: list[SineCall] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func is F.linear:
            self._note_linear(result, *args, **kwargs)
        elif func in (torch.sin, Tensor.sin) and result.requires_grad:  # an encoding's own do not
            self.sines.append(SineCall(args[0] if args else kwargs["input"], result))
        return result

    def _note_linear(
        self, outputs: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None
    ) -> None:
        name = self.names.get(id(weight))
        if name is not None:
            self.linear.append(LinearCall(name, input, outputs, weight, bias))
