"""Pages of solids, globes and sounds in a headless Chromium, against closed forms and PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from browser import Browser
from user_errors import one_line_error

from wsapps.fields import SinusoidalField
from wsapps.tiling import TiledField
from wsapps.web import write_page
from wsapps.web.views import globe_page, pack_grid, solid_page, sound_page

RADIUS = 0.8


@pytest.fixture(scope="module")
def chromium():
    with Browser() as browser:
        yield browser


def cosine_ball():
    """A field whose level set 1/2 is cos x + cos y + cos z = const, within 1 % of a ball of RADIUS."""
    field = SinusoidalField(3, 1, width=3, hidden_layers=0, omega_0=1.0)
    with torch.no_grad():
        field.layers[0].linear.weight.copy_(torch.eye(3))
        field.layers[0].linear.bias.fill_(math.pi / 2)
        field.output.weight.fill_(1.0)
        field.output.bias.fill_(0.5 - (2 + math.cos(RADIUS)))
    return field


def look(chromium, page, folder, width, height, fragment=""):
    write_page(folder / "page.html", page)
    chromium.open(folder / "page.html", width, height, fragment)
    return picture(chromium)


def picture(chromium):
    chromium.run("wsapps.frame.finish()")
    assert chromium.complaints == []
    width, height = chromium.run("[wsapps.frame.width, wsapps.frame.height]")
    return chromium.numbers("wsapps.frame.pixels()").reshape(height, width, 4)[..., :3].astype(float)


def test_a_ball_is_seen_as_a_disc_lit_from_one_side(chromium, tmp_path):
    page = solid_page(cosine_ball(), "ball", cells=16)
    pixels = look(chromium, page, tmp_path, 61, 61, "#azimuth=0&elevation=0&radius=4")
    background = pixels[0, 0]
    seen = np.abs(pixels - background).max(axis=-1) > 8
    # A ball of radius r at distance d fills the cone of half-angle asin(r / d).
    side = 61 * math.tan(math.asin(RADIUS / 4)) / math.tan(0.3)
    assert seen.sum() == pytest.approx(math.pi / 4 * side**2, rel=0.03)
    np.testing.assert_array_equal(seen, seen[:, ::-1])
    # The light comes from above and from the left.
    assert pixels[20, 20].sum() > 1.3 * pixels[40, 40].sum()


def test_the_surface_of_a_solid_is_where_the_field_is_one_half(chromium, tmp_path):
    """Distances along rays from the state that the march leaves."""
    write_page(tmp_path / "page.html", solid_page(cosine_ball(), "ball", cells=16))
    chromium.open(tmp_path / "page.html", 9, 9, "#azimuth=30&elevation=20&radius=3&x=0.1&y=0&z=0")
    chromium.run("wsapps.frame.finish()")
    state = chromium.numbers("wsapps.device.read(wsapps.view.painter.march.kept.state, 9, 9)").reshape(
        9, 9, 4
    )
    eye, axes, focal = chromium.run(
        "(() => { const c = wsapps.view.painter.camera; return [c.eye, c.axes, c.uniforms(9, 9).focal]; })()"
    )
    rows, columns = np.mgrid[0:9, 0:9] + 0.5
    local = np.stack([(columns - 4.5) / focal, (4.5 - rows) / focal, -np.ones_like(rows)], axis=-1)
    rays = local @ np.array(axes)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        walls = np.sort(np.stack([(-1 - np.array(eye)) / rays, (1 - np.array(eye)) / rays]), axis=0)
    enter = walls[0].max(axis=-1)
    hit = state[..., 2] > state[..., 1]
    assert 20 < hit.sum() < 81
    stride = 1 / 16
    middle = (state[..., 1] + state[..., 2]) / 2
    points = np.array(eye) + rays * (enter + (middle + 0.5) * stride)[..., None]
    with torch.no_grad():
        values = cosine_ball()(torch.from_numpy(points[hit]).float()).numpy()
    np.testing.assert_allclose(values, 0.5, atol=0.01)


def test_dragging_and_keys_turn_a_solid(chromium, tmp_path):
    write_page(tmp_path / "page.html", solid_page(cosine_ball(), "ball", cells=8))
    chromium.open(tmp_path / "page.html", 300, 200)
    chromium.run(
        "['card', 'controls', 'status'].forEach((part) => document.getElementById(part).hidden = true)"
    )
    names = "{azimuth, elevation, radius, target}"
    camera = f"(({names}) => [azimuth, elevation, radius, ...target])(wsapps.view.painter.camera)"
    azimuth, elevation, radius, *target = chromium.run(camera)
    chromium.mouse("mousePressed", 150, 100, button="left", clickCount=1)
    chromium.mouse("mouseMoved", 170, 110, button="left", buttons=1)
    chromium.mouse("mouseReleased", 170, 110, button="left")
    assert chromium.run(camera)[:3] == pytest.approx([azimuth - 18, elevation + 9, radius])
    chromium.mouse("mousePressed", 150, 100, button="right", clickCount=1)
    chromium.mouse("mouseMoved", 150, 150, button="right", buttons=2)
    chromium.mouse("mouseReleased", 150, 150, button="right")
    moved = chromium.run(camera)
    assert moved[:3] == pytest.approx([azimuth - 18, elevation + 9, radius])
    assert moved[5] > target[2] + 0.1  # the solid goes down with the mouse
    chromium.key("ArrowUp")
    assert chromium.run(camera)[1] == pytest.approx(elevation + 16.5)
    chromium.key("0")
    assert chromium.run(camera) == pytest.approx([azimuth, elevation, radius, *target])


def test_grids_are_packed_x_fastest():
    occupied = np.zeros((4, 3, 2), bool)
    occupied[1, 0, 0] = occupied[0, 1, 0] = occupied[3, 2, 1] = True
    bits = np.unpackbits(pack_grid(occupied), bitorder="little")[:24]
    assert np.flatnonzero(bits).tolist() == [1, 4, 23]


def test_a_field_without_an_inside_is_refused():
    field = cosine_ball()
    field.output.bias.data -= 10
    one_line_error(lambda: solid_page(field, "nothing", cells=4), "nothing", "nowhere above 0.5")


# Globes


def sphere_field():
    torch.manual_seed(0)
    field = SinusoidalField(3, 1, width=24, hidden_layers=1, omega_0=8.0)
    with torch.no_grad():
        field.output.weight.mul_(4)
        field.output.bias.fill_(0.5)
    return field


def grey_globe(field):
    return globe_page(field, -2.0, 6.0, "K", "globe", colormap="gray")


@torch.no_grad()
def grey_of(field, points):
    values = field.double()(torch.from_numpy(points)).clamp(0, 1).numpy()[..., 0]
    return 255 * values


def degrees_to_points(latitude, longitude):
    lat, lon = np.radians(latitude), np.radians(longitude)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat) + 0 * lon], axis=-1)


def frame_of(latitude, longitude):
    lat, lon = math.radians(latitude), math.radians(longitude)
    east = [-math.sin(lon), math.cos(lon), 0]
    north = [-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)]
    return np.array([east, north, degrees_to_points(latitude, longitude)])


@pytest.mark.parametrize("zoom", [20.0, 1e6])
def test_a_globe_shows_the_field_on_the_sphere(chromium, tmp_path, zoom):
    field = sphere_field()
    fragment = f"#latitude=35&longitude=-100&zoom={zoom}"
    look(chromium, grey_globe(field), tmp_path, 50, 44, fragment)
    chromium.run("wsapps.view.globe.lines = false, wsapps.view.redraw()")
    pixels = picture(chromium)
    rows, columns = np.mgrid[0:44, 0:50] + 0.5
    x, y = (columns - 25) / zoom, (22 - rows) / zoom
    there = x**2 + y**2 < 1
    up = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    points = np.stack([x, y, up], axis=-1) @ frame_of(35, -100)
    # The colour map has 256 entries, of bytes.
    assert np.abs(pixels[..., 0] - grey_of(field, points))[there].max() < 1.6
    assert len(np.unique(pixels[~there])) <= 3


def test_a_map_has_equal_degrees(chromium, tmp_path):
    field = sphere_field()
    look(chromium, grey_globe(field), tmp_path, 72, 44, "#latitude=10&longitude=170&zoom=10&map=1")
    chromium.run("wsapps.view.globe.lines = false, wsapps.view.redraw()")
    pixels = picture(chromium)
    rows, columns = np.mgrid[0:44, 0:72] + 0.5
    latitude, longitude = 10 + np.degrees((22 - rows) / 10), 170 + np.degrees((columns - 36) / 10)
    there = np.abs(latitude) < 90
    wanted = grey_of(field, degrees_to_points(latitude, longitude))
    assert np.abs(pixels[..., 0] - wanted)[there].max() < 1.6
    assert there.sum() < there.size


def test_the_read_out_of_a_globe_is_in_the_units_of_the_map(chromium, tmp_path):
    field = sphere_field()
    look(chromium, grey_globe(field), tmp_path, 300, 200, "#latitude=40&longitude=-30&zoom=80")
    chromium.run("wsapps.view.hover(150, 100)")
    text = chromium.run("document.getElementById('readout').textContent")
    with torch.no_grad():
        value = -2 + 8 * float(field.float()(torch.from_numpy(degrees_to_points(40, -30)).float()))
    assert text.split()[:4] == ["40.0°", "N", "30.0°", "W"]
    assert float(text.split()[4]) == pytest.approx(value, abs=1e-3)
    assert text.endswith(" K")
    ends = chromium.run(
        "[document.getElementById('low').textContent, document.getElementById('high').textContent]"
    )
    assert ends == ["-2.0000 K", "6.0000 K"]


# Sounds


def test_a_sound_has_the_samples_of_pytorch(chromium, tmp_path):
    torch.manual_seed(0)
    field = SinusoidalField(1, 2, width=24, hidden_layers=1, omega_0=30.0)
    samples, rate = 6000, 8000
    write_page(tmp_path / "page.html", sound_page(field, samples, rate, 100.0, 0.7, "sound"))
    chromium.open(tmp_path / "page.html", 200, 120)
    chromium.run("wsapps.frame.finish()")
    played = np.stack([chromium.numbers(f"wsapps.sound.channels[{c}]") for c in range(2)], axis=-1)
    times = torch.linspace(-100, 100, samples, dtype=torch.float64)[:, None]
    with torch.no_grad():
        truth = field.double()(times).numpy()
        single = field.float()(times.float()).numpy()
    assert np.abs(played - truth).max() < 1e-4
    # Time in float32 is coarse here; relative to the middle of a block it is not.
    assert np.abs(played - truth).mean() < np.abs(single - truth).mean()
    assert chromium.run("wsapps.sound.ready.every((piece) => piece === 1)")
    between = chromium.numbers("wsapps.sound.evaluate(0.3, 1e-6, 64, 1)").reshape(64, 4)[:, :2]
    at = -100 + 200 * (0.3 + 1e-6 * torch.arange(64).double()) * rate / (samples - 1)
    with torch.no_grad():
        np.testing.assert_allclose(between, field.double()(at[:, None]).numpy(), atol=1e-5)
    assert chromium.complaints == []


def test_a_sound_is_played_from_where_it_is_clicked(chromium, tmp_path):
    field = SinusoidalField(1, 1, width=8, hidden_layers=1)
    write_page(tmp_path / "page.html", sound_page(field, 16000, 8000, 100.0, 1.0, "sound"))
    chromium.open(tmp_path / "page.html", 400, 200)
    chromium.run(
        "['card', 'controls', 'status'].forEach((part) => document.getElementById(part).hidden = true)"
    )
    chromium.run("wsapps.frame.finish()")
    chromium.mouse("mousePressed", 200, 100, button="left", clickCount=1)
    chromium.mouse("mouseReleased", 200, 100, button="left", clickCount=1)
    assert chromium.run("wsapps.view.player.now") == pytest.approx(1.0, abs=0.02)
    chromium.key(" ")
    assert chromium.run("wsapps.view.player.playing")
    assert chromium.run("wsapps.view.player.sources.length") >= 2
    chromium.key(" ")
    assert not chromium.run("wsapps.view.player.playing")
    assert 1.0 <= chromium.run("wsapps.view.player.now") < 2.0


def test_sounds_and_solids_in_tiles_are_refused():
    fields = [SinusoidalField(1, 1, width=4) for _ in range(2)]
    tiled = TiledField(fields, (2,), (-1.0,), (1.0,))
    one_line_error(lambda: sound_page(tiled, 10, 8000, 1.0, 1.0, "tiles"), "without tiles=")
