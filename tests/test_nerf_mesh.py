"""Meshes of radiance fields: geometry of known bodies, colours, files."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import trimesh
from synthetic_scene import TINY, write_ball_scene
from torch import nn

from wsapps.fields import FIELDS
from wsapps_nerf import export_mesh, train
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.mesh import BLOCK, ColouredMesh, extract_surface, surface_colours, without_crumbs
from wsapps_nerf.mesh_file import write_mesh, write_points
from wsapps_nerf.renderer import RendererConfig
from wsapps_nerf.scene import Space

RADIUS = 0.7


class Ball(nn.Module):
    """A soft ball of density ln 2 / step on its surface; colours are (x, y, z) / 2 + 1 / 2."""

    def __init__(self, step=0.05, centre=(0.0, 0.0, 0.0)):
        super().__init__()
        self.step, self.centre = step, torch.tensor(centre)

    def density(self, positions):
        depth = RADIUS - (positions - self.centre).norm(dim=-1)
        return math.log(2) / self.step * torch.exp((20 * depth).clamp(-20, 4))

    def forward(self, positions, directions):
        return positions / 2 + 0.5, self.density(positions)


def ball_objective(edge=1.0, contracted=False, centre=(0.0, 0.0, 0.0)):
    box = torch.tensor([-edge, -edge, -edge, edge, edge, edge]) * (2 if contracted else 1)
    method = FIELDS["sinusoidal"].Config(width=4, hidden_layers=0)
    config = TrainConfig(method=method, renderer=RendererConfig(step_size=0.05, grid_resolution=16))
    objective = build_objective(config, Space(box=box, near=1.0, far=5.0, contracted=contracted))
    objective.field = Ball(centre=centre)  # type: ignore[assignment]
    return objective.eval()


def as_mesh(vertices, faces):
    return trimesh.Trimesh(vertices, faces, process=False)


def test_a_ball_has_its_volume_its_area_and_no_holes():
    mesh = as_mesh(*extract_surface(ball_objective(), 48))
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.01)  # positive: outwards
    assert mesh.area == pytest.approx(4 * math.pi * RADIUS**2, rel=0.01)
    assert mesh.euler_number == 2


def test_vertices_converge_to_the_surface():
    errors = []
    for resolution in (16, 32, 64):
        vertices, _ = extract_surface(ball_objective(), resolution)
        errors.append(np.abs(np.linalg.norm(vertices, axis=1) - RADIUS).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 1.5).all()  # linear interpolation: second order


def test_blocks_leave_no_seam():
    resolution = BLOCK + 20
    vertices, faces = extract_surface(ball_objective(), resolution)
    mesh = as_mesh(vertices, faces)
    assert mesh.is_watertight
    assert mesh.euler_number == 2
    assert len(np.unique(vertices, axis=0)) == len(vertices)


def test_progress_counts_blocks():
    seen = []
    extract_surface(ball_objective(), BLOCK + 20, on_block=lambda done, count: seen.append((done, count)))
    assert [done for done, _ in seen] == list(range(1, seen[-1][1] + 1))


def test_what_leaves_the_box_is_closed_at_its_side():
    mesh = as_mesh(*extract_surface(ball_objective(centre=(0.0, 0.0, 0.8)), 32))
    assert mesh.is_watertight
    assert mesh.bounds[1, 2] == pytest.approx(1.0, abs=2 / 32)
    height = RADIUS + 0.2
    assert mesh.volume == pytest.approx(math.pi * height**2 * (3 * RADIUS - height) / 3, rel=0.08)


def test_cells_that_training_emptied_are_empty():
    objective = ball_objective()
    objective.renderer.grid.binaries[0, 8:] = False  # x > 0
    mesh = as_mesh(*extract_surface(objective, 32))
    assert mesh.bounds[1, 0] <= 2 / 32 + 1e-9
    half, cell = 2 / 3 * math.pi * RADIUS**3, 2 / 32  # the cut lies somewhere in one layer of cells
    assert half - math.pi * RADIUS**2 * cell < mesh.volume < 1.01 * half
    objective.renderer.grid.binaries[:] = False
    assert len(extract_surface(objective, 32)[1]) == 0


def test_of_contracted_space_the_middle_is_taken():
    mesh = as_mesh(*extract_surface(ball_objective(contracted=True), 32))
    assert mesh.volume == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.02)


@pytest.mark.parametrize(("resolution", "opacity"), [(1, 0.5), (8, 0.0), (8, 1.0)])
def test_extraction_refuses(resolution, opacity):
    with pytest.raises(ValueError, match=f"got {resolution} and {opacity}"):
        extract_surface(ball_objective(), resolution, opacity)


def test_a_higher_opacity_lies_deeper():
    sizes = [np.ptp(extract_surface(ball_objective(), 32, opacity)[0]) for opacity in (0.2, 0.5, 0.9)]
    assert sizes[0] > sizes[1] > sizes[2]


def test_colours_are_those_at_the_surface():
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(200, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = RADIUS * normals
    colours = surface_colours(ball_objective(), points, normals)
    # Light comes from within a few steps of the surface.
    np.testing.assert_allclose(colours, points / 2 + 0.5, atol=0.05)


def test_crumbs_are_left_out():
    box, crumb = trimesh.creation.box(), trimesh.creation.box(extents=[0.02] * 3)
    crumb.apply_translation([2, 0, 0])
    both = trimesh.util.concatenate([crumb, box])
    vertices, faces = without_crumbs(both.vertices, both.faces, 0.01)
    assert as_mesh(vertices, faces).volume == pytest.approx(1.0)
    assert len(vertices) == 8
    assert len(without_crumbs(both.vertices, both.faces, 0.0)[1]) == 24
    assert len(without_crumbs(np.zeros((0, 3)), np.zeros((0, 3), np.int64), 0.5)[1]) == 0


# Files


def coloured():
    box = trimesh.creation.box(extents=[1, 2, 3])
    colours = (box.vertices / np.array([1, 2, 3]) + 0.5).astype(np.float32)
    return ColouredMesh(box.vertices.copy(), box.faces.copy(), colours)


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb"])
def test_files_come_back_as_they_were(tmp_path, suffix):
    mesh, path = coloured(), tmp_path / f"mesh{suffix}"
    write_mesh(path, mesh)
    read = trimesh.load(path, force="mesh", process=False, skip_materials=True)
    vertices, colours = mesh.vertices, mesh.colours
    if suffix == ".glb":  # y up, and light in place of display values: both ends of the scale stay
        vertices = np.stack([vertices[:, 0], vertices[:, 2], -vertices[:, 1]], axis=1)
    np.testing.assert_allclose(read.vertices, vertices, atol=1e-6)
    np.testing.assert_array_equal(read.faces, mesh.faces)
    np.testing.assert_allclose(read.visual.vertex_colors[:, :3], np.rint(255 * colours), atol=1)
    assert read.volume == pytest.approx(6)


def test_glb_is_unlit_and_linear(tmp_path):
    mesh = coloured()
    grey = ColouredMesh(mesh.vertices, mesh.faces, np.full((8, 3), 0.5, np.float32))
    write_mesh(tmp_path / "grey.glb", grey)
    assert b"KHR_materials_unlit" in (tmp_path / "grey.glb").read_bytes()
    (read,) = trimesh.load(tmp_path / "grey.glb", process=False).geometry.values()
    assert read.visual.vertex_attributes["color"][0, 0] == round(255 * ((0.5 + 0.055) / 1.055) ** 2.4)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"mesh\.stl"):
        write_mesh(tmp_path / "mesh.stl", coloured())


def test_clouds_have_normals_and_colours(tmp_path):
    points, normals = np.arange(6.0).reshape(2, 3), np.eye(3)[:2]
    write_points(tmp_path / "points.ply", points, normals, np.array([[0, 0.5, 1], [1, 0, 0]], np.float32))
    read = trimesh.load(tmp_path / "points.ply")
    np.testing.assert_allclose(read.vertices, points)
    np.testing.assert_array_equal(read.colors[:, :3], [[0, 128, 255], [255, 0, 0]])
    data = (tmp_path / "points.ply").read_bytes().split(b"end_header\n")[1]
    np.testing.assert_allclose(np.frombuffer(data[:24], "<f4")[3:], normals[0])


# The command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mesh")
    ball = write_ball_scene(folder / "ball")
    # Dense from the start, so that a few steps leave a body.
    settings = ["heads.density_scale=2000", "heads.density_shift=60", "trainer.max_steps=5"]
    assert train.main([f"data.root={ball}", f"out={folder / 'run'}", *TINY, *settings]) == 0
    return folder / "run"


def test_the_command_writes_a_mesh_of_the_ball(run, capsys):
    capsys.readouterr()
    assert export_mesh.main([f"run={run}", "resolution=32"]) == 0
    line = capsys.readouterr().out
    assert line.startswith(f"{run / 'mesh.ply'}: ")
    mesh = trimesh.load(run / "mesh.ply", process=False)
    assert f"{len(mesh.vertices):,} vertices" in line
    cell = 3 / 32
    assert 0.9 < np.abs(mesh.bounds).max() < 1.5 + cell  # the ball's radius, the box
    assert mesh.visual.vertex_colors.shape == (len(mesh.vertices), 4)
    assert mesh.visual.vertex_colors[:, :3].std() > 1


def test_the_command_writes_a_cloud(run, tmp_path, capsys):
    out = tmp_path / "new" / "cloud.ply"
    assert export_mesh.main([f"run={run}", f"out={out}", "points=500", "resolution=32"]) == 0
    assert len(trimesh.load(out).vertices) == 500
    assert "500 points" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("out=mesh.stl", "mesh.stl"),
        ("out=cloud.obj points=9", "cloud.obj"),
        ("resolution=2", "8..2048"),
        ("opacity=1", "(0, 1)"),
        ("points=0", "points"),
        ("opacity=0.999999999", "train longer"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, tmp_path, capsys, monkeypatch, wrong, words):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    settings = [] if "resolution" in wrong else ["resolution=8"]
    assert export_mesh.main([f"run={run}", *wrong.split(), *settings]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert words in message
    assert list(tmp_path.iterdir()) == []
