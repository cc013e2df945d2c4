"""Pictures of solutions: axes the right way up, colours, slices, videos, and what is not finite."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from wsapps_pde.outputs import pictures
from wsapps_pde.outputs.evaluation import Comparison
from wsapps_pde.outputs.pictures import write_pictures, write_residual


def comparison(axes: dict[str, np.ndarray], function, reference=None) -> Comparison:
    mesh = np.meshgrid(*axes.values(), indexing="ij")
    points = np.stack([axis.ravel() for axis in mesh], axis=1)
    found = {"u": np.asarray(function(*points.T), float)}
    known = {} if reference is None else {"u": np.asarray(reference(*points.T), float)}
    return Comparison(axes, points, found, known, dict.fromkeys(known, 0.0), "made up")


class Drawn:
    """The figure of a picture, drawn: its panels, and colours at their coordinates."""

    def __init__(self, what: Comparison, time: int | None):
        self.canvas = pictures._picture(what, "u", time)
        agg = FigureCanvasAgg(self.canvas)
        agg.draw()
        self.pixels = np.asarray(agg.buffer_rgba())[..., :3]
        self.panels = [axes for axes in self.canvas.axes if axes.get_title()]

    def colour(self, panel: int, right: float, up: float) -> np.ndarray:
        x, y = self.panels[panel].transData.transform((right, up))
        return self.pixels[self.pixels.shape[0] - 1 - int(y), int(x)].astype(int)


def viridis(part: float, colormap: str = "viridis") -> np.ndarray:
    return np.round(255 * np.array(matplotlib.colormaps[colormap](part)[:3])).astype(int)


@pytest.mark.parametrize(
    ("variables", "time", "across", "along"), [("xt", 1, "t", "x"), ("xy", None, "x", "y")]
)
def test_a_map_has_its_axes_the_right_way_up(variables, time, across, along):
    """Values rise fast with the first variable and slowly with the second: each corner has its own colour."""
    axes = {variables[0]: np.linspace(0, 2, 41), variables[1]: np.linspace(-1, 3, 61)}
    drawn = Drawn(comparison(axes, lambda a, b: 0.7 * a / 2 + 0.3 * (b + 1) / 4), time)
    (panel,) = drawn.panels
    assert (panel.get_xlabel(), panel.get_ylabel()) == (across, along)
    assert (panel.get_aspect() == "auto") == (time is not None)
    for first, second in [(0.1, -0.8), (1.9, -0.8), (0.1, 2.8), (1.9, 2.8), (1.0, 1.0)]:
        place = (second, first) if time is not None else (first, second)
        wanted = viridis(0.7 * first / 2 + 0.3 * (second + 1) / 4)
        assert np.abs(drawn.colour(0, *place) - wanted).max() <= 12, (first, second)


def test_reference_and_error_stand_beside_it_in_one_scale():
    axes = {"x": np.linspace(0, 1, 21), "t": np.linspace(0, 1, 21)}
    what = comparison(axes, lambda x, t: 0.5 * x, reference=lambda x, t: x)
    drawn = Drawn(what, 1)
    assert [panel.get_title() for panel in drawn.panels] == ["u", "u, reference", "|error|"]
    assert np.abs(drawn.colour(0, 0.5, 0.8) - viridis(0.4)).max() <= 12
    assert np.abs(drawn.colour(1, 0.5, 0.8) - viridis(0.8)).max() <= 12
    assert np.abs(drawn.colour(2, 0.5, 0.8) - viridis(0.8, "magma")).max() <= 12


def test_nan_outside_the_domain_is_left_white(tmp_path):
    axes = {"x": np.linspace(-1, 1, 41), "y": np.linspace(-1, 1, 41)}

    def outside_a_disc(x, y):
        return np.where(np.hypot(x, y) < 0.5, np.nan, x)

    drawn = Drawn(comparison(axes, outside_a_disc, reference=outside_a_disc), None)
    for panel in range(3):
        assert (drawn.colour(panel, 0.1, 0.1) == 255).all()
    assert np.abs(drawn.colour(0, 0.8, 0.8) - viridis(0.9)).max() <= 12
    nothing = comparison(axes, lambda x, y: np.full_like(x, np.nan), reference=lambda x, y: x)
    assert len(write_pictures(tmp_path, nothing, None)) == 1


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_a_constant_has_a_picture(tmp_path, value):
    axes = {"x": np.linspace(0, 1, 5), "t": np.linspace(0, 1, 4)}
    what = comparison(
        axes, lambda x, t: np.full_like(x, value), reference=lambda x, t: np.full_like(x, value)
    )
    figures = write_pictures(tmp_path, what, 1)
    assert [figure.path for figure in figures] == ["u.png", "u.mp4"]


def test_one_variable_is_a_curve(tmp_path):
    axes = {"t": np.linspace(0, 1, 50)}
    what = comparison(axes, lambda t: np.sin(t), reference=lambda t: np.sin(t) + 0.1)
    drawn = Drawn(what, 0)
    curves, error = drawn.canvas.axes
    (found, reference), (difference,) = curves.get_lines(), error.get_lines()
    np.testing.assert_array_equal(found.get_ydata(), np.sin(axes["t"]))
    np.testing.assert_array_equal(reference.get_ydata(), np.sin(axes["t"]) + 0.1)
    np.testing.assert_allclose(np.asarray(difference.get_ydata()), 0.1)
    figures = write_pictures(tmp_path, what, 0)
    assert [figure.path for figure in figures] == ["u.png"]
    alone = Drawn(comparison(axes, np.cos), None)
    assert len(alone.canvas.axes) == 1


def test_three_variables_are_slices():
    axes = {"x": np.linspace(0, 1, 21), "y": np.linspace(0, 2, 31), "t": np.linspace(0, 4, 9)}
    drawn = Drawn(comparison(axes, lambda x, y, t: x + 10 * y + 20 * t), 2)
    assert [panel.get_title() for panel in drawn.panels] == ["u, t = 0", "u, t = 2", "u, t = 4"]
    for panel, t in enumerate((0, 2, 4)):
        # Limits are those of each row.
        assert np.abs(drawn.colour(panel, 0.5, 1.0) - viridis(0.5)).max() <= 12, t
        assert np.abs(drawn.colour(panel, 0.9, 0.1) - viridis(1.9 / 21)).max() <= 16, t
    solid = {"x": axes["x"], "y": axes["y"], "z": np.linspace(0, 1, 11)}
    drawn = Drawn(comparison(solid, lambda x, y, z: y), None)
    titles = [panel.get_title() for panel in drawn.panels]
    assert len(titles) == 3
    assert all(title.startswith("u, z = 0") and title != "u, z = 0" for title in titles)  # no faces
    assert np.abs(drawn.colour(0, 0.9, 1.8) - viridis(0.9)).max() <= 12


def test_four_variables_are_slices_of_slices(tmp_path):
    axes = {name: np.linspace(0, 1, 5) for name in "xyzt"}
    figures = write_pictures(tmp_path, comparison(axes, lambda x, y, z, t: x * y * z * t), 3)
    assert [figure.path for figure in figures] == ["u.png"]


def scattered(points: np.ndarray, values: np.ndarray) -> Comparison:
    return Comparison(None, points, {"u": values}, {"u": values + 1}, {"u": 0.0}, "points")


@pytest.mark.parametrize(("time", "right", "up"), [(1, 1, 0), (None, 0, 1)])
def test_points_without_a_grid(tmp_path, time, right, up):
    points = np.random.default_rng(0).uniform(0, 1, (300, 2)) * [1.0, 5.0]
    what = scattered(points, points[:, 0])
    drawn = Drawn(what, time)
    offsets = np.asarray(drawn.panels[0].collections[0].get_offsets())
    np.testing.assert_array_equal(offsets, points[:, [right, up]])
    assert [figure.path for figure in write_pictures(tmp_path, what, time)] == ["u.png"]


@pytest.mark.parametrize("dims", [1, 3, 4])
def test_points_of_other_dimensions(tmp_path, dims):
    points = np.random.default_rng(0).uniform(0, 1, (50, dims))
    values = points[:, 0].copy()
    values[:3] = np.nan
    assert len(write_pictures(tmp_path, scattered(points, values), None)) == 1


def frames(path: Path) -> np.ndarray:
    return np.stack(list(iio.imiter(path)))


def test_time_is_a_video_whose_frames_move(tmp_path):
    axes = {"x": np.linspace(0, 1, 21), "y": np.linspace(0, 1, 21), "t": np.linspace(0, 1, 6)}
    what = comparison(axes, lambda x, y, t: np.where(x < t, 1.0, 0.0), reference=lambda x, y, t: x * 0 + t)
    files = [figure.path for figure in write_pictures(tmp_path, what, 2)]
    assert files == ["u.png", "u.mp4"]
    video = frames(tmp_path / "u.mp4")
    assert len(video) == 6
    differences = np.abs(np.diff(video.astype(int), axis=0)).reshape(5, -1).max(axis=1)
    assert (differences > 50).all()


def test_a_video_has_no_more_frames_than_it_needs(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_FRAMES", 7)
    axes = {"x": np.linspace(0, 1, 30), "t": np.linspace(0, 1, 101)}
    write_pictures(tmp_path, comparison(axes, lambda x, t: np.sin(6 * (x - t))), 1)
    assert len(frames(tmp_path / "u.mp4")) == 7


@pytest.mark.parametrize("names", ["xt", "xyt", "xyz"])
def test_the_map_of_the_residual(tmp_path, names):
    axes = {name: np.linspace(0, 1, 7 + n) for n, name in enumerate(names)}
    size = np.random.default_rng(0).uniform(0, 1, tuple(len(axis) for axis in axes.values()))
    size.ravel()[:5] = [0.0, np.nan, 1e-300, 1e300, 0.0]
    assert write_residual(tmp_path, axes, size).path == "residual.png"
    assert iio.imread(tmp_path / "residual.png").std() > 10
