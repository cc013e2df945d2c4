"""Random changes of fields that leave their class as it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from wsapps.config import doc
from wsapps.config.checks import not_negative
from wsapps_weightspace.symmetry.coordinate_maps import change_coordinates, random_map
from wsapps_weightspace.symmetry.group import act, random_element
from wsapps_weightspace.weights import Architecture, FieldWeights


@dataclass
class AugmentationConfig:
    """Settings of :func:`augment`; by default nothing is changed.

    The first three leave the function as it is and serve models that do not know the symmetry. The others
    change the function a little, and serve all models.
    """

    permute: bool = doc("permute the neurons of each hidden layer", default=False)
    flip: bool = doc("flip the signs of random neurons", default=False)
    most_half_turns: int = doc("shift phases by up to so many half-turns either way", default=0)
    noise: float = doc("deviation of noise on each layer, as a part of its root mean square", default=0.0)
    shift: float = doc("largest offset of the coordinates, which run from -1 to 1", default=0.0)
    turn: float = doc("largest rotation", default=0.0, unit="degrees")
    stretch: float = doc("largest stretch or shrinking along each coordinate, 0.1 for 10 %", default=0.0)
    mirror: bool = doc("mirror the last coordinate in half of the fields; not for digits", default=False)

    def __post_init__(self) -> None:
        not_negative(self, "most_half_turns", "noise", "shift", "turn", "stretch")

    @property
    def moves(self) -> bool:
        """Whether the coordinates are changed."""
        return bool(self.shift or self.turn or self.stretch or self.mirror)


def augment(
    fields: FieldWeights,
    architecture: Architecture,
    config: AugmentationConfig,
    generator: torch.Generator | None = None,
    grid: tuple[int, ...] | None = None,
) -> FieldWeights:
    """The fields with what the configuration asks for, drawn for each field; the argument is left as it is.

    Coordinates are moved first, then the neurons, then noise is added. The draws come from ``generator``, on
    the fields' device, or from torch's global one. ``grid`` has the pixels along each coordinate, where these
    are known: pictures that are not square are turned as such.
    """
    count, dtype, device = len(fields), fields.weights[0].dtype, fields.weights[0].device
    if config.moves:
        moved = random_map(
            count,
            architecture.sizes[0],
            config.shift,
            math.radians(config.turn),
            math.log1p(config.stretch),
            config.mirror,
            generator,
            dtype,
            device,
            None if grid is None else [max(side - 1, 1) for side in grid],  # from the first pixel to the last
        )
        fields = change_coordinates(fields, *moved)
    if config.permute or config.flip or config.most_half_turns:
        element = random_element(
            architecture,
            count,
            permute=config.permute,
            flip=config.flip,
            most_shift=config.most_half_turns,
            generator=generator,
            device=device,
        )
        fields = act(element, fields, architecture)
    return add_noise(fields, config.noise, generator) if config.noise else fields


def add_noise(fields: FieldWeights, part: float, generator: torch.Generator | None = None) -> FieldWeights:
    """Normal noise on the weights and biases of each layer, ``part`` of the root mean square of its weights.

    That of the weights also for biases, which may be all zeros; one number a layer and batch, so that the
    noise knows nothing of single neurons.
    """

    def noisy(values: Tensor, scale: Tensor) -> Tensor:
        draw = torch.randn(values.shape, generator=generator, dtype=values.dtype, device=values.device)
        return values + part * scale * draw

    scales = [w.square().mean().sqrt() for w in fields.weights]
    weights = tuple(noisy(w, scale) for w, scale in zip(fields.weights, scales, strict=True))
    biases = tuple(noisy(b, scale) for b, scale in zip(fields.biases, scales, strict=True))
    return FieldWeights(weights, biases)
