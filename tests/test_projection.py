"""The output layer by least squares: the solution, the gradient that is left, and where it does not suit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from wsapps.accelerator import make_accelerator
from wsapps.field_objective import FieldObjective
from wsapps.fields import FIELDS, SinusoidalField, make_field
from wsapps.gradient import accumulate_gradient
from wsapps.optimizer import OptimizerConfig
from wsapps.projection import OutputSolver, ProjectionConfig, output_solver, ridge_solution
from wsapps.samplers import PointSampler
from wsapps.tiling import TiledField
from wsapps.trainer import Trainer, TrainerConfig

RIDGE = 1e-6


def samples(count: int = 400, weights: bool = False, points: int | None = None) -> PointSampler:
    axis = torch.linspace(-1, 1, count)
    values = torch.stack([torch.sin(9 * axis) + 0.3 * axis, torch.cos(14 * axis)], dim=1)
    factors = 0.5 + torch.linspace(0, 1, count) if weights else None
    return PointSampler(axis[:, None], values, points, weights=factors)


def small_field(width: int = 16) -> SinusoidalField:
    torch.manual_seed(3)
    return SinusoidalField(1, 2, width, 1, omega_0=10.0, omega_hidden=10.0)


def objective_of(field: SinusoidalField, sampler: PointSampler) -> FieldObjective:
    solver = output_solver(field, sampler, ProjectionConfig())
    assert solver is not None
    return FieldObjective(field, solver=solver)


def loss_of(field: torch.nn.Module, sampler: PointSampler) -> float:
    with torch.no_grad():
        terms = FieldObjective(field)(sampler.tensors)
    return float(terms["loss_sum"] / terms["count"])


@pytest.mark.parametrize("weights", [False, True])
def test_it_is_the_least_squares_solution(weights):
    field, sampler = small_field(), samples(weights=weights)
    OutputSolver(field, sampler, ProjectionConfig(ridge=1e-12)).finish()
    with torch.no_grad():
        features = field.features(sampler.tensors["coordinates"]).double()
    root = (sampler.tensors["weights"] if weights else torch.ones(len(sampler))).double().sqrt()[:, None]
    design = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    wanted = torch.linalg.lstsq(root * design, root * sampler.tensors["values"].double()).solution
    found = torch.cat([field.output.weight.T, field.output.bias[None]])
    error = root * (design @ (found.double() - wanted))
    assert error.abs().max() < 1e-4


def test_ridge_solution_in_closed_form():
    """Orthogonal columns of squared norms 1 and 4, mean 2.5: each entry is its moment over norm + penalty."""
    gram, moments = torch.diag(torch.tensor([1.0, 4.0])).double(), torch.tensor([[3.0], [8.0]]).double()
    found = ridge_solution(gram, moments, 0.1)
    torch.testing.assert_close(found, torch.tensor([[3 / 1.25], [8 / 4.25]]).double())


def test_a_matrix_that_cannot_be_factored_is_no_answer():
    gram = torch.tensor([[1.0, 2.0], [2.0, 1.0]]).double()
    assert ridge_solution(gram, torch.ones(2, 1).double(), 1e-6).isnan().all()


def noise(count: int = 400) -> PointSampler:
    axis = torch.linspace(-1, 1, count)
    return PointSampler(axis[:, None], torch.randn(count, 2, generator=torch.Generator().manual_seed(0)))


def test_the_ridge_keeps_the_output_small_until_the_end():
    field, sampler = small_field(), noise()
    solver = OutputSolver(field, sampler, ProjectionConfig(ridge=0.1))
    solver.solve(0)
    while_training = float(field.output.weight.detach().norm())
    solver.finish()
    assert while_training < 0.7 * float(field.output.weight.detach().norm())


def test_a_ridge_that_is_given_is_taken():
    field, sampler = small_field(), noise()
    small = []
    for ridge in (1e-3, 10.0):
        OutputSolver(field, sampler, ProjectionConfig(ridge=ridge)).solve(0)
        small.append(float(field.output.weight.norm()))
    assert small[1] < 0.2 * small[0]


@pytest.mark.parametrize("sign", [-1, 1])
def test_no_other_output_layer_is_better(sign):
    field, sampler = small_field(), samples()
    OutputSolver(field, sampler, ProjectionConfig(ridge=1e-12)).finish()
    best = loss_of(field, sampler)
    for parameter in field.output.parameters():
        for index in range(parameter.numel()):
            with torch.no_grad():
                parameter.view(-1)[index] += sign * 1e-2
            assert loss_of(field, sampler) > best
            with torch.no_grad():
                parameter.view(-1)[index] -= sign * 1e-2


def test_the_gradient_is_that_of_the_loss_minimised_over_the_output():
    """Golub and Pereyra's theorem, against autograd through the solution itself."""
    field, sampler = small_field().double(), samples()
    doubles = PointSampler(**{name: tensor.double() for name, tensor in sampler.tensors.items()})
    objective = objective_of(field, doubles)
    objective.solver = OutputSolver(field, doubles, ProjectionConfig(samples_per_unknown=100, ridge=1e-12))
    objective.before_step(0)
    accumulate_gradient(make_accelerator(), objective, [doubles.tensors])
    found = {name: p.grad for name, p in field.named_parameters() if p.requires_grad}
    assert set(found) == {name for name, _ in field.named_parameters() if not name.startswith("output")}

    features = field.features(doubles.tensors["coordinates"])
    design = torch.cat([features, torch.ones(len(features), 1, dtype=torch.float64)], dim=1)
    values = doubles.tensors["values"]
    solution = ridge_solution(design.T @ design, design.T @ values, 1e-12)
    reduced = (design @ solution - values).square().mean()
    names = list(found)
    wanted = torch.autograd.grad(reduced, [dict(field.named_parameters())[name] for name in names])
    for name, gradient in zip(names, wanted, strict=True):
        assert (found[name] - gradient).abs().max() < 1e-5 * gradient.abs().max(), name


def test_training_with_it_converges_faster():
    """Why it exists."""
    config = TrainerConfig(max_steps=60, optimizer=OptimizerConfig(lr=1e-3))
    losses = []
    for projected in (False, True):
        field, sampler = small_field(32), samples()
        objective = objective_of(field, sampler) if projected else FieldObjective(field)
        Trainer(config, objective, sampler, show_progress=False).fit()
        if objective.solver is not None:
            objective.solver.finish()
        losses.append(loss_of(field, sampler))
    assert losses[1] < 0.1 * losses[0]


def test_a_draw_is_nearly_as_good_as_all_samples():
    field, sampler = small_field(), samples(4000)
    solver = OutputSolver(field, sampler, ProjectionConfig(samples_per_unknown=16))
    solver.solve(0)
    drawn = loss_of(field, sampler)
    solver.solve(0)
    assert loss_of(field, sampler) == drawn, "the draw is not the step's"
    solver.solve(1)
    assert loss_of(field, sampler) != drawn
    solver.finish()
    # Of a solution from K samples by F numbers the expected excess is F / K.
    assert loss_of(field, sampler) < drawn < 1.3 * loss_of(field, sampler)


def test_the_output_is_taken_from_the_optimiser_and_given_back():
    field, sampler = small_field(), samples()
    solver = output_solver(field, sampler, ProjectionConfig())
    assert solver is not None
    trainer = Trainer(
        TrainerConfig(max_steps=1), FieldObjective(field, solver=solver), sampler, show_progress=False
    )
    trained = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
    assert not trained & {id(p) for p in field.output.parameters()}
    assert trained == {id(p) for p in field.layers.parameters()}
    solver.finish()
    assert all(p.requires_grad for p in field.parameters())


@pytest.mark.parametrize("kind", sorted(FIELDS))
def test_every_field_can_be_solved_for(kind):
    config = FIELDS[kind].Config(**({"width": 16} if hasattr(FIELDS[kind].Config, "width") else {}))
    torch.manual_seed(0)
    field, sampler = make_field(1, 2, config), samples(4000)
    before = loss_of(field, sampler)
    solver = output_solver(field, sampler, ProjectionConfig())
    assert solver is not None
    solver.finish()
    assert loss_of(field, sampler) < before


def test_where_it_does_not_suit_the_output_is_trained():
    field = small_field(16)
    assert output_solver(field, samples(400), ProjectionConfig(enabled=False)) is None
    assert output_solver(field, samples(67), ProjectionConfig()) is None  # under 4 for each of 17 unknowns
    assert output_solver(torch.nn.Linear(1, 2), samples(), ProjectionConfig()) is None
    tiled = TiledField([small_field(), small_field()], [2], [-1.0], [1.0])
    assert output_solver(tiled, samples(), ProjectionConfig()) is None
    assert all(p.requires_grad for p in field.parameters())
    assert output_solver(field, samples(68), ProjectionConfig()) is not None


@pytest.mark.parametrize("settings", [{"samples_per_unknown": 3}, {"ridge": 0.0}, {"ridge": float("nan")}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        ProjectionConfig(**settings)


def test_features_that_are_not_finite_reach_the_loss():
    """So that the run ends as diverged, and not with a field of numbers that mean nothing."""
    field, sampler = small_field(), samples()
    objective = objective_of(field, sampler)
    with torch.no_grad():
        field.layers[0].linear.bias[0] = float("nan")
    objective.before_step(0)
    terms: dict[str, Tensor] = objective(sampler.tensors)
    assert not torch.isfinite(terms["loss_sum"])
