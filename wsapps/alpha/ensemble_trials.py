"""Trials of several alphas at once: their fields are trained together, as one batched ensemble.

Shapes: A alphas, G groups of points (one, or a tile each), R = A G fields, P points, D coordinates,
C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from wsapps.alpha.curve import Curve
from wsapps.ensemble import FieldEnsemble
from wsapps.metrics import psnr_from_mse
from wsapps.optimizer import OptimizerConfig, learning_rate, make_optimizer, set_learning_rate


@dataclass(frozen=True)
class Points:
    """Points of each group, the same for every alpha: ``(G, P, D)``, ``(G, P, C)`` and weights ``(G, P)``."""

    coordinates: Tensor
    values: Tensor
    weights: Tensor | None = None


@dataclass
class _Contestant:
    """One alpha: its fields (G) and their running means, Adam's moments of each parameter (G, ...), and how
    far it is."""

    fields: list[nn.Module]
    means: list[nn.Module]
    curve: Curve
    step: int = 0
    moments: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict)


class EnsembleTrials:
    """Fields of every alpha, trained by the run's optimiser on batches that are the same for all of them.

    Args:
        fields: by alpha, one for each group, as they are at initialisation; they are trained in place.
        batch: of a step; the same alpha sees the same batches however the trials are divided.
        fitted, held_out: points whose scores are looked at.
        optimizer: the run's settings; decay follows the part of ``steps`` that is done.
        steps: of a whole trial.
        look_every: steps between looks at the scores.
        average: of scores, 0 for those of the parameters as they are; else the decay a step of running means
            of the parameters, which have less of the batches' noise.
        peak: of the PSNRs.
        tick: called after every step with the number of fields that made it.
    """

    def __init__(
        self,
        fields: Mapping[float, Sequence[nn.Module]],
        batch: Callable[[int], Points],
        fitted: Points,
        held_out: Points,
        optimizer: OptimizerConfig,
        steps: int,
        look_every: int,
        average: float = 0.0,
        peak: float = 1.0,
        tick: Callable[[int], None] = lambda count: None,
    ):
        self._contestants = {a: _Contestant(list(g), list(g), Curve(a)) for a, g in fields.items()}
        self.batch, self.fitted, self.held_out = batch, fitted, held_out
        self.optimizer, self.steps, self.peak, self.tick = optimizer, steps, peak, tick
        self.look_every, self.average = look_every, average

    def curve(self, alpha: float) -> Curve:
        """The curve of an alpha so far."""
        return self._contestants[alpha].curve

    def advance(self, alphas: Sequence[float], step: int) -> None:
        """Train the fields of some alphas, all equally far, until they have made ``step`` steps.

        Raises:
            ValueError: they are not equally far.
        """
        chosen = [self._contestants[alpha] for alpha in alphas]
        if len({one.step for one in chosen}) > 1:
            raise ValueError(f"alphas {list(alphas)} have made different numbers of steps")
        if not chosen or chosen[0].step >= step:
            return
        ensemble = FieldEnsemble([module for one in chosen for module in one.fields])
        means = [module for one in chosen for module in one.means]
        mean = FieldEnsemble(means) if self.average else ensemble
        optimizer = self._restored_optimizer(ensemble, chosen)
        if chosen[0].step == 0:
            self._look(mean, chosen, 0)
        for now in range(chosen[0].step, step):
            set_learning_rate(optimizer, learning_rate(self.optimizer, now, now / self.steps))
            self._train_step(ensemble, optimizer, self.batch(now), len(chosen))
            if self.average:
                _follow(mean, ensemble, 1 - self.average)
            self.tick(len(ensemble))
            if (now + 1) % self.look_every == 0 or now + 1 == step:
                self._look(mean, chosen, now + 1)
        self._take_back(ensemble, mean, optimizer, chosen, step)

    def _train_step(
        self, ensemble: FieldEnsemble, optimizer: torch.optim.Optimizer, points: Points, alphas: int
    ) -> None:
        squared = self._errors(ensemble, points, alphas)
        if points.weights is not None:
            squared = squared * points.weights.repeat(alphas, 1)[..., None]
        optimizer.zero_grad(set_to_none=True)
        squared.mean(dim=(1, 2)).sum().backward()
        if self.optimizer.clip_norm > 0:
            _clip_each(ensemble, self.optimizer.clip_norm)
        optimizer.step()

    def _look(self, ensemble: FieldEnsemble, chosen: Sequence[_Contestant], step: int) -> None:
        with torch.no_grad():
            scores = [self._scores(ensemble, points, len(chosen)) for points in (self.fitted, self.held_out)]
        for one, fitted, held_out in zip(chosen, *scores, strict=True):
            if not one.curve.steps or one.curve.steps[-1] < step:
                one.curve.add(step, fitted, held_out)

    def _scores(self, ensemble: FieldEnsemble, points: Points, alphas: int) -> list[float]:
        errors = self._errors(ensemble, points, alphas).double().mean(dim=(1, 2)).view(alphas, -1)
        return [psnr_from_mse(error, self.peak) for error in errors.mean(dim=1).tolist()]

    def _errors(self, ensemble: FieldEnsemble, points: Points, alphas: int) -> Tensor:
        """Squared errors ``(R, P, C)``."""
        values = ensemble(points.coordinates.repeat(alphas, 1, 1))
        return (values - points.values.repeat(alphas, 1, 1)).square()

    def _restored_optimizer(
        self, ensemble: FieldEnsemble, chosen: Sequence[_Contestant]
    ) -> torch.optim.Optimizer:
        optimizer = make_optimizer(self.optimizer, ensemble)
        if chosen[0].step > 0:
            for name, parameter in ensemble.named_parameters():
                first, second = zip(*(one.moments[name] for one in chosen), strict=True)
                optimizer.state[parameter] = {
                    "step": torch.tensor(float(chosen[0].step)),
                    "exp_avg": torch.cat(first),
                    "exp_avg_sq": torch.cat(second),
                }
        return optimizer

    def _take_back(
        self,
        ensemble: FieldEnsemble,
        mean: FieldEnsemble,
        optimizer: torch.optim.Optimizer,
        chosen: Sequence[_Contestant],
        step: int,
    ) -> None:
        groups = len(chosen[0].fields)
        for place, one in enumerate(chosen):
            rows = slice(place * groups, (place + 1) * groups)
            one.fields = [ensemble.member(row) for row in range(rows.start, rows.stop)]
            one.means = [mean.member(row) for row in range(rows.start, rows.stop)]
            for name, parameter in ensemble.named_parameters():
                state = optimizer.state[parameter]
                one.moments[name] = (state["exp_avg"][rows].clone(), state["exp_avg_sq"][rows].clone())
            one.step = step


@torch.no_grad()
def _follow(mean: FieldEnsemble, ensemble: FieldEnsemble, weight: float) -> None:
    """Move running means towards the parameters."""
    for kept, now in zip(mean.parameters(), ensemble.parameters(), strict=True):
        kept.lerp_(now, weight)


def _clip_each(ensemble: FieldEnsemble, limit: float) -> None:
    """Clip the gradient of every field by its own norm, as the run clips that of one."""
    gradients = [p.grad for p in ensemble.parameters() if p.grad is not None]
    squares = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients])
    factor = (limit / (squares.sum(dim=0).sqrt() + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))
