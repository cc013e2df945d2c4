"""The radiance field: a trunk over space, a density head and a view-dependent colour head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from wsapps.config import doc
from wsapps.errors import UserError
from wsapps.fields import Field
from wsapps_nerf.contraction import contract, shrinkage


@dataclass
class HeadsConfig:
    """Settings of the heads on top of the trunk."""

    density_scale: float | None = doc(
        "factor on the raw density; a sine network's output starts tiny; null is 50, or 10 with contraction",
        default=None,
    )
    density_shift: float | None = doc(
        "added to the raw density: sets how opaque space is at the start; null is 0, or -3 with contraction",
        default=None,
    )
    density_activation: Literal["softplus", "exp"] = doc(
        "what makes density positive; exp is truncated at e^10", default="softplus"
    )
    colour_width: int = doc("neurons of the colour head's hidden layer", default=64)
    appearance: int = doc(
        "numbers of a code of each training picture that colours may depend on, for photographs of different "
        "light or exposure; other views are rendered with the codes' mean; 0 for none",
        default=0,
    )
    pictures: int | None = doc("training pictures that have such a code; null counts them", default=None)

    def __post_init__(self) -> None:
        for name in ("density_scale", "density_shift"):
            if not math.isfinite(getattr(self, name) or 0.0):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}")
        if self.density_scale == 0 or self.colour_width < 1:
            raise ValueError(
                f"density_scale must not be 0 and colour_width at least 1, got {self.density_scale} and "
                f"{self.colour_width}"
            )
        if not 0 <= self.appearance <= 1024 or (self.pictures is not None and self.pictures < 1):
            raise ValueError(
                f"appearance must lie in 0..1024 and pictures be at least 1, got {self.appearance} and "
                f"{self.pictures}"
            )

    def settled(self, contracted: bool) -> Heads:
        """The settings with what is null filled in."""
        # No mask empties an endless space beforehand: it starts thin, or each camera learns its own fog.
        scale, shift = (10.0, -3.0) if contracted else (50.0, 0.0)
        return Heads(
            density_scale=scale if self.density_scale is None else self.density_scale,
            density_shift=shift if self.density_shift is None else self.density_shift,
            density_activation=self.density_activation,
            colour_width=self.colour_width,
        )


@dataclass(frozen=True)
class Heads:
    """Settings as in :class:`HeadsConfig`, all of them given."""

    density_scale: float
    density_shift: float
    density_activation: str
    colour_width: int


class DensityField(nn.Module):
    """Density of a scene.

    Args:
        trunk: a field with ``features(coordinates) -> (N, width)`` over [-1, 1]^3; its own output layer is
            the density head.
        box: ``(6,)`` the box whose longest side is mapped to [-1, 1]: of the world, or of contracted space.
        heads: of which the settings of density count.
        contracted: whether positions are contracted first (:mod:`wsapps_nerf.contraction`). Density is then
            learnt per contracted length and returned per world length, as always.
    """

    centre: Tensor  # (3,)
    half_size: Tensor  # (3,)

    def __init__(self, trunk: Field, box: Tensor, heads: Heads, contracted: bool = False):
        super().__init__()
        self.contracted, self.trunk, self.heads = contracted, trunk, heads
        self.register_buffer("centre", (box[3:] + box[:3]) / 2)
        # One scale for all axes: a sine network's frequencies are then the same in all directions.
        self.register_buffer("half_size", ((box[3:] - box[:3]) / 2).amax().expand(3).clone())

    def density(self, positions: Tensor) -> Tensor:
        """Density in inverse world units, ``(N,)``, at world positions ``(N, 3)``."""
        return self._density(self._features(positions), positions)

    def _features(self, positions: Tensor) -> Tensor:
        if self.contracted:
            positions = contract(positions)
        return self.trunk.features((positions - self.centre) / self.half_size)

    def _density(self, features: Tensor, positions: Tensor) -> Tensor:
        raw = self.trunk.output(features).squeeze(-1) * self.heads.density_scale + self.heads.density_shift
        if self.heads.density_activation == "softplus":
            density = nn.functional.softplus(raw)
        else:
            density = torch.exp(raw.clamp(max=10.0))
        return density * shrinkage(positions) if self.contracted else density


class RadianceField(DensityField):
    """Density and colour of a scene.

    Args:
        trunk, box, contracted: as of a :class:`DensityField`.
        width: of the trunk's features.
        heads: the settings.

    Raises:
        UserError: pictures are to have codes, and nothing says how many there are.
    """

    def __init__(self, trunk: Field, width: int, box: Tensor, heads: HeadsConfig, contracted: bool = False):
        super().__init__(trunk, box, heads.settled(contracted), contracted)
        self.appearance = _codes(heads)
        seen = width + 3 + heads.appearance
        self.colour = nn.Sequential(
            nn.Linear(seen, heads.colour_width), nn.ReLU(), nn.Linear(heads.colour_width, 3)
        )

    def forward(
        self, positions: Tensor, directions: Tensor, view: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Colour ``(N, 3)`` in [0, 1] and density ``(N,)`` at positions, seen along unit directions.

        ``view`` ``(N,)`` are the training pictures that see them, if they have codes; None for other views.
        """
        features = self._features(positions)
        seen = [features, directions]
        if self.appearance is not None:
            code = self.mean_code.expand(len(positions), -1) if view is None else self.appearance(view)
            seen.append(code)
        rgb = torch.sigmoid(self.colour(torch.cat(seen, dim=-1)))
        return rgb, self._density(features, positions)

    @property
    def mean_code(self) -> Tensor:
        """``(A,)`` the training pictures' mean code, which other views have; empty without codes."""
        if self.appearance is None:
            return self.centre.new_zeros(0)
        return self.appearance.weight.mean(dim=0)


def _codes(heads: HeadsConfig) -> nn.Embedding | None:
    """A code for each training picture, all alike at the start (Martin-Brualla et al., CVPR 2021)."""
    if not heads.appearance:
        return None
    if heads.pictures is None:
        raise UserError("heads.appearance gives pictures codes, and heads.pictures does not say how many")
    codes = nn.Embedding(heads.pictures, heads.appearance)
    nn.init.zeros_(codes.weight)
    return codes
