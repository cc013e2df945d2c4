"""VTK files, read back by their own description of themselves."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.user_errors import one_line_error
from wsapps_pde.outputs.evaluation import Comparison
from wsapps_pde.outputs.vtk import write_vtk
from wsapps_pde.references.solution import grid_points


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a VTK XML file with raw appended data: name -> values in the file's order."""
    data = path.read_bytes()
    head, _, raw = data.partition(b'<AppendedData encoding="raw">')
    raw = raw[raw.index(b"_") + 1 :]
    wide = b'header_type="UInt64"' in head
    size_type = np.dtype("<u8" if wide else "<u4")
    found = {}
    for tag in re.findall(rb"<DataArray[^>]*>", head):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag.decode()))
        kind = {"Float64": "<f8", "Int32": "<i4", "UInt8": "u1"}[attributes["type"]]
        start = int(attributes["offset"])
        size = int(np.frombuffer(raw, size_type, 1, start)[0])
        found[attributes["Name"]] = np.frombuffer(raw[start + size_type.itemsize :][:size], kind)
    return found


def comparison(*lengths: int, names: str = "xyzt", reference: bool = True) -> Comparison:
    """Values that tell every node of a grid from the others."""
    axes = {v: np.linspace(0, 1 + n, n) for v, n in zip(names, lengths, strict=False)}
    points = grid_points(axes)
    found = {"u": np.arange(len(points)) + 0.5, "v": -np.arange(len(points), dtype=float)}
    known = {"u": found["u"] + 0.25} if reference else {}
    return Comparison(axes, points, found, known, {}, "test")


@pytest.mark.parametrize("lengths", [(5,), (4, 3), (4, 3, 2)])
def test_a_grid_is_one_file_in_vtks_order(tmp_path, lengths):
    of = comparison(*lengths)
    assert of.axes is not None
    write_vtk(tmp_path / "vtk", of, None)
    assert [path.name for path in (tmp_path / "vtk").iterdir()] == ["solution.vtr"]
    arrays = read(tmp_path / "vtk" / "solution.vtr")
    assert set(arrays) == {
        "x_coordinates",
        "y_coordinates",
        "z_coordinates",
        "u",
        "v",
        "u_reference",
        "u_error",
    }
    for letter, axis in of.axes.items():
        np.testing.assert_array_equal(arrays[f"{letter}_coordinates"], axis)
    np.testing.assert_array_equal(arrays["u_error"], 0.25)
    first_fastest = of.found["u"].reshape(lengths).ravel(order="F")  # of VTK: x runs fastest
    np.testing.assert_array_equal(arrays["u"], first_fastest)
    head = (tmp_path / "vtk" / "solution.vtr").read_bytes().partition(b"<AppendedData")[0].decode()
    extent = " ".join(f"0 {n - 1}" for n in (*lengths, 1, 1)[:3])
    assert f'WholeExtent="{extent}"' in head


def test_one_space_variable_and_time_are_a_plane(tmp_path):
    of = comparison(4, 3, names="xt", reference=False)
    write_vtk(tmp_path, of, 1)
    arrays = read(tmp_path / "solution.vtr")
    assert of.axes is not None
    np.testing.assert_array_equal(arrays["y_coordinates"], of.axes["t"])
    assert "u_reference" not in arrays
    assert list(tmp_path.iterdir()) == [tmp_path / "solution.vtr"]


@pytest.mark.parametrize(("lengths", "names"), [((4, 3, 5), "xyt"), ((4, 3, 2, 5), "xyzt")])
def test_times_are_files_that_one_lists(tmp_path, lengths, names):
    of = comparison(*lengths, names=names)
    time = len(names) - 1
    write_vtk(tmp_path, of, time)
    listed = re.findall(r'timestep="([^"]*)"[^>]*file="([^"]*)"', (tmp_path / "solution.pvd").read_text())
    assert of.axes is not None
    np.testing.assert_allclose([float(at) for at, _ in listed], of.axes["t"])
    for number, (_, name) in enumerate(listed):
        arrays = read(tmp_path / name)
        wanted = np.take(of.found["u"].reshape(lengths), number, axis=time).ravel(order="F")
        np.testing.assert_array_equal(arrays["u"], wanted)
    assert len(list(tmp_path.iterdir())) == 1 + len(listed) == 6


def test_scattered_points_and_what_has_too_many_variables(tmp_path):
    points = np.random.default_rng(0).random((7, 2))
    of = Comparison(None, points, {"u": points[:, 0]}, {}, {}, "points")
    write_vtk(tmp_path / "a", of, None)
    arrays = read(tmp_path / "a" / "solution.vtu")
    np.testing.assert_array_equal(arrays["u"], points[:, 0])
    np.testing.assert_array_equal(arrays["points"].reshape(-1, 3)[:, :2], points)
    write_vtk(tmp_path / "b", comparison(2, 2, 2, 2, names="xyzw"), None)
    assert list((tmp_path / "b").iterdir()) == []


def test_what_is_outside_is_nan_and_a_file_in_the_way_is_told(tmp_path):
    of = comparison(3, 2, reference=False)
    of.found["u"][2] = np.nan  # type: ignore[index]
    write_vtk(tmp_path, of, None)
    assert int(np.isnan(read(tmp_path / "solution.vtr")["u"]).sum()) == 1
    (tmp_path / "file").touch()
    one_line_error(lambda: write_vtk(tmp_path / "file", of, None), "write VTK files to", "file")
