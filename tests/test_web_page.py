"""Pages as files: self-contained, safe against any title, and refused for fields that diverged."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest
import torch
from user_errors import one_line_error

from wsapps.fields import SinusoidalField
from wsapps.web import Page, network_of, write_page
from wsapps.web.page import HERE, readable_size
from wsapps.web.views import picture_page

NASTY = "</script><script>alert(1)</script><!-- & \" ' é"


@pytest.fixture
def field():
    return SinusoidalField(2, 3, width=8, hidden_layers=1)


def block(text, name):
    return re.search(rf'<script type="[^"]*" id="{name}">(.*?)</script>', text, re.DOTALL).group(1)


def test_a_page_holds_the_numbers_of_its_field(tmp_path, field):
    path = tmp_path / "page.html"
    size = write_page(path, picture_page(field, 30, 40, "title", [("PSNR", "31.2 dB")]))
    text = path.read_text(encoding="utf-8")
    assert size == len(path.read_bytes())
    numbers = np.frombuffer(base64.b64decode(block(text, "floats")), "<f4")
    np.testing.assert_array_equal(numbers, network_of(field).floats())
    described = json.loads(block(text, "page"))
    assert described["network"] == network_of(field).description()
    assert described["signal"] == {"height": 30, "width": 40, "channels": 3}
    for words in ("31.2 dB", f"{len(numbers):,}", readable_size(size)):
        assert words in text


def test_a_page_asks_for_nothing_from_elsewhere(tmp_path, field):
    write_page(tmp_path / "page.html", picture_page(field, 30, 40, "title"))
    text = (tmp_path / "page.html").read_text()
    assert re.findall(r"https?://", text) == []
    assert re.findall(r"<(?:script|img|link|iframe)[^>]*\s(?:src|href)=\"(?!data:)", text) == []


def test_titles_and_facts_are_text(tmp_path, field):
    write_page(tmp_path / "page.html", picture_page(field, 30, 40, NASTY, [(NASTY, NASTY)]))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "alert(1)</script>" not in text
    assert json.loads(block(text, "page"))["title"] == NASTY
    assert text.count("<script") == 3  # the page, its numbers, its scripts


def test_a_field_that_diverged_is_refused(tmp_path, field):
    with torch.no_grad():
        field.output.bias[0] = float("nan")
    page = picture_page(field, 30, 40, "title")
    one_line_error(lambda: write_page(tmp_path / "page.html", page), "1 of", "NaN")
    assert list(tmp_path.iterdir()) == []


def test_arrays_are_of_two_kinds(tmp_path, field):
    page = Page("title", "lead", "plane", [], network_of(field), arrays={"grid": np.zeros(3)})
    with pytest.raises(ValueError, match="float64"):
        write_page(tmp_path / "page.html", page)


def test_sizes_for_people():
    assert [readable_size(size) for size in (900, 84_400, 1_150_000)] == ["1 kB", "84 kB", "1.1 MB"]


def test_scripts_are_plain():
    """No module of somebody else's, and nothing that is fetched."""
    for script in HERE.glob("*.js"):
        text = script.read_text(encoding="utf-8")
        assert not re.search(r"\b(import|require|fetch|XMLHttpRequest|eval)\s*\(", text), script.name
        assert max(map(len, text.splitlines())) <= 110, script.name
