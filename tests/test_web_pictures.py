"""Pages of pictures in a headless Chromium with software OpenGL, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from browser import Browser

from wsapps.fields import FIELDS, SinusoidalField, make_field
from wsapps.grid import regular_grid
from wsapps.metrics import psnr
from wsapps.tiling import TiledField
from wsapps.web import write_page
from wsapps.web.views import film_page, picture_page

METHODS = ("sinusoidal", "tanh", "gauss", "sinc", "ffn", "relu_pe")


@pytest.fixture(scope="module")
def chromium():
    with Browser() as browser:
        yield browser


def small_field(outputs=3, inputs=2, **settings):
    """A field whose values are of the size of colours."""
    torch.manual_seed(0)
    field = SinusoidalField(inputs, outputs, width=20, hidden_layers=2, **settings)
    with torch.no_grad():
        field.output.weight.mul_(3)
        field.output.bias.fill_(0.5)
    return field


def shown(chromium, page, folder, width, height, fragment="", ratio=1.0):
    """The picture that a page draws: ``(H, W, 3)`` in 0..255."""
    path = folder / "page.html"
    write_page(path, page)
    chromium.open(path, width, height, fragment, ratio)
    chromium.run("wsapps.frame.finish()")
    assert chromium.complaints == []
    return drawn(chromium)


def drawn(chromium):
    width, height = chromium.run("[wsapps.frame.width, wsapps.frame.height]")
    return chromium.numbers("wsapps.frame.pixels()").reshape(height, width, 4)[..., :3].astype(float)


def bare(chromium):
    """Take away what lies over the canvas."""
    chromium.run("['card', 'controls'].forEach((part) => document.getElementById(part).remove())")
    chromium.run("document.getElementById('status').style.opacity = 0")


@torch.no_grad()
def expected(field, coordinates, height, width):
    values = field.double()(coordinates.double()).clamp(0, 1).view(height, width, -1)
    return (255 * values.expand(-1, -1, 3)).numpy()


def grid_at(view, height, width, shape, zoom):
    """Coordinates of canvas pixels around a place (x, y) of a picture of a shape (H, W)."""
    y = view[1] + (torch.arange(height).double() + 0.5 - height / 2) / zoom
    x = view[0] + (torch.arange(width).double() + 0.5 - width / 2) / zoom
    y, x = -1 + 2 * y / (shape[0] - 1), -1 + 2 * x / (shape[1] - 1)
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).view(-1, 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_at_its_own_size_is_that_of_pytorch(chromium, tmp_path, channels):
    field = small_field(channels)
    pixels = shown(chromium, picture_page(field, 31, 45, "picture"), tmp_path, 45, 31)
    wanted = expected(field, regular_grid((31, 45)), 31, 45)
    assert np.abs(pixels - wanted).max() <= 0.51  # rounded to bytes, and no more
    assert wanted.std() > 10


def test_it_is_drawn_without_being_asked_and_shown_on_the_screen(chromium, tmp_path):
    field = small_field()
    write_page(tmp_path / "page.html", picture_page(field, 60, 80, "A title", [("PSNR", "99.5 dB")]))
    chromium.open(tmp_path / "page.html", 80, 60)
    chromium.wait("document.getElementById('progress').hidden && !wsapps.frame.busy")
    bare(chromium)
    wanted = expected(field, regular_grid((60, 80)), 60, 80)
    assert np.abs(chromium.screenshot() - wanted).max() <= 1
    assert chromium.run("document.title") == "A title"
    assert chromium.complaints == []


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_values_on_the_gpu(chromium, tmp_path, name):
    torch.manual_seed(1)
    config = FIELDS[name].Config(name=name, width=13, hidden_layers=2)
    field = make_field(2, 4, config)
    write_page(tmp_path / "page.html", picture_page(field, 8, 8, name))
    chromium.open(tmp_path / "page.html")
    points = (2 * torch.rand(50, 2) - 1).double().round(decimals=3)
    padded = torch.cat([points, torch.zeros(50, 1)], dim=1).flatten().tolist()
    # Relative to a centre, so that the part of the first layer in double precision is seen too.
    chromium.run("wsapps.evaluator.setCentre(() => [0.25, -0.5])")
    moved = torch.tensor(padded).view(-1, 3) - torch.tensor([0.25, -0.5, 0.0])
    gpu = chromium.numbers(f"wsapps.evaluator.valuesAt({moved.flatten().tolist()})").reshape(50, 4)
    truth = field.double()(points).detach().numpy()
    np.testing.assert_allclose(gpu, truth, atol=3e-5 * np.abs(truth).max())


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_gpus_that_draw_to_fewer_textures_give_the_same(chromium, tmp_path, lanes):
    field = small_field(4)
    write_page(tmp_path / "page.html", picture_page(field, 8, 8, "lanes"))
    chromium.open(tmp_path / "page.html")
    points = torch.rand(37, 2)
    padded = torch.cat([points, torch.zeros(37, 1)], dim=1).flatten().tolist()
    gpu = chromium.numbers(
        f"(() => {{ const {{device, page, evaluator}} = wsapps; device.lanes = {lanes};"
        " const other = new evaluator.constructor(device, page.network, evaluator.floats);"
        f" return other.valuesAt({padded}); }})()"
    ).reshape(37, 4)
    np.testing.assert_allclose(gpu, field(points).detach().numpy(), atol=1e-5)


def test_large_arguments_of_sines_lose_no_more_than_in_pytorch(chromium, tmp_path):
    """Arguments of thousands of radians: the first layer's beyond 10^4, the second's beyond 100."""
    field = small_field(1, omega_0=2e4, omega_hidden=300.0, alpha=2.0)
    points = (2 * torch.rand(400, 2) - 1).float()
    assert (2e4 * field.layers[0].linear(points)).abs().max() > 1e4
    write_page(tmp_path / "page.html", picture_page(field, 8, 8, "high"))
    chromium.open(tmp_path / "page.html")
    padded = torch.cat([points, torch.zeros(400, 1)], dim=1).flatten().tolist()
    gpu = chromium.numbers(f"wsapps.evaluator.valuesAt({padded})").reshape(-1, 4)[:, 0]
    cpu = np.array(
        chromium.run(f"{points.tolist()}.map((p) => wsapps.at((p[1] + 1) * 3.5, (p[0] + 1) * 3.5)[0])")
    )
    with torch.no_grad():
        single = field(points)[:, 0].numpy()
        truth = field.double()(points.double())[:, 0].numpy()
    error = np.abs(single - truth).mean()
    assert error > 1e-7  # float32 has trouble here
    assert np.abs(gpu - truth).mean() < 2 * error
    assert np.abs(cpu - truth).max() < 1e-6


def test_zooming_has_no_end(chromium, tmp_path):
    """A field with detail of a billionth of its picture, seen at a place far from its middle."""
    field = small_field(3, omega_0=3e9)
    view, zoom, shape = (17.123456789012, 5.987654321098), 5e8, (20, 24)
    fragment = f"#x={view[0]}&y={view[1]}&zoom={zoom}"
    pixels = shown(chromium, picture_page(field, *shape, "deep"), tmp_path, 40, 30, fragment)
    wanted = expected(field, grid_at(view, 30, 40, shape, zoom), 30, 40)
    assert wanted.std() > 10
    assert psnr(torch.from_numpy(pixels / 255), torch.from_numpy(wanted / 255)) > 40
    # In float32 there would be nothing to see at all.
    coordinates = grid_at(view, 30, 40, shape, zoom).float()
    assert coordinates.unique(dim=0).shape[0] < 10


def test_the_picture_ends_where_its_outermost_pixels_do(chromium, tmp_path):
    field = small_field()
    page = picture_page(field, 10, 20, "edges")
    pixels = shown(chromium, page, tmp_path, 40, 40, "#x=9.5&y=4.5&zoom=1")
    wanted = expected(field, regular_grid((10, 20)), 10, 20)
    np.testing.assert_allclose(pixels[15:25, 10:30], wanted, atol=0.51)
    outside = np.ones((40, 40), bool)
    outside[15:25, 10:30] = False
    assert len(np.unique(pixels[outside], axis=0)) == 1


def test_wheel_drag_and_keys_move_the_view_and_draw_it_rightly(chromium, tmp_path):
    field = small_field()
    write_page(tmp_path / "page.html", picture_page(field, 40, 60, "moves"))
    chromium.open(tmp_path / "page.html", 400, 300)
    bare(chromium)
    before = chromium.run("wsapps.view.plane.view")
    under = place(before, 300, 100)
    chromium.mouse("mouseWheel", 300, 100, deltaX=0, deltaY=-400)
    chromium.wait(f"wsapps.view.plane.view.zoom > {1.5 * before['zoom']}")
    zoomed = chromium.run("wsapps.view.plane.view")
    np.testing.assert_allclose(place(zoomed, 300, 100), under, atol=1e-9)
    chromium.mouse("mousePressed", 200, 150, button="left", clickCount=1)
    chromium.mouse("mouseMoved", 213, 143, button="left", buttons=1)
    chromium.mouse("mouseReleased", 213, 143, button="left")
    dragged = chromium.run("wsapps.view.plane.view")
    np.testing.assert_allclose(place(dragged, 213, 143), place(zoomed, 200, 150), atol=1e-9)
    readout = chromium.run("document.getElementById('readout').textContent")
    assert len(readout.split()) == 7  # x, its value, y, its value, three colours
    chromium.run("wsapps.frame.finish()")
    moved = drawn(chromium)
    np.testing.assert_array_equal(moved, redrawn(chromium))
    chromium.key("ArrowRight")
    chromium.key("+")
    chromium.run("wsapps.frame.finish()")
    keyed = chromium.run("wsapps.view.plane.view")
    assert keyed["x"] > dragged["x"]
    assert keyed["zoom"] == pytest.approx(1.5 * dragged["zoom"])
    np.testing.assert_array_equal(drawn(chromium), redrawn(chromium))
    chromium.key("0")
    assert chromium.run("wsapps.view.plane.view") == before


def place(view, x, y):
    """The picture's pixel at a canvas pixel of 400x300."""
    return [view["x"] + (x - 200) / view["zoom"], view["y"] + (y - 150) / view["zoom"]]


def redrawn(chromium):
    """The same view from nothing."""
    chromium.run("wsapps.frame.resize(), wsapps.frame.restart(), wsapps.frame.finish()")
    return drawn(chromium)


def test_two_fingers_zoom(chromium, tmp_path):
    write_page(tmp_path / "page.html", picture_page(small_field(), 40, 60, "touch"))
    chromium.open(tmp_path / "page.html", 400, 300)
    bare(chromium)
    before = chromium.run("wsapps.view.plane.view.zoom")
    touch(chromium, "touchStart", (150, 150), (250, 150))
    touch(chromium, "touchMove", (100, 150), (300, 150))
    touch(chromium, "touchEnd")
    assert chromium.run("wsapps.view.plane.view.zoom") == pytest.approx(2 * before, rel=0.05)


def touch(chromium, kind, *places):
    points = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(places)]
    chromium.call("Input.dispatchTouchEvent", type=kind, touchPoints=points)


def test_a_browser_without_webgl_is_told_so(chromium, tmp_path):
    write_page(tmp_path / "page.html", picture_page(small_field(), 8, 8, "none"))
    script = "HTMLCanvasElement.prototype.getContext = () => null"
    hook = chromium.call("Page.addScriptToEvaluateOnNewDocument", source=script)
    try:
        chromium.open(tmp_path / "page.html")
        failure = chromium.run("[failure.hidden, failure.textContent]")
        assert failure[0] is False
        assert "WebGL 2" in failure[1]
    finally:
        chromium.call("Page.removeScriptToEvaluateOnNewDocument", identifier=hook["identifier"])


def test_a_graphics_card_that_gives_up_is_reported(chromium, tmp_path):
    write_page(tmp_path / "page.html", picture_page(small_field(), 8, 8, "lost"))
    chromium.open(tmp_path / "page.html")
    assert chromium.run("failure.hidden")
    chromium.run("wsapps.device.gl.getExtension('WEBGL_lose_context').loseContext()")
    chromium.wait("!failure.hidden")
    assert "load it again" in chromium.run("failure.textContent")


def test_screens_of_many_pixels_are_used(chromium, tmp_path):
    field = small_field()
    pixels = shown(chromium, picture_page(field, 30, 44, "sharp"), tmp_path, 22, 15, ratio=2.0)
    assert pixels.shape == (30, 44, 3)
    np.testing.assert_allclose(pixels, expected(field, regular_grid((30, 44)), 30, 44), atol=0.51)


def test_tiles_are_drawn_each_from_its_own_field(chromium, tmp_path):
    torch.manual_seed(3)
    fields = [small_field(omega_0=5.0 + i) for i in range(6)]
    field = TiledField(fields, (2, 3), (-1.0, -1.0), (1.0, 1.0))
    pixels = shown(chromium, picture_page(field, 32, 47, "tiles"), tmp_path, 47, 32)
    coordinates = grid_at((23, 15.5), 32, 47, (32, 47), 1.0)
    np.testing.assert_allclose(pixels, expected(field, coordinates, 32, 47), atol=0.51)


def test_a_film_shows_the_moment_that_is_asked_for(chromium, tmp_path):
    field = small_field(3, inputs=3)
    write_page(tmp_path / "page.html", film_page(field, 10, 24, 33, 2.0, "film"))
    chromium.open(tmp_path / "page.html", 33, 24)
    coordinates = regular_grid((24, 33))
    for time in (-1.0, 0.37):
        chromium.run(f"wsapps.view.show({time}), wsapps.frame.finish()")
        at = torch.cat([torch.full((len(coordinates), 1), time), coordinates], dim=1)
        np.testing.assert_allclose(drawn(chromium), expected(field, at, 24, 33), atol=0.51)
    chromium.run("wsapps.view.toggle()")
    chromium.wait("wsapps.view.plane.time > 0.5")
