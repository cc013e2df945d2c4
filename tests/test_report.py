"""The page of a run folder: what it shows, what it escapes, what it refuses."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import imageio.v3 as iio
import numpy as np
import pytest

from wsapps.pictures import save_png
from wsapps.report import Curve, Figure, Section, Series, format_metric, write_report

_VOID = {"meta", "link", "img", "br", "line", "polyline", "circle"}


class Page(HTMLParser):
    """Tags with their attributes, the visible text, and a check that every tag is closed in order."""

    def __init__(self, path: Path):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def minimal(folder: Path, **arguments) -> Page:
    return Page(write_report(folder, **({"title": "t", "summary": "s", "metrics": {}} | arguments)))


def test_page_shows_everything_and_needs_no_network_and_no_script(tmp_path):
    save_png(tmp_path / "view.png", np.zeros((100, 120, 3)))
    page = minimal(
        tmp_path,
        title="Lego",
        summary="30 dB in 5 minutes",
        metrics={"test/psnr": 30.123456, "steps": 12345, "device": "cpu"},
        sections=[Section("Test views", "Held out.", [Figure("view.png", "View 0")])],
        curves=[Curve("Learning", "step", "PSNR (dB)", [Series("WS", [0, 1], [10, 20])])],
        config_yaml="scene: lego\n",
    )
    for shown in ("Lego", "30 dB in 5 minutes", "test/psnr", "30.123", "12,345", "cpu", "Test views",
                  "Held out.", "View 0", "Learning", "PSNR (dB)", "scene: lego"):  # fmt: skip
        assert shown in page.text
    assert page.all("script") == []
    addresses = {
        attributes[key] for _, attributes in page.tags for key in ("src", "href") if key in attributes
    }
    assert addresses == {"view.png", "data:,"}
    assert "http" not in page.source
    assert "url(" not in page.source
    assert "@import" not in page.source


def test_nothing_given_is_taken_as_markup(tmp_path):
    evil = "<b onload=x>\"'&</b>"
    save_png(tmp_path / "a.png", np.zeros((4, 4, 3)))
    page = minimal(
        tmp_path,
        title=evil,
        summary=evil,
        metrics={evil: evil},
        sections=[Section(evil, evil, [Figure("a.png", evil)])],
        curves=[Curve(evil, evil, evil, [Series(evil, [0, 1], [1, 2]), Series(evil, [0], [1])])],
        config_yaml=evil,
    )
    assert page.all("b") == []
    # <title> and heading, summary, a metric and its value, three of the curve and its legend of two,
    # heading, text and caption of the section, the configuration
    assert page.text.count(evil) == 14
    assert page.all("img")[0]["alt"] == evil
    assert not any("onload" in attributes for _, attributes in page.tags)


def test_file_names_are_quoted_as_addresses(tmp_path):
    name = "sub dir/50% #1?.png"
    (tmp_path / "sub dir").mkdir()
    save_png(tmp_path / name, np.zeros((4, 4, 3)))
    source = minimal(tmp_path, sections=[Section("s", figures=[Figure(name, "c")])]).all("img")[0]["src"]
    assert source is not None
    assert not set(" #?") & set(source)
    assert unquote(source) == name


@pytest.mark.parametrize(
    ("size", "width", "pixelated"),
    [((100, 100), 300, True), ((120, 412), 824, True), ((64, 64), 256, True), ((800, 800), 400, False),
     ((20, 2000), 2000, False)],
)  # fmt: skip
def test_small_pictures_are_enlarged_by_a_whole_factor_without_smoothing(tmp_path, size, width, pixelated):
    save_png(tmp_path / "a.png", np.zeros((*size, 3)))
    page = minimal(tmp_path, sections=[Section("s", figures=[Figure("a.png", "c")])])
    assert page.all("figure")[0]["style"] == f"width: {width}px"
    assert (page.all("img")[0].get("class") == "pixelated") == pixelated
    assert re.search(r"\.pixelated \{ image-rendering: pixelated; \}", page.source)


def test_a_video_plays_in_a_loop_without_sound_at_its_own_shape(tmp_path):
    frames = np.zeros((3, 48, 64, 3), np.uint8)
    iio.imwrite(tmp_path / "turn.mp4", frames, plugin="FFMPEG", fps=5, macro_block_size=2)
    page = minimal(tmp_path, sections=[Section("s", figures=[Figure("turn.mp4", "One turn")])])
    (video,) = page.all("video")
    assert video["src"] == "turn.mp4"
    assert {"controls", "loop", "muted"} <= set(video)
    assert video["style"] == "aspect-ratio: 64 / 48"
    assert page.all("figure")[0]["style"] == "width: 384px"
    assert page.all("img") == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.png", "missing.png"), ("../outside.png", "outside the run folder"),
     ("notes.txt", "must be one of"), ("broken.png", "cannot be read"), ("broken.mp4", "cannot be read"),
     ("", "not in the run folder")],
)  # fmt: skip
def test_a_figure_that_cannot_be_shown_is_refused_and_nothing_is_written(tmp_path, name, message):
    folder = tmp_path / "run"
    folder.mkdir()
    save_png(tmp_path / "outside.png", np.zeros((4, 4, 3)))
    for file in ("notes.txt", "broken.png", "broken.mp4"):
        (folder / file).write_bytes(b"not what the name says")
    with pytest.raises(ValueError, match=message):
        minimal(folder, sections=[Section("s", figures=[Figure(name, "c")])])
    assert not (folder / "index.html").exists()


def lines(page: Page) -> list[np.ndarray]:
    points = [str(attributes["points"]).split() for attributes in page.all("polyline")]
    return [np.array([pair.split(",") for pair in pairs], float) for pairs in points]


def chart(folder: Path, series: list[Series], **arguments) -> Page:
    return minimal(folder, curves=[Curve("c", "x", "y", series, **arguments)])


def test_a_curve_is_drawn_to_scale_inside_its_box(tmp_path):
    (xy,) = lines(chart(tmp_path, [Series("a", [0, 5, 10], [1, 3, 2])]))
    x, y = xy.T
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)
    assert y[0] - y[1] == pytest.approx(2 * (y[0] - y[2]), abs=0.3)  # SVG's y points down
    assert x.min() >= 64
    assert x.max() <= 496
    assert y.min() >= 12
    assert y.max() <= 250


def test_a_log_axis_makes_decades_equal(tmp_path):
    page = chart(tmp_path, [Series("a", [0, 1, 2, 3], [1e-1, 1e-2, 1e-3, 1e-5])], log_y=True)
    (xy,) = lines(page)
    steps = np.diff(xy[:, 1])
    np.testing.assert_allclose(steps, steps[0] * np.array([1, 1, 2]), atol=0.3)
    assert "1e-3" in page.text


def test_values_not_finite_leave_a_gap(tmp_path):
    y = [1.0, 2.0, np.nan, 3.0, np.inf, 4.0, 5.0]
    page = chart(tmp_path, [Series("a", range(7), y)])
    assert [len(line) for line in lines(page)] == [2, 2]
    assert len(page.all("circle")) == 5


def test_a_long_series_is_thinned_and_keeps_its_spike(tmp_path):
    y = np.zeros(100_000)
    y[54_321] = 1.0
    page = chart(tmp_path, [Series("a", np.arange(100_000), y)])
    (xy,) = lines(page)
    assert len(xy) < 1000
    assert xy[:, 1].max() - xy[:, 1].min() > 200
    assert (np.diff(xy[:, 0]) >= 0).all()
    assert len(page.source) < 40_000


@pytest.mark.parametrize("y", [[], [np.nan, np.nan]])
def test_no_points_is_said_in_words(tmp_path, y):
    page = chart(tmp_path, [Series("a", range(len(y)), y)])
    assert "No points were recorded." in page.text
    assert page.all("polyline") == []


@pytest.mark.parametrize("y", [[0.0, 0.0], [7.0, 7.0], [-1e-12, 1e-12], [1e12, 2e12], [-3e-7, 4e-7]])
@pytest.mark.parametrize("log_y", [False, True])
def test_extreme_ranges_have_finite_coordinates_and_distinct_ticks(tmp_path, y, log_y):
    page = chart(tmp_path, [Series("a", [0, 1], y)], log_y=log_y)
    assert not re.search(r'"(nan|inf)|[,"]-?(nan|inf)', page.source)
    labels = re.findall(r'text-anchor="end">([^<]*)<', page.source)
    assert len(labels) == len(set(labels))
    assert len(labels) >= 2 or (log_y and min(y) <= 0)


def test_series_of_unequal_length_are_refused(tmp_path):
    with pytest.raises(ValueError, match="'a' has 2 x and 3 y"):
        chart(tmp_path, [Series("a", [1, 2], [1, 2, 3])])


def test_only_several_series_have_a_legend(tmp_path):
    assert "legend-name" not in chart(tmp_path, [Series("legend-name", [0, 1], [0, 1])]).text
    several = chart(tmp_path, [Series("legend-name", [0, 1], [0, 1]), Series("other", [0, 1], [1, 0])])
    assert "legend-name" in several.text


@pytest.mark.parametrize(
    ("value", "text"),
    [(30.123456, "30.123"), (4312, "4,312"), (np.int64(7), "7"), (1e6, "1,000,000"),
     (1.5e-7, "1.5e-07"), (float("nan"), "nan"), (float("inf"), "inf"), ("cuda:0", "cuda:0"),
     (np.float32(0.5), "0.5"), (True, "True")],
)  # fmt: skip
def test_metrics_are_written_for_readers(value, text):
    assert format_metric(value) == text
