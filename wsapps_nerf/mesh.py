"""The surface of a radiance field as a triangle mesh with colours, by marching cubes in blocks.

The surface is where a training step's length of the medium is half opaque: 1 - exp(-density * step) = 1/2.
That quantity stays between 0 and 1 where densities differ by orders of magnitude, so vertices interpolate
well between grid points. What the occupancy grid calls empty was never seen in training, and is empty here.

Shapes: N points, V vertices, F triangles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wsapps_nerf.contraction import contract
from wsapps_nerf.objective import RadianceObjective
from wsapps_nerf.proposal import weights_of

BLOCK = 64  # cells a side of what is extracted at once; the memory is that of 65^3 points
_AT_ONCE = 2**14  # points the field sees together
_COLOUR_SAMPLES = 8  # along the short ray that gives a vertex its colour


@dataclass(frozen=True)
class ColouredMesh:
    """A mesh in the scene's world.

    Attributes:
        vertices: ``(V, 3)`` float64.
        faces: ``(F, 3)`` int64, anticlockwise seen from outside.
        colours: ``(V, 3)`` float32 in [0, 1], as displays take them (sRGB).
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colours: NDArray[np.float32]


@torch.no_grad()
def extract_surface(
    objective: RadianceObjective,
    resolution: int,
    opacity: float = 0.5,
    on_block: Callable[[int, int], None] = lambda done, count: None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices ``(V, 3)`` and triangles ``(F, 3)`` of a field's surface, closed at the sides of its box.

    Of contracted space that is the cube of half-side 1, around what is not contracted.

    Args:
        objective: field, renderer and occupancy grid.
        resolution: cells along the longest side of the box, at least 2.
        opacity: of a training step's length at the surface, in (0, 1).
        on_block: is told (blocks done, blocks in all).

    Raises:
        ValueError: a resolution below 2, or an opacity outside (0, 1).
    """
    if resolution < 2 or not 0 < opacity < 1:
        raise ValueError(f"resolution >= 2 and 0 < opacity < 1 are needed, got {resolution} and {opacity}")
    grid = _MeshGrid.over(objective, resolution)
    pieces, offset = [], 0
    blocks = list(grid.blocks())
    for done, (start, stop) in enumerate(blocks, start=1):
        vertices, faces = _block_surface(grid.opacities(start, stop), opacity)
        pieces.append((vertices + start, faces + offset))
        offset += len(vertices)
        on_block(done, len(blocks))
    vertices, faces = _joined(pieces)
    return grid.world(vertices), faces


@torch.no_grad()
def surface_colours(
    objective: RadianceObjective, points: NDArray[np.float64], normals: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Colours ``(N, 3)`` of surface points with outward unit normals, both ``(N, 3)``.

    Each is composited along a short ray straight onto the surface, from two steps before it to six behind.
    """
    step = float(objective.renderer.step_size)
    device = objective.background.device
    offsets_S = torch.arange(_COLOUR_SAMPLES, device=device) - 1.5
    edges_S1 = torch.arange(_COLOUR_SAMPLES + 1, device=device) * step
    colours = []
    at_once = max(1, _AT_ONCE // _COLOUR_SAMPLES)
    for first in range(0, len(points), at_once):
        place = torch.tensor(points[first : first + at_once], dtype=torch.float32, device=device)
        inwards = -torch.tensor(normals[first : first + at_once], dtype=torch.float32, device=device)
        positions = place[:, None] + (offsets_S * step)[:, None] * inwards[:, None]
        occupied = _occupied(objective, positions.flatten(0, 1)).view(len(place), -1)
        rgb, density = torch.zeros_like(positions), torch.zeros_like(positions[..., 0])
        seen = inwards[:, None].expand_as(positions)
        rgb[occupied], density[occupied] = objective.shown(positions[occupied], seen[occupied])
        weights = weights_of(density, edges_S1[None])
        total = weights.sum(dim=1, keepdim=True)
        colour = (weights[..., None] * rgb).sum(dim=1)
        colours.append((colour / total.clamp(min=1e-6)).clamp(0, 1).cpu())
    return torch.cat([*colours, torch.zeros(0, 3)]).numpy().astype(np.float32)


def without_crumbs(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], least: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """A mesh without those connected parts that have less than a part ``least`` of its area."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if not len(faces) or least <= 0:
        return vertices, faces
    ends = faces[:, [0, 1, 1, 2]].reshape(-1, 2)
    links = coo_matrix((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(len(vertices),) * 2)
    _, part_V = connected_components(links, directed=False)
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    area_F = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    areas = np.bincount(part_V[faces[:, 0]], weights=area_F, minlength=part_V.max() + 1)
    kept = areas[part_V[faces[:, 0]]] >= least * area_F.sum()
    used, renumbered = np.unique(faces[kept], return_inverse=True)
    return vertices[used], renumbered.reshape(-1, 3).astype(np.int64)


@dataclass(frozen=True)
class _MeshGrid:
    """Cubic cells over a box: point (i, j, k) lies at low + cell (i, j, k)."""

    objective: RadianceObjective
    low: NDArray[np.float64]
    cell: float
    cells: tuple[int, int, int]

    @classmethod
    def over(cls, objective: RadianceObjective, resolution: int) -> _MeshGrid:
        box = objective.renderer.grid.aabbs[0].double().cpu().numpy()
        low, high = (box[:3], box[3:]) if not objective.renderer.contracted else (-np.ones(3), np.ones(3))
        cell = float((high - low).max()) / resolution
        x, y, z = (max(1, round(float(side) / cell)) for side in high - low)
        # An empty layer around it closes the surface at the sides.
        return cls(objective, low - cell, cell, (x + 2, y + 2, z + 2))

    def blocks(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """First and last points of blocks of cells in which something may be."""
        starts = product(*(range(0, count, BLOCK) for count in self.cells))
        for start in map(np.array, starts):
            stop = np.minimum(start + BLOCK, self.cells)
            if self._may_hold(start, stop):
                yield start, stop

    def _may_hold(self, start: NDArray[np.int64], stop: NDArray[np.int64]) -> bool:
        grid = self.objective.renderer.grid
        if self.objective.renderer.contracted:
            return True  # boxes are no boxes in contracted space
        box = grid.aabbs[0].double().cpu().numpy()
        sizes = np.array(grid.resolution.tolist())
        per_cell = sizes / (box[3:] - box[:3])
        first, last = ((self.world(point) - box[:3]) * per_cell for point in (start, stop))
        lower = np.clip(np.floor(first).astype(int), 0, sizes)
        upper = np.clip(np.floor(last).astype(int) + 1, 0, sizes)
        part = tuple(slice(a, b) for a, b in zip(lower, upper, strict=True))
        return bool(grid.binaries[0][part].any())

    def opacities(self, start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float32]:
        """Opacity of a step at the points start .. stop, ends included: ``(X, Y, Z)``."""
        axes = [np.arange(a, b + 1) for a, b in zip(start, stop, strict=True)]
        index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        step = float(self.objective.renderer.step_size)
        device = self.objective.background.device
        values = np.zeros(len(index), np.float32)
        inside = ((index > 0) & (index < np.array(self.cells))).all(axis=1)
        for rows in np.array_split(np.flatnonzero(inside), max(1, int(inside.sum()) // _AT_ONCE)):
            points = torch.tensor(self.world(index[rows]), dtype=torch.float32, device=device)
            occupied = _occupied(self.objective, points)
            density = points.new_zeros(len(points))
            density[occupied] = self.objective.shown.density(points[occupied])
            values[rows] = (1 - torch.exp(-density * step)).cpu().numpy()
        return values.reshape([len(axis) for axis in axes])

    def world(self, index: NDArray) -> NDArray[np.float64]:
        """Points of the grid, also between its points, in the world."""
        return self.low + self.cell * index


def _block_surface(
    values: NDArray[np.float32], level: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Surface of ``values > level`` in units of cells; nothing where it does not cross the level."""
    from skimage.measure import marching_cubes  # half a second to import, and only needed here

    if not values.min() < level < values.max():
        return np.empty((0, 3)), np.empty((0, 3), np.int64)
    vertices, faces, _, _ = marching_cubes(values, level, gradient_direction="ascent")
    return vertices.astype(np.float64), faces.astype(np.int64)


def _joined(
    pieces: list[tuple[NDArray[np.float64], NDArray[np.int64]]],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Blocks' surfaces as one: vertices on a common face are equal to rounding, and become one."""
    if not pieces:
        return np.empty((0, 3)), np.empty((0, 3), np.int64)
    vertices = np.concatenate([piece[0] for piece in pieces])
    faces = np.concatenate([piece[1] for piece in pieces])
    # Fractions are float32 at up to 64 cells: in a grid of 2^-12 equal ones fall together.
    _, first, number = np.unique(
        np.round(vertices * 4096).astype(np.int64), axis=0, return_index=True, return_inverse=True
    )
    faces = number.reshape(-1)[faces]
    degenerate = (faces == np.roll(faces, 1, axis=1)).any(axis=1)
    return vertices[first], faces[~degenerate]


def _occupied(objective: RadianceObjective, points: Tensor) -> Tensor:
    """Whether world points ``(N, 3)`` lie in occupied cells, ``(N,)`` bool."""
    grid = objective.renderer.grid
    places = contract(points) if objective.renderer.contracted else points
    box = grid.aabbs[0].to(places)
    size = grid.resolution.to(places.device)
    cell = torch.floor((places - box[:3]) / (box[3:] - box[:3]) * size).long()
    inside = ((cell >= 0) & (cell < size)).all(dim=-1)
    x, y, z = cell.clamp(min=0).minimum(size - 1).unbind(dim=-1)
    return inside & grid.binaries[0].to(places.device)[x, y, z]
