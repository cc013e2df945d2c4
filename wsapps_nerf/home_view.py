"""The view that a page or a viewer begins with."""

from __future__ import annotations

import logging
import math
from typing import Any

import numpy as np

from wsapps.errors import UserError
from wsapps_nerf.camera_path import nearest_point_to_axes, orbit_around
from wsapps_nerf.cameras import Cameras
from wsapps_nerf.load import load_cameras
from wsapps_nerf.renderer import Renderer
from wsapps_nerf.same_views import check_views
from wsapps_nerf.trained import TrainedRun

_log = logging.getLogger("wsapps")


def home_view(trained: TrainedRun) -> dict[str, Any]:
    """The view that a page begins with: around what the training cameras look at, from where the first stood.

    Where their files are gone, around the middle of the scene's box. Keys: target, azimuth and elevation in
    degrees, radius, and the angle in radians that the shorter side of the picture spans.
    """
    try:
        check_views(trained)
        cameras = load_cameras(trained.config.scene, trained.config.data, "train")
        return view_of_cameras(cameras)
    except (UserError, ValueError) as error:
        _log.warning("the page begins with a view of the scene's box: %s", error)
    return view_of_box(trained.objective.renderer)


def view_of_box(renderer: Renderer) -> dict[str, Any]:
    """A view of the whole box of a scene; of contracted space, of its middle."""
    box = renderer.grid.aabbs[0].cpu()
    size = float((box[3:] - box[:3]).norm()) / (4 if renderer.contracted else 1)
    target = ((box[3:] + box[:3]) / 2).tolist()
    return {"target": target, "azimuth": 30.0, "elevation": 25.0, "radius": 1.2 * size, "angle": 0.7}


def view_of_cameras(cameras: Cameras) -> dict[str, Any]:
    """The page's camera for training cameras; raises ValueError where they have no centre to go around."""
    poses = cameras.camera_to_world.double().cpu()
    target = nearest_point_to_axes(poses[:, :, 3].numpy(), -poses[:, :, 2].numpy())
    offset = orbit_around(cameras.camera_to_world.cpu(), 1)[0, :, 3].double().numpy() - target
    first = poses[0, :, 3].numpy() - target
    radius = float(np.linalg.norm(offset))
    return {
        "target": target.tolist(),
        "azimuth": math.degrees(math.atan2(first[1], first[0])),
        "elevation": math.degrees(math.asin(max(-1.0, min(1.0, offset[2] / radius)))),
        "radius": radius,
        "angle": 2 * math.atan(min(cameras.width, cameras.height) / 2 / cameras.focal),
    }
