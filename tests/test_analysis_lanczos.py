"""Lanczos' iteration on known spectra, and Hessians against ones that autograd makes whole."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call, hessian

from wsapps.analysis import hessian_figures, lanczos
from wsapps.analysis.hessian import hessian_product
from wsapps.fields import SinusoidalField


def rotated(values: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    basis = torch.linalg.qr(torch.randn(len(values), len(values), dtype=torch.float64)).Q
    return basis @ torch.diag(values) @ basis.T


def start(size: int) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def test_all_steps_give_all_eigenvalues():
    values = torch.linspace(-2, 5, 30, dtype=torch.float64)
    matrix = rotated(values)
    ritz = lanczos(lambda v: matrix @ v, start(30), 100)
    torch.testing.assert_close(ritz.values, values, rtol=1e-10, atol=1e-10)
    assert float(ritz.errors.max()) < 1e-10
    assert len(ritz.converged(1e-8)) == 30
    # The weights are the squares of the starting vector's parts along the eigenvectors.
    parts = torch.linalg.eigh(matrix).eigenvectors.T @ (start(30) / start(30).norm())
    torch.testing.assert_close(ritz.weights, parts.square(), rtol=1e-6, atol=1e-10)


def test_few_steps_give_the_extreme_ones_and_honest_errors():
    values = torch.cat([torch.tensor([-30.0, 90.0, 100.0]), torch.linspace(0, 1, 200)]).double()
    matrix = rotated(values)
    ritz = lanczos(lambda v: matrix @ v, start(203), 15)
    assert float(ritz.values[-1]) == pytest.approx(100.0, rel=1e-8)
    assert float(ritz.values[0]) == pytest.approx(-30.0, rel=1e-8)
    distances = (ritz.values[:, None] - values).abs().amin(dim=1)
    assert bool((distances <= ritz.errors + 1e-9).all())
    assert float(ritz.values.min()) >= -30 - 1e-9
    assert float(ritz.values.max()) <= 100 + 1e-9
    assert float(ritz.weights.sum()) == pytest.approx(1.0)


def test_an_exhausted_space_ends_it():
    """Three different eigenvalues: three steps know them all, however often they occur."""
    values = torch.tensor([1.0, 1.0, 1.0, 2.0, 2.0, 7.0, 7.0, 7.0], dtype=torch.float64)
    matrix = rotated(values)
    ritz = lanczos(lambda v: matrix @ v, start(8), 8)
    torch.testing.assert_close(ritz.values, torch.tensor([1.0, 2.0, 7.0], dtype=torch.float64))


def test_zero_matrix():
    ritz = lanczos(torch.zeros_like, start(5), 5)
    assert ritz.values.tolist() == [0.0]


def test_what_cannot_be_iterated():
    with pytest.raises(ValueError, match="start other than zero"):
        lanczos(lambda v: v, torch.zeros(3), 2)
    with pytest.raises(ValueError, match="start other than zero"):
        lanczos(lambda v: v, torch.ones(3), 0)
    with pytest.raises(ValueError, match="product of step 0"):
        lanczos(lambda v: v * torch.nan, torch.ones(3), 2)


@pytest.fixture
def fitted() -> tuple[SinusoidalField, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    field = SinusoidalField(1, 2, 5, 1, 5.0, 5.0, 1.0).double()
    x = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    return field, x, torch.cat([x, x.square()], dim=1)


def whole_hessian(field, x, y) -> torch.Tensor:
    names, sizes = zip(*((n, p.shape) for n, p in field.named_parameters()), strict=True)
    flat = torch.cat([p.detach().flatten() for p in field.parameters()])

    def loss(vector):
        pieces = vector.split([size.numel() for size in sizes])
        state = {n: p.view(s) for n, p, s in zip(names, pieces, sizes, strict=True)}
        return (functional_call(field, state, (x,)) - y).square().mean()

    return hessian(loss)(flat)


def test_products_are_those_of_the_whole_hessian(fitted, monkeypatch):
    monkeypatch.setattr("wsapps.analysis.hessian._BATCH", 4)  # batches that do not divide the points
    product, size = hessian_product(*fitted)
    matrix = whole_hessian(*fitted)
    vector = start(size)
    torch.testing.assert_close(product(vector), matrix @ vector)


def test_extreme_eigenvalues_of_a_field(fitted):
    values = torch.linalg.eigvalsh(whole_hessian(*fitted))
    figures = hessian_figures(*fitted, steps=len(values), tolerance=1e-6)
    assert figures.largest == pytest.approx(float(values[-1]), rel=1e-6)
    assert figures.smallest == pytest.approx(float(values[0]), rel=1e-6)
    whole = values.abs()
    assert 1 <= figures.condition_at_least <= float(whole.max() / whole.min()) * (1 + 1e-6)
    assert figures.converged > 3
    assert hessian_figures(*fitted, steps=9) == hessian_figures(*fitted, steps=9)


def test_values_that_do_not_pair_up_are_refused(fitted):
    field, x, values = fitted
    with pytest.raises(ValueError, match="shape of the field's"):
        hessian_figures(field, x, values[:, 0])


def test_large_float32_matrices_are_not_ended_by_rounding():
    size = 200_000
    diagonal = torch.linspace(1e-3, 1.0, size)
    found = lanczos(lambda vector: diagonal * vector, torch.ones(size), 30)
    assert len(found.values) == 30
    assert float(found.values[-1]) == pytest.approx(1.0, abs=3e-3)


def test_parameters_that_do_nothing_have_no_curvature():
    field = SinusoidalField(1, 1, 8, 1)
    field.idle = torch.nn.Parameter(torch.ones(3))
    x = torch.linspace(-1, 1, 20)[:, None]
    assert hessian_figures(field, x, torch.sin(3 * x), steps=10).largest > 0
