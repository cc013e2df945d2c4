"""nerfacc's occupancy grid, with the types of its buffers, which it does not declare."""

from __future__ import annotations

from nerfacc import OccGridEstimator
from torch import Tensor


class OccupancyGrid(OccGridEstimator):
    """Cells ``(levels, X, Y, Z)``; see nerfacc's OccGridEstimator. One level is used here."""

    aabbs: Tensor  # (levels, 6)
    resolution: Tensor  # (3,) int
    occs: Tensor  # (levels X Y Z,) remembered opacity; -1 is never looked at
    binaries: Tensor  # (levels, X, Y, Z) bool
    grid_coords: Tensor  # (X Y Z, 3) int

    def _sample_uniform_and_occupied_cells(self, n: int) -> list[Tensor]:
        """Cells to look at, each once: of one that is drawn twice the last to be written would stay, and
        which that is threads decide anew in every run."""
        return [cells.unique() for cells in super()._sample_uniform_and_occupied_cells(n)]
