"""A capture in memory: what every reader makes of the files of its format.

World axes are the data's own. Camera axes are OpenGL's, as in :mod:`wsapps_nerf.cameras`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps_nerf.captures.lens import Lens

MOST_SHOTS = 100_000
_SAME = 1e-9  # relative to the size of the coordinates


@dataclass(frozen=True)
class Shot:
    """One posed photograph.

    Attributes:
        name: as the capture's files call it.
        picture: its file.
        mask: a file of the same size whose zero pixels are to be left out; None for no mask.
        camera_to_world: ``(3, 4)`` float64, a rotation and the position.
        lens: index into the capture's lenses.
    """

    name: str
    picture: Path
    mask: Path | None
    camera_to_world: NDArray[np.float64]
    lens: int


@dataclass(frozen=True)
class Capture:
    """Photographs, poses and lenses.

    Attributes:
        source: what was read, for messages.
        shots: in the order of the files.
        lenses: what the shots index.
        lens_names: of the lenses, for messages.
        points: ``(P, 3)`` float64 world points on surfaces; None where the format has none.
        splits: indices of the shots of "train", "test" and "val", where the files say; else empty.
        box: ``(6,)`` world box that the files declare; None where they do not.
        notes: what the reader assumed, a line each.
    """

    source: str
    shots: list[Shot]
    lenses: list[Lens]
    lens_names: list[str]
    points: NDArray[np.float64] | None = None
    splits: dict[str, list[int]] = field(default_factory=dict)
    box: NDArray[np.float64] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def poses(self) -> NDArray[np.float64]:
        """``(V, 3, 4)``."""
        return np.stack([shot.camera_to_world for shot in self.shots])


def check_capture(capture: Capture) -> None:
    """Refuse what no scene can be learnt from.

    Raises:
        UserError: fewer than two shots, missing files, or cameras that all stand at one point.
    """
    shots = capture.shots
    if len(shots) < 2:
        raise UserError(f"{capture.source} has {len(shots)} picture; a scene needs two at least")
    for kind, files in (
        ("pictures", [shot.picture for shot in shots]),
        ("masks", [shot.mask for shot in shots if shot.mask]),
    ):
        missing = [file for file in files if not _is_file(file)]
        if missing:
            raise UserError(
                f"{capture.source} lists {len(files)} {kind}, of which {len(missing)} do not exist; "
                f"the first is {missing[0]}"
            )
    poses = capture.poses
    positions = poses[:, :, 3]
    spread = float(np.abs(positions - positions[0]).max())
    if not spread > _SAME * max(float(np.abs(positions).max()), 1e-300):
        turned = float(np.abs(poses[:, :, :3] - poses[0, :, :3]).max()) > 1e-6
        what = (
            "all cameras stand at one point"
            if turned
            else f"the poses of all {len(shots)} pictures are equal"
        )
        raise UserError(
            f"{capture.source}: {what}, {np.array2string(positions[0], precision=4)}: depth needs pictures "
            f"from several places"
        )


def rotation_of(matrix: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """The rotation in a 3x3 matrix that may have a scale, as Blender writes one.

    Raises:
        UserError: it is singular, mirrors, or shears.
    """
    lengths = np.linalg.norm(matrix, axis=0)
    shown = np.array2string(matrix, precision=4, max_line_width=1000).replace("\n", "")
    if not lengths.min() > 1e-6 * max(lengths.max(), 1e-300):
        raise UserError(f"{where}: the rotation is singular, {shown}")
    unit = matrix / lengths
    left, _, right = np.linalg.svd(unit)
    rotation = left @ right
    if np.linalg.det(rotation) < 0:
        raise UserError(f"{where}: the rotation mirrors (determinant below 0), {shown}")
    if np.abs(rotation - unit).max() > 0.01:
        raise UserError(f"{where}: the upper left 3x3 is no rotation, even up to scale, {shown}")
    return rotation


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False
