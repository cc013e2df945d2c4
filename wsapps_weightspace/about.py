"""What all shards of a dataset of fields have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.weights import Architecture

_MOST_CLASSES = 100_000


@dataclass(frozen=True)
class ShardAbout:
    """What all shards of a dataset have in common.

    Args:
        architecture: of the fields.
        dataset: name of the samples.
        classes: their names; labels are indices into it.
        seed: of the initial weights.
        grid: ``(height, width)`` where the points are a picture's pixels, row by row; else None.
        low, high: the range of the values as fitted.
        coordinates: ``(Q, D)`` float32 at which the fields were fitted, where all have the same; else None.
        config: the settings of the build, plain JSON.
    """

    architecture: Architecture
    dataset: str
    classes: tuple[str, ...]
    seed: int = 0
    grid: tuple[int, ...] | None = None
    low: float = -1.0
    high: float = 1.0
    coordinates: Tensor | None = None
    config: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, samples: LabelledSamples, architecture: Architecture, seed: int, config: Mapping[str, Any]
    ) -> ShardAbout:
        """About fields that fit labelled samples."""
        shared = samples.coordinates if samples.coordinates.ndim == 2 else None
        return cls(
            architecture,
            samples.name,
            samples.classes,
            seed,
            samples.grid,
            samples.low,
            samples.high,
            None if shared is None else shared.detach().cpu().float(),
            config,
        )

    @property
    def peak(self) -> float:
        """The peak value of the PSNR."""
        return self.high - self.low

    def same_as(self, other: ShardAbout) -> bool:
        """Whether two shards belong together: everything equal."""
        first, second = self.coordinates, other.coordinates
        if first is None or second is None:
            return first is second and self.to_json() == other.to_json()
        return torch.equal(first, second) and self.to_json() == other.to_json()

    def to_json(self) -> str:
        """Everything but the coordinates, keys sorted. Raises TypeError for a config that is not JSON."""
        described = {
            "sizes": list(self.architecture.sizes),
            "omega_0": float(self.architecture.omega_0),
            "omega_hidden": float(self.architecture.omega_hidden),
            "dataset": self.dataset,
            "classes": list(self.classes),
            "seed": self.seed,
            "grid": None if self.grid is None else list(self.grid),
            "low": float(self.low),
            "high": float(self.high),
            "config": self.config,
        }
        return json.dumps(described, sort_keys=True)


def about_from_json(text: str, coordinates: Tensor | None, where: str) -> ShardAbout:
    """The inverse of :meth:`ShardAbout.to_json`.

    Raises:
        UserError: it is not what that wrote.
    """
    try:
        told = json.loads(text)
        architecture = Architecture(
            _whole_numbers(told["sizes"]), _number(told["omega_0"]), _number(told["omega_hidden"])
        )
        classes = told["classes"]
        if not isinstance(classes, list) or len(classes) > _MOST_CLASSES:
            raise ValueError("classes")
        if not all(isinstance(name, str) for name in [told["dataset"], *classes]):
            raise ValueError("names")
        if not isinstance(told["config"], dict):
            raise ValueError("config")
        return ShardAbout(
            architecture,
            told["dataset"],
            tuple(classes),
            _whole_numbers([told["seed"]], least=None)[0],
            None if told["grid"] is None else _whole_numbers(told["grid"]),
            _number(told["low"]),
            _number(told["high"]),
            coordinates,
            told["config"],
        )
    except (ValueError, RecursionError, LookupError, TypeError, OverflowError) as error:
        raise UserError(f"{where}: its description `about` is damaged; build the shard again") from error


def _whole_numbers(values: Any, least: int | None = 1) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise ValueError("whole numbers")
    if least is not None and any(value < least for value in values):
        raise ValueError("range")
    return tuple(values)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("number")
    return float(value)
