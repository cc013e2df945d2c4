"""Pages of fields: pictures, films, sounds, spheres and solids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from torch import nn

from wsapps.errors import UserError
from wsapps.prediction import predict
from wsapps.tiling import TiledField
from wsapps.web.network import Network, network_of
from wsapps.web.page import HERE, Page

Facts = Sequence[tuple[str, str]]

_PLANE_MOVES = (
    ("drag, arrow keys", "move"),
    ("wheel, pinch, + and −", "zoom, without end"),
    ("0", "whole picture"),
    ("H", "hide this card"),
)


def picture_page(field: nn.Module, height: int, width: int, title: str, facts: Facts = ()) -> Page:
    """A field of (y, x), each -1..1 at the outermost pixel centres, with 1 or 3 values in [0, 1].

    Args:
        field: on the CPU or not; tiled fields too.
        height, width: of the picture that it was fitted to, in pixels.

    Raises:
        UserError: as :func:`wsapps.web.network_of`.
    """
    network = network_of(field)
    lead = (
        f"There is no picture in this file. It holds the {network.numbers:,} numbers of a neural field, and "
        "your graphics card computes every pixel from them, at any magnification."
    )
    signal = {
        "height": height,
        "width": width,
        "channels": network.description()["outputs"],
        **_tiling(field),
    }
    return Page(
        title,
        lead,
        "plane",
        _scripts("plane", "plane_view"),
        network,
        {"signal": signal},
        {},
        facts,
        _PLANE_MOVES,
    )


def film_page(
    field: nn.Module, frames: int, height: int, width: int, seconds: float, title: str, facts: Facts = ()
) -> Page:
    """A field of (t, y, x) with 1 or 3 values, as :func:`picture_page`; ``seconds`` is how long it lasts."""
    network = network_of(field)
    lead = (
        f"There is no video in this file. It holds the {network.numbers:,} numbers of a neural field of time "
        "and place, and your graphics card computes every pixel from them, at any moment and magnification."
    )
    signal = {
        "frames": frames,
        "height": height,
        "width": width,
        "seconds": seconds,
        "channels": network.description()["outputs"],
        **_tiling(field),
    }
    moves = (("slider, space", "time, play"), *_PLANE_MOVES)
    return Page(
        title, lead, "plane", _scripts("plane", "plane_view"), network, {"signal": signal}, {}, facts, moves
    )


def sound_page(
    field: nn.Module, samples: int, rate: int, scale: float, amplitude: float, title: str, facts: Facts = ()
) -> Page:
    """A field of time, -scale at the first of its samples and scale at the last, with 1 to 4 channels.

    Args:
        rate: of the samples, in Hz.
        amplitude: what a value of 1 stands for; louder than 1 is played as 1.

    Raises:
        UserError: as :func:`wsapps.web.network_of`, or for a tiled field.
    """
    network = _one_network(field)
    lead = (
        f"There is no recording in this file. It holds the {network.numbers:,} numbers of a neural field of "
        "time, and your graphics card computes every sample from them while you listen."
    )
    signal = {
        "samples": samples,
        "rate": rate,
        "scale": scale,
        "amplitude": amplitude,
        "channels": network.description()["outputs"],
    }
    moves = (
        ("space", "play, pause"),
        ("click", "play from here"),
        ("drag, arrow keys", "move"),
        ("wheel, pinch, + and −", "zoom, without end"),
        ("0", "all of it"),
    )
    return Page(
        title,
        lead,
        "sound",
        _scripts("sound", "player", "sound_view"),
        network,
        {"signal": signal},
        {},
        facts,
        moves,
    )


def globe_page(
    field: nn.Module,
    low: float,
    high: float,
    units: str,
    title: str,
    facts: Facts = (),
    colormap: str = "turbo",
) -> Page:
    """A field on unit vectors (cos lat cos lon, cos lat sin lon, sin lat), with one value or three colours.

    Args:
        low, high: what the values 0 and 1 stand for, in ``units``.
        colormap: any name of matplotlib's.

    Raises:
        UserError: as :func:`wsapps.web.network_of`, or for a tiled field.
    """
    network = _one_network(field)
    lead = (
        f"There is no map in this file. It holds the {network.numbers:,} numbers of a neural field on the "
        "sphere, and your graphics card computes every pixel from them, at any magnification."
    )
    colours = (matplotlib.colormaps[colormap](np.linspace(0, 1, 256))[:, :3] * 255).round().astype(np.uint8)
    moves = (
        ("drag, arrow keys", "turn"),
        ("wheel, pinch, + and −", "zoom, without end"),
        ("M", "globe or map"),
        ("G", "lines every 30°"),
        ("0", "all of it"),
        ("H", "hide this card"),
    )
    signal = {"low": low, "high": high, "units": units}
    arrays = {"colours": colours.ravel()}
    return Page(
        title,
        lead,
        "globe",
        _scripts("globe", "globe_view"),
        network,
        {"signal": signal},
        arrays,
        facts,
        moves,
    )


def solid_page(field: nn.Module, title: str, facts: Facts = (), cells: int = 64, level: float = 0.5) -> Page:
    """A field over [-1, 1]^3 that is above ``level`` inside of a solid: its surface, from all sides.

    Args:
        cells: along each side of the grid that says where rays have to look; the field is sampled at every
            half cell to find out. Details finer than that may be missed.

    Raises:
        UserError: as :func:`wsapps.web.network_of`, for a tiled field, or where nothing is inside.
    """
    network = _one_network(field)
    occupied = _occupied_cells(field, cells, level)
    if not occupied.any():
        raise UserError(f"{title}: the field is nowhere above {level:g}, so there is no solid to show")
    lead = (
        f"There is no mesh in this file. It holds the {network.numbers:,} numbers of a neural field that is "
        "1 inside of a solid and 0 outside, and your graphics card finds its surface on every pixel's ray."
    )
    space = {
        "low": [-1.0] * 3,
        "high": [1.0] * 3,
        "centre": [0.0] * 3,
        "half": [1.0] * 3,
        "cells": [cells] * 3,
        "stride": 1.0 / cells,
        "level": level,
    }
    camera = {"target": [0.0, 0.0, 0.0], "azimuth": 40.0, "elevation": 20.0, "radius": 4.0, "angle": 0.6}
    arrays = {"grid": pack_grid(occupied)}
    scripts = _scripts("orbit", "march", "solid")
    return Page(
        title, lead, "solid", scripts, network, {"space": space, "camera": camera}, arrays, facts, ORBIT_MOVES
    )


ORBIT_MOVES = (
    ("drag, arrow keys", "turn"),
    ("wheel, pinch, + and −", "nearer, farther"),
    ("Shift or right button, two fingers", "move"),
    ("space", "turn by itself"),
    ("0", "first view"),
    ("H", "hide this card"),
)


def pack_grid(occupied: np.ndarray) -> np.ndarray:
    """Cells ``(X, Y, Z)`` bool as march.js reads them: a bit each, x fastest, the lowest bit first."""
    return np.packbits(occupied.transpose(2, 1, 0).ravel(), bitorder="little")


def _occupied_cells(field: nn.Module, cells: int, level: float) -> np.ndarray:
    """``(X, Y, Z)`` bool: cells with a sample above the level in them, or up to half a cell beyond."""
    places = torch.linspace(-1, 1, 2 * cells + 1)
    inside = np.empty((2 * cells + 1,) * 3, bool)
    plane = torch.stack(torch.meshgrid(places, places, indexing="ij"), dim=-1).view(-1, 2)
    for i, x in enumerate(places):
        points = torch.cat([x.expand(len(plane), 1), plane], dim=1)
        inside[i] = (predict(field, points)[:, 0] > level).view(len(places), -1).numpy()
    near = np.pad(inside, 1)
    for axis in range(3):
        windows = np.lib.stride_tricks.sliding_window_view(near, 5, axis=axis)
        near = windows.any(-1).take(range(0, 2 * cells, 2), axis)
    return near


def _scripts(*names: str) -> list[Path]:
    return [HERE / f"{name}.js" for name in names]


def _one_network(field: nn.Module) -> Network:
    if isinstance(field, TiledField):
        raise UserError(
            "pages show tiled fields of pictures and videos only; fit this signal as one field, without "
            "tiles= and tile_points= and with large.above=1000000000"
        )
    return network_of(field)


def _tiling(field: nn.Module) -> Mapping[str, Any]:
    if not isinstance(field, TiledField):
        return {}
    return {"tiling": {"tiles": list(field.tiles), "low": field.low.tolist(), "high": field.high.tolist()}}
