"""Speed against held-out score: the Pareto plot (claim 2), learning curves, and claim 7, the choice.

Acceleration is steps to a target over fitted samples, relative to SIREN; the target is the score that SIREN
reaches at the end, so that it is defined.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from wsapps.alpha import Choice, Curve, choose
from wsapps_signals.analysis.drawing import colours, make_panels
from wsapps_signals.analysis.finding import Finding
from wsapps_signals.analysis.scaling import KINDS, SYMBOLS, WORDS, Kind
from wsapps_signals.analysis.trajectory import Trajectory

_STYLES: dict[Kind, tuple[str, str]] = {"weights": ("tab:blue", "o-"), "frequency": ("tab:orange", "s--")}


@dataclass(frozen=True)
class Trade:
    """One scaling over its seeds: acceleration and held-out PSNR at the end, means and deviations.

    ``acceleration`` is 0 where a seed did not reach the target; deviations are 0 for a single seed.
    """

    kind: Kind
    factor: float
    acceleration: float
    acceleration_deviation: float
    test_psnr: float
    test_psnr_deviation: float

    def dominates(self, other: Trade) -> bool:
        """At least as fast and as good on held-out samples, and better in one of them."""
        as_good = self.acceleration >= other.acceleration and self.test_psnr >= other.test_psnr
        return as_good and (self.acceleration, self.test_psnr) != (other.acceleration, other.test_psnr)


def trades(trajectories: Sequence[Trajectory], kind: Kind) -> list[Trade]:
    """Every factor of one kind, SIREN's among them, ascending."""
    by_seed = {t.seed: t.curve() for t in trajectories if t.scaling.factor == 1}
    found = []
    for factor in sorted({t.scaling.factor for t in _of(trajectories, kind)}):
        pairs = [(t.curve(), by_seed[t.seed]) for t in _of(trajectories, kind) if t.scaling.factor == factor]
        speeds = [_acceleration(curve, reference) for curve, reference in pairs]
        tests = [-math.inf if curve.diverged else curve.held_out[-1] for curve, _ in pairs]
        speed = 0.0 if min(speeds) == 0 else statistics.fmean(speeds)
        found.append(
            Trade(kind, factor, speed, _deviation(speeds), statistics.fmean(tests), _deviation(tests))
        )
    return found


def learning_curves(trajectories: Sequence[Trajectory]) -> tuple[Finding, Canvas]:
    """Training and held-out PSNR over steps, of the first seed, both kinds of scaling."""
    canvas, panels = make_panels(
        [f"{WORDS[kind]}, {what}" for what in ("fitted", "held out") for kind in KINDS]
    )
    for column, kind in enumerate(KINDS):
        some = sorted((t for t in _of(trajectories, kind) if t.seed == 0), key=lambda t: t.scaling.factor)
        for one, colour in zip(some, colours(len(some)), strict=True):
            label = f"{SYMBOLS[kind]} {one.scaling.factor:g}"
            steps, scores = ([entry[name] for entry in one.training] for name in ("step", "psnr"))
            panels[column].plot(steps, scores, color=colour, linewidth=1.2, label=label)
            steps, scores = ([entry[name] for entry in one.looks] for name in ("step", "test_psnr"))
            panels[2 + column].plot(steps, scores, "o-", color=colour, markersize=3, linewidth=1.2)
        panels[column].legend(fontsize=7)
    for panel in panels:
        panel.set(xlabel="step", ylabel="PSNR, dB")
    siren, best = (_end(trajectories, kind="weights", largest=largest) for largest in (False, True))
    text = (
        f"After {siren[0]:.0f} steps SIREN is at {siren[1]:.1f} dB on the samples it is fitted to and "
        f"{siren[2]:.1f} dB on held-out ones; the best alpha for fitting, {best[3]:g}, at {best[1]:.1f} and "
        f"{best[2]:.1f} dB."
    )
    return Finding("learning_curves", "Learning curves", text), canvas


def pareto(trajectories: Sequence[Trajectory]) -> tuple[Finding, Canvas]:
    """Acceleration against held-out PSNR, a point a factor, for both kinds of scaling."""
    canvas, (panel,) = make_panels(["speed against held-out score"])
    found: dict[Kind, list[Trade]] = {kind: trades(trajectories, kind) for kind in KINDS}
    for kind, some in found.items():
        _draw_trades(panel, kind, [trade for trade in some if math.isfinite(trade.test_psnr)])
    panel.axhline(1, color="k", linestyle=":", linewidth=1)
    panel.set(xlabel="PSNR of held-out samples, dB", ylabel="acceleration over SIREN")
    panel.legend(fontsize=8)
    rivals = [trade for trade in found["frequency"] if trade.factor != 1]
    ours = [trade for trade in found["weights"] if trade.factor != 1]
    beaten = [rival for rival in rivals if any(trade.dominates(rival) for trade in ours)]
    beating = [trade for trade in ours if any(rival.dominates(trade) for rival in rivals)]
    fastest = {kind: max(some, key=lambda trade: trade.acceleration) for kind, some in found.items()}
    seeds = len({trajectory.seed for trajectory in trajectories})
    text = (
        f"The largest acceleration is {fastest['weights'].acceleration:.1f} with weight scaling (alpha "
        f"{fastest['weights'].factor:g}, held-out {fastest['weights'].test_psnr:.1f} dB) and "
        f"{fastest['frequency'].acceleration:.1f} with frequency scaling (gain "
        f"{fastest['frequency'].factor:g}, {fastest['frequency'].test_psnr:.1f} dB). Of {len(rivals)} "
        f"frequency-scaled fields {len(beaten)} are dominated by a weight-scaled one, and {len(beating)} of "
        f"{len(ours)} the other way round; {seeds} seed{'s' if seeds > 1 else ''}."
    )
    metrics = {"pareto/dominated_gains": float(len(beaten)), "pareto/dominated_alphas": float(len(beating))}
    for some in found.values():
        for trade in some:
            name = "siren" if trade.factor == 1 else f"{trade.kind}_{trade.factor:g}"
            metrics[f"acceleration/{name}"] = trade.acceleration
            metrics[f"test_psnr/{name}"] = trade.test_psnr
    return Finding("pareto", "Speed against held-out score (claim 2)", text, metrics), canvas


def selection(trajectories: Sequence[Trajectory], tolerance: float) -> tuple[Finding, Canvas]:
    """The rule of ``alpha=auto`` on the whole grid of factors: speed-up and held-out score by factor."""
    canvas, panels = make_panels([WORDS[kind] for kind in KINDS])
    choices: dict[Kind, Choice] = {
        kind: choose(_mean_curves(trajectories, kind), tolerance) for kind in KINDS
    }
    for panel, (kind, choice) in zip(panels, choices.items(), strict=True):
        factors = [verdict.alpha for verdict in choice.verdicts]
        panel.plot(factors, [v.speed_up for v in choice.verdicts], "o-", color="tab:blue")
        panel.plot([choice.alpha], [choice.chosen.speed_up], "o", color="tab:red", markersize=9, zorder=3)
        panel.set(xlabel=SYMBOLS[kind])
        panel.set_ylabel("speed-up (red: chosen)", color="tab:blue")
        other = panel.twinx()
        other.plot(factors, [v.held_out for v in choice.verdicts], "s--", color="tab:green")
        other.axhline(choice.floor, color="tab:green", linestyle=":", linewidth=1)
        other.set_ylabel("held-out PSNR, dB (dotted: least)", color="tab:green")
    parts = [
        f"{SYMBOLS[kind]} {choice.alpha:g}, {choice.chosen.speed_up:.2f} times as fast as SIREN at "
        f"{choice.chosen.held_out:.1f} dB held out"
        for kind, choice in choices.items()
    ]
    text = (
        f"With {tolerance:g} dB of tolerance the rule takes {parts[0]}, and {parts[1]}. The target is the "
        f"{choices['weights'].target:.1f} dB that SIREN reaches on fitted samples."
    )
    metrics = {f"chosen/{kind}": choice.alpha for kind, choice in choices.items()}
    metrics |= {f"speed_up/{kind}": choice.chosen.speed_up for kind, choice in choices.items()}
    return Finding("selection", "Choosing the scale (claim 7)", text, metrics), canvas


def _of(trajectories: Sequence[Trajectory], kind: Kind) -> list[Trajectory]:
    """Those of a kind; SIREN belongs to both."""
    return [t for t in trajectories if t.scaling.kind == kind or t.scaling.factor == 1]


def _acceleration(curve: Curve, reference: Curve) -> float:
    if curve.diverged or reference.diverged:
        return 0.0
    target = reference.last_fitted
    steps = curve.steps_to(target)
    return 0.0 if math.isinf(steps) else reference.steps_to(target) / max(steps, 1.0)


def _mean_curves(trajectories: Sequence[Trajectory], kind: Kind) -> list[Curve]:
    """Mean curves over seeds, one a factor."""
    curves: dict[float, list[Curve]] = {}
    for trajectory in _of(trajectories, kind):
        curves.setdefault(trajectory.scaling.factor, []).append(trajectory.curve())
    means = []
    for factor, some in curves.items():
        rows = list(zip(*((zip(c.steps, c.fitted, c.held_out, strict=True)) for c in some), strict=False))
        columns = np.mean(np.array(rows), axis=1).T if rows else np.empty((3, 0))
        means.append(Curve(factor, *(column.tolist() for column in columns)))
    return means


def _draw_trades(panel: Axes, kind: Kind, some: Sequence[Trade]) -> None:
    colour, style = _STYLES[kind]
    panel.errorbar(
        [trade.test_psnr for trade in some],
        [trade.acceleration for trade in some],
        xerr=[trade.test_psnr_deviation for trade in some],
        yerr=[trade.acceleration_deviation for trade in some],
        fmt=style, color=colour, markersize=4, linewidth=1, label=WORDS[kind],
    )  # fmt: skip
    for trade in some:
        place = (trade.test_psnr, trade.acceleration)
        panel.annotate(f"{trade.factor:g}", place, xytext=(4, 4), textcoords="offset points", fontsize=7)


def _end(trajectories: Sequence[Trajectory], kind: Kind, largest: bool) -> tuple[float, float, float, float]:
    """Steps, fitted and held-out PSNR and factor of SIREN or of the best one at fitting; the first seed."""
    some = [t for t in _of(trajectories, kind) if t.seed == 0 and not t.diverged]
    if largest:
        one = max(some, key=lambda t: t.training[-1]["psnr"])
    else:
        one = next(t for t in some if t.scaling.factor == 1)
    last = one.training[-1]
    return last["step"], last["psnr"], one.looks[-1]["test_psnr"], one.scaling.factor


def _deviation(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return statistics.stdev(finite) if len(finite) > 1 else 0.0
