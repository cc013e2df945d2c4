"""Large signals: a box in tiles, each with a small field of its own.

A point costs what one small field costs, whatever the number of tiles; so a picture of eight megapixels is
seen a hundred times as often in the same time as by one field with as many parameters. Values may jump
where two tiles meet, by about the error of the fit.

Shapes: N points, D coordinates, C values, B blocks of P points of one tile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from wsapps.ensemble import FieldEnsemble

BLOCK = 256  # points of one tile that are evaluated together; the last block of a tile is filled up
MOST_TILES = 2**14
CPU_PART = 2**14  # points of a micro-batch: every one costs a gradient of all tiles' size


class TiledField(nn.Module):
    """A grid of fields over a box: coordinates ``(..., D)`` to values ``(..., C)``.

    A point goes to the tile that it lies in (outside of the box: to the nearest), in coordinates that run
    over each tile as the box's own run over the box: the field of a tile sees its part as a signal by itself,
    and the usual frequencies suit it.

    Args:
        fields: one for each tile, in the order of the grid, the last axis fastest; of one architecture.
        tiles: tiles along each axis.
        low, high: the box's corners, ``(D,)``.

    Raises:
        ValueError: the sizes do not fit each other, or a side of the box is not positive.
    """

    low: Tensor
    high: Tensor

    def __init__(
        self, fields: Sequence[nn.Module], tiles: Sequence[int], low: Sequence[float], high: Sequence[float]
    ):
        super().__init__()
        self.ensemble = FieldEnsemble(fields)
        self.in_features, self.out_features = self.ensemble.in_features, self.ensemble.out_features
        self.tiles = tuple(tiles)
        if not len(self.tiles) == len(low) == len(high) == self.in_features:
            raise ValueError(
                f"tiles, low and high need one entry for each of {self.in_features} coordinates, got "
                f"{len(self.tiles)}, {len(low)} and {len(high)}"
            )
        if min(self.tiles) < 1 or math.prod(self.tiles) != len(fields):
            raise ValueError(f"{len(fields)} fields do not make up tiles of {'x'.join(map(str, self.tiles))}")
        if not all(a < b for a, b in zip(low, high, strict=True)):
            raise ValueError(f"the box must have positive sides, got {list(low)} to {list(high)}")
        self.register_buffer("low", torch.tensor(low, dtype=torch.float32))
        self.register_buffer("high", torch.tensor(high, dtype=torch.float32))

    def forward(self, coordinates: Tensor) -> Tensor:
        points_ND = coordinates.reshape(-1, self.in_features)
        tile_N, local_ND = self._locate(points_ND)
        order_N = torch.argsort(tile_N, stable=True)
        block_of_tile, slot_N = _blocks(tile_N[order_N], len(self.ensemble))
        padded = local_ND.new_zeros(len(block_of_tile) * BLOCK, self.in_features)
        padded = padded.index_copy(0, slot_N, local_ND[order_N])
        values_BPC = self.ensemble(padded.view(-1, BLOCK, self.in_features), block_of_tile)
        values_NC = values_BPC.reshape(-1, self.out_features)[slot_N]
        unsorted = torch.empty_like(values_NC).index_copy(0, order_N, values_NC)
        return unsorted.view(*coordinates.shape[:-1], self.out_features)

    def tile_of(self, coordinates_ND: Tensor) -> Tensor:
        """The number of the tile ``(N,)`` that each point belongs to."""
        return self._locate(coordinates_ND)[0]

    def _locate(self, points_ND: Tensor) -> tuple[Tensor, Tensor]:
        """The tile ``(N,)`` of each point, and where in it the point lies, ``(N, D)``."""
        low, high = self.low.to(points_ND), self.high.to(points_ND)
        tiles_D = torch.tensor(self.tiles, device=points_ND.device)
        position_ND = (points_ND.detach() - low) / (high - low) * tiles_D
        cell_ND = position_ND.floor().clamp_min(0).minimum(tiles_D - 1)
        tile_N = torch.zeros(len(points_ND), dtype=torch.long, device=points_ND.device)
        for axis, count in enumerate(self.tiles):
            tile_N = tile_N * count + cell_ND[:, axis].long()
        corner_ND = low + cell_ND / tiles_D * (high - low)
        return tile_N, low + (points_ND - corner_ND) * tiles_D


def tiles_of(grid: Sequence[int], points: int) -> list[int]:
    """Tiles along each axis of a grid such that a tile has about so many points and is about a cube.

    An axis shorter than the cube's side is one tile long, and the others' tiles are longer for it.
    """
    tiles, left, axes = [1] * len(grid), float(points), sorted(range(len(grid)), key=lambda axis: grid[axis])
    while axes:
        side = left ** (1 / len(axes))
        if grid[axes[0]] >= side:
            break
        left /= grid[axes.pop(0)]
    for axis in axes:
        tiles[axis] = max(1, round(grid[axis] / side))
    return tiles


def whole_blocks(points: int, tiles: int) -> int:
    """About so many points, such that those of each tile fill whole blocks.

    Tiles differ by a few points, and one over would cost a block: 3 % of the places stay free for that.
    """
    blocks = max(1, round(points / (tiles * BLOCK)))
    return tiles * (blocks * BLOCK - BLOCK // 32)


def _blocks(tile_N: Tensor, tiles: int) -> tuple[Tensor, Tensor]:
    """Sorted tile numbers to blocks of one tile: the tile of each block ``(B,)``, and each point's place
    ``(N,)`` among the B * BLOCK places."""
    counts = torch.bincount(tile_N, minlength=tiles)
    blocks = (counts + BLOCK - 1) // BLOCK
    first_point = counts.cumsum(0) - counts
    first_block = blocks.cumsum(0) - blocks
    within = torch.arange(len(tile_N), device=tile_N.device) - first_point[tile_N]
    block_of_tile = torch.repeat_interleave(torch.arange(tiles, device=tile_N.device), blocks)
    return block_of_tile, first_block[tile_N] * BLOCK + within
