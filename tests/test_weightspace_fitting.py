"""Fitting many fields at once: the engines against each other, against float64, and against torch's Adam."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from user_errors import one_line_error

from wsapps.metrics import psnr
from wsapps_weightspace.fitting import FittingConfig, kernel, make_fitter, resolve_engine
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate, from_flat

CPU = torch.device("cpu")
PEAK = 2.0
# One with whole vectors, and one with padding everywhere, one more layer, and two values.
SHARED = Architecture((2, 16, 16, 1), 30.0, 30.0)
OWN = Architecture((3, 20, 12, 8, 2), 20.0, 9.0)
ENGINES = ["native", "eager"]


def problem(architecture, count, points=101, seed=0):
    """Initial fields, coordinates (each field's own where there are 3), and targets."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return 2 * torch.rand(*shape, generator=generator) - 1

    inputs = architecture.sizes[0]
    coordinates = draw(count, points, inputs) if inputs == 3 else draw(points, inputs)
    return (
        from_flat(0.1 * draw(count, architecture.parameters), architecture),
        coordinates,
        draw(count, points, architecture.sizes[-1]),
    )


def fit(architecture, fields, engine="native", threads=1, tick=None, **settings):
    initial, coordinates, targets = fields
    config = FittingConfig(**{"engine": engine, "lr": 1e-3, "chunk": 8, **settings})
    return make_fitter(config, architecture, PEAK, CPU, threads).fit(initial, coordinates, targets, tick)


def some(fields, rows):
    initial, coordinates, targets = fields
    return initial[rows], coordinates[rows] if coordinates.ndim == 3 else coordinates, targets[rows]


def adam_by_torch(architecture, fields, steps, lr):
    """What torch.optim.Adam makes of one field, in float64."""
    initial, coordinates, targets = fields
    parameters = [tensor.double().clone().requires_grad_() for tensor in (*initial.weights, *initial.biases)]
    optimizer = torch.optim.Adam(parameters, lr=lr)
    half = len(parameters) // 2
    for _ in range(steps):
        optimizer.zero_grad()
        weights = FieldWeights(tuple(parameters[:half]), tuple(parameters[half:]))
        (evaluate(weights, architecture, coordinates.double()) - targets).square().mean().backward()
        optimizer.step()
    return FieldWeights(tuple(parameters[:half]), tuple(parameters[half:])).flat().detach()


@pytest.mark.parametrize("architecture", [SHARED, OWN], ids=["shared", "own"])
def test_engines_follow_adam_as_closely_as_float32_can(architecture):
    fields = problem(architecture, 1)
    exact = adam_by_torch(architecture, fields, steps=20, lr=1e-3)
    errors = {}
    for engine in ENGINES:
        fitted = fit(architecture, fields, engine, steps=20, schedule="constant")
        errors[engine] = float((fitted.weights.flat() - exact).abs().max())
    moved = float((fields[0].flat() - exact).abs().max())
    assert moved > 0.01
    assert errors["eager"] < 1e-5 * moved / 0.01
    assert errors["native"] < 4 * errors["eager"] + 1e-6


@pytest.mark.parametrize("architecture", [SHARED, OWN], ids=["shared", "own"])
def test_float64_is_adam_itself(architecture):
    fields = problem(architecture, 1)
    exact = adam_by_torch(architecture, fields, steps=20, lr=1e-3)
    double = (fields[0].to(torch.float64), *fields[1:])
    fitted = fit(architecture, double, "eager", steps=20, schedule="constant")
    assert float((fitted.weights.flat() - exact).abs().max()) < 1e-12


@pytest.mark.parametrize("engine", ENGINES)
def test_the_first_step_of_adam_has_the_length_of_the_rate(engine):
    fields = problem(SHARED, 3)
    moved = fit(SHARED, fields, engine, steps=1, eps=1e-20).weights.flat() - fields[0].flat()
    assert torch.allclose(moved.abs(), torch.full_like(moved, 1e-3), rtol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("architecture", [SHARED, OWN], ids=["shared", "own"])
def test_psnr_is_that_of_the_fitted_weights(engine, architecture):
    fields = problem(architecture, 5, points=64)
    fitted = fit(architecture, fields, engine, steps=30)
    values = evaluate(fitted.weights, architecture, fields[1])
    for n in range(5):
        assert float(fitted.psnr[n]) == pytest.approx(psnr(values[n], fields[2][n], PEAK), abs=1e-3)
    assert fitted.steps.tolist() == [30] * 5


@pytest.mark.parametrize("points", [1, 7, 8, 56, 57, 113])
def test_any_number_of_points(points):
    fields = problem(OWN, 2, points)
    native, eager = (fit(OWN, fields, engine, steps=5) for engine in ENGINES)
    assert torch.allclose(native.weights.flat(), eager.weights.flat(), atol=2e-5)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.1, 3000.0), st.integers(0, 2**31 - 1))
def test_the_kernels_sine_at_any_phase(scale, seed):
    """The error of a field with phases up to some thousand, as near to float64 as rounded phases allow."""
    generator = torch.Generator().manual_seed(seed)
    flat = torch.rand(1, SHARED.parameters, generator=generator) - 0.5
    coordinates = torch.rand(64, 2, generator=generator) * scale / 30
    fields = from_flat(flat, SHARED), coordinates, torch.zeros(1, 64, 1)
    fitted = fit(SHARED, fields, steps=1, lr=1e-30)
    values = evaluate(fields[0].to(torch.float64), SHARED, coordinates.double())
    rounding = 1e-6 * (1 + scale) * 30  # of the first phases, through the second layer's omega
    native = 2 * 10 ** (-float(fitted.psnr) / 20)
    assert native == pytest.approx(float(values.square().mean().sqrt()), abs=rounding)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("architecture", [SHARED, OWN], ids=["shared", "own"])
@pytest.mark.parametrize("target", [None, 9.0])
def test_a_field_does_not_depend_on_those_beside(engine, architecture, target):
    fields = problem(architecture, 19)
    together = fit(architecture, fields, engine, threads=3, steps=60, target_psnr=target)
    for rows in (slice(3, 4), slice(5, 19)):
        apart = fit(architecture, some(fields, rows), engine, steps=60, target_psnr=target)
        assert torch.equal(apart.weights.flat(), together.weights[rows].flat())
        assert torch.equal(apart.psnr, together.psnr[rows])
        assert torch.equal(apart.steps, together.steps[rows])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_field_stops_at_the_first_step_that_has_reached_the_target(engine):
    fields = problem(SHARED, 19)
    start = fit(SHARED, fields, engine, steps=1, lr=1e-30).psnr
    target = float(start.max()) + 0.1
    settings = {"schedule": "constant", "lr": 2e-4}
    fitted = fit(SHARED, fields, engine, steps=100, target_psnr=target, **settings)
    reached = fitted.steps < 100
    assert len(set(fitted.steps.tolist())) > 3
    assert bool(reached.any())
    assert bool((fitted.psnr[reached] >= target - 1e-4).all())
    for n in (fitted.steps > 1).nonzero()[:3, 0].tolist():
        one, steps = some(fields, slice(n, n + 1)), int(fitted.steps[n])
        same = fit(SHARED, one, engine, steps=steps, **settings)
        assert torch.equal(same.weights.flat(), fitted.weights[n : n + 1].flat())
        assert float(fit(SHARED, one, engine, steps=steps - 1, **settings).psnr) < target


@pytest.mark.slow
@pytest.mark.parametrize("target", [None, 9.0])
def test_compiled_is_eager(target):
    fields = problem(SHARED, 19)
    compiled, eager = (
        fit(SHARED, fields, engine, steps=60, target_psnr=target) for engine in ("compiled", "eager")
    )
    assert torch.allclose(compiled.weights.flat(), eager.weights.flat(), atol=1e-5)
    assert torch.equal(compiled.steps, eager.steps)


@pytest.mark.parametrize("engine", ENGINES)
def test_ticks_count_fields_and_may_stop_it(engine):
    fields, ticks = problem(SHARED, 19), []
    fit(SHARED, fields, engine, threads=2, steps=41, tick=ticks.append)
    assert sum(ticks) == pytest.approx(19)
    assert len(ticks) > 3

    def stop(fields):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(SHARED, fields, engine, steps=41, tick=stop)


def test_initial_fields_are_not_changed():
    fields = problem(SHARED, 3)
    before = fields[0].flat()
    for engine in ENGINES:
        fit(SHARED, fields, engine, steps=2)
        assert torch.equal(fields[0].flat(), before)


def test_rates_and_roots_are_those_of_adam():
    config = FittingConfig(steps=11, lr=0.5, schedule="cosine", final_lr_factor=0.1)
    t = np.arange(1, 12)
    rates = config.rates() * (1 - 0.9**t)
    assert rates[0] == pytest.approx(0.5)
    assert rates[5] == pytest.approx(0.5 * 0.55)
    assert rates[-1] == pytest.approx(0.05)
    assert config.roots() == pytest.approx((1 - 0.999**t) ** -0.5)


def test_the_error_that_is_enough_is_the_targets():
    assert FittingConfig(target_psnr=20.0).enough(peak=2.0) == pytest.approx(0.04)
    assert FittingConfig().enough(peak=2.0) < 0


def test_shapes_that_do_not_match_are_refused():
    initial, coordinates, targets = problem(SHARED, 3)
    for wrong in ((initial[:2], coordinates, targets), (initial, coordinates[:5], targets)):
        with pytest.raises(ValueError, match="do not match"):
            fit(SHARED, wrong)


def test_without_a_compiler(monkeypatch):
    """auto goes on in PyTorch, native says what is missing; neither is remembered."""
    monkeypatch.setattr(kernel.shutil, "which", lambda name: None)
    other = Architecture((1, 3, 1))
    assert resolve_engine("auto", other, CPU) == "eager"
    one_line_error(lambda: resolve_engine("native", other, CPU), "C++ compiler", "g++")


def test_a_compiler_that_fails(monkeypatch, tmp_path):
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho no such flag >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    one_line_error(lambda: resolve_engine("native", Architecture((1, 3, 1)), CPU), "no such flag")


def test_other_devices_have_no_native_engine():
    cuda = torch.device("cuda")
    assert resolve_engine("auto", SHARED, cuda) == "compiled"
    one_line_error(lambda: resolve_engine("native", SHARED, cuda), "cuda", "compiled")


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ({"steps": 0}, "steps"),
        ({"chunk": 0}, "chunk"),
        ({"lr": 0.0}, "lr"),
        ({"target_psnr": float("nan")}, "target_psnr"),
    ],
)
def test_settings_out_of_range(setting, word):
    with pytest.raises(ValueError, match=word):
        FittingConfig(**setting)


def test_the_settings_of_the_kernel_are_in_its_order():
    """ctypes and kernel.cpp must name the same things."""
    source = kernel._SOURCE.read_text()
    body = source[source.index("struct Settings {") : source.index("// ---- layers")]
    named = re.findall(r"\w+", re.sub(r"//.*", "", body))
    fields = [entry[0] for entry in kernel.Settings._fields_]
    assert [word for word in named if word in fields] == fields
