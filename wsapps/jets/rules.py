"""Fields on jets: a rule for each class of module."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsapps.fields.ffn import FourierFeatures
from wsapps.fields.gauss import gaussian
from wsapps.fields.mfn import FourierFilter, GaborFilter, MultiplicativeFilterField
from wsapps.fields.network import ActivatedLinear, LayeredField
from wsapps.fields.relu_pe import PositionalEncoding
from wsapps.fields.sinusoidal import SineLayer
from wsapps.jets.functions import cat, cos, exp, relu, sin, tanh
from wsapps.jets.jet import Jet

Rule = Callable[[Any, Jet], Jet]


def field_jet(field: nn.Module, jet: Jet) -> Jet:
    """A field's value and derivatives: a jet of values ``(N, D)`` to one of values ``(N, C)``.

    Args:
        field: of which every module has a rule, see :data:`RULES` and :data:`ACTIVATIONS`.
        jet: what the field sees, most often ``Jet.identity(space, coordinates)``.

    Raises:
        ValueError: a module has no rule; it is named.
    """
    if names := _without_rule(field):
        raise ValueError(f"no jet rule for {', '.join(names)}; nested autograd differentiates any field")
    return _apply(field, jet)


def has_jet(field: nn.Module) -> bool:
    """Whether every module of a field has a rule, so that :func:`field_jet` takes it.

    A subclass with a ``forward`` or ``features`` of its own has none, nor has a module with hooks.
    """
    return not _without_rule(field)


def affine(jet: Jet, weight: Tensor, bias: Tensor | None = None) -> Jet:
    """``W jet + b``: values ``(N, H)`` to ``(N, H')``.

    A product a stream: one product of the stacked streams was slower, for stacking copies them. The first
    derivatives of coordinates are unit vectors ``(D,)``, of which the products are columns of W, without N.
    """
    value = F.linear(jet.value, weight, bias)
    return Jet(jet.space, (value, *(None if s is None else F.linear(s, weight) for s in jet.streams[1:])))


def _linear(layer: nn.Linear, jet: Jet) -> Jet:
    return affine(jet, layer.weight, layer.bias)


def _sine_layer(layer: SineLayer, jet: Jet) -> Jet:
    linear = layer.linear  # omega on the weights: they are fewer than the arguments
    return sin(affine(jet, layer.omega * linear.weight, layer.omega * linear.bias))


def _activated_linear(layer: ActivatedLinear, jet: Jet) -> Jet:
    activation = _activation(layer)
    assert activation is not None
    return activation(affine(jet, layer.weight, layer.bias))


def _layered_field(field: LayeredField, jet: Jet) -> Jet:
    for module in (field.encoding, *field.layers, field.output):
        if module is not None:
            jet = _apply(module, jet)
    return jet


def _sequential(modules: nn.Sequential, jet: Jet) -> Jet:
    for module in modules:
        jet = _apply(module, jet)
    return jet


def _fourier_features(encoding: FourierFeatures, jet: Jet) -> Jet:
    phases = affine(jet, 2 * math.pi * encoding.matrix)
    return cat([cos(phases), sin(phases)])


def _positional_encoding(encoding: PositionalEncoding, jet: Jet) -> Jet:
    phases = (jet[..., None] * encoding.frequencies).linear_map(lambda stream: stream.flatten(start_dim=-2))
    return cat([jet, sin(phases), cos(phases)])


def _fourier_filter(filter_: FourierFilter, jet: Jet) -> Jet:
    return sin(_apply(filter_.linear, jet))


def _gabor_filter(filter_: GaborFilter, jet: Jet) -> Jet:
    lifted = cat([jet, (jet * jet).sum(dim=-1, keepdim=True)])
    return _apply(filter_.sine, jet) * exp(affine(lifted, *filter_.exponent()))


def _multiplicative_filter_field(field: MultiplicativeFilterField, jet: Jet) -> Jet:
    first, *others = field.filters
    hidden = _apply(first, jet)
    for layer, filter_ in zip(field.layers, others, strict=True):
        hidden = _apply(layer, hidden) * _apply(filter_, jet)
    return _apply(field.output, hidden)


#: A class to what it does with a jet. Subclasses take part as long as they compute the same.
RULES: dict[type[nn.Module], Rule] = {
    nn.Linear: _linear,
    SineLayer: _sine_layer,
    ActivatedLinear: _activated_linear,
    LayeredField: _layered_field,
    FourierFeatures: _fourier_features,
    PositionalEncoding: _positional_encoding,
    FourierFilter: _fourier_filter,
    GaborFilter: _gabor_filter,
    MultiplicativeFilterField: _multiplicative_filter_field,
    nn.Sequential: _sequential,
    nn.Identity: lambda module, jet: jet,
    nn.Tanh: lambda module, jet: tanh(jet),
    nn.ReLU: lambda module, jet: relu(jet),
}

#: The activations of an ActivatedLinear, also as a ``functools.partial`` with keywords, to the same on jets.
ACTIVATIONS: dict[Callable[..., Tensor], Callable[..., Any]] = {
    torch.sin: sin,
    torch.cos: cos,
    torch.tanh: tanh,
    torch.exp: exp,
    torch.relu: relu,
    gaussian: lambda jet, scale: exp(jet * jet * -(scale * scale)),
}


def _rule(module: nn.Module) -> Rule | None:
    if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks:
        return None
    for kind in type(module).__mro__:
        if kind in RULES:
            return None if kind is ActivatedLinear and _activation(module) is None else RULES[kind]
        if "forward" in vars(kind) or "features" in vars(kind):
            return None
    return None


def _activation(layer: Any) -> Callable[[Jet], Jet] | None:
    activation = layer.activation
    if isinstance(activation, partial):
        on_jets = ACTIVATIONS.get(activation.func)
        return None if on_jets is None or activation.args else partial(on_jets, **activation.keywords)
    return ACTIVATIONS.get(activation)


def _apply(module: nn.Module, jet: Jet) -> Jet:
    rule = _rule(module)
    assert rule is not None
    return rule(module, jet)


def _without_rule(field: nn.Module) -> list[str]:
    """The classes of the modules without a rule; a list is no module that computes."""
    modules = (module for module in field.modules() if type(module) is not nn.ModuleList)
    return sorted({type(module).__name__ for module in modules if _rule(module) is None})
