"""Occupancy: inside tests and scores against closed forms, and what is said about bad meshes."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from user_errors import one_line_error

from wsapps.errors import UserError
from wsapps.readers.mesh import (
    InsideTest,
    Mesh,
    clean_mesh,
    edge_faults,
    load_mesh,
    normalised,
    surface_points,
)
from wsapps_signals.kinds.occupancy import HALF_SIDE, OccupancyConfig, OccupancySignal
from wsapps_signals.kinds.occupancy_pictures import shaded
from wsapps_signals.kinds.surface import extract_surface, grid_planes, ply_bytes, sample_cells
from wsapps_signals.samples.mesh import knot_mesh

SMALL = {"points": 4000, "grid": 40}


def mesh_of(shape):
    return clean_mesh(np.asarray(shape.vertices), np.asarray(shape.faces), "test")


def box(sides=(2.0, 2.0, 2.0), centre=(0.0, 0.0, 0.0)):
    shape = trimesh.creation.box(sides)
    return Mesh(np.asarray(shape.vertices) + centre, np.asarray(shape.faces, np.int64))


def joined(*meshes):
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts[:-1], strict=True)]
    return Mesh(np.concatenate([mesh.vertices for mesh in meshes]), np.concatenate(faces))


def turned(mesh):
    return Mesh(mesh.vertices, mesh.faces[:, ::-1].copy())


def open_box():
    """A cube [-1, 1]^3 without its lid z = 1."""
    mesh = box()
    lid = (mesh.corners[:, :, 2] == 1).all(axis=1)
    assert lid.sum() == 2
    return Mesh(mesh.vertices, mesh.faces[~lid])


def signal_of(mesh, **config):
    return OccupancySignal(mesh, OccupancyConfig(**{**SMALL, **config}), "test")


def exact(signal):
    """The signal itself as a field."""
    return lambda points: torch.from_numpy(signal.inside(points.numpy())[:, None]).float()


def cube_field(half_side):
    return lambda points: (points.abs().amax(dim=1, keepdim=True) < half_side).float()


def ball_field(points):
    """Falls linearly through 0.5 at radius 0.6."""
    return 0.5 + 2.0 * (0.6 - points.norm(dim=1, keepdim=True))


def read_or_complain(path):
    """The mesh, or None and what was said; every other exception passes."""
    try:
        return load_mesh(path), ""
    except UserError as error:
        return None, str(error)


# Inside and outside


def test_inside_of_a_box_is_exact():
    points = np.random.default_rng(0).uniform(-2, 2, (20_000, 3))
    truth = (np.abs(points - [0.5, 0, 0]) < [0.5, 1.0, 1.5]).all(axis=1)
    assert 0.01 < truth.mean() < 0.2
    np.testing.assert_array_equal(InsideTest(box((1, 2, 3), (0.5, 0, 0)), closed=True)(points), truth)


def test_inside_of_a_ball_is_exact_away_from_its_facets():
    ball = mesh_of(trimesh.creation.icosphere(subdivisions=4, radius=0.7))
    points = np.random.default_rng(0).uniform(-1, 1, (20_000, 3))
    radius = np.linalg.norm(points, axis=1)
    sure = np.abs(radius - 0.7) > 0.003  # the facets' middles lie 0.0013 below the sphere
    inside = InsideTest(ball, closed=True)(points)
    np.testing.assert_array_equal(inside[sure], radius[sure] < 0.7)


def test_no_point_is_inside_without_its_box_being_asked():
    """The shortcut for closed meshes changes nothing."""
    mesh, points = normalised(knot_mesh(60, 12), 0.9)[0], np.random.default_rng(0).uniform(-1, 1, (5000, 3))
    np.testing.assert_array_equal(InsideTest(mesh, True)(points), InsideTest(mesh, False)(points))


def test_a_mesh_turned_inside_out_has_the_same_inside():
    points = np.random.default_rng(1).uniform(-1.5, 1.5, (2000, 3))
    np.testing.assert_array_equal(InsideTest(turned(box()), True)(points), InsideTest(box(), True)(points))
    assert turned(box()).volume == pytest.approx(-8)
    assert box().volume == pytest.approx(8)


def test_a_cavity_is_hollow_and_overlapping_solids_are_joined():
    hollow = joined(box((4, 4, 4)), turned(box()))
    union = joined(box((2, 2, 2), (-0.5, 0, 0)), box((2, 2, 2), (0.5, 0, 0)))
    points = np.array([[0, 0, 0], [1.5, 0, 0], [-1.2, 0.3, 0], [2.5, 0, 0]])
    np.testing.assert_array_equal(InsideTest(hollow, True)(points), [False, True, True, False])
    np.testing.assert_array_equal(InsideTest(union, True)(points), [True, False, True, False])
    assert InsideTest(union, True)(np.array([[1.4, 0, 0]]))[0]


def test_winding_number_of_an_open_box_is_the_solid_angle_of_its_faces():
    numbers = InsideTest(open_box(), closed=False).hierarchy.winding_number(
        np.array([[0.0, 0, 0], [0, 0, 50]])
    )
    assert numbers[0] == pytest.approx(5 / 6, abs=3e-3)  # five of six faces, each a sixth of the sphere
    assert abs(numbers[1]) < 3e-3


def test_edges_open_and_turned_are_counted():
    assert edge_faults(box()) == (0, 0)
    assert edge_faults(open_box()) == (4, 0)
    faces = box().faces.copy()
    faces[0] = faces[0][::-1]
    assert edge_faults(Mesh(box().vertices, faces)) == (0, 3)


def test_an_edge_of_four_triangles_is_no_fault():
    touching = joined(box(), box(centre=(2, 2, 0)))
    merged = clean_mesh(touching.vertices, touching.faces, "test")
    assert len(merged.vertices) == 14
    assert edge_faults(merged) == (0, 0)
    assert merged.volume == pytest.approx(16)


def test_open_meshes_are_refused_with_the_offer_that_takes_them():
    one_line_error(
        lambda: signal_of(open_box()), "not watertight", "4 open edges", "signal.inside=winding_number"
    )
    signal = signal_of(open_box(), inside="winding_number")
    centre, beyond = signal.inside(np.array([[0.0, 0, 0], [0, 0, 0.95]]))
    assert centre
    assert not beyond


def test_other_meshes_without_an_inside_are_refused():
    faces = box().faces.copy()
    faces[0] = faces[0][::-1]
    one_line_error(lambda: signal_of(Mesh(box().vertices, faces)), "not oriented", "3 edges")
    doubled = joined(box(), turned(box()))
    one_line_error(lambda: signal_of(doubled), "encloses no volume")
    one_line_error(lambda: signal_of(doubled, inside="winding_number"), "none of 4000 samples")


# Samples


def test_the_largest_side_reaches_from_minus_to_plus_nine_tenths():
    signal = signal_of(box((1, 4, 2), (7, -3, 100)))
    np.testing.assert_allclose(signal.mesh.box[1], np.array([0.25, 1.0, 0.5]) * HALF_SIDE)
    np.testing.assert_allclose(signal.mesh.box[0], -signal.mesh.box[1])
    np.testing.assert_allclose(
        signal.mesh.vertices / signal.scale + signal.centre, box((1, 4, 2), (7, -3, 100)).vertices
    )


def test_samples_are_as_the_protocol_says():
    signal = signal_of(box())
    assert signal.coordinates.shape == (4000, 3)
    assert signal.coordinates.dtype == torch.float32
    assert signal.values.shape == (4000, 1)
    assert set(signal.values.unique().tolist()) == {0.0, 1.0}
    assert signal.coordinates.abs().max() <= 1
    assert signal.native_bits == (8 * 3 + 12 * 3) * 32
    torch.testing.assert_close(signal.values, exact(signal)(signal.coordinates))


def test_uniform_samples_find_the_volume():
    signal = signal_of(box((2, 1, 1)), points=40_000, near_surface=0.0)
    fraction = 2 * HALF_SIDE * HALF_SIDE**2 / 8
    sigma = (fraction * (1 - fraction) / 40_000) ** 0.5
    assert abs(float(signal.values.mean()) - fraction) < 4 * sigma


def test_near_samples_have_the_distance_that_was_asked_for():
    ball = mesh_of(trimesh.creation.icosphere(subdivisions=5))
    signal = signal_of(ball, points=20_000, near_surface=1.0, near_std=0.02)
    distance = signal.coordinates.norm(dim=1) - HALF_SIDE
    kept = signal.coordinates.abs().amax(dim=1) < 1  # the others were clamped to the cube
    # The radial part of isotropic noise; curvature adds std^2 / radius to its mean.
    assert float(distance[kept].std()) == pytest.approx(0.036, rel=0.05)
    assert 0.4 < float(signal.values.mean()) < 0.5
    half = signal_of(ball, points=20_000, near_surface=0.5, near_std=0.001)
    near = (half.coordinates.norm(dim=1) - HALF_SIDE).abs() < 0.01
    assert float(near.float().mean()) == pytest.approx(0.515, abs=0.02)


def test_surface_points_are_uniform_by_area():
    mesh = box((1.0, 2.0, 3.0))
    points = surface_points(mesh, 60_000, np.random.default_rng(0))
    on = np.isclose(np.abs(points), [0.5, 1.0, 1.5])
    assert on.any(axis=1).all()
    share = on.mean(axis=0)
    np.testing.assert_allclose(share, np.array([6, 3, 2]) / 11, atol=4 * (0.25 / 60_000) ** 0.5)
    top = points[np.isclose(points[:, 2], 1.5)]
    np.testing.assert_allclose(top[:, :2].var(axis=0), [1 / 12, 4 / 12], rtol=0.05)


def test_the_seed_decides_the_samples():
    first, again, other = signal_of(box()), signal_of(box()), signal_of(box(), seed=1)
    assert torch.equal(first.coordinates, again.coordinates)
    assert not torch.equal(first.coordinates, other.coordinates)


@pytest.mark.parametrize(
    "bad",
    [
        {"points": 0},
        {"near_surface": 1.5},
        {"near_std": 0.0},
        {"near_std": float("nan")},
        {"grid": 3},
        {"grid": 513},
    ],
)
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        OccupancyConfig(**bad)


# Scores


def test_the_exact_field_scores_one():
    signal = signal_of(knot_mesh(60, 12))
    scores = signal.scores(exact(signal))
    assert scores["iou"] == 1.0
    assert scores["iou_near"] == 1.0
    assert scores["iou_samples"] == 1.0
    assert scores["psnr"] == float("inf")


def test_iou_of_nested_cubes_is_the_ratio_of_their_volumes():
    signal = signal_of(box())  # 36 of 40 cells a side
    assert int(signal.grid_truth.sum()) == 36**3
    assert signal.scores(cube_field(HALF_SIDE / 2))["iou"] == pytest.approx(1 / 8)
    assert signal.scores(cube_field(1.1))["iou"] == pytest.approx(36**3 / 40**3)
    assert signal.scores(lambda points: torch.zeros(len(points), 1))["iou"] == 0.0


def test_points_near_the_surface_are_the_harder_ones_and_not_the_samples():
    signal = signal_of(box())
    scores = signal.scores(cube_field(0.87))
    assert scores["iou_near"] < scores["iou"] < 1
    near = signal._near_scored[0]
    assert not bool(torch.isin(near[:2000, 0], signal.coordinates[:, 0]).any())


def test_the_grid_is_indexed_x_y_z():
    values = sample_cells(
        lambda points: points[:, 0:1] + 10 * points[:, 1:2] + 100 * points[:, 2:3], (2, 3, 4)
    )
    assert values.shape == (2, 3, 4)
    assert float(values[1, 0, 0] - values[0, 0, 0]) == pytest.approx(1.0)
    assert float(values[0, 1, 0] - values[0, 0, 0]) == pytest.approx(10 * 2 / 3, rel=1e-5)
    assert float(values[0, 0, 1] - values[0, 0, 0]) == pytest.approx(50.0)
    assert torch.cat(list(grid_planes((2, 3, 4)))).mean(dim=0).abs().max() < 1e-6


# What is written


def test_the_surface_of_a_ball_is_closed_faces_outwards_and_has_its_volume():
    mesh = extract_surface(sample_cells(ball_field, (48, 40, 44)).numpy())
    assert edge_faults(mesh) == (0, 0)
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.01)
    np.testing.assert_allclose(np.linalg.norm(mesh.vertices, axis=1), 0.6, atol=2e-3)


def test_a_surface_that_leaves_the_cube_is_closed_at_its_sides():
    mesh = extract_surface(sample_cells(lambda points: points[:, 2:3] + 0.5, (20, 20, 20)).numpy())
    assert edge_faults(mesh) == (0, 0)
    assert mesh.volume == pytest.approx(4.0, rel=0.05)


def test_ply_bytes_are_read_back(tmp_path):
    (tmp_path / "a.ply").write_bytes(ply_bytes(knot_mesh(20, 8)))
    again = trimesh.load_mesh(tmp_path / "a.ply", process=False)
    np.testing.assert_array_equal(again.vertices, knot_mesh(20, 8).vertices)
    np.testing.assert_array_equal(again.faces, knot_mesh(20, 8).faces)


def test_write_leaves_a_mesh_in_the_old_coordinates_and_the_pictures(tmp_path):
    ball = mesh_of(trimesh.creation.icosphere(subdivisions=3, radius=5.0))
    signal = signal_of(Mesh(ball.vertices + np.array([100, 0, -20]), ball.faces), grid=48)
    figures = signal.write(tmp_path, lambda points: 0.5 + 2 * (HALF_SIDE - points.norm(dim=1, keepdim=True)))
    assert {figure.path for figure in figures} == {"render.png", "slice_x.png", "slice_y.png", "slice_z.png"}
    assert all((tmp_path / figure.path).is_file() for figure in figures)
    written = load_mesh(tmp_path / "reconstruction.ply")
    np.testing.assert_allclose(written.box.mean(axis=0), [100, 0, -20], atol=0.05)
    assert written.volume == pytest.approx(4 / 3 * np.pi * 125, rel=0.02)
    assert {path.name for path in tmp_path.iterdir()} == {
        *(figure.path for figure in figures),
        "reconstruction.ply",
    }


@pytest.mark.parametrize(("level", "word"), [(0.2, "below"), (0.9, "above")])
def test_a_field_without_a_surface_is_said_in_words(tmp_path, level, word):
    signal = signal_of(box())
    flat = lambda points: torch.full((len(points), 1), level)  # noqa: E731
    (tmp_path / "reconstruction.ply").write_text("of an earlier field")
    figures = signal.write(tmp_path, flat)
    assert f"no surface: the field is {word} 0.5 everywhere" in figures[0].caption
    assert not (tmp_path / "reconstruction.ply").exists()
    one_line_error(lambda: signal.resample(tmp_path, flat, (8, 8, 8)), "no surface", word)


def test_resample_takes_any_grid_and_refuses_impossible_ones(tmp_path):
    signal = signal_of(box())
    (path,) = signal.resample(tmp_path, ball_field, (30, 40, 50))
    assert load_mesh(path).volume == pytest.approx(4 / 3 * np.pi * 0.6**3 / signal.scale**3, rel=0.02)
    for size in [(8, 8), (8, 8, 1), (2000, 2000, 2000)]:
        one_line_error(lambda size=size: signal.resample(tmp_path, ball_field, size), "three numbers", size)
    assert [path.name] == [file.name for file in tmp_path.iterdir()]


def test_a_diverged_field_is_not_written(tmp_path):
    signal = signal_of(box())
    diverged = lambda points: torch.full((len(points), 1), float("nan"))  # noqa: E731
    one_line_error(lambda: signal.write(tmp_path, diverged), "NaN or infinite", 40**3)
    assert list(tmp_path.iterdir()) == []
    assert signal.scores(diverged)["iou"] == 0.0


def test_shading_is_upright_and_brightest_towards_the_light():
    cells = np.zeros((30, 20, 10), bool)
    cells[:, :8] = True  # the lower part
    picture = shaded(cells)
    assert picture.shape == (20, 30, 3)
    assert (picture[:12] == 1).all()
    assert (picture[12:] < 1).all()
    ball = sample_cells(ball_field, (40, 40, 40)).numpy() > 0.5
    rendered = shaded(ball)
    assert rendered[12, 22].mean() > rendered[28, 17].mean() + 0.2


def test_preview_is_a_small_picture():
    preview = signal_of(box()).preview(ball_field)
    assert preview.shape == (128, 128, 3)
    assert float(preview.min()) >= 0
    assert float(preview.max()) <= 1


def test_the_embedded_mesh_is_watertight_and_fine():
    mesh = knot_mesh()
    assert edge_faults(mesh) == (0, 0)
    assert mesh.volume > 0
    assert 10_000 <= len(mesh.faces) <= 30_000
    signal = OccupancySignal.from_config(OccupancyConfig(**SMALL), None)
    assert 0.01 < float(signal.grid_truth.float().mean()) < 0.2


# Files


@pytest.mark.parametrize("suffix", ["ply", "obj", "stl", "off", "glb"])
def test_formats_give_the_same_mesh(tmp_path, suffix):
    path = tmp_path / f"box.{suffix}"
    trimesh.Trimesh(box().vertices, box().faces, process=False).export(path)
    mesh = load_mesh(path)
    assert (mesh.vertices.shape, mesh.faces.shape) == ((8, 3), (12, 3))
    assert mesh.volume == pytest.approx(8)
    assert edge_faults(mesh) == (0, 0)
    signal = OccupancySignal.from_config(OccupancyConfig(**SMALL), str(path))
    assert signal.title == "box"


def test_texture_coordinates_do_not_tear_a_mesh_and_materials_are_not_looked_for(tmp_path):
    lines = ["mtllib missing.mtl", "usemtl missing"]
    for corner in box().vertices:
        lines.append("v {} {} {}".format(*corner))
    for k, face in enumerate(box().faces + 1):
        lines += [f"vt 0 {k}", f"vt 1 {k}", f"vt 2 {k}"]
        lines.append("f " + " ".join(f"{v}/{3 * k + c + 1}" for c, v in enumerate(face)))
    (tmp_path / "a.obj").write_text("\n".join(lines))
    mesh = load_mesh(tmp_path / "a.obj")
    assert len(mesh.vertices) == 8
    assert edge_faults(mesh) == (0, 0)


def test_triangles_without_an_area_leave_nothing(tmp_path):
    tetrahedron = ["v 0 0 0", "v 1 0 0", "v 0 1 0", "v 0 0 1", "v 100 100 100"]
    faces = ["f 1 3 2", "f 1 2 4", "f 1 4 3", "f 2 3 4"]
    (tmp_path / "a.obj").write_text("\n".join([*tetrahedron, *faces, "f 5 5 5", "f 5 1 5"]))
    mesh = load_mesh(tmp_path / "a.obj")
    np.testing.assert_array_equal(mesh.box, [[0, 0, 0], [1, 1, 1]])
    assert (len(mesh.vertices), len(mesh.faces)) == (4, 4)
    assert mesh.volume == pytest.approx(1 / 6)
    (tmp_path / "b.obj").write_text("\n".join([*tetrahedron, "f 1 1 2", "f 5 5 5"]))
    one_line_error(lambda: load_mesh(tmp_path / "b.obj"), "b.obj", "2 triangles", "no area")


def test_a_scene_is_one_mesh_with_its_parts_in_place(tmp_path):
    scene = trimesh.Scene()
    part = trimesh.Trimesh(box().vertices, box().faces, process=False)
    for x in (-5, 5):
        scene.add_geometry(part, transform=trimesh.transformations.translation_matrix([x, 0, 0]))
    scene.export(tmp_path / "two.glb")
    mesh = load_mesh(tmp_path / "two.glb")
    np.testing.assert_allclose(mesh.box, [[-6, -1, -1], [6, 1, 1]])
    assert len(mesh.faces) == 24
    assert mesh.volume == pytest.approx(16)


def test_no_other_file_is_opened(tmp_path):
    buffers = [{"uri": "secret.bin", "byteLength": 36}]
    (tmp_path / "secret.bin").write_bytes(bytes(36))
    accessor = {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}
    gltf = {
        "asset": {"version": "2.0"},
        "buffers": buffers,
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "accessors": [accessor],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "nodes": [{"mesh": 0}],
        "scenes": [{"nodes": [0]}],
    }
    (tmp_path / "a.gltf").write_text(json.dumps(gltf))
    one_line_error(lambda: load_mesh(tmp_path / "a.gltf"), "a.gltf", "cannot be read as a gltf mesh")


def ply(vertices, faces=()):
    head = f"ply\nformat ascii 1.0\nelement vertex {len(vertices)}\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz")
    if len(faces):
        head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\n"
    rows = [" ".join(map(str, row)) for row in vertices] + ["3 " + " ".join(map(str, row)) for row in faces]
    return head + "end_header\n" + "\n".join(rows) + "\n"


CORNERS = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
TETRAHEDRON = [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ply", None, ["does not exist"]),
        ("a.ply", "", ["empty"]),
        ("a.txt", "hello", ["no mesh by its name", ".ply"]),
        ("a.ply", "this is not a mesh", ["cannot be read as a ply mesh"]),
        ("a.ply", ply(CORNERS), ["no triangles"]),
        ("a.ply", ply([[0, 0, "nan"], *CORNERS[1:]], TETRAHEDRON), ["1 of 4 vertices", "NaN"]),
        ("a.ply", ply([[0, 0, "inf"], *CORNERS[1:]], TETRAHEDRON), ["1 of 4 vertices", "infinite"]),
        ("a.ply", ply(CORNERS, [[0, 1, 9]]), ["vertex 9", "of 4"]),
        ("a.ply", ply([[0, 0, 0]] * 4, TETRAHEDRON), ["4 triangles", "no area"]),
        ("a.ply", ply([*CORNERS[:3], [1, 1, 0]], TETRAHEDRON), ["flat", "1 x 1 x 0"]),
        ("a.ply", ply(CORNERS, TETRAHEDRON[:3]), ["not watertight", "3 open edges", "winding_number"]),
    ],
)
def test_bad_files_get_one_line(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_text(content)
    config = OccupancyConfig(**SMALL)
    one_line_error(lambda: OccupancySignal.from_config(config, tmp_path / name), name, *words)


@pytest.mark.parametrize("suffix", ["ply", "stl", "glb"])
def test_truncated_files_get_one_line(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    trimesh.Trimesh(knot_mesh(20, 8).vertices, knot_mesh(20, 8).faces).export(path)
    path.write_bytes(path.read_bytes()[:-200])
    one_line_error(lambda: load_mesh(path), f"a.{suffix}", "cannot be read")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from(["ply", "stl", "off", "obj"]))
def test_damaged_files_are_read_or_complained_about(tmp_path, data, suffix):
    path = tmp_path / f"a.{suffix}"
    trimesh.Trimesh(np.array(CORNERS, float), TETRAHEDRON, process=False).export(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    mesh, words = read_or_complain(path)
    assert "\n" not in words
    if mesh is not None:
        assert np.isfinite(mesh.vertices).all()
        assert mesh.faces.max() < len(mesh.vertices)


def test_stl_with_nan_is_refused(tmp_path):
    triangle = struct.pack("<12fH", *[0] * 3, *[0, 0, 0], *[1, 0, 0], *[0, float("nan"), 0], 0)
    (tmp_path / "a.stl").write_bytes(bytes(80) + struct.pack("<I", 1) + triangle)
    one_line_error(lambda: load_mesh(tmp_path / "a.stl"), "1 of 3 vertices")
