"""Fields on the sphere: areas and coordinates against closed forms, netCDF in and out, bad files."""

from __future__ import annotations

import logging

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import netcdf_file
from user_errors import one_line_error

from wsapps.errors import UserError
from wsapps_signals.kinds.map_selection import read_map
from wsapps_signals.kinds.sphere import SphereConfig, SphereSignal
from wsapps_signals.kinds.sphere_grid import SphereMap, cell_areas, is_global, oriented, thinned, unit_vectors
from wsapps_signals.samples.sphere import wave_map

LATITUDES, LONGITUDES = np.linspace(90, -90, 7), np.arange(0.0, 360.0, 30.0)


def ramp(latitudes=LATITUDES, longitudes=LONGITUDES):
    """A smooth field with another value at almost every point."""
    return (
        280.0
        + 0.3 * np.asarray(latitudes)[:, None]
        + 5 * np.cos(np.radians(np.asarray(longitudes)[None] + 11))
    )


def write_nc4(
    path,
    values=None,
    latitudes=LATITUDES,
    longitudes=LONGITUDES,
    before=(),
    names=("lat", "lon"),
    **attributes,
):
    """A netCDF-4 file with a variable ``t``; ``before`` are (name, size) of dimensions before the map's."""
    values = ramp(latitudes, longitudes) if values is None else values
    with h5py.File(path, "w") as file:
        dimensions = []
        for name, size in before:
            dimensions.append(file.create_dataset(name, data=np.arange(size) * 10.0))
        dimensions += [
            file.create_dataset(name, data=d) for name, d in zip(names, (latitudes, longitudes), strict=True)
        ]
        for dimension in dimensions:
            dimension.make_scale(dimension.name)
        data = file.create_dataset("t", data=values)
        for axis, dimension in enumerate(dimensions):
            data.dims[axis].attach_scale(dimension)
        for key, value in attributes.items():
            data.attrs[key] = value
    return path


def edit(path, change):
    with h5py.File(path, "a") as file:
        change(file)
    return path


def signal_of(field, **config):
    return SphereSignal(field, SphereConfig(**config), "test")


def exact(signal):
    """The field that has the signal's values at its own points."""
    return lambda points: signal.values.clone() if len(points) == len(signal.values) else 0.0 * points[:, :1]


def read_or_complain(path):
    """The map, or None and what was said; every other exception passes."""
    try:
        return read_map(path), ""
    except UserError as error:
        return None, str(error)


# The grid


def test_cells_of_a_global_grid_cover_the_sphere():
    for height, width, start in [(7, 12, 0), (181, 360, -180), (2, 3, 17)]:
        latitudes, longitudes = np.linspace(90, -90, height), start + np.arange(width) * 360 / width
        assert cell_areas(latitudes, longitudes).sum() == pytest.approx(4 * np.pi)


def test_cells_without_rows_at_the_poles_cover_the_sphere_too():
    latitudes = np.arange(87.5, -90, -5.0)
    assert cell_areas(latitudes, np.arange(0, 360, 5.0)).sum() == pytest.approx(4 * np.pi)


def test_a_pole_has_the_cap_around_it():
    areas = cell_areas(np.linspace(90, -90, 19), np.arange(0, 360, 10.0))
    assert areas[0].sum() == pytest.approx(2 * np.pi * (1 - np.cos(np.radians(5))))
    assert areas[9].sum() == pytest.approx(4 * np.pi * np.sin(np.radians(5)))


def test_a_meridian_given_twice_has_half_the_area_each_time():
    twice = cell_areas(LATITUDES, np.linspace(-180, 180, 13))
    once = cell_areas(LATITUDES, np.linspace(-180, 150, 12))
    assert twice.sum() == pytest.approx(4 * np.pi)
    np.testing.assert_allclose(twice[:, 0] + twice[:, -1], once[:, 0])


def test_a_region_has_its_own_area():
    areas = cell_areas(np.array([31.0, 30.0, 29.0]), np.array([10.0, 12.0, 14.0, 16.0]))
    expected = np.radians(8) * (np.sin(np.radians(31.5)) - np.sin(np.radians(28.5)))
    assert areas.sum() == pytest.approx(expected)
    assert not is_global(np.array([10.0, 12.0, 14.0, 16.0]))


def test_area_weights_have_mean_one_and_integrate_z_squared():
    signal = signal_of(wave_map())
    assert float(signal.weights.mean()) == pytest.approx(1, abs=1e-6)
    z = signal.coordinates[:, 2]
    assert float((signal.weights * z**2).mean()) == pytest.approx(1 / 3, abs=3e-4)
    assert float((z**2).mean()) == pytest.approx(0.5, abs=0.01)  # unweighted: poles count too much
    assert signal_of(wave_map(), area_weights=False).weights is None


def test_coordinates_are_unit_vectors_without_a_seam():
    points = unit_vectors(LATITUDES, np.array([-180.0, 180.0, 0.0, 360.0, 90.0]))
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    rows = points.reshape(7, 5, 3)
    np.testing.assert_array_equal(rows[:, 0], rows[:, 1])
    np.testing.assert_array_equal(rows[:, 2], rows[:, 3])
    np.testing.assert_allclose(rows[3, [0, 2, 4]], [[-1, 0, 0], [1, 0, 0], [0, 1, 0]], atol=1e-7)
    np.testing.assert_allclose(rows[0, :, 2], 1)


def test_rows_run_south_and_columns_east_whatever_the_file_does():
    field = oriented(SphereMap(LATITUDES, LONGITUDES, ramp(), "t"), "test")
    turned = SphereMap(LATITUDES[::-1], LONGITUDES[::-1], ramp()[::-1, ::-1], "t")
    for raw in (turned, field):
        again = oriented(raw, "test")
        np.testing.assert_array_equal(again.latitudes, LATITUDES)
        np.testing.assert_allclose(again.longitudes, LONGITUDES, atol=1e-9)
        np.testing.assert_array_equal(again.values, ramp())


def test_longitudes_that_jump_are_continued_at_the_same_places():
    jumping = np.concatenate([np.arange(180, 360, 30.0), np.arange(0, 180, 30.0)])
    field = oriented(SphereMap(LATITUDES, jumping, ramp(longitudes=jumping), "t"), "test")
    assert (np.diff(field.longitudes) > 0).all()
    assert field.longitudes[0] >= -180
    assert field.longitudes[-1] <= 360
    np.testing.assert_allclose(
        unit_vectors(LATITUDES, field.longitudes), unit_vectors(LATITUDES, jumping), atol=1e-7
    )


@pytest.mark.parametrize(("start", "first"), [(20, 20), (0, 0), (180, -180), (200, -160), (-170, -170)])
def test_longitudes_go_on_from_minus_180_or_more(start, first):
    longitudes = (start + np.arange(0, 360, 5.0)) % 360  # jumps from 355 to 0
    field = oriented(SphereMap(LATITUDES, longitudes, ramp(longitudes=longitudes), "t"), "test")
    np.testing.assert_array_equal(field.longitudes, first + np.arange(0, 360, 5.0))


def test_thinning_keeps_values_and_the_limit():
    field = wave_map()
    for most in (16_380, 16_379, 4000, 100):
        kept = thinned(field, most)
        assert kept.values.size <= most
        k = round(field.values.shape[0] / kept.values.shape[0])
        np.testing.assert_array_equal(kept.values, field.values[::k, ::k])
    assert thinned(field, 16_380) is field
    one_line_error(
        lambda: thinned(SphereMap(LATITUDES, np.arange(2.0), np.zeros((7, 2)), "t"), 4), "max_points=4"
    )


# Scores and what is written


def test_values_fill_the_unit_interval_and_scores_are_in_their_units():
    signal = signal_of(SphereMap(LATITUDES, LONGITUDES, ramp(), "t", "K"))
    assert float(signal.values.min()) == 0
    assert float(signal.values.max()) == 1
    assert signal.grid == (7, 12)
    assert signal.values.shape == (84, 1)
    assert signal.native_bits == 84 * 32
    scores = signal.scores(lambda points: signal.values + 0.1)
    assert scores["psnr"] == pytest.approx(20, abs=1e-4) == scores["psnr_area"]
    assert scores["rmse"] == pytest.approx(0.1 * (ramp().max() - ramp().min()), rel=1e-5)
    assert signal.scores(exact(signal))["psnr"] == float("inf")


def test_an_error_at_a_pole_counts_by_its_area():
    signal = signal_of(SphereMap(LATITUDES, LONGITUDES, ramp(), "t"))
    bump = torch.zeros(84, 1)
    bump[:12] = 0.5  # the row at the north pole: a seventh of the points
    scores = signal.scores(lambda points: signal.values + bump)
    assert scores["psnr"] == pytest.approx(-10 * np.log10(0.25 / 7), abs=1e-4)
    cap = (1 - np.cos(np.radians(15))) / 2
    assert scores["psnr_area"] == pytest.approx(-10 * np.log10(0.25 * cap), abs=1e-4)


def test_physical_units_survive_the_round_trip(tmp_path):
    write_nc4(tmp_path / "in.nc", units=np.bytes_("K"), long_name="surface temperature")
    signal = SphereSignal.from_config(SphereConfig(), str(tmp_path / "in.nc"))
    (figure,) = signal.write(tmp_path, exact(signal))
    again = read_map(tmp_path / "reconstruction.nc")
    np.testing.assert_allclose(again.values, ramp(), rtol=1e-6)
    np.testing.assert_array_equal(again.latitudes, LATITUDES)
    np.testing.assert_array_equal(again.longitudes, LONGITUDES)
    assert (again.variable, again.units, again.long_name) == ("t", "K", "surface temperature")
    assert f"{ramp().min():.6g} to {ramp().max():.6g} K" in figure.caption
    assert {path.name for path in tmp_path.iterdir()} == {"in.nc", "reconstruction.nc", "map.png"}


def test_resample_gives_the_field_in_physical_units_on_an_even_grid(tmp_path):
    signal = signal_of(wave_map())
    (path,) = signal.resample(tmp_path, lambda points: points[:, 2:3], (19, 36))
    again = read_map(path)
    np.testing.assert_allclose(again.latitudes, np.linspace(90, -90, 19))
    np.testing.assert_allclose(again.longitudes, np.arange(-180, 180, 10.0))
    expected = signal.low + np.sin(np.radians(again.latitudes)) * (signal.high - signal.low)
    np.testing.assert_allclose(again.values, np.broadcast_to(expected[:, None], (19, 36)), atol=1e-5)
    for size in [(8,), (8, 8, 8), (1, 8), (100_000, 100_000)]:
        one_line_error(lambda size=size: signal.resample(tmp_path, exact(signal), size), "two numbers", size)


def test_a_diverged_field_is_not_written(tmp_path):
    signal = signal_of(wave_map())
    diverged = lambda points: torch.full((len(points), 1), float("nan"))  # noqa: E731
    one_line_error(lambda: signal.write(tmp_path, diverged), "NaN or infinite")
    one_line_error(lambda: signal.resample(tmp_path, diverged, (4, 8)), "NaN or infinite")
    assert list(tmp_path.iterdir()) == []


def test_preview_is_a_small_picture():
    preview = signal_of(wave_map()).preview(lambda points: points[:, :1])
    assert preview.shape == (91, 180, 3)
    assert float(preview.min()) >= 0
    assert float(preview.max()) <= 1


def test_the_embedded_field_is_continuous_across_the_date_line_and_fine():
    field = wave_map()
    assert field.values.shape == (91, 180)
    across = np.abs(field.values[:, 0] - field.values[:, -1])
    inside = np.abs(np.diff(field.values, axis=1))
    assert across.max() <= inside.max()
    assert np.ptp(field.values[0]) < 1e-9
    assert np.ptp(field.values[-1]) < 1e-9
    spectrum = np.abs(np.fft.rfft(field.values - field.values.mean(axis=1, keepdims=True), axis=1)) ** 2
    assert spectrum[30:60, 20:].sum() > 1e-3 * spectrum[30:60].sum()


# Files


@pytest.mark.parametrize(
    "names", [("lat", "lon"), ("latitude", "longitude"), ("Latitude", "LON"), ("y", "x")], ids="-".join
)
def test_coordinates_are_found_by_names_or_units(tmp_path, names):
    path = write_nc4(tmp_path / "a.nc", names=names)
    if names == ("y", "x"):
        one_line_error(lambda: read_map(path), "a.nc", "no latitude", "x, y")

        def add_units(file):
            file["y"].attrs["units"], file["x"].attrs["units"] = "degrees_north", "degrees_east"

        edit(path, add_units)
    np.testing.assert_array_equal(read_map(path).values, ramp())


def test_transposed_maps_and_packed_values_are_read(tmp_path):
    packed = np.round((ramp() - 280) / 0.01).astype(np.int16)
    path = write_nc4(
        tmp_path / "a.nc", packed, scale_factor=0.01, add_offset=280.0, _FillValue=np.int16(-32767)
    )
    field = read_map(path)
    np.testing.assert_allclose(field.values, ramp(), atol=0.0051)
    assert field.bits == 16
    with h5py.File(tmp_path / "b.nc", "w") as file:
        file["lat"], file["lon"], file["t"] = LATITUDES, LONGITUDES, ramp().T  # plain HDF5, without scales
    np.testing.assert_array_equal(read_map(tmp_path / "b.nc").values, ramp())


def test_time_and_level_choose_the_map(tmp_path, caplog):
    values = ramp() + 100 * np.arange(6).reshape(1, 3, 2, 1, 1)
    path = write_nc4(tmp_path / "a.nc", values, before=[("number", 1), ("time", 3), ("plev", 2)])
    edit(path, lambda file: file["plev"].attrs.update(units="hPa"))
    field = read_map(path, time=2, level=1)
    np.testing.assert_array_equal(field.values, ramp() + 500)
    assert field.selection == "time 2, plev 10 hPa"
    with caplog.at_level(logging.INFO):
        np.testing.assert_array_equal(read_map(path).values, ramp())
    assert "first plev" in caplog.text
    one_line_error(lambda: read_map(path, time=3), "signal.time=3", "out of range", "3 along time")
    one_line_error(lambda: read_map(path, time=-1), "signal.time=-1", "out of range")
    one_line_error(lambda: read_map(path, level=2), "signal.level=2", "2 along plev")


def test_the_first_map_is_taken_and_the_others_named(tmp_path, caplog):
    path = write_nc4(tmp_path / "a.nc")

    def add_maps(file):
        for name in ("u", "v"):
            data = file.create_dataset(name, data=ramp() + 1)
            for axis, scale in enumerate(("lat", "lon")):
                data.dims[axis].attach_scale(file[scale])

    edit(path, add_maps)
    with caplog.at_level(logging.INFO):
        assert read_map(path).variable == "t"
    assert "taking t" in caplog.text
    assert "u, v" in caplog.text
    np.testing.assert_array_equal(read_map(path, "v").values, ramp() + 1)
    one_line_error(lambda: read_map(path, "w"), "signal.variable='w'", "choices: t, u, v")
    one_line_error(lambda: read_map(path, "lat"), "choices: t, u, v")
    one_line_error(lambda: read_map(path, time=1), "t has no time dimension")
    one_line_error(lambda: read_map(path, level=1), "t has no level dimension")


def test_classic_files_are_read_the_same(tmp_path):
    with netcdf_file(tmp_path / "a.nc", "w") as file:
        file.createDimension("time", None)
        for name, degrees, units in (
            ("lat", LATITUDES, "degrees_north"),
            ("lon", LONGITUDES, "degrees_east"),
        ):
            file.createDimension(name, len(degrees))
            variable = file.createVariable(name, "d", (name,))
            variable[:], variable.units = degrees, units
        data = file.createVariable("t", "i2", ("time", "lat", "lon"))
        data.scale_factor, data.add_offset, data.units = 0.01, 280.0, "K"
        for index in range(2):
            data[index] = np.round((ramp() - 280) / 0.01) + 100 * index
    field = read_map(tmp_path / "a.nc", time=1)
    np.testing.assert_allclose(field.values, ramp() + 1, atol=0.0051)
    assert field.units == "K"
    one_line_error(lambda: read_map(tmp_path / "a.nc", time=2), "out of range")


def test_links_to_other_files_are_not_followed(tmp_path):
    write_nc4(tmp_path / "secret.nc")
    path = write_nc4(tmp_path / "a.nc", longitudes=LONGITUDES[:5])
    edit(path, lambda file: file.__setitem__("other", h5py.ExternalLink("secret.nc", "/t")))
    assert read_map(path).variable == "t"
    one_line_error(lambda: read_map(path, "other"), "choices: t")


def bad_values(index, value):
    values = ramp()
    values[index] = value
    return {"values": values}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (bad_values((2, slice(0, 3)), np.nan), ["3 of 84 values of t are missing", "NaN"]),
        (bad_values((2, 3), -999.0) | {"_FillValue": -999.0}, ["1 of 84 values", "_FillValue -999"]),
        (bad_values((2, 3), -999.0) | {"missing_value": -999.0}, ["1 of 84 values", "missing_value -999"]),
        (  # a double, which no float32 is equal to
            {
                "values": bad_values((2, 3), 1e20)["values"].astype(np.float32),
                "missing_value": np.float64(1e20),
            },
            ["1 of 84 values", "missing_value 1e+20"],
        ),
        (bad_values((2, 3), 9.969209968386869e36), ["1 of 84 values", "netCDF's 9.96921e+36"]),
        (
            {"values": bad_values((2, 3), -32767)["values"].astype(np.int16)},
            ["1 of 84 values", "netCDF's -32767"],
        ),
        (bad_values((2, 3), np.inf), ["1 of 84 values of t are not finite"]),
        ({"scale_factor": "two"}, ["t has scale_factor two"]),
        ({"values": np.full((7, 12), 3.5)}, ["t is 3.5 everywhere"]),
        ({"latitudes": np.linspace(100, -90, 7)}, ["latitudes reach from -90 to 100"]),
        ({"latitudes": np.array([90, 60, 30, 40, -30, -60, -90.0])}, ["latitudes are not in order"]),
        ({"latitudes": np.array([90, 60, 30, 30, -30, -60, -90.0])}, ["latitudes are not in order"]),
        (
            {"latitudes": np.array([90, 60, np.nan, 0, -30, -60, -90.0]), "values": ramp()},
            ["values of lat are missing"],
        ),
        ({"longitudes": np.arange(0, 480, 40.0)}, ["more than once around"]),
        ({"longitudes": LONGITUDES[:1]}, ["2 longitudes at least"]),
        ({"names": ("northing", "lon")}, ["has no latitude", "northing"]),
        ({"names": ("lat", "easting")}, ["has no longitude", "easting"]),
        (
            {"values": np.zeros((2, 2, 7, 12)), "before": [("a", 2), ("b", 2)]},
            ["dimensions a, b", "one level"],
        ),
    ],
)
def test_bad_maps_get_one_line(tmp_path, content, words):
    path = write_nc4(tmp_path / "a.nc", **content)
    one_line_error(lambda: SphereSignal.from_config(SphereConfig(), path), "a.nc", *words)


def test_curvilinear_grids_and_files_without_a_map_get_one_line(tmp_path):
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["lat"], file["lon"], file["t"] = ramp(), ramp(), ramp()
    one_line_error(lambda: read_map(tmp_path / "a.nc"), "lat is no latitude axis", "7x12")
    path = write_nc4(tmp_path / "b.nc")
    edit(path, lambda file: file.__delitem__("t"))
    one_line_error(lambda: read_map(path), "no variable has both lat and lon")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["does not exist"]),
        (b"", ["empty"]),
        (b"this is not a map", ["cannot be read as netCDF", "begins with"]),
        (b"CDF\x05" + bytes(60), ["CDF-5", "nccopy"]),
        (b"CDF\x01" + bytes(3), ["cannot be read as netCDF"]),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), ["cannot be read as netCDF"]),
    ],
)
def test_bad_files_get_one_line(tmp_path, content, words):
    if content is not None:
        (tmp_path / "a.nc").write_bytes(content)
    one_line_error(lambda: read_map(tmp_path / "a.nc"), "a.nc", *words)


def test_a_truncated_file_gets_one_line(tmp_path):
    path = write_nc4(tmp_path / "a.nc")
    path.write_bytes(path.read_bytes()[:-300])
    one_line_error(lambda: read_map(path), "a.nc")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), classic=st.booleans())
def test_damaged_files_are_read_or_complained_about(tmp_path, data, classic):
    path = tmp_path / "a.nc"
    if classic:
        with netcdf_file(path, "w") as file:
            for name, degrees in (("lat", LATITUDES), ("lon", LONGITUDES)):
                file.createDimension(name, len(degrees))
                file.createVariable(name, "f", (name,))[:] = degrees
            file.createVariable("t", "f", ("lat", "lon"))[:] = ramp()
    else:
        write_nc4(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    field, words = read_or_complain(path)
    assert "\n" not in words
    if field is not None:
        assert np.isfinite(field.values).all()
        assert field.values.shape == (len(field.latitudes), len(field.longitudes))


@pytest.mark.parametrize("bad", [{"max_points": 3}, {"max_points": 0}])
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="max_points"):
        SphereConfig(**bad)
