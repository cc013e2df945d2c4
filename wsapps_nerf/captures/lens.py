"""Lenses of real cameras: which ray a pixel sees, and where a point falls in the picture.

Local axes are OpenCV's: x right, y down, z forward. All in float64.

Shapes: R rays, L lenses, V views.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps_nerf.captures.distortion import COEFFICIENTS, distort, undistort

Projection = Literal["perspective", "fisheye", "fov"]
_PROJECTIONS: tuple[Projection, ...] = ("perspective", "fisheye", "fov")
_BORDER = 33  # points along each edge of a picture at which its lens is checked


@dataclass(frozen=True)
class Lens:
    """One calibrated camera.

    Attributes:
        width, height: of its pictures in pixels.
        fx, fy: focal lengths in pixels.
        cx, cy: principal point in pixels; the centre of the first pixel is (0.5, 0.5).
        projection: of directions to the plane that is then distorted: "perspective" (x/z, y/z), "fisheye"
            (radius = the angle from the axis in radians), or "fov", Devernay and Faugeras' (2001) model.
        coefficients: of the distortion, in the order of
            :data:`~wsapps_nerf.captures.distortion.COEFFICIENTS`.
        omega: of the fov model, in radians.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    projection: Projection = "perspective"
    coefficients: tuple[float, ...] = (0.0,) * len(COEFFICIENTS)
    omega: float = 0.0

    def resized(self, width: int, height: int) -> Lens:
        """The same lens for pictures of another size that show the same."""
        x, y = width / self.width, height / self.height
        return replace(
            self, width=width, height=height, fx=self.fx * x, fy=self.fy * y, cx=self.cx * x, cy=self.cy * y
        )

    def downscaled(self, factor: int) -> Lens:
        """The lens after averaging blocks of pixels; what is over at the right and below is cut off."""
        pixels = {name: getattr(self, name) / factor for name in ("fx", "fy", "cx", "cy")}
        return replace(self, width=self.width // factor, height=self.height // factor, **pixels)

    @property
    def distorts(self) -> bool:
        """Whether its rays are other than those of a pinhole camera."""
        return self.projection != "perspective" or any(self.coefficients)

    def is_plain(self, tolerance: float = 1e-9) -> bool:
        """Whether it is a pinhole of one focal length whose principal point is the picture's centre."""
        ratios = (self.fy / self.fx, self.cx / (self.width / 2), self.cy / (self.height / 2))
        return not self.distorts and all(abs(ratio - 1) < tolerance for ratio in ratios)


class Projected(NamedTuple):
    """Where points fall: pixels ``x``, ``y`` and distance along the axis ``depth``, each ``(R,)``.

    ``visible``: whether the lens's formula holds there; behind the camera and far outside of the picture
    it does not. The pixels of such points mean nothing.
    """

    x: Tensor
    y: Tensor
    depth: Tensor
    visible: Tensor


@dataclass(frozen=True)
class Lenses:
    """The lenses of V views, as tensors.

    Attributes:
        of_view: ``(V,)`` int64, which lens each view has.
        size: ``(L, 2)`` int64, width and height in pixels.
        intrinsics: ``(L, 4)`` float64: fx, fy, cx, cy.
        coefficients: ``(L, 11)`` float64.
        omega: ``(L,)`` float64.
        projection: ``(L,)`` int64, an index into the projections.
        reach: ``(L,)`` float64, the largest radius on the undistorted plane that a picture shows.
        distorts: whether any of them is no pinhole.
    """

    of_view: Tensor
    size: Tensor
    intrinsics: Tensor
    coefficients: Tensor
    omega: Tensor
    projection: Tensor
    reach: Tensor
    distorts: bool

    def to(self, device: torch.device) -> Lenses:
        moved = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **moved)

    def select(self, views: Tensor) -> Lenses:
        """Those of some views ``(W,)``, in that order."""
        return replace(self, of_view=self.of_view[views.to(self.of_view.device)])

    def directions(self, view: Tensor, pixel: Tensor) -> Tensor:
        """Unit directions ``(R, 3)`` float64, local, through pixel centres.

        Args:
            view: ``(R,)`` int64.
            pixel: ``(R,)`` int64, row-major in the view's own picture.
        """
        lens = self.of_view[view]
        width = self.size[lens, 0]
        fx, fy, cx, cy = self.intrinsics[lens].unbind(dim=-1)
        x = (pixel % width).double() + 0.5
        y = torch.div(pixel, width, rounding_mode="floor").double() + 0.5
        plane = torch.stack([(x - cx) / fx, (y - cy) / fy], dim=-1)
        if not self.distorts:
            return torch.nn.functional.normalize(
                torch.cat([plane, torch.ones_like(plane[:, :1])], -1), dim=-1
            )
        plane = undistort(plane, self.coefficients[lens])
        return unproject(plane, self.projection[lens], self.omega[lens])

    def project(self, view: int, points: Tensor) -> Projected:
        """Where local points ``(R, 3)`` fall in a view's picture."""
        lens = int(self.of_view[view])
        points = points.double()
        radius = points[:, :2].norm(dim=-1)
        depth = points[:, 2]
        projection = _PROJECTIONS[int(self.projection[lens])]
        if projection == "fisheye":
            length, in_front = torch.atan2(radius, depth), radius + depth.abs() > 0
        else:
            in_front = depth > 0
            length = radius / depth.where(in_front, torch.ones_like(depth))
            if projection == "fov":
                omega = self.omega[lens]
                length = torch.atan(2 * length * torch.tan(omega / 2)) / omega
        plane = points[:, :2] * (length / radius.clamp(min=1e-300))[:, None]
        x, y = distort(plane, self.coefficients[lens]).unbind(dim=-1)
        fx, fy, cx, cy = self.intrinsics[lens]
        # Beyond what the picture shows, a polynomial may fold back into it.
        visible = in_front & (length <= self.reach[lens] * 1.01 + 1e-9)
        return Projected(x * fx + cx, y * fy + cy, depth, visible)


def make_lenses(lenses: list[Lens], of_view: list[int], names: list[str] | None = None) -> Lenses:
    """The lenses of views as tensors, on the CPU.

    Args:
        lenses: L lenses.
        of_view: which of them each view has.
        names: of the lenses, for messages.

    Raises:
        UserError: a distortion folds the picture, so that some pixels see no ray.
    """

    def column(values: list) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)

    table = Lenses(
        of_view=torch.tensor(of_view, dtype=torch.int64),
        size=torch.tensor([[lens.width, lens.height] for lens in lenses], dtype=torch.int64),
        intrinsics=column([[lens.fx, lens.fy, lens.cx, lens.cy] for lens in lenses]),
        coefficients=column([lens.coefficients for lens in lenses]),
        omega=column([lens.omega for lens in lenses]),
        projection=torch.tensor([_PROJECTIONS.index(lens.projection) for lens in lenses]),
        reach=torch.zeros(len(lenses), dtype=torch.float64),
        distorts=any(lens.distorts for lens in lenses),
    )
    for index, lens in enumerate(lenses):
        table.reach[index] = _reach(lens, names[index] if names else f"camera {index}")
    return table


def unproject(plane: Tensor, projection: Tensor, omega: Tensor) -> Tensor:
    """Unit directions ``(R, 3)`` of undistorted points ``(R, 2)`` on the planes of projections ``(R,)``."""
    radius = plane.norm(dim=-1)
    fov = omega.where(projection == 2, torch.ones_like(omega))
    far = torch.tan(radius * fov) / (2 * torch.tan(fov / 2))
    angle = torch.where(projection == 1, radius, torch.atan(torch.where(projection == 2, far, radius)))
    beyond = ((projection == 2) & (radius * fov >= math.pi / 2)) | ((projection == 1) & (radius > math.pi))
    angle = angle.masked_fill(beyond, torch.nan)
    # sin(angle) / radius, whose limit at the centre is that of far / radius.
    near_axis = radius < 1e-12
    limit = torch.where(projection == 2, fov / (2 * torch.tan(fov / 2)), torch.ones_like(fov))
    ratio = torch.where(near_axis, limit, torch.sin(angle) / radius.clamp(min=1e-12))
    return torch.cat([plane * ratio[:, None], torch.cos(angle)[:, None]], dim=-1)


def border_pixels(width: int, height: int) -> tuple[Tensor, Tensor]:
    """Points along the edge of a picture, ``x`` and ``y`` in pixels, each ``(4 x 33,)`` float64."""
    across = torch.linspace(0, width, _BORDER, dtype=torch.float64)
    down = torch.linspace(0, height, _BORDER, dtype=torch.float64)
    x = torch.cat([across, across, torch.zeros_like(down), torch.full_like(down, width)])
    y = torch.cat([torch.zeros_like(across), torch.full_like(across, height), down, down])
    return x, y


def border_directions(lens: Lens) -> Tensor:
    """Unit directions ``(B, 3)``, local, along the edge of its picture; NaN where it sees nothing."""
    plane, coefficients = _border_plane(lens)
    plane = undistort(plane, coefficients)
    projection = torch.full((len(plane),), _PROJECTIONS.index(lens.projection))
    return unproject(plane, projection, torch.full((len(plane),), lens.omega, dtype=torch.float64))


def _border_plane(lens: Lens) -> tuple[Tensor, Tensor]:
    x, y = border_pixels(lens.width, lens.height)
    plane = torch.stack([(x - lens.cx) / lens.fx, (y - lens.cy) / lens.fy], dim=-1)
    return plane, torch.tensor(lens.coefficients, dtype=torch.float64)


def _reach(lens: Lens, name: str) -> float:
    """The largest undistorted radius that its picture shows."""
    plane, coefficients = _border_plane(lens)
    undistorted = undistort(plane, coefficients)
    bad = ~torch.isfinite(border_directions(lens)).all(dim=-1)
    if bool(bad.any()):
        x, y = (float(values[bad][0]) for values in border_pixels(lens.width, lens.height))
        shown = ", ".join(
            f"{key}={value:g}" for key, value in zip(COEFFICIENTS, lens.coefficients, strict=True) if value
        )
        raise UserError(
            f"{name}: its distortion ({shown or f'omega={lens.omega:g}'}) cannot be undone at pixel "
            f"({x:.0f}, {y:.0f}) of {lens.width}x{lens.height}: there it folds the picture; check the "
            f"coefficients, or undistort the pictures first"
        )
    return float(undistorted.norm(dim=-1).max())
