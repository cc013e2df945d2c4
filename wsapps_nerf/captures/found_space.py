"""Where a capture's scene lies: placement, box, near and far, and whether it has an end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps_nerf.captures.capture import Capture
from wsapps_nerf.captures.extent import BOX_MARGIN, aligned, box_of_points, near_of_points, seen_radius
from wsapps_nerf.captures.lens import Lens
from wsapps_nerf.captures.upright import Placement, find_centre, find_up, rotation_to_z

_BOX_HALF = 1.5  # scene units: half the longest side of a scene with an end, as in Blender's
_CAMERA_DISTANCE = 2.0  # scene units, median, about a scene without one; its unit ball is not contracted
_FEW_POINTS = 16
_FRUSTA_MARGIN = 1.1
_LEAST_NEAR = 0.05  # scene units
_NEAR_TO_CENTRE = 0.25  # of the least distance to what cameras look at, where no points say more


@dataclass
class PlacementConfig:
    """How a capture is placed in its scene."""

    up: Literal["cameras", "keep"] = doc(
        "cameras turns what is up for them to z; keep leaves the data's axes", default="cameras"
    )
    centre: Literal["auto", "cameras", "keep"] = doc(
        "auto is what the cameras look at, or the points' or cameras' middle; keep is the data's origin",
        default="auto",
    )
    extent: Literal["auto", "cameras"] = doc(
        "auto takes box and near from points, where the format has them; cameras from what they see",
        default="auto",
    )


@dataclass(frozen=True)
class FoundSpace:
    """A capture's space, in scene units unless stated.

    Attributes:
        placement: from the data's coordinates to the scene's.
        contracted: whether space beyond the unit ball is contracted, because it has no end.
        box: six numbers, x0 y0 z0 x1 y1 z1; of a contracted scene, the cube of contracted space.
        near: distance of the first samples.
        far: of the last ones; of a contracted scene, where even spacing ends.
        outside: part of the points outside the box; None without points, and where there is contraction.
        notes: how it was found, a line each.
    """

    placement: Placement
    contracted: bool
    box: list[float]
    near: float
    far: float
    outside: float | None = None
    notes: list[str] = field(default_factory=list)


def find_space(
    capture: Capture, config: PlacementConfig, opaque: bool, contracted: bool | None
) -> FoundSpace:
    """Find a capture's space.

    Args:
        capture: poses, lenses, and points if there are any.
        config: how.
        opaque: whether the pictures show a background, which then may have no end.
        contracted: whether it is contracted; None decides by ``opaque`` and the data's own box.

    Raises:
        UserError: there are no points, although the format has them.
    """
    _require_points(capture, config)
    points = capture.points if config.extent == "auto" else None
    poses = capture.poses
    placement, focused, notes = _place(poses, points, config)
    if contracted is None:
        contracted = opaque and capture.box is None
        notes.append(_why_contracted(contracted, opaque))
    placed = placement.poses(poses)
    lenses = [capture.lenses[shot.lens] for shot in capture.shots]
    inner = placement.points(points) if points is not None else None
    if contracted:
        return _endless(placement, placed, inner, focused, notes)
    return _with_end(capture, placement, placed, lenses, inner, config.up != "keep", notes)


def _require_points(capture: Capture, config: PlacementConfig) -> None:
    if config.extent == "auto" and capture.points is not None and len(capture.points) < _FEW_POINTS:
        raise UserError(
            f"{capture.source}: the model has {len(capture.points)} points, too few for near, far and the "
            f"scene's box; check the reconstruction, or take them from what the cameras see: "
            f"scene.placement.extent=cameras"
        )


def _place(
    poses: NDArray[np.float64], points: NDArray[np.float64] | None, config: PlacementConfig
) -> tuple[Placement, bool, list[str]]:
    """Rotation and centre, whether the cameras look at it, and notes."""
    notes = []
    if config.up == "keep":
        rotation = np.eye(3)
        notes.append("up: the data's z (scene.placement.up=keep)")
    else:
        up, how = find_up(poses)
        rotation = rotation_to_z(up)
        notes.append(f"up: {how}, {_shown(up)} of the data")
    centre, focused, how = find_centre(poses, points)
    if config.centre == "cameras":
        centre, focused, how = poses[:, :, 3].mean(axis=0), False, "the middle of the cameras"
    elif config.centre == "keep":
        centre, focused, how = np.zeros(3), True, "the data's origin"
    notes.append(f"centre: {how}, {_shown(centre)} of the data")
    return Placement(rotation, centre), focused, notes


def _why_contracted(contracted: bool, opaque: bool) -> str:
    if contracted:
        return "background without end: the pictures are opaque, so space is contracted beyond the unit ball"
    if opaque:
        return "background with an end: the data declare a box"
    return "no background: the pictures have transparent pixels"


def _endless(
    placement: Placement,
    poses: NDArray[np.float64],
    points: NDArray[np.float64] | None,
    focused: bool,
    notes: list[str],
) -> FoundSpace:
    """The unit ball about what the cameras look at; or about the cameras, where they look at nothing."""
    positions = poses[:, :, 3]
    distances = np.linalg.norm(positions, axis=1)
    if focused:
        scale = _CAMERA_DISTANCE / float(np.median(distances))
        how = f"the cameras' median distance is {_CAMERA_DISTANCE:g}"
    else:
        reach = float(distances.max())
        if points is not None:
            reach = max(reach, float(np.median(np.linalg.norm(points, axis=1))))
        scale = 1.0 / reach
        how = "the cameras, and half of the points if there are any, lie in the unit ball"
    placement = replace(placement, scale=scale)
    if points is not None:
        near, near_how = near_of_points(poses, points), "half of the distance of the nearest points"
    elif focused:
        near = _NEAR_TO_CENTRE * float(distances.min())
        near_how = "a quarter of the way from the nearest camera to the centre"
    else:
        near, near_how = 0.0, "close to the cameras"
    even = float(distances.max()) * scale + 1.0
    return FoundSpace(
        placement,
        True,
        [-2.0] * 3 + [2.0] * 3,
        _rounded(max(near * scale, _LEAST_NEAR)),
        _rounded(even),
        notes=[
            *notes,
            f"scale: {how}; 1 scene unit is {1 / scale:.6g} of the data's",
            f"near: {near_how}",
        ],
    )


def _with_end(
    capture: Capture,
    placement: Placement,
    poses: NDArray[np.float64],
    lenses: list[Lens],
    points: NDArray[np.float64] | None,
    turned: bool,
    notes: list[str],
) -> FoundSpace:
    """A box around the points, what the data declare, or what the cameras see."""
    if capture.box is not None:
        corners = np.stack(np.meshgrid(*capture.box.reshape(2, 3).T), axis=-1).reshape(-1, 3)
        box = _around(placement.points(corners))
        how = "the data's own (aabb_scale)"
    elif points is not None:
        if turned:
            placement, poses, points = aligned(placement, poses, points)
        box = box_of_points(points)
        how = f"{len(points)} points but for the outermost, and {BOX_MARGIN:.0%} more"
    else:
        half = seen_radius(poses, lenses) * _FRUSTA_MARGIN
        box = np.array([-half] * 3 + [half] * 3)
        how = "the ball that half of the cameras see whole"
    scale = _BOX_HALF / (float((box[3:] - box[:3]).max()) / 2)
    placement, box = replace(placement, scale=scale), box * scale
    positions = poses[:, :, 3] * scale
    # By the ball about the box, which no heading of the box changes.
    middle, radius = (box[3:] + box[:3]) / 2, float(np.linalg.norm(box[3:] - box[:3])) / 2
    distances = np.linalg.norm(positions - middle, axis=1)
    near, far = 0.98 * float(distances.min() - radius), 1.02 * float(distances.max() + radius)
    outside = None
    if points is not None:
        scaled = points * scale
        outside = float(((scaled < box[:3]) | (scaled > box[3:])).any(axis=1).mean())
    return FoundSpace(
        placement,
        False,
        [_rounded(value) for value in box],
        _rounded(max(near, _LEAST_NEAR)),
        _rounded(far),
        outside,
        [*notes, f"box: {how}", f"scale: 1 scene unit is {1 / scale:.6g} of the data's"],
    )


def _around(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([points.min(axis=0), points.max(axis=0)])


def _rounded(value: float) -> float:
    """To six digits, so that another machine's rounding does not make another configuration."""
    return float(f"{value:.6g}")


def _shown(vector: NDArray[np.float64]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in vector) + ")"
