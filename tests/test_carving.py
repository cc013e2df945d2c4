"""Carving keeps all of the object, removes what is far from it, and leaves opaque pictures alone."""

from __future__ import annotations

import json

import pytest
import torch
from nerfacc import OccGridEstimator
from synthetic_scene import write_ball_scene

from wsapps.errors import UserError
from wsapps_nerf.blender import load_blender_views
from wsapps_nerf.carving import carve
from wsapps_nerf.scene import Views

RADIUS = 0.9  # of the ball in synthetic_scene
RESOLUTION = 64


@pytest.fixture(scope="module")
def views(tmp_path_factory) -> Views:
    return load_blender_views(write_ball_scene(tmp_path_factory.mktemp("ball"), size=96), "train")


def new_grid(half_size: float = 1.1) -> OccGridEstimator:
    grid = OccGridEstimator([-half_size] * 3 + [half_size] * 3, resolution=RESOLUTION)
    grid.binaries.fill_(True)
    return grid


def cell_centres(grid: OccGridEstimator) -> torch.Tensor:
    box = grid.aabbs[0]
    return box[:3] + (grid.grid_coords + 0.5) / grid.resolution * (box[3:] - box[:3])


def with_alpha(views: Views, alpha: torch.Tensor) -> Views:
    return Views(views.names, torch.cat([views.rgba[..., :3], alpha], dim=-1), views.cameras)


def test_the_ball_stays_and_the_corners_go(views):
    grid = new_grid()
    left = carve(grid, views)
    kept = grid.binaries.flatten()
    distance = cell_centres(grid).norm(dim=-1)
    assert bool(kept[distance < RADIUS].all()), "a cell with something in it was removed"
    # The ball is 0.29 of the box; five views from one height leave cones above and below it.
    assert left == pytest.approx(float(kept.float().mean()))
    assert 0.29 < left < 0.6
    assert not bool(kept[(distance > 1.7)].all())


def test_removed_cells_are_never_sampled_again(views):
    grid = new_grid()
    carve(grid, views)
    removed = ~grid.binaries.flatten()
    for step in range(3):
        grid.train()
        grid.update_every_n_steps(step, lambda x: torch.full_like(x[:, :1], 100.0), n=1)
    assert not bool(grid.binaries.flatten()[removed].any())


def test_each_view_only_removes(views):
    few, all_views = new_grid(), new_grid()
    first = Views(
        views.names[:2],
        views.rgba[:2],
        type(views.cameras)(
            views.cameras.camera_to_world[:2], views.cameras.focal, views.cameras.width, views.cameras.height
        ),
    )
    carve(few, first)
    carve(all_views, views)
    assert not bool((all_views.binaries & ~few.binaries).any())


def test_opaque_pictures_remove_nothing(views):
    grid = new_grid()
    assert carve(grid, with_alpha(views, torch.ones_like(views.rgba[..., 3:]))) == 1.0
    assert bool(grid.binaries.all())


def test_what_no_picture_shows_stays(views):
    """Cells outside the pictures may hold anything."""
    grid = new_grid(half_size=8.0)
    carve(grid, views)
    corner = cell_centres(grid).abs().amax(dim=-1) > 7.5
    assert float(grid.binaries.flatten()[corner].float().mean()) > 0.9


def test_masks_without_a_common_volume_are_refused(views):
    alpha = torch.zeros_like(views.rgba[..., 3:])
    alpha[:, 0, 0] = 1.0  # one corner pixel, which the views see in different directions
    with pytest.raises(UserError, match=r"renderer\.carve=false"):
        carve(new_grid(half_size=0.3), with_alpha(views, alpha))


@pytest.mark.parametrize("scale", [0.1, 10.0, 100.0])
def test_a_scale_in_the_poses_carves_the_same(tmp_path, scale):
    """Blender writes an object's scale into its matrix, and its camera sees the same."""
    scene = write_ball_scene(tmp_path / "ball", size=48)
    kept = []
    for factor in (1.0, scale):
        path = scene / "transforms_train.json"
        document = json.loads(path.read_text())
        for frame in document["frames"]:
            matrix = frame["transform_matrix"]
            for row in matrix[:3]:
                row[:3] = [factor * value for value in row[:3]]
        path.write_text(json.dumps(document))
        grid = new_grid()
        carve(grid, load_blender_views(scene, "train"))
        kept.append(grid.binaries.clone())
    assert 0.05 < float(kept[0].float().mean()) < 0.9
    # The normalised matrices differ by rounding, which may move a cell across the edge of a mask.
    assert int((kept[0] != kept[1]).sum()) <= 2
