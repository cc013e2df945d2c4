"""COLMAP's camera models (its src/colmap/sensor/models.h), as lenses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from wsapps.errors import UserError
from wsapps_nerf.captures.distortion import COEFFICIENTS
from wsapps_nerf.captures.lens import Lens, Projection

LARGEST_SIDE = 1_000_000  # pixels


class CameraModel(NamedTuple):
    """A model: its number in binary files, its parameters in their order, and its projection."""

    number: int
    parameters: tuple[str, ...]
    projection: Projection = "perspective"


_F, _FXY = ("f", "cx", "cy"), ("fx", "fy", "cx", "cy")
MODELS: dict[str, CameraModel] = {
    "SIMPLE_PINHOLE": CameraModel(0, _F),
    "PINHOLE": CameraModel(1, _FXY),
    "SIMPLE_RADIAL": CameraModel(2, (*_F, "k1")),
    "RADIAL": CameraModel(3, (*_F, "k1", "k2")),
    "OPENCV": CameraModel(4, (*_FXY, "k1", "k2", "p1", "p2")),
    "OPENCV_FISHEYE": CameraModel(5, (*_FXY, "k1", "k2", "k3", "k4"), "fisheye"),
    # Its k4 k5 k6 are the denominator.
    "FULL_OPENCV": CameraModel(6, (*_FXY, "k1", "k2", "p1", "p2", "k3", "d1", "d2", "d3")),
    "FOV": CameraModel(7, (*_FXY, "omega"), "fov"),
    "SIMPLE_RADIAL_FISHEYE": CameraModel(8, (*_F, "k1"), "fisheye"),
    "RADIAL_FISHEYE": CameraModel(9, (*_F, "k1", "k2"), "fisheye"),
    "THIN_PRISM_FISHEYE": CameraModel(10, (*_FXY, "k1", "k2", "p1", "p2", "k3", "k4", "s1", "s2"), "fisheye"),
}
NAME_OF = {model.number: name for name, model in MODELS.items()}


def model_named(name: str, where: str) -> CameraModel:
    """The model of a name; UserError for an unknown one."""
    if name not in MODELS:
        raise UserError(f"{where}: unknown camera model {name[:40]!r}; known are {', '.join(MODELS)}")
    return MODELS[name]


def make_lens(name: str, width: int, height: int, values: Sequence[float], where: str) -> Lens:
    """The lens of a COLMAP camera.

    Raises:
        UserError: an unknown model, another number of parameters, or values that no camera has.
    """
    model = model_named(name, where)
    if len(values) != len(model.parameters):
        raise UserError(
            f"{where}: the model {name} has {len(model.parameters)} parameters "
            f"({' '.join(model.parameters)}), got {len(values)}"
        )
    return lens_from(dict(zip(model.parameters, values, strict=True)), width, height, model.projection, where)


def lens_from(named: dict[str, float], width: int, height: int, projection: Projection, where: str) -> Lens:
    """A lens from parameters by name; those of the distortion that are not given are 0.

    Raises:
        UserError: a size, a focal length or another value that no camera has.
    """
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise UserError(f"{where}: the picture size must be 1 to {LARGEST_SIDE} pixels, got {width}x{height}")
    bad = [f"{key}={value:g}" for key, value in named.items() if not abs(value) < 1e12]
    if bad:
        raise UserError(f"{where}: the camera's parameters must be finite, got {', '.join(bad)}")
    fx = named.get("fx", named.get("f", math.nan))
    fy = named.get("fy", fx)
    if not (fx > 0 and fy > 0):
        raise UserError(f"{where}: focal lengths must be positive, got {fx:g} and {fy:g} pixels")
    omega = named.get("omega", 0.0)
    if projection == "fov" and not 0 <= omega < math.pi:
        raise UserError(f"{where}: omega must be 0 to pi radians, got {omega:g}")
    if projection == "fov" and omega < 1e-6:  # the limit is a pinhole
        projection, omega = "perspective", 0.0
    return Lens(
        width=width,
        height=height,
        fx=fx,
        fy=fy,
        cx=named.get("cx", width / 2),
        cy=named.get("cy", height / 2),
        projection=projection,
        coefficients=tuple(named.get(key, 0.0) for key in COEFFICIENTS),
        omega=omega,
    )
