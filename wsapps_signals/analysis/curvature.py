"""Conditioning: the tangent kernel at initialisation and through training (claim 6), and the Hessian."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure as Canvas

from wsapps.analysis import HessianFigures, hessian_figures
from wsapps_signals.analysis.drawing import colours, make_panels
from wsapps_signals.analysis.finding import Finding
from wsapps_signals.analysis.scaling import KINDS, WORDS, Kind, all_scalings
from wsapps_signals.analysis.subject import Subject
from wsapps_signals.analysis.trajectory import Trajectory


def kernel(trajectories: Sequence[Trajectory]) -> tuple[Finding, Canvas]:
    """Condition number and kernel-task alignment over steps, by factor, for both kinds of scaling."""
    canvas, panels = make_panels(
        [f"{WORDS[kind]}, {what}" for what in ("condition number", "alignment") for kind in KINDS]
    )
    ends: dict[tuple[Kind, float], tuple[dict[str, float], dict[str, float]]] = {}
    for column, kind in enumerate(KINDS):
        some = [t for t in trajectories if t.seed == 0 and (t.scaling.kind == kind or t.scaling.factor == 1)]
        some.sort(key=lambda t: t.scaling.factor)
        for one, colour in zip(some, colours(len(some)), strict=True):
            looks = [look for look in one.looks if "kernel/condition" in look]
            steps = [look["step"] for look in looks]
            for offset, name in ((0, "kernel/condition"), (2, "kernel/centred_alignment")):
                values, panel = [look[name] for look in looks], panels[offset + column]
                panel.plot(steps, values, "o-", color=colour, markersize=3, label=one.scaling.label)
            if looks:
                ends[kind, one.scaling.factor] = (looks[0], looks[-1])
        panels[column].set(yscale="log", ylabel="largest / smallest eigenvalue")
        panels[column].legend(fontsize=7)
        panels[2 + column].set(ylabel="y'Ky / (|K| |y|^2), y less its mean")
    for panel in panels:
        panel.set(xlabel="step")
    rows = next(iter(ends.values()))[0].get("kernel/rows", math.nan)
    text = (
        f"{_condition_words(ends)} {_alignment_words(ends)} {rows:.0f} rows, one a fitted sample "
        "and channel, float64, the first seed."
    )
    metrics = {}
    for (kind, factor), (first, last) in ends.items():
        name = "siren" if factor == 1 else f"{kind}_{factor:g}"
        for figure in ("kernel/condition", "kernel/alignment", "kernel/centred_alignment"):
            metrics[f"{figure}/{name}/first"], metrics[f"{figure}/{name}/last"] = first[figure], last[figure]
    return Finding("kernel", "The tangent kernel through training (claim 6)", text, metrics), canvas


def hessian(subject: Subject) -> tuple[Finding, Canvas]:
    """Extreme eigenvalues of the loss's Hessian at initialisation, and a bound of its condition number."""
    coordinates, values = subject.fitted(subject.config.hessian_points)
    canvas, (left, right) = make_panels(["largest and smallest eigenvalue", "condition number, at least"])
    found: dict[tuple[Kind, float], HessianFigures] = {}
    for scaling in all_scalings(subject.config.factors):
        figures = hessian_figures(
            subject.field(scaling, 0), coordinates, values, steps=subject.config.hessian_steps
        )
        for kind in KINDS:
            if scaling.kind == kind or scaling.factor == 1:
                found[kind, scaling.factor] = figures
    for kind, colour in zip(KINDS, ("tab:blue", "tab:orange"), strict=True):
        some = sorted((factor, figures) for (k, factor), figures in found.items() if k == kind)
        factors = [factor for factor, _ in some]
        left.plot(factors, [f.largest for _, f in some], "o-", color=colour, label=f"{WORDS[kind]}: largest")
        left.plot(factors, [-f.smallest for _, f in some], "v:", color=colour, label="minus the smallest")
        right.plot(factors, [f.condition_at_least for _, f in some], "o-", color=colour, label=WORDS[kind])
    for panel in (left, right):
        panel.set(xlabel="factor", yscale="log")
        panel.legend(fontsize=7)
    top = max(subject.config.factors)
    siren, ours, theirs = found["weights", 1.0], found["weights", top], found["frequency", top]
    text = (
        f"The Hessian's largest eigenvalue at initialisation is {siren.largest:.3g} for SIREN, "
        f"{ours.largest:.3g} at alpha {top:g} and {theirs.largest:.3g} at gain {top:g}; its smallest "
        f"{siren.smallest:.3g}, {ours.smallest:.3g} and {theirs.smallest:.3g}. Its condition number is at "
        f"least {siren.condition_at_least:.3g}, {ours.condition_at_least:.3g} and "
        f"{theirs.condition_at_least:.3g}, by {subject.config.hessian_steps} steps of Lanczos' iteration on "
        f"{len(coordinates)} samples."
    )
    metrics = {f"hessian/largest/{k}_{factor:g}": f.largest for (k, factor), f in found.items()}
    return Finding("hessian", "The Hessian at initialisation", text, metrics), canvas


def _condition_words(ends: dict[tuple[Kind, float], tuple[dict[str, float], dict[str, float]]]) -> str:
    def words(kind: Kind, place: int) -> tuple[float, str]:
        _, factor, look = min(
            (pair[place]["kernel/condition"], factor, pair[place])
            for (k, factor), pair in ends.items()
            if k == kind
        )
        return factor, _condition(look)

    siren = ends["weights", 1.0]
    (a, first), (b, last) = words("weights", 0), words("weights", 1)
    (c, rival_first), (d, rival_last) = words("frequency", 0), words("frequency", 1)
    return (
        f"SIREN's kernel has the condition number {_condition(siren[0])} at initialisation and "
        f"{_condition(siren[1])} at the end; the least of weight scaling are {first} (alpha "
        f"{a:g}) and {last} (alpha {b:g}), of frequency scaling {rival_first} (gain {c:g}) and "
        f"{rival_last} (gain {d:g})."
    )


def _condition(look: dict[str, float]) -> str:
    """In words: of a kernel without full rank only a bound is known, which rounding sets."""
    bound = "at least " if look["kernel/rank"] < look.get("kernel/rows", 0.0) else ""
    return f"{bound}{look['kernel/condition']:.2g}"


def _alignment_words(ends: dict[tuple[Kind, float], tuple[dict[str, float], dict[str, float]]]) -> str:
    def last(kind: Kind, name: str) -> tuple[float, float]:
        some = [(pair[1][name], factor) for (k, factor), pair in ends.items() if k == kind and factor != 1]
        return max(some, default=(math.nan, math.nan))

    sentences = []
    for name, what in (
        ("kernel/centred_alignment", "the values less their mean"),
        ("kernel/alignment", "the values as they are"),
    ):
        siren, ours, theirs = ends["weights", 1.0], last("weights", name), last("frequency", name)
        sentences.append(
            f"Alignment with {what} goes from {siren[0][name]:.3f} to {siren[1][name]:.3f} for SIREN; at the "
            f"end it is at most {ours[0]:.3f} with weight scaling (alpha {ours[1]:g}) and {theirs[0]:.3f} "
            f"with frequency scaling (gain {theirs[1]:g})."
        )
    return " ".join(sentences)
