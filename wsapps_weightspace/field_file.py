"""One field of a dataset as a file of its own, and as a module of the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from wsapps import export
from wsapps.errors import UserError
from wsapps.fields.sinusoidal import SineLayer, SinusoidalConfig, SinusoidalField
from wsapps_weightspace.weights import Architecture, FieldWeights


@dataclass(frozen=True)
class FieldFile:
    """A field read from a file: its weights as a dataset of one, and what is told about it."""

    weights: FieldWeights
    architecture: Architecture
    about: Mapping[str, Any]


def sinusoidal_config(architecture: Architecture) -> SinusoidalConfig:
    """The configuration of a core field of that architecture.

    Raises:
        UserError: its hidden layers differ in width, which the core's field has not.
    """
    widths = set(architecture.sizes[1:-1])
    if len(widths) > 1:
        raise UserError(f"a field with hidden layers of different widths, {architecture.sizes}, has no file")
    return SinusoidalConfig(
        width=widths.pop(),
        hidden_layers=architecture.layers - 2,
        omega_0=architecture.omega_0,
        omega_hidden=architecture.omega_hidden,
        alpha=1.0,
    )


def to_field(weights: FieldWeights, architecture: Architecture) -> SinusoidalField:
    """The first of the fields as a module of the core, with copies of its weights, in eval mode."""
    config = sinusoidal_config(architecture)
    with torch.random.fork_rng(devices=[]):
        field = SinusoidalField.from_config(architecture.sizes[0], architecture.sizes[-1], config)
    with torch.no_grad():
        for linear, (w, b) in zip(_linears(field), weights, strict=True):
            linear.weight.copy_(w[0].T)
            linear.bias.copy_(b[0])
    return field.eval()


def from_field(field: SinusoidalField) -> tuple[FieldWeights, Architecture]:
    """The weights of a core field, a dataset of one; the inverse of :func:`to_field`."""
    linears = _linears(field)
    omegas = [layer.omega for layer in field.modules() if isinstance(layer, SineLayer)]
    sizes = (field.in_features, *[linear.out_features for linear in linears])
    weights = FieldWeights(
        tuple(linear.weight.detach().T[None] for linear in linears),
        tuple(linear.bias.detach()[None] for linear in linears),
    )
    return weights, Architecture(sizes, omegas[0], omegas[-1] if len(omegas) > 1 else omegas[0])


def save_field_file(
    folder: Path, weights: FieldWeights, architecture: Architecture, about: Mapping[str, Any]
) -> None:
    """Write the first of the fields with :func:`wsapps.export.save_field`.

    Raises:
        UserError: the files cannot be written.
    """
    export.save_field(folder, to_field(weights, architecture), sinusoidal_config(architecture), about)


def load_field_file(folder: Path | str) -> FieldFile:
    """The field in a folder of :func:`wsapps.export.save_field`, of a dataset or of any other application.

    Raises:
        UserError: there is none, it is damaged, or it is not a sinusoidal field.
    """
    field = export.load_field(folder)
    if not isinstance(field, SinusoidalField):
        raise UserError(f"{folder} holds a {type(field).__name__}; only a SinusoidalField is classified")
    about = export.field_description(folder).get("about")
    return FieldFile(*from_field(field), about if isinstance(about, dict) else {})


def _linears(field: SinusoidalField) -> list[torch.nn.Linear]:
    return [module for module in field.modules() if isinstance(module, torch.nn.Linear)]
