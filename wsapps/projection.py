"""Variable projection: the output layer as the least-squares solution for the features of the moment.

A field is linear in its output layer, so that the best one for given hidden layers is found by solving, and
gradient descent is left with the hidden layers alone (Golub and Pereyra, SIAM J. Numer. Anal. 10, 1973; for
networks Newman et al., "Train Like a (Var)Pro", SIAM J. Math. Data Sci. 3, 2021). At the solution the loss
does not change with the output layer to first order: the gradient of the hidden layers with the output held
fixed is that of the loss minimised over it. A penalty of the output's weights keeps hidden layers from
learning features that cancel each other, which between samples they do not.

Shapes: K samples, F features and a column of ones, C values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from wsapps.config import doc
from wsapps.objective import Batch
from wsapps.precision import widest_float
from wsapps.samplers import CPU_PART, PointSampler
from wsapps.seeding import derive_seed

# Samples for one unknown of the output layer, below which solving is refused: it would fit them whatever
# the hidden layers are, and leave those without a gradient.
_FEWEST = 4
# Solutions for draws differ from step to step, which keeps smooth signals from the last digits: all samples
# are taken where they are no more than this many draws.
_MANY = 4
_FEW = 16  # samples at which it is seen whether a field is linear in its output
_LARGE = 30.0  # root mean square of the field then
_ROUNDING = 1e-6  # of values, relative, below which they do not vary
_LAST_RIDGE = 1e-6  # at most, of the last solution: nothing is learned after it


@dataclass
class ProjectionConfig:
    """Settings of an :class:`OutputSolver`."""

    enabled: bool | None = doc(
        "solve the output layer by least squares before every step, and descend on the hidden layers alone; "
        "true where there is one linear output layer and enough samples, null the same but where alpha=auto "
        "finds samples too sparse for that",
        default=None,
    )
    samples_per_unknown: int = doc(
        "samples that a step solves with, as a multiple of the features; all up to 4 times as many",
        default=16,
    )
    ridge: float = doc(
        "penalty of the output's weights in training, relative to the mean square of features; 0.1 is better "
        "between few samples, and slower",
        default=1e-6,
    )

    def __post_init__(self) -> None:
        if self.samples_per_unknown < _FEWEST:
            raise ValueError(
                f"samples_per_unknown must be at least {_FEWEST}, got {self.samples_per_unknown}"
            )
        if not self.ridge > 0:
            raise ValueError(f"ridge must be positive, got {self.ridge}")


class OutputSolver:
    """Keeps the output layer of a field at the least-squares solution for a signal's samples.

    The layer is taken from the optimiser (``requires_grad`` is False) until :meth:`finish`. A field in
    training is off the solution for all samples by what a draw of K is: by F / K of the squared error.

    Args:
        field: with ``features`` and a linear ``output``; :func:`output_solver` checks that.
        samples: all of the signal's; each step draws K of them by (seed, step), alike on every rank.
        config: how many are drawn, and the ridge of solutions while training.
    """

    def __init__(self, field: Any, samples: PointSampler, config: ProjectionConfig):
        self.field, self.samples, self.ridge = field, samples, config.ridge
        wanted = config.samples_per_unknown * _unknowns(field)
        points = wanted if _MANY * wanted < len(samples) else None
        self._drawn = samples.redrawn(points, derive_seed(samples.seed, "projection"))
        field.output.requires_grad_(False)

    def solve(self, step: int) -> None:
        """Set the output layer for the features at this step's draw."""
        self._solve([self._drawn(step, 0, 1)], self.ridge)

    @torch.no_grad()
    def missed(self) -> float:
        """Solve at the first step's draw, and return the part of the values' deviation that is left there.

        Root mean square, about 1 at most; 0 where values do not vary.
        """
        self.solve(0)
        batch = self._drawn(0, 0, 1)
        wide = widest_float(batch["values"].device)
        values_KC = batch["values"].to(wide)
        weights_K1 = batch.get("weights", values_KC.new_ones(len(values_KC))).to(wide)[:, None]
        errors_KC = self.field(batch["coordinates"]).to(wide) - values_KC
        mean_C = (weights_K1 * values_KC).sum(dim=0) / weights_K1.sum()
        parts = (errors_KC, values_KC - mean_C, values_KC)
        left, varied, whole = (float((weights_K1 * part.square()).sum()) for part in parts)
        return math.sqrt(left / varied) if varied > _ROUNDING**2 * whole else 0.0

    def finish(self) -> None:
        """Set the output layer for all samples, with hardly any penalty, and give it back to whoever trains
        next."""
        parts = -(-len(self.samples) // CPU_PART)
        batches = self.samples.redrawn(None, parts=parts)
        self._solve((batches(part, 0, 1) for part in range(parts)), min(self.ridge, _LAST_RIDGE))
        self.release()

    def release(self) -> None:
        """Give the output layer back as it is."""
        self.field.output.requires_grad_(True)

    @torch.no_grad()
    def _solve(self, batches: Iterable[Batch], ridge: float) -> None:
        wide = widest_float(self.field.output.weight.device)
        gram_FF: Any = 0.0
        moments_FC: Any = 0.0
        for batch in batches:
            features_KF = self.field.features(batch["coordinates"]).to(wide)
            features_KF = torch.cat([features_KF, features_KF.new_ones(len(features_KF), 1)], dim=1)
            weighted_KF = (
                features_KF * batch["weights"].to(wide)[:, None] if "weights" in batch else features_KF
            )
            gram_FF = gram_FF + weighted_KF.T @ features_KF
            moments_FC = moments_FC + weighted_KF.T @ batch["values"].to(wide)
        solution_FC = ridge_solution(gram_FF, moments_FC, ridge)
        self.field.output.weight.copy_(solution_FC[:-1].T)
        self.field.output.bias.copy_(solution_FC[-1])


def output_solver(field: nn.Module, samples: PointSampler, config: ProjectionConfig) -> OutputSolver | None:
    """A solver for the field's output layer; None where it is switched off, or does not suit.

    It suits a field that is ``output(features(x))`` with a linear output that has a bias and is not frozen,
    and signals with at least four samples for each feature.
    """
    if config.enabled is False or not isinstance(getattr(field, "output", None), nn.Linear):
        return None
    if len(samples) < _FEWEST * _unknowns(field) or not _is_linear_in_its_output(field, samples):
        return None
    return OutputSolver(field, samples, config)


def ridge_solution(gram_FF: Tensor, moments_FC: Tensor, ridge: float) -> Tensor:
    """The minimum over W of |A W - Y|^2 + ridge mean(diag A^T A) |W|^2, ``(F, C)``.

    Args:
        gram_FF: A^T A.
        moments_FC: A^T Y.
        ridge: positive, relative.
    """
    penalty = ridge * gram_FF.diagonal().mean()
    penalised_FF = gram_FF + penalty * torch.eye(len(gram_FF), dtype=gram_FF.dtype, device=gram_FF.device)
    factor_FF, failed = torch.linalg.cholesky_ex(penalised_FF)  # without a wait for the device
    return torch.cholesky_solve(moments_FC, factor_FF).where(failed == 0, torch.nan)


@torch.no_grad()
def _is_linear_in_its_output(field: Any, samples: PointSampler) -> bool:
    """Whether the field is ``output(features(x))``, seen at a few samples with an output layer made so large
    that no other function of it is nearly the identity."""
    output = field.output
    if output.bias is None or not all(parameter.requires_grad for parameter in output.parameters()):
        return False
    few = samples.tensors["coordinates"][:_FEW].to(output.weight.device)
    modes = [(module, module.training) for module in field.modules()]
    field.eval()
    try:
        features = field.features(few)
        factor = _LARGE / output(features).square().mean().sqrt().clamp(min=1e-6)
        weight, bias = output.weight * factor, output.bias * factor
        found = functional_call(field, {"output.weight": weight, "output.bias": bias}, (few,)).double()
        wanted = nn.functional.linear(features, weight, bias).double()
    except Exception:  # a field that has neither these parts nor takes these arguments is none of them
        return False
    finally:
        for module, training in modes:
            module.training = training
    return found.shape == wanted.shape and torch.allclose(found, wanted, rtol=1e-3, atol=1e-3 * _LARGE)


def _unknowns(field: Any) -> int:
    return field.output.in_features + 1
