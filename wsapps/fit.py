"""Fit a field to any pair of tensors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from wsapps.accelerator import accelerator_of_ones_own, forget_training, make_accelerator, on_main
from wsapps.alpha import alpha_by_samples, told
from wsapps.cpu import keep_freed_pages
from wsapps.field_objective import FieldObjective
from wsapps.fields.sinusoidal import SinusoidalField
from wsapps.finite import Diverged
from wsapps.fitting_rate import fitting_rate
from wsapps.optimizer import fitting_optimizer
from wsapps.projection import ProjectionConfig, output_solver
from wsapps.samplers import PointSampler, parts_for, step_in_parts
from wsapps.seeding import seed_global
from wsapps.trainer import Trainer, TrainerConfig
from wsapps.value_units import ValueUnits

_DEFAULT_STEPS = 150
_EXTENTS = 0.2, 20.0  # of coordinates, within which the usual frequencies are thought to suit them
F = TypeVar("F", bound=nn.Module)
_log = logging.getLogger("wsapps")


@accelerator_of_ones_own()
def fit(
    coordinates: Any,
    values: Any,
    *,
    alpha: float | Literal["auto"] | None = None,
    omega_0: float = 30.0,
    omega_hidden: float = 30.0,
    width: int = 256,
    hidden_layers: int = 3,
    field: nn.Module | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    points: int | None = None,
    lr: float | None = None,
    solve_output: bool | None = None,
    seed: int = 0,
    compile: bool = False,
    progress: bool = True,
) -> nn.Module:
    """Fit a weight-scaled sinusoidal field to samples of a signal.

    Torch's global generator is left as it was. On the CPU PyTorch's number of threads is used.

    >>> field = wsapps.fit(coordinates, values)
    >>> field(new_coordinates)

    Args:
        coordinates: ``(..., D)``, best scaled to [-1, 1]; tensors, arrays or nested lists.
        values: ``(..., C)`` or, for one channel, ``(...)``: the leading sizes of coordinates. In any units:
            the field is trained without, and has them at the end (:class:`wsapps.value_units.ValueUnits`).
        alpha: weight scaling. None and "auto" take the largest with which samples this dense still say what
            is between them (:func:`wsapps.alpha.alpha_by_samples`); more trains faster and is noise between
            them; 1 is SIREN. What was seen is logged to "wsapps" at INFO. Looking takes about a second, of a
            million samples three, which ``seconds`` does not count. Where training diverges with what was
            chosen it begins anew with the next smaller one, for as many steps and seconds again.
        omega_0, omega_hidden, width, hidden_layers: see :class:`SinusoidalField`.
        field: another module to train in its stead, in place and in its own precision, on values as they are.
        steps, seconds: when to stop, whichever comes first; 150 steps where neither is given.
        points: points a step; None takes all in every step.
        lr: Adam's learning rate at the start, from where it falls as a cosine to a fiftieth. None takes
            what suits the width and what the untrained field explains; see :mod:`wsapps.fitting_rate`.
        solve_output: keep the output layer at the least-squares solution, where the field is
            ``output(features(x))`` with a linear output and there are enough samples; see
            :mod:`wsapps.projection`. None does where the choice of alpha finds that fields interpolate, and
            where alpha or ``field`` is given. An output that is frozen stays as it is.
        seed: of weights and draws.
        compile: compile the step with torch.compile (pays from some hundred steps on).
        progress: show a bar, where there is a terminal.

    Returns:
        The field, in eval mode, on the device of the coordinates (arrays and lists: the CPU). It is trained
        on a GPU where there is one.

    Raises:
        ValueError: shapes that do not pair up, values that are complex or not finite, settings out of range.
        wsapps.Diverged: the loss became NaN.
    """
    keep_freed_pages()
    home = coordinates.device if isinstance(coordinates, Tensor) else torch.device("cpu")
    dtype = _dtype_of(field)
    coordinates_ND, values_NC = _pair(coordinates, values, dtype)
    units = ValueUnits.of(values_NC) if field is None else None
    peak = float(values_NC.abs().max()) or 1.0
    if units is not None:
        values_NC, peak = units.without(values_NC), peak / units.scale
    values_NC = values_NC.to(dtype)
    accelerator = make_accelerator()
    parts = parts_for(points or len(coordinates_ND), accelerator.device)
    config = TrainerConfig(
        max_steps=steps,
        max_seconds=seconds,
        default_steps=_DEFAULT_STEPS,
        seed=seed,
        accumulate=parts,
        compile=compile,
        optimizer=fitting_optimizer(lr),
    )
    sampler = step_in_parts(coordinates_ND, values_NC, points, parts, seed)
    batches = sampler.to(accelerator.device)
    train = partial(
        _train, batches=batches, config=config, peak=peak, lr=lr, accelerator=accelerator, progress=progress
    )
    with torch.random.fork_rng(), torch.enable_grad():
        if units is not None:
            _warn_of_extent(coordinates_ND)
            sizes = coordinates_ND.shape[1], values_NC.shape[1]
            make = partial(SinusoidalField, *sizes, width, hidden_layers, omega_0, omega_hidden)
            alphas, memorises = _alphas(alpha, make, coordinates_ND, values_NC, accelerator, seed)
            if solve_output is None and memorises:
                solve_output = False
                _say(accelerator, "the samples are too sparse for alpha 1: the output layer is trained")
            train = partial(train, solve_output=solve_output)
            field = made = _first_that_converges(make, alphas, train, accelerator, seed)
            units.give(made.output)
        elif field is not None:
            train(field, solve_output=solve_output)
    assert field is not None
    return field.eval().to(home)


def _alphas(
    alpha: float | str | None,
    make: Callable[[float], nn.Module],
    coordinates_ND: Tensor,
    values_NC: Tensor,
    accelerator: Accelerator,
    seed: int,
) -> tuple[list[float], bool]:
    """The one that is given; or the chosen one and the smaller ones that were looked at, descending, and
    whether solving for the output layer would memorise."""
    if alpha is not None and alpha != "auto":
        if isinstance(alpha, str):
            raise ValueError(f'alpha must be a number, "auto" or None, got "{alpha}"')
        return [alpha], False
    choose = partial(alpha_by_samples, make, coordinates_ND, values_NC, seed=seed)
    choice = on_main(accelerator, choose)
    for line in told(choice):
        _say(accelerator, line)
    below = (verdict.alpha for verdict in choice.verdicts if verdict.alpha <= choice.alpha)
    return sorted(below, reverse=True), choice.memorises


def _first_that_converges(
    make: Callable[[float], F],
    alphas: list[float],
    train: Callable[[nn.Module], None],
    accelerator: Accelerator,
    seed: int,
) -> F:
    """The trained field of the first alpha that does not diverge; raises Diverged where the last one does."""
    alpha, *smaller = alphas
    seed_global(seed, "init")
    field = make(alpha)
    try:
        train(field)
    except Diverged:
        if not smaller:
            raise
    else:
        return field
    message = f"alpha = {alpha:g}, which was chosen, diverges; begins anew with alpha = {smaller[0]:g}"
    _say(accelerator, message, logging.WARNING)
    forget_training(accelerator)
    return _first_that_converges(make, smaller, train, accelerator, seed)


def _say(accelerator: Accelerator, message: str, level: int = logging.INFO) -> None:
    if accelerator.is_main_process:
        _log.log(level, "%s", message)


def _train(
    field: nn.Module,
    batches: PointSampler,
    config: TrainerConfig,
    peak: float,
    lr: float | None,
    solve_output: bool | None,
    accelerator: Accelerator,
    progress: bool,
) -> None:
    """Train in place, at the chosen rate where none is given."""
    field.to(accelerator.device)
    solver = output_solver(field, batches, ProjectionConfig(enabled=solve_output))
    objective = FieldObjective(field, peak, solver)
    try:
        if lr is None:
            rate = on_main(accelerator, partial(fitting_rate, field, solver))
            config = replace(config, optimizer=fitting_optimizer(rate))
        Trainer(config, objective, batches, accelerator=accelerator, show_progress=progress).fit()
        objective.finish()
    finally:
        if solver is not None:  # also where training diverged or was interrupted
            solver.release()


def _warn_of_extent(coordinates_ND: Tensor) -> None:
    low_D, high_D = coordinates_ND.amin(dim=0), coordinates_ND.amax(dim=0)
    extent = float((high_D - low_D).max())
    if len(coordinates_ND) > 1 and not _EXTENTS[0] <= extent <= _EXTENTS[1]:
        _log.warning(
            "coordinates span %.3g to %.3g: fields are made for about -1 to 1; scale them, or omega_0",
            float(low_D.min()), float(high_D.max()),
        )  # fmt: skip


def _dtype_of(field: nn.Module | None) -> torch.dtype:
    given = () if field is None else field.parameters()
    kinds = (parameter.dtype for parameter in given if parameter.is_floating_point())
    return next(kinds, torch.get_default_dtype())


def _pair(coordinates: Any, values: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """As ``(N, D)`` of a type and ``(N, C)`` in double precision, on the CPU, where weights are drawn."""
    coordinates, values = torch.as_tensor(coordinates), torch.as_tensor(values)
    if coordinates.is_complex() or values.is_complex():
        raise ValueError("complex values cannot be fitted; give real and imaginary parts as two channels")
    if values.shape == coordinates.shape[:-1]:
        values = values[..., None]
    if coordinates.dim() < 2 or coordinates.shape[:-1] != values.shape[:-1]:
        raise ValueError(
            f"coordinates (..., D) and values (..., C) must have the same leading sizes, got "
            f"{tuple(coordinates.shape)} and {tuple(values.shape)}"
            + ("; of one coordinate they are coordinates[:, None]" if coordinates.dim() == 1 else "")
        )
    kinds = (coordinates, dtype), (values, torch.float64)
    pair = [tensor.detach().to("cpu", kind).flatten(end_dim=-2) for tensor, kind in kinds]
    if not len(pair[0]):
        raise ValueError("there must be at least one point")
    for name, tensor in zip(("coordinates", "values"), pair, strict=True):
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name} hold NaN or infinity in {int((~torch.isfinite(tensor)).sum())} places")
    return pair[0], pair[1]
