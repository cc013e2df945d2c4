"""Many fields of one architecture, evaluated and trained together."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


class FieldEnsemble(nn.Module):
    """N fields of one architecture with parameters of their own: ``(N, P, D)`` to ``(N, P, C)``.

    Field n sees the P points ``coordinates[n]``. Parameters are stacked along a first dimension, so that a
    layer of all fields is one batched matrix product; a loss that sums over the fields trains each as if it
    were alone. Entries of the state are named as in one field, with ``/`` for the dots.

    Args:
        fields: at least one, alike but for the values of their parameters and buffers; alpha, by which those
            of sinusoidal fields are drawn, may differ.

    Raises:
        ValueError: no field, or fields of different architectures.
    """

    def __init__(self, fields: Sequence[nn.Module]):
        super().__init__()
        if not fields:
            raise ValueError("an ensemble needs at least one field")
        try:
            parameters, buffers = stack_module_state(list(fields))
        except (RuntimeError, KeyError) as error:
            raise ValueError(f"the fields of an ensemble must have one architecture: {error}") from error
        if any(_settings(field) != _settings(fields[0]) for field in fields[1:]):
            raise ValueError("the fields of an ensemble must be alike but for their weights; settings differ")
        self._alphas = [getattr(field, "alpha", None) for field in fields]
        # How one field computes, without memory; in a tuple, so that it is not a submodule.
        self._template = (deepcopy(fields[0]).to("meta"),)
        for name, tensor in parameters.items():
            self.register_parameter(_flat(name), nn.Parameter(tensor.detach()))
        for name, tensor in buffers.items():
            self.register_buffer(_flat(name), tensor.detach())
        self.in_features: int = fields[0].in_features  # type: ignore[assignment]
        self.out_features: int = fields[0].out_features  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(next(self.parameters()))

    def forward(self, coordinates: Tensor, fields: Tensor | None = None) -> Tensor:
        """Values ``(B, P, C)`` at coordinates ``(B, P, D)``.

        Args:
            fields: ``(B,)``, the number of the field that each row belongs to; None takes each field once.
        """
        state = self._state()
        if fields is not None:
            state = {name: tensor.index_select(0, fields) for name, tensor in state.items()}
        return vmap(self._one)(state, coordinates)

    @torch.no_grad()
    def member(self, index: int) -> nn.Module:
        """A copy of one field, an ordinary module."""
        device, state = next(self.parameters()).device, self._state()
        field = deepcopy(self._template[0]).to_empty(device=device)
        # By name and not as a state dict, where buffers that are computed anew are not.
        for name, tensor in (*field.named_parameters(), *field.named_buffers()):
            tensor.copy_(state[name][index])
        if self._alphas[index] is not None:
            field.alpha = self._alphas[index]  # type: ignore[assignment]
        return field

    def _state(self) -> dict[str, Tensor]:
        tensors = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        return {name.replace("/", "."): tensor for name, tensor in tensors.items()}

    def _one(self, state: dict[str, Tensor], coordinates: Tensor) -> Any:
        return functional_call(self._template[0], state, (coordinates,))


def _settings(field: nn.Module) -> list[tuple[type, dict[str, float | str]]]:
    """What decides how a field computes, of all its modules: numbers such as omega_0."""
    return [
        (
            type(module),
            {k: v for k, v in vars(module).items() if isinstance(v, (int, float, str)) and k != "alpha"},
        )
        for module in field.modules()
    ]


def _flat(name: str) -> str:
    return name.replace(".", "/")  # a parameter's own name must not hold a dot
