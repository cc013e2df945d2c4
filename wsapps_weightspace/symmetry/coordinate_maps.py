"""Moved, turned, stretched and mirrored fields, exactly, by their first layer alone.

A field of the coordinates x A + t has the first weights A W and biases b + t W: what data augmentation does
to pictures, in weight space and without an error of interpolation.

Shape suffixes: N fields, D coordinates.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from wsapps_weightspace.weights import FieldWeights


def change_coordinates(fields: FieldWeights, matrix_NDD: Tensor, offset_ND: Tensor) -> FieldWeights:
    """Fields whose value at x is what it was at ``x @ matrix + offset``."""
    w, b = fields.weights[0], fields.biases[0]
    first_w = torch.bmm(matrix_NDD, w)
    first_b = b + torch.bmm(offset_ND[:, None, :], w)[:, 0]
    return FieldWeights((first_w, *fields.weights[1:]), (first_b, *fields.biases[1:]))


def random_map(
    fields: int,
    coordinates: int,
    shift: float = 0.0,
    turn: float = 0.0,
    stretch: float = 0.0,
    mirror: bool = False,
    generator: torch.Generator | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    sides: Sequence[float] | None = None,
) -> tuple[Tensor, Tensor]:
    """Matrices ``(N, D, D)`` and offsets ``(N, D)`` for :func:`change_coordinates`, drawn for each field.

    Args:
        shift: largest offset along each coordinate; a picture is 2 wide.
        turn: largest angle in each coordinate plane, radians.
        stretch: largest logarithm of the factor along each coordinate, before turning.
        mirror: the last coordinate (x of a picture) changes its sign in half of the fields.
        sides: how long [-1, 1] is along each coordinate, in one unit, so that turning does not shear; None
            where all are alike.
    """

    def uniform(*shape: int) -> Tensor:
        return torch.rand(fields, *shape, generator=generator, dtype=dtype, device=device) * 2 - 1

    offset_ND = shift * uniform(coordinates)
    scale_ND = torch.exp(stretch * uniform(coordinates))
    if mirror:
        side_N = torch.where(uniform() < 0, -1.0, 1.0).to(dtype)
        scale_ND = torch.cat([scale_ND[:, :-1], scale_ND[:, -1:] * side_N[:, None]], dim=1)
    angles_NDD = turn * uniform(coordinates, coordinates)
    rotation_NDD = torch.linalg.matrix_exp(angles_NDD.triu(1) - angles_NDD.triu(1).transpose(1, 2))
    if sides is not None:
        side_D = torch.tensor(sides, dtype=dtype, device=device)
        rotation_NDD = rotation_NDD * (side_D[:, None] / side_D)
    return torch.diag_embed(scale_ND) @ rotation_NDD, offset_ND
