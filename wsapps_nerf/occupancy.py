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
