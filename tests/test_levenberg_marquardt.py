"""Levenberg-Marquardt on sums of squares whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import hessian, jacrev

from wsapps.accelerator import make_accelerator
from wsapps.least_squares import (
    FrozenResiduals,
    LeastSquaresObjective,
    LevenbergMarquardt,
    Linearization,
    SampleRows,
)
from wsapps.objective import Batch
from wsapps.quasi_newton import Stopping
from wsapps.quasi_newton.frozen import FrozenObjective
from wsapps.seeding import generator

Residuals = Callable[[Tensor], Tensor]


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator("least squares", seed, *shape))


class Known:
    """A least-squares problem of residuals that torch.func differentiates: the reference."""

    def __init__(self, residuals: Residuals):
        self.residuals = residuals

    def value(self, x: Tensor) -> float:
        return float(self.residuals(x).square().sum())

    def linearize(self, x: Tensor) -> Linearization:
        r, J = self.residuals(x), jacrev(self.residuals)(x)
        return Linearization(float(r @ r), J.T @ r, J.T @ J, r)

    def bend(self, x: Tensor, step: Tensor, here: Linearization) -> Tensor:
        second = torch.einsum("mij,i,j->m", hessian(self.residuals)(x), step, step)
        return jacrev(self.residuals)(x).T @ second


def rosenbrock(x: Tensor) -> Tensor:
    return torch.cat([10 * (x[1:] - x[:-1].square()), 1 - x[:-1]])


def minimised(function, x: Tensor, steps: int, **settings) -> LevenbergMarquardt:
    found = LevenbergMarquardt(function, x, **settings)
    found.start()
    while found.steps < steps and not found.finished:
        found.step()
    return found


class TwoKinds(LeastSquaresObjective):
    """Rows of two kinds of samples, with one and two residuals a sample, of a small network."""

    def __init__(self, seed: int = 0):
        super().__init__()
        self.field = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 2)).double()
        self.frozen = nn.Linear(2, 2).double().requires_grad_(False)
        with torch.no_grad():
            for number, parameter in enumerate(self.parameters()):
                parameter.copy_(draw(*parameter.shape, seed=seed + number))

    def sample_rows(self, batch: Batch) -> list[SampleRows]:
        return [
            SampleRows({"x": batch["a"]}, lambda s: self.field(s["x"])[:, :1] - s["x"][:, 1:]),
            SampleRows({"x": batch["b"]}, lambda s: 0.5 * self.field(s["x"]) - self.frozen(s["x"])),
        ]

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        rows = [rows.residuals(rows.samples).square().sum() for rows in self.sample_rows(batch)]
        return {"loss_sum": torch.stack(rows).sum(), "count": torch.tensor(0.5, dtype=torch.float64)}


def batches() -> list[Batch]:
    return [{"a": draw(40, 2, seed=n), "b": draw(30, 2, seed=n + 7)} for n in range(2)]


def frozen_residuals() -> tuple[FrozenObjective, FrozenResiduals]:
    objective = TwoKinds()
    frozen = FrozenObjective(make_accelerator(), objective)
    frozen.freeze(batches(), 0)
    return frozen, FrozenResiduals(frozen, objective)


def as_function(residuals: FrozenResiduals, frozen: FrozenObjective) -> Residuals:
    """The same residuals as a function of the vector, for torch.func."""
    objective, drawn = TwoKinds(), batches()
    names = [name for name, p in objective.named_parameters() if p.requires_grad]
    sizes = [p.numel() for p in frozen.parameters]

    class Rows(nn.Module):
        def __init__(self):
            super().__init__()
            self.objective = objective

        def forward(self) -> Tensor:
            rows = [rows for batch in drawn for rows in objective.sample_rows(batch)]
            return torch.cat([each.residuals(each.samples).flatten() for each in rows])

    def function(x: Tensor) -> Tensor:
        parts = zip(names, frozen.parameters, x.split(sizes), strict=True)
        values = {f"objective.{name}": part.view_as(p) for name, p, part in parts}
        return torch.func.functional_call(Rows(), values, ())

    return function


def test_normal_equations_are_those_of_the_whole_jacobian():
    frozen, residuals = frozen_residuals()
    x = frozen.vector()
    here = residuals.linearize(x)
    known = Known(as_function(residuals, frozen)).linearize(x)
    torch.testing.assert_close(here.residuals, known.residuals, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(here.slope, known.slope, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(here.gram, known.gram, rtol=1e-11, atol=1e-12)
    assert here.gram.equal(here.gram.T)
    assert here.value == pytest.approx(known.value, rel=1e-13)
    assert residuals.value(x) == pytest.approx(known.value, rel=1e-13)


def test_a_large_jacobian_is_taken_in_parts(monkeypatch):
    frozen, residuals = frozen_residuals()
    x = frozen.vector()
    whole = residuals.linearize(x)
    monkeypatch.setattr("wsapps.least_squares.linearization._NUMBERS_AT_ONCE", 7 * len(x))
    monkeypatch.setattr("wsapps.least_squares.linearization._BAND", 5)
    parts = residuals.linearize(x)
    torch.testing.assert_close(parts.gram, whole.gram, rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(parts.slope, whole.slope, rtol=1e-12, atol=1e-13)
    assert parts.residuals.equal(whole.residuals)


def test_the_slope_is_half_the_gradient_of_the_loss():
    """The rows' squares add up to the loss, count and all: 0.5 a batch, of two."""
    frozen, residuals = frozen_residuals()
    x = frozen.vector()
    value, gradient = frozen(x)
    here = residuals.linearize(x)
    assert here.value == pytest.approx(value, rel=1e-12)
    torch.testing.assert_close(2 * here.slope, gradient, rtol=1e-11, atol=1e-12)


def test_the_bend_is_the_second_derivative_along_the_step():
    frozen, residuals = frozen_residuals()
    x, step = frozen.vector(), 0.1 * draw(len(frozen.vector()), seed=3)
    known = Known(as_function(residuals, frozen))
    found = residuals.bend(x, step, residuals.linearize(x))
    wanted = known.bend(x, step, known.linearize(x))
    assert float((found - wanted).norm() / wanted.norm()) < 1e-3


def test_linear_residuals_are_solved_for():
    A, b = draw(30, 8), draw(30)
    found = minimised(Known(lambda x: A @ x - b), torch.zeros(8, dtype=torch.float64), 25)
    torch.testing.assert_close(found.x, torch.linalg.lstsq(A, b).solution, rtol=1e-9, atol=1e-9)


def test_values_have_all_their_digits():
    found = minimised(Known(rosenbrock), torch.full((6,), -1.0, dtype=torch.float64), 3)
    assert found.value == Known(rosenbrock).value(found.x)
    found.start()
    assert found.value == Known(rosenbrock).value(found.x)


def test_values_never_rise():
    found = LevenbergMarquardt(Known(rosenbrock), torch.full((6,), -1.0, dtype=torch.float64))
    found.start()
    values = [found.value]
    for _ in range(15):
        found.step()
        values.append(found.value)
    assert values == sorted(values, reverse=True)


def test_rosenbrock_and_what_the_acceleration_is_worth():
    class Straight(Known):
        def bend(self, x: Tensor, step: Tensor, here: Linearization) -> Tensor:
            return torch.zeros_like(x)

    start = torch.full((8,), -1.2, dtype=torch.float64)
    stopping = Stopping(gradient_tolerance=1e-9)
    curved = minimised(Known(rosenbrock), start, 300, stopping=stopping)
    straight = minimised(Straight(rosenbrock), start, 300, stopping=stopping)
    torch.testing.assert_close(curved.x, torch.ones(8, dtype=torch.float64), rtol=1e-6, atol=1e-6)
    assert curved.steps < straight.steps


def test_values_that_are_not_finite_shorten_the_step():
    def residuals(x: Tensor) -> Tensor:
        return torch.where(x > 3, torch.full_like(x, math.nan), x.square() - 7)

    found = minimised(Known(residuals), torch.tensor([0.01], dtype=torch.float64), 60)
    assert float(found.x) == pytest.approx(math.sqrt(7), rel=1e-6)


def test_a_minimum_is_left_alone():
    found = minimised(Known(lambda x: x), torch.zeros(3, dtype=torch.float64), 5)
    assert found.steps == 0
    assert found.finished == "the gradient's norm is 0"


def test_where_nothing_is_lower_the_minimiser_gives_up():
    class Lying(Known):
        def linearize(self, x: Tensor) -> Linearization:
            here = super().linearize(x)
            return Linearization(here.value, -here.slope, here.gram, here.residuals)

    found = minimised(Lying(lambda x: x), torch.ones(3, dtype=torch.float64), 5)
    assert found.steps == 0
    assert found.finished == "no step finds a lower value"


def test_it_steps_only_from_a_finite_value():
    found = LevenbergMarquardt(Known(lambda x: x / 0), torch.ones(2, dtype=torch.float64))
    found.start()
    assert not math.isfinite(found.value)
    with pytest.raises(ValueError, match="finite"):
        found.step()


@pytest.mark.parametrize("stop", [0, 1, 7])
def test_a_continued_run_is_the_uninterrupted_one_bit_for_bit(stop):
    start = torch.full((6,), -1.0, dtype=torch.float64)
    whole = minimised(Known(rosenbrock), start, 12)
    first = minimised(Known(rosenbrock), start, stop)
    second = LevenbergMarquardt(Known(rosenbrock), torch.zeros(6, dtype=torch.float64))
    second.load_state_dict(first.state_dict())
    while second.steps < 12:
        second.step()
    assert second.x.equal(whole.x)
    assert second.damping == whole.damping


def test_a_state_of_something_else_is_refused_and_changes_nothing():
    found = minimised(Known(rosenbrock), torch.full((6,), -1.0, dtype=torch.float64), 3)
    before, state = found.x.clone(), found.state_dict()
    other = LevenbergMarquardt(Known(rosenbrock), torch.zeros(5, dtype=torch.float64)).state_dict()
    for bad in ({**state, "method": "bfgs"}, {**state, "norm": "?"}, {**state, "steps": None}, other):
        with pytest.raises(ValueError, match="it"):
            found.load_state_dict(bad)
        assert found.x.equal(before)
        assert found.steps == 3


def test_float32_and_a_matrix_that_rounding_makes_indefinite():
    """Ten copies of a column: J'J is singular, and in float32 not even that."""
    A = torch.cat([draw(40, 3).float(), draw(40, 1).float().repeat(1, 10)], dim=1)
    b = draw(40).float()
    found = minimised(Known(lambda x: A @ x - b), torch.zeros(13), 20)
    wanted = torch.linalg.lstsq(A.double(), b.double(), driver="gelsd").solution
    best = float((A.double() @ wanted - b.double()).square().sum())
    assert found.value == pytest.approx(best, rel=1e-4)
