"""The domain of a problem: a shape in space, and a range of time.

Shapes: N points, D coordinates of which the first S are space and the last may be time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError
from wsapps_pde.language.mapping import entries, interval, located
from wsapps_pde.language.symbols import check_variables
from wsapps_pde.space.boundary import BoundaryPart, boundary_parts, has_seam
from wsapps_pde.space.drawing import PointSource, accepted
from wsapps_pde.space.geometry import Shape, inside
from wsapps_pde.space.primitives import Box
from wsapps_pde.space.shape_file import SHAPE_NAMES, Constants, ordered, read_shape

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Domain:
    """Where the equations hold.

    Args:
        space: names of the space variables.
        shape: the set in space, S-dimensional; a :class:`~wsapps_pde.space.primitives.Box` most often.
        duration: (start, end) of the time, or None for a steady problem.
    """

    space: tuple[str, ...]
    shape: Shape
    duration: tuple[float, float] | None = None

    @property
    def variables(self) -> tuple[str, ...]:
        """The order of the coordinates everywhere."""
        return self.space if self.time is None else (*self.space, "t")

    @property
    def time(self) -> int | None:
        """The index of the time among the coordinates, or None."""
        return None if self.duration is None else len(self.space)

    @cached_property
    def bounds(self) -> Points:
        """``(D, 2)``: lower and upper bound of each variable."""
        space = self.shape.bounds.reshape(-1, 2)
        return space if self.duration is None else np.vstack([space, self.duration])

    @property
    def geometry(self) -> Shape | None:
        """The shape in space, or None if it is a box."""
        return None if isinstance(self.shape, Box) else self.shape

    @property
    def measure(self) -> float:
        """Length, area or volume, times the duration."""
        return self.shape.measure * (1.0 if self.duration is None else self.duration[1] - self.duration[0])

    @cached_property
    def boundary(self) -> tuple[BoundaryPart, ...]:
        """The boundary in space, at all times."""
        return boundary_parts(self.shape) if self.space else ()

    @cached_property
    def has_seam(self) -> bool:
        """Whether the shape's level is zero somewhere inside: not fit for constraints by construction."""
        return self.geometry is not None and has_seam(self.shape)

    def contains(self, points: Points) -> NDArray[np.bool_]:
        """``(N, D)`` to ``(N,)``: which points lie in the closed domain, up to rounding."""
        slack = 1e-9 * np.ptp(self.bounds, axis=1)
        box = ((points >= self.bounds[:, 0] - slack) & (points <= self.bounds[:, 1] + slack)).all(axis=1)
        return box if self.geometry is None else box & inside(self.shape, points[:, : len(self.space)])

    def draw(self, count: int, source: PointSource) -> Points:
        """``(count, D)`` collocation points, even over the domain; by rejection in a shape that is no box."""
        widths = np.ptp(self.bounds, axis=1)

        def propose(uniform: Points) -> tuple[Points, None, NDArray[np.bool_]]:
            points = self.bounds[:, 0] + uniform * widths
            return points, None, self.contains(points)

        share = 1.0 if self.geometry is None else self.measure / float(np.prod(widths))
        stream = source.stream("interior", len(widths))
        return accepted(count, propose, stream, share)[0]

    def describe_range(self, variable: str) -> str:
        """``x in [-1, 1]``."""
        low, high = self.bounds[self.variables.index(variable)]
        return f"{variable} in [{low:.6g}, {high:.6g}]"


def read_domain(spec: Any, constants: Constants) -> Domain:
    """A domain as a problem file writes it: ``{x: [-1, 1], t: [0, 1]}`` or ``{space: {...}, t: [0, 1]}``.

    Raises:
        UserError: no variable, a variable that is not one letter, zero size, an unknown or empty shape.
    """
    spec = entries({} if spec is None else spec, "the domain")
    duration = None
    if "t" in spec:
        with located("t"):
            duration = interval(spec.pop("t"), constants, "t")
    if "space" in spec:
        others = [key for key in spec if key != "space"]
        if others:
            raise UserError(f"beside space there is only t, got {', '.join(others)}; put them into space")
        with located("space"):
            return Domain(*read_shape(spec["space"], constants), duration)
    if len(spec) == 1 and next(iter(spec)) in SHAPE_NAMES:
        return Domain(*read_shape(spec, constants), duration)
    if not spec and duration is None:
        raise UserError("the domain has no variable; write it as {x: [-1, 1], t: [0, 1]}")
    check_variables(spec)
    variables = ordered(list(spec))
    bounds = []
    for variable in variables:
        with located(variable):
            bounds.append(interval(spec[variable], constants, variable))
    return Domain(variables, Box(np.array(bounds).reshape(-1, 2)), duration)
