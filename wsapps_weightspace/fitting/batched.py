"""Fitting in PyTorch: a chunk of fields at once, as batched matrix products.

On GPUs, where there is no C++ compiler, and in any precision: what the native engine is checked against.

Shape suffixes: N fields, Q points, D coordinates, C values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from wsapps_weightspace.fitting.config import FittingConfig
from wsapps_weightspace.fitting.fitter import Fitted, Tick, psnr_of
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate

_LOOK_EVERY = 20  # steps between looks at which fields are done
_PARTS = (4, 16)  # a chunk shrinks to a quarter and to a sixteenth; compiled code knows no other sizes


@dataclass(frozen=True)
class _Chunk:
    """Fields in the middle of it; ``place`` (N,) says which of the fitted ones they are."""

    place: Tensor
    parameters: list[Tensor]  # weights, then biases
    first: list[Tensor]
    second: list[Tensor]
    errors: Tensor  # (N,), mean squared ones as last computed
    steps: Tensor  # (N,)
    coordinates: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return len(self.place)

    def rows(self, rows: Tensor) -> _Chunk:
        """Some of the fields; copies."""
        x = self.coordinates
        return _Chunk(
            self.place[rows],
            [tensor[rows] for tensor in self.parameters],
            [tensor[rows] for tensor in self.first],
            [tensor[rows] for tensor in self.second],
            self.errors[rows],
            self.steps[rows],
            x[rows] if x.ndim == 3 else x,
            self.targets[rows],
        )


class BatchedFitter:
    """A :class:`~wsapps_weightspace.fitting.fitter.Fitter` in PyTorch, in the initial fields' precision.

    Chunks have one size, the last one filled up with copies. Where there is a target, fields that have
    reached it stay as they are, and the chunk shrinks when few are left.
    """

    def __init__(
        self,
        config: FittingConfig,
        architecture: Architecture,
        peak: float,
        device: torch.device,
        compiled: bool = False,
    ):
        self.config, self.architecture, self.peak, self.device = config, architecture, peak, device
        self._step, self._errors = self._adam_step, self._mean_errors
        if compiled:
            self._step = torch.compile(self._adam_step, dynamic=False)
            self._errors = torch.compile(self._mean_errors, dynamic=False)

    @torch.no_grad()
    def fit(
        self, initial: FieldWeights, coordinates: Tensor, targets: Tensor, tick: Tick | None = None
    ) -> Fitted:
        """See :class:`~wsapps_weightspace.fitting.fitter.Fitter`."""
        count = len(targets)
        rows = [tensor.detach().clone() for tensor in (*initial.weights, *initial.biases)]
        psnr, steps = torch.empty(count), torch.empty(count, dtype=torch.int64)
        for start in range(0, count, self.config.chunk):
            place = torch.arange(start, start + self.config.chunk)
            own = min(self.config.chunk, count - start)
            place = torch.where(place < count, place, start)
            for done in self._fit_chunk(self._begin(place, rows, coordinates, targets), own, tick):
                here = done.place.cpu()
                for tensor, fitted in zip(rows, done.parameters, strict=True):
                    tensor[here] = fitted.to(tensor)
                psnr[here] = psnr_of(done.errors, self.peak).cpu()
                steps[here] = done.steps.cpu()
        return Fitted(_fields(rows), psnr, steps)

    def _begin(self, place: Tensor, rows: list[Tensor], coordinates: Tensor, targets: Tensor) -> _Chunk:
        parameters = [tensor[place].to(self.device) for tensor in rows]
        zeros = [torch.zeros_like(tensor) for tensor in parameters]
        x, y_NQC = coordinates[place] if coordinates.ndim == 3 else coordinates, targets[place]
        errors, steps = torch.zeros(len(place)).to(parameters[0]), torch.zeros_like(place)
        return _Chunk(
            place.to(self.device), parameters, zeros, zeros, errors, steps.to(self.device),
            x.to(parameters[0]), y_NQC.to(parameters[0]),
        )  # fmt: skip

    def _fit_chunk(self, chunk: _Chunk, own: int, tick: Tick | None) -> Iterator[_Chunk]:
        """The fields of a chunk, as they are done; ``own`` of them are no copies."""
        ticked, full = 0.0, len(chunk)
        factors = torch.from_numpy(np.stack([self.config.rates(), self.config.roots()])).to(
            chunk.parameters[0]
        )
        for step in range(self.config.steps):
            chunk, going = self._advance(chunk, factors[:, step].clone())
            if (step + 1) % _LOOK_EVERY and step + 1 < self.config.steps:
                continue
            if tick is not None:
                done = own * (step + 1) / self.config.steps
                tick(done - ticked)
                ticked = done
            if self.config.target_psnr is not None:
                order = torch.argsort(~going, stable=True)  # those that go on first
                size = _smaller(int(going.sum()), len(chunk), full)
                if size < len(chunk):
                    yield chunk.rows(order[size:])
                    chunk = chunk.rows(order[:size])
                if not len(chunk):
                    return
        yield replace(chunk, errors=self._errors(chunk.parameters, chunk.coordinates, chunk.targets))

    def _advance(self, chunk: _Chunk, factors: Tensor) -> tuple[_Chunk, Tensor]:
        parameters, first, second, errors, going = self._step(
            chunk.parameters, chunk.first, chunk.second, chunk.coordinates, chunk.targets, factors
        )
        steps = chunk.steps + going
        return replace(
            chunk, parameters=parameters, first=first, second=second, errors=errors, steps=steps
        ), going

    def _mean_errors(self, parameters: list[Tensor], coordinates: Tensor, targets: Tensor) -> Tensor:
        values = evaluate(_fields(parameters), self.architecture, coordinates)
        return (values - targets).square().mean(dim=(1, 2))

    def _adam_step(
        self,
        parameters: list[Tensor],
        first: list[Tensor],
        second: list[Tensor],
        coordinates: Tensor,
        targets: Tensor,
        factors: Tensor,
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], Tensor, Tensor]:
        """One step of Adam (Kingma & Ba, 2015) for the fields that have not reached the target.

        ``factors`` are the rate and the factor of the root of the second moment. The last two results,
        ``(N,)``, are the errors before the step and which fields made it.
        """
        config = self.config

        def total(parameters: list[Tensor]) -> tuple[Tensor, Tensor]:
            errors = self._mean_errors(parameters, coordinates, targets)
            return errors.sum(), errors

        gradient, errors = torch.func.grad(total, has_aux=True)(parameters)
        going = ~(errors <= config.enough(self.peak))  # also where it is NaN
        first = [config.beta1 * m + (1 - config.beta1) * g for m, g in zip(first, gradient, strict=True)]
        second = [
            config.beta2 * v + (1 - config.beta2) * g * g for v, g in zip(second, gradient, strict=True)
        ]
        moved = [
            p - factors[0] * m / (v.sqrt() * factors[1] + config.eps)
            for p, m, v in zip(parameters, first, second, strict=True)
        ]
        if config.target_psnr is not None:
            moved = [
                torch.where(going.view(-1, *[1] * (p.ndim - 1)), new, p)
                for p, new in zip(parameters, moved, strict=True)
            ]
        return moved, first, second, errors, going


def _fields(parameters: list[Tensor]) -> FieldWeights:
    half = len(parameters) // 2
    return FieldWeights(tuple(parameters[:half]), tuple(parameters[half:]))


def _smaller(going: int, size: int, full: int) -> int:
    """The size a chunk goes on with: the least of a few that holds the fields that go on; 0 for none."""
    if not going:
        return 0
    return min([size, *(part for part in (full // p for p in _PARTS) if going <= part < size)])
