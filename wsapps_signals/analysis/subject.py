"""What is analysed: a signal, which of its samples are fitted, and fields for it.

Shapes: N samples, D coordinates, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from wsapps.fields import SinusoidalField, make_field
from wsapps.seeding import generator, seed_global
from wsapps_signals.analysis.config import AnalyzeConfig
from wsapps_signals.analysis.scaling import Scaling
from wsapps_signals.holdout import training_mask
from wsapps_signals.kinds.signal import Signal


@dataclass(frozen=True)
class Subject:
    """A signal with a mask ``(N,)`` of the samples that are fitted; the others are held out.

    Half is held out: every other sample of a grid, a random half of scattered ones.
    """

    config: AnalyzeConfig
    signal: Signal
    mask: Tensor

    @classmethod
    def of(cls, config: AnalyzeConfig, signal: Signal) -> Subject:
        """Raises UserError where the signal has too few samples."""
        holdout = "random" if signal.grid is None else "every_other"
        count = len(signal.coordinates)
        return cls(config, signal, training_mask(holdout, count, signal.grid, config.trainer.seed))

    def field(self, scaling: Scaling, seed: int, hidden_layers: int | None = None) -> SinusoidalField:
        """A field at initialisation. Fields of one seed differ by their scaling alone.

        Args:
            hidden_layers: in place of the configured number.
        """
        method = scaling.of(self.config.method)
        if hidden_layers is not None:
            method = replace(method, hidden_layers=hidden_layers)
        with torch.random.fork_rng(devices=[]):
            seed_global(seed, "init")
            return make_field(self.signal.coordinates.shape[1], self.signal.values.shape[1], method)

    def fitted(self, count: int | None = None) -> tuple[Tensor, Tensor]:
        """Coordinates ``(n, D)`` and values ``(n, C)`` of fitted samples, all or ``count`` random ones."""
        return self._some(self.mask, count)

    def held_out(self) -> tuple[Tensor, Tensor]:
        """Those of the samples that are held out."""
        return self._some(~self.mask, None)

    def _some(self, mask: Tensor, count: int | None) -> tuple[Tensor, Tensor]:
        rows = mask.nonzero()[:, 0]
        if count is not None and count < len(rows):
            draws = generator(self.config.trainer.seed, "analysis")
            rows = rows[torch.randperm(len(rows), generator=draws)[:count]]
        return self.signal.coordinates[rows], self.signal.values[rows]
