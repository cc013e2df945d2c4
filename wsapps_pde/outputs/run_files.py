"""What a solved problem leaves in its run folder."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from wsapps.atomic import write_bytes, write_json
from wsapps.report import Curve, Section, Series, TextTable, write_report
from wsapps.run_folder import RunFolder
from wsapps_pde.learning.objective import PDEObjective
from wsapps_pde.outputs.evaluation import Comparison, grid_axes
from wsapps_pde.outputs.pictures import write_pictures, write_residual
from wsapps_pde.outputs.vtk import write_vtk
from wsapps_pde.problems.problem import Problem
from wsapps_pde.references.solution import grid_points

Array = NDArray[np.float64]


def write_outputs(
    folder: RunFolder,
    problem: Problem,
    objectives: Sequence[PDEObjective],
    comparison: Comparison,
    metrics: Mapping[str, float | str],
    history: Sequence[Mapping[str, float]],
) -> None:
    """``grid.npz``, ``vtk/``, ``history.json``, pictures and ``index.html``.

    Args:
        problem: the whole.
        objectives: of its time windows, or of the only one.
    """
    _write_grid(folder.path / "grid.npz", comparison)
    write_vtk(folder.path / "vtk", comparison, problem.domain.time)
    write_json(folder.path / "history.json", list(history))
    figures = write_pictures(folder.path, comparison, problem.domain.time)
    residual = []
    if problem.residuals and len(problem.variables) >= 2:
        axes = grid_axes(problem)
        residual = [write_residual(folder.path, axes, _residual_on(problem, objectives, axes))]
    sections = [Section("Solution", _reference_text(comparison), figures)]
    if residual:
        sections.append(Section("Residual", figures=residual))
    write_report(
        folder.path,
        title=f"Solution of {problem.name}",
        summary=_summary(metrics),
        metrics=dict(metrics),
        sections=sections,
        curves=_curves(_terms(objectives), history),
        config_yaml=folder.config_yaml,
        tables=[_error_table(metrics, [unknown.name for unknown in problem.unknowns])],
    )


def _write_grid(path: Path, comparison: Comparison) -> None:
    """Variables as axes and unknowns on the grid; or columns of scattered points."""
    buffer = io.BytesIO()
    axes = comparison.axes
    shape = tuple(len(axis) for axis in axes.values()) if axes else (len(comparison.points),)
    arrays: dict[str, Any] = dict(axes) if axes else {"points": comparison.points}
    arrays |= {name: values.reshape(shape) for name, values in comparison.found.items()}
    np.savez_compressed(buffer, **arrays)
    write_bytes(path, buffer.getvalue())


def _residual_on(problem: Problem, objectives: Sequence[PDEObjective], axes: Mapping[str, Array]) -> Array:
    points = grid_points(axes)
    left = problem.domain.contains(points)
    size = np.full(len(points), np.nan)
    for objective in objectives:
        mine = left & objective.solution.problem.domain.contains(points)
        here = torch.as_tensor(points[mine], dtype=objective.dtype, device=objective.balance.device)
        size[mine] = objective.interior_residual(here).double().cpu().numpy()
        left &= ~mine
    return size.reshape([len(axis) for axis in axes.values()])


def _terms(objectives: Sequence[PDEObjective]) -> list[str]:
    return list(dict.fromkeys(name for objective in objectives for name in objective.term_names))


def _reference_text(comparison: Comparison) -> str:
    if not comparison.reference:
        return "No reference is stated for this problem; the estimated error says what is known."
    return f"Reference: {comparison.description}."


def _summary(metrics: Mapping[str, float | str]) -> str:
    kind = "relative_l2" if any(name.startswith("relative_l2/") for name in metrics) else "estimated_error"
    errors = [
        _error_in_words(name.split("/", 1)[1], float(value), metrics)
        for name, value in metrics.items()
        if name.startswith(f"{kind}/")
    ]
    words = "relative L2 error" if kind == "relative_l2" else "estimated relative error"
    return (
        f"{words} {', '.join(errors)} after {metrics['steps']} steps, "
        f"{float(metrics['train_seconds']):.0f} s of training on {metrics['device']}"
    )


def _error_in_words(unknown: str, error: float, metrics: Mapping[str, float | str]) -> str:
    size = float(metrics.get(f"rms_error/{unknown}", math.nan))
    if math.isinf(error) and not math.isnan(size):
        return f"{unknown} not defined (it is 0; root mean square {size:.2g})"
    return f"{unknown} not known" if math.isnan(error) else f"{unknown} {error:.2g}"


def _error_table(metrics: Mapping[str, float | str], unknowns: Sequence[str]) -> TextTable:
    kinds = ["relative_l2", "rms_error", "reference_error", "estimated_error"]
    rows = []
    for name in unknowns:
        errors = {kind: float(metrics.get(f"{kind}/{name}", math.nan)) for kind in kinds}
        cells = [f"{error:.2e}" if math.isfinite(error) else "-" for error in errors.values()]
        if errors["reference_error"] == 0:
            cells[kinds.index("reference_error")] = "exact"
        rows.append([(name, False), *((cell, False) for cell in cells)])
    columns = ["unknown", "relative L2", "root mean square", "of the reference itself", "estimated"]
    return TextTable("Errors", columns, rows)


def _curves(terms: Sequence[str], history: Sequence[Mapping[str, float]]) -> list[Curve]:
    curves = []
    for title, key in (("Loss terms over time", "seconds"), ("Loss terms over steps", "step")):
        series = []
        for name in terms[:8]:
            entries = [(entry[key], entry[name]) for entry in history if name in entry]
            if entries:
                series.append(Series(name, *zip(*entries, strict=True)))
        if series:
            curves.append(Curve(title, key, "mean squared residual", series, log_y=True))
    return curves
