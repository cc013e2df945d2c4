"""The empirical neural tangent kernel of any network, by torch.func: the reference of the fast form."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap


def tangent_kernel_reference(
    network: nn.Module, coordinates_ND: Tensor, *, dtype: torch.dtype = torch.float64, batch: int = 64
) -> Tensor:
    """The Gram matrix ``(N C, N C)`` of a network's Jacobians by its trainable parameters, row ``n C + c``.

    Jacobians are made for ``batch`` points at a time, and anew for every block of the matrix: memory for
    2 batch C rows of all parameters, and a time that grows with N^2 times the number of parameters.

    Args:
        network: ``(N, D)`` to ``(N, C)``, each point by itself.
        coordinates_ND: the points.
        dtype: of the computation; the network is copied into it.
    """
    network = deepcopy(network).to(dtype)
    parameters = {name: p.detach() for name, p in network.named_parameters() if p.requires_grad}
    fixed = {name: p.detach() for name, p in network.named_parameters() if not p.requires_grad}
    fixed.update(network.named_buffers())

    def values(trained: dict[str, Tensor], point_D: Tensor) -> Tensor:
        return functional_call(network, {**trained, **fixed}, (point_D[None],))[0]

    def jacobians(points_ND: Tensor) -> Tensor:
        by_name = vmap(jacrev(values), in_dims=(None, 0))(parameters, points_ND)
        return torch.cat([part.flatten(2) for part in by_name.values()], dim=2).flatten(0, 1)

    device = next(network.parameters()).device
    pieces = coordinates_ND.to(device, dtype).split(batch)
    bands = []
    for left in pieces:
        rows = jacobians(left)
        bands.append(torch.cat([rows @ jacobians(right).T for right in pieces], dim=1))
    return torch.cat(bands)
