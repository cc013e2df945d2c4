"""The tangent kernel: the layer-wise form is that of torch.func, and its figures are what they say."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wsapps.analysis import KernelWatch, alignment, kernel_figures, tangent_kernel, tangent_kernel_reference
from wsapps.fields import FIELDS, SinusoidalField

#: Fields whose parameters do not all belong to linear layers.
OTHERS = {"wire", "mfn"}
SETTINGS: dict[str, list[dict[str, object]]] = {
    "sinusoidal": [{"alpha": 1.0}, {"alpha": 2.5}, {"alpha": 1.0, "frequency_gain": 2.5}]
}


def points(count: int, seed: int = 1) -> Tensor:
    return 2 * torch.rand(count, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1


def make(name: str, channels: int = 1, **settings: object) -> nn.Module:
    torch.manual_seed(0)
    kind = FIELDS[name]
    return kind.from_config(2, channels, replace(kind.Config(), width=12, hidden_layers=2, **settings))


def agrees(first: Tensor, second: Tensor, tolerance: float) -> bool:
    return float((first - second).abs().max()) <= tolerance * float(second.abs().max())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", sorted(set(FIELDS) - OTHERS))
def test_layerwise_form_is_the_reference(name, channels):
    for settings in SETTINGS.get(name, [{}]):
        field = make(name, channels, **settings)
        kernel = tangent_kernel(field, points(11), block=4)  # blocks that do not divide the points
        reference = tangent_kernel_reference(field, points(11), batch=3)
        assert kernel.shape == (11 * channels, 11 * channels)
        assert agrees(kernel, reference, 1e-12)


def test_fourier_filters_are_linear_layers_and_gabor_filters_are_not():
    field = make("mfn", filters="fourier")
    assert agrees(tangent_kernel(field, points(7)), tangent_kernel_reference(field, points(7)), 1e-12)
    for field in (make("mfn"), make("wire")):
        with pytest.raises(ValueError, match="outside of linear layers"):
            tangent_kernel(field, points(7))


def test_single_precision_agrees_to_five_digits_where_the_kernel_is_large():
    field = SinusoidalField(2, 1, 64, 3, alpha=2.5)
    kernel = tangent_kernel(field, points(50), dtype=torch.float32)
    assert kernel.dtype == torch.float32
    assert agrees(kernel.double(), tangent_kernel(field, points(50)), 1e-5 * 10)
    assert next(field.parameters()).dtype == torch.float32  # the field is left as it was


class OneLayer(nn.Module):
    def __init__(self, frozen: tuple[str, ...] = (), bias: bool = True):
        super().__init__()
        self.linear = nn.Linear(2, 1, bias=bias)
        for name in frozen:
            getattr(self.linear, name).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def test_a_linear_function_has_the_linear_kernel():
    x = points(5)
    torch.testing.assert_close(tangent_kernel(OneLayer(), x), x @ x.T + 1)
    torch.testing.assert_close(tangent_kernel(OneLayer(bias=False), x), x @ x.T)
    torch.testing.assert_close(tangent_kernel(OneLayer(("bias",)), x), x @ x.T)
    torch.testing.assert_close(tangent_kernel(OneLayer(("weight",)), x), torch.ones(5, 5).double())


def test_frozen_layers_do_not_count():
    field = make("sinusoidal")
    for parameter in field.layers[1].parameters():  # type: ignore[union-attr]
        parameter.requires_grad_(False)
    assert agrees(tangent_kernel(field, points(7)), tangent_kernel_reference(field, points(7)), 1e-12)


class Foreign(nn.Module):
    """Somebody else's sine network: no nn.Linear, and one matrix used twice where asked."""

    def __init__(self, twice: bool):
        super().__init__()
        self.first = nn.Parameter(torch.randn(8, 2))
        self.middle = nn.Parameter(torch.randn(8, 8))
        self.last = nn.Parameter(torch.randn(1, 8))
        self.twice = twice

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.first).sin()
        for _ in range(1 + self.twice):
            x = torch.sin(F.linear(x, self.middle))
        return F.linear(x, self.last)


def test_networks_of_other_people():
    torch.manual_seed(0)
    field = Foreign(twice=False)
    assert agrees(tangent_kernel(field, points(7)), tangent_kernel_reference(field, points(7)), 1e-12)
    with pytest.raises(ValueError, match="middle more than once"):
        tangent_kernel(Foreign(twice=True), points(7))


class Shared(nn.Module):
    """A bias of two layers, or a matrix whose transpose is another layer's."""

    def __init__(self, bias: bool):
        super().__init__()
        self.first, self.middle = nn.Parameter(torch.randn(8, 2)), nn.Parameter(torch.randn(8, 8))
        self.bias = nn.Parameter(torch.randn(8)) if bias else None
        self.last = nn.Parameter(torch.randn(1, 8)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.first, self.bias).sin()
        x = F.linear(x, self.middle, self.bias).sin()
        return F.linear(x, self.first.T if self.last is None else self.last)


@pytest.mark.parametrize(("bias", "name"), [(True, "bias"), (False, "first")])
def test_parameters_that_layers_share_are_found(bias, name):
    torch.manual_seed(0)
    with pytest.raises(ValueError, match=f"uses {name} more than once"):
        tangent_kernel(Shared(bias), points(7))


def test_of_a_frozen_network_there_is_no_kernel():
    with pytest.raises(ValueError, match="no trainable linear layer"):
        tangent_kernel(make("sinusoidal").requires_grad_(False), points(7))


def test_a_small_step_changes_values_as_the_kernel_says():
    """One gradient step of rate h on squared errors: f changes by -h K (f - y) to first order."""
    field, x = make("sinusoidal", alpha=1.0).double(), points(9)
    targets = torch.sin(7 * x[:, :1])
    before = field(x)
    (0.5 * (before - targets).square().sum()).backward()
    rate = 1e-7
    with torch.no_grad():
        for parameter in field.parameters():
            parameter -= rate * parameter.grad
        change = (field(x) - before)[:, 0]
    predicted = -rate * tangent_kernel(field, x) @ (before - targets).detach()[:, 0]
    torch.testing.assert_close(change, predicted, rtol=1e-3, atol=1e-3 * float(predicted.abs().max()))


def test_figures_of_a_known_kernel():
    torch.manual_seed(0)
    values = torch.tensor([8.0, 4.0, 2.0, 0.5], dtype=torch.float64)
    basis = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    kernel = basis @ torch.diag(values) @ basis.T
    figures = kernel_figures(kernel, basis[:, :1])
    assert (figures.largest, figures.smallest) == pytest.approx((8.0, 0.5))
    assert (figures.condition, figures.rank) == (pytest.approx(16.0), 4)
    norm = float(values.norm())
    for index in range(4):
        assert alignment(kernel, 3 * basis[:, index]) == pytest.approx(float(values[index]) / norm)


def test_a_kernel_that_knows_no_direction():
    y = torch.randn(25, dtype=torch.float64)
    assert alignment(torch.eye(25, dtype=torch.float64), y) == pytest.approx(1 / math.sqrt(25))
    assert alignment(torch.outer(y, y), y) == pytest.approx(1.0)
    assert alignment(torch.eye(25, dtype=torch.float64), torch.zeros(25)) == 0.0


def test_a_kernel_without_full_rank_says_so():
    y = torch.arange(1.0, 7.0, dtype=torch.float64)
    figures = kernel_figures(torch.outer(y, y), y)
    assert figures.rank == 1
    assert figures.smallest == figures.floor
    assert figures.condition == pytest.approx(1 / (6 * torch.finfo(torch.float64).eps))


def test_what_is_no_kernel():
    with pytest.raises(ValueError, match="as many targets"):
        alignment(torch.eye(3), torch.ones(2))
    for bad in (torch.zeros(3, 3), torch.full((3, 3), math.nan)):
        with pytest.raises(ValueError, match="zero, or not finite"):
            kernel_figures(bad, torch.ones(3))


def test_following_a_kernel_sees_the_network_as_it_is_now():
    field, x = make("sinusoidal"), points(8).float()
    watch = KernelWatch(field, x, torch.sin(3 * x[:, :1]))
    with torch.no_grad():  # as in the trainer's evaluation
        first = watch()
        assert watch() == first
        field.output.weight.mul_(2.0)  # type: ignore[union-attr]
        assert watch()["kernel/largest"] > first["kernel/largest"]
