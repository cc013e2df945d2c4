"""TiledField: each point belongs to one small field, which sees its tile as a signal of its own."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from wsapps.fields import SinusoidalField
from wsapps.tiling import BLOCK, TiledField, tiles_of, whole_blocks


class Echo(nn.Module):
    """Answers with its number and the coordinates that it sees: ``(..., 2)`` to ``(..., 3)``."""

    in_features, out_features = 2, 3

    def __init__(self, number: int):
        super().__init__()
        self.number = nn.Parameter(torch.tensor(float(number)))

    def forward(self, x):
        return torch.cat([self.number + 0 * x[..., :1], x], dim=-1)


def echo(tiles=(2, 3), low=(-1.0, 0.0), high=(1.0, 3.0)) -> TiledField:
    return TiledField([Echo(n) for n in range(tiles[0] * tiles[1])], tiles, low, high)


def test_each_tile_sees_the_whole_box():
    corners = torch.tensor([[-1.0, 0.0], [-0.001, 0.999], [0.0, 2.0], [1.0, 3.0], [0.5, 1.5]])
    seen = echo()(corners)
    assert seen[:, 0].tolist() == [0, 0, 5, 5, 4]
    expected = [[-1.0, 0.0], [0.998, 2.997], [-1.0, 0.0], [1.0, 3.0], [0.0, 1.5]]
    torch.testing.assert_close(seen[:, 1:], torch.tensor(expected))


def test_points_outside_go_to_the_nearest_tile():
    seen = echo()(torch.tensor([[-9.0, -9.0], [9.0, 9.0]]))
    assert seen[:, 0].tolist() == [0, 5]
    torch.testing.assert_close(seen[0, 1:], torch.tensor([-17.0, -27.0]))


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 3])
def test_any_number_of_points_in_any_order(count):
    torch.manual_seed(0)
    fields = [SinusoidalField(2, 2, 8, 1) for _ in range(6)]
    tiled = TiledField(fields, (2, 3), (-1, -1), (1, 1))
    points = torch.rand(count, 2) * 2 - 1
    values = tiled(points)
    assert values.shape == (count, 2)
    for point, value in zip(points[:40], values[:40], strict=True):
        cell = ((point + 1) / 2 * torch.tensor([2, 3])).floor().long()
        local = (point - (-1 + 2 * cell / torch.tensor([2.0, 3.0]))) * torch.tensor([2, 3]) - 1
        field = fields[int(cell[0] * 3 + cell[1])]
        torch.testing.assert_close(value, field(local), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(tiled(points.view(1, -1, 1, 2)), values.view(1, -1, 1, 2))


@pytest.mark.parametrize(
    ("grid", "points", "tiles"),
    [
        ((2048, 4096), 2**15, [11, 23]),
        ((7_938_000,), 44_100, [180]),
        ((64, 64, 64), 4096, [4, 4, 4]),
        ((9, 2), 50, [1, 1]),
        ((8, 1080, 1920), 2**16, [1, 12, 21]),
        ((10, 240, 320), 2**16, [1, 3, 4]),
        ((40, 20_000), 2**15, [1, 24]),
    ],
)
def test_tiles_are_about_cubes_of_the_wanted_size(grid, points, tiles):
    assert tiles_of(grid, points) == tiles


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=3), st.integers(64, 2**16))
def test_tiles_have_about_the_wanted_size_whatever_the_grid(grid, points):
    each = math.prod(grid) / math.prod(tiles_of(grid, points))
    assert each <= points * 1.5 ** len(grid)
    assert each >= min(points / 1.5 ** len(grid), math.prod(grid) / 1.5 ** len(grid))


@pytest.mark.parametrize(("points", "tiles"), [(65_536, 253), (65_536, 180), (100, 500), (10**6, 3)])
def test_points_that_fill_whole_blocks(points, tiles):
    each, rest = divmod(whole_blocks(points, tiles), tiles)
    assert rest == 0
    blocks = -(-each // BLOCK)
    assert 0 < blocks * BLOCK - each < BLOCK // 16
    assert abs(blocks * BLOCK * tiles - points) <= BLOCK * tiles / 2 or blocks == 1


def test_one_tile_is_the_field():
    torch.manual_seed(0)
    field = SinusoidalField(1, 1, 8).double()  # the first sine has arguments of up to 3,000
    tiled = TiledField([field], (1,), (-100.0,), (100.0,)).double()
    points = torch.rand(9, 1, dtype=torch.float64) * 200 - 100
    torch.testing.assert_close(tiled(points), field(points), atol=1e-4, rtol=1e-4)


def test_gradients_reach_the_tiles_that_hold_points_and_no_other():
    tiled = echo()
    tiled(torch.tensor([[-0.5, 0.5], [-0.4, 0.2], [0.5, 2.5]]))[:, 0].sum().backward()
    (number,) = tiled.parameters()
    assert number.grad.tolist() == [2, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("tiles", "low", "high", "message"),
    [
        ((2,), (-1.0, 0.0), (1.0, 3.0), "one entry for each of 2 coordinates, got 1"),
        ((2, 2), (-1.0, 0.0), (1.0, 3.0), "6 fields do not make up tiles of 2x2"),
        ((2, 3), (-1.0, 3.0), (1.0, 3.0), "positive sides"),
    ],
)
def test_what_makes_no_tiling(tiles, low, high, message):
    with pytest.raises(ValueError, match=message):
        TiledField([Echo(n) for n in range(6)], tiles, low, high)
