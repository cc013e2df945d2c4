"""The weights that fields start from.

They depend on the seed and on a field's own numbers, so that neither the order of fitting nor the number of
ranks changes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.config.checks import at_least_one
from wsapps.seeding import generator
from wsapps_weightspace.numbering import Numbers
from wsapps_weightspace.weights import Architecture, FieldWeights, from_flat


@dataclass
class InitialConfig:
    """Settings of :func:`initial_weights`; a YAML file each in configs/weightspace/init/."""

    kind: Literal["shared", "random"] = doc(
        "shared: all samples start from the same weights; random: each from its own", default="shared"
    )
    per_sample: int = doc("fields of each sample, from as many initial weights", default=1)
    alpha: float = doc("weight scaling of all layers but the last; 1 is SIREN", default=1.0)
    bias: Literal["zero", "pytorch", "phase"] = doc(
        "zero; pytorch: U(-1/sqrt(I), +), I inputs of the layer; phase: U(-pi/omega, +), any phase of the "
        "sine, and zero in the last layer",
        default="zero",
    )

    def __post_init__(self) -> None:
        at_least_one(self, "per_sample")
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ValueError(f"alpha must be finite and positive, got {self.alpha}")


def initial_weights(
    architecture: Architecture, config: InitialConfig, numbers: Numbers, seed: int
) -> FieldWeights:
    """The fields with some numbers, before they are fitted; float32, on the CPU.

    Weights are drawn by SIREN's rule (Sitzmann et al., 2020) and scaled by alpha (Yeom et al., 2025), as in
    :class:`wsapps.fields.sinusoidal.SinusoidalField`. With ``kind="shared"`` a field's weights depend on the
    seed and the number of its init alone, with "random" on its sample and its view as well.
    """
    bounds_P = bounds(architecture, config)
    drawn: dict[Sequence[int | str], Tensor] = {}
    rows = []
    for sample, init, view in numbers.rows():
        own = ("shared", init) if config.kind == "shared" else ("random", sample, init, view)
        if own not in drawn:
            unit_P = torch.rand(architecture.parameters, generator=generator(seed, "initial", *own))
            drawn[own] = (2 * unit_P - 1) * bounds_P
        rows.append(drawn[own])
    return from_flat(torch.stack(rows), architecture)


def bounds(architecture: Architecture, config: InitialConfig) -> Tensor:
    """``(P,)``: each parameter is drawn from U(-bound, bound); in the order of :meth:`FieldWeights.flat`."""
    parts = []
    for layer, (fan_in, fan_out) in enumerate(architecture.pairs):
        last = layer == architecture.layers - 1
        weight = 1 / fan_in if layer == 0 else math.sqrt(6 / fan_in) / architecture.omega_hidden
        bias = 0.0
        if config.bias == "pytorch":
            bias = 1 / math.sqrt(fan_in)
        elif config.bias == "phase" and not last:
            bias = math.pi / architecture.omega(layer)
        parts.append(torch.full((fan_out,), bias))
        parts.append(torch.full((fan_in * fan_out,), weight if last else config.alpha * weight))
    return torch.cat(parts)
