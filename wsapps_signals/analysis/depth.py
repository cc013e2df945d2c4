"""Signals and gradients through depth at initialisation: Proposition 1, and claim 5."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
from matplotlib.figure import Figure as Canvas

from wsapps.analysis import expected_growth, gradient_norms, sine_statistics, variances_through_depth
from wsapps_signals.analysis.drawing import colours, make_panels
from wsapps_signals.analysis.finding import Finding
from wsapps_signals.analysis.scaling import KINDS, Scaling, scalings
from wsapps_signals.analysis.subject import Subject

_NETWORKS = 4
_POINTS = 256
_LEAST_DEPTH = 7  # sine layers of the fields through whose depth one looks


def propagation(subject: Subject) -> tuple[Finding, Canvas]:
    """Variance of the sines' arguments, and how near to normal and arcsine laws they are, layer by layer."""
    method = subject.config.method
    hidden = max(method.hidden_layers, _LEAST_DEPTH - 1)
    layers = np.arange(1, hidden + 2)
    canvas, (left, middle, right) = make_panels(
        [
            "variance of arguments (line: law)",
            "arguments: distance to normal",
            "activations: distance to arcsine",
        ]
    )
    worst, deepest = 0.0, {}
    alphas = scalings(subject.config.factors, "weights")
    for scaling, colour in zip(alphas, colours(len(alphas)), strict=True):
        measured = _through_depth(subject, scaling, hidden)
        variance = measured["variance"]
        law = variances_through_depth(
            float(variance[0]), scaling.factor, method.omega_hidden, method.width, hidden + 1
        )
        left.plot(layers, law, color=colour, linewidth=1)
        left.plot(layers, variance, "o", color=colour, markersize=4, label=scaling.label)
        middle.plot(layers, measured["normal_distance"], "o-", color=colour, markersize=3)
        right.plot(layers, measured["arcsine_distance"], "o-", color=colour, markersize=3)
        worst = max(worst, float(np.abs(variance[1:] / law[1:] - 1).max()))
        deepest[scaling.factor] = (float(variance[-1]), law[-1], float(measured["arcsine_distance"][-1]))
    left.set(xlabel="sine layer", ylabel="variance", yscale="log")
    left.legend(fontsize=7)
    middle.set(xlabel="sine layer", ylabel="Kolmogorov-Smirnov distance", yscale="log")
    right.set(xlabel="sine layer", yscale="log")
    first, last = min(deepest), max(deepest)
    text = (
        f"From the second sine on the variance of the arguments is within {100 * worst:.1f} % of the law "
        f"with biases: in layer {hidden + 1} {deepest[first][0]:.2f} at alpha {first:g} (law "
        f"{deepest[first][1]:.2f}) and {deepest[last][0]:.2f} at alpha {last:g} (law "
        f"{deepest[last][1]:.2f}). The activations' distance to the arcsine law there is "
        f"{deepest[first][2]:.3f} at alpha {first:g} and {deepest[last][2]:.3f} at alpha {last:g}. Means of "
        f"{_NETWORKS} networks at {_POINTS} samples."
    )
    metrics = {"propagation/worst_relative_error": worst}
    return Finding("propagation", "Signals through depth (Proposition 1)", text, metrics), canvas


def gradients(subject: Subject) -> tuple[Finding, Canvas]:
    """Gradients of the signal's own loss at initialisation, layer by layer, against gain^(layers behind)."""
    method = subject.config.method
    canvas, (left, middle, right) = make_panels(
        ["weight scaling, by arguments (dashed: law)", "frequency scaling, by arguments", "weight matrices"]
    )
    ratios = {}
    for panel, kind in zip((left, middle), KINDS, strict=True):
        chosen = scalings(subject.config.factors, kind)
        for scaling, colour in zip(chosen, colours(len(chosen)), strict=True):
            arguments, weights = _gradients(subject, scaling)
            layers = np.arange(1, len(arguments) + 1)
            panel.plot(layers, arguments, "o-", color=colour, markersize=4, label=scaling.label)
            ratios[scaling.kind, scaling.factor] = float(arguments[0])
            if kind == "weights":
                law = expected_growth(scaling.factor, method.omega_hidden, method.width, len(layers))
                panel.plot(layers, law, "--", color=colour, linewidth=1)
                right.plot(np.arange(1, len(weights) + 1), weights, "o-", color=colour, markersize=4)
        panel.set(xlabel="sine layer", ylabel="root mean square, in the last sine's", yscale="log")
        panel.legend(fontsize=7)
    middle.set_ylim(left.get_ylim())
    right.set(xlabel="layer", ylabel="Frobenius norm, in the last hidden layer's", yscale="log")
    top, behind = max(subject.config.factors), method.hidden_layers
    law = expected_growth(top, method.omega_hidden, method.width, behind + 1)[0]
    text = (
        f"Gradients by the first sine's arguments are {ratios['weights', 1.0]:.2f} times those by the last "
        f"one's for SIREN and {ratios['weights', top]:.3g} times at alpha {top:g}, where the law "
        f"gain^{behind} says {law:.3g} and alpha^{behind} is {top**behind:.3g}; frequency scaling at gain "
        f"{top:g} gives {ratios['frequency', top]:.2f}. Means of {_NETWORKS} networks; the loss is that of "
        f"the signal."
    )
    metrics = {f"gradients/first_over_last/{Scaling(k, f).name}": ratio for (k, f), ratio in ratios.items()}
    metrics["gradients/law/at_largest_alpha"] = law
    return Finding("gradients", "Gradients through depth (claim 5)", text, metrics), canvas


def _through_depth(subject: Subject, scaling: Scaling, hidden_layers: int) -> dict[str, np.ndarray]:
    """Means over networks of each statistic, ``(layers,)``."""
    coordinates, _ = subject.fitted(_POINTS)
    runs = [
        [asdict(layer) for layer in sine_statistics(subject.field(scaling, seed, hidden_layers), coordinates)]
        for seed in range(_NETWORKS)
    ]
    return {
        name: np.mean([[layer[name] for layer in layers] for layers in runs], axis=0) for name in runs[0][0]
    }


def _gradients(subject: Subject, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """By arguments in units of the last sine's, by weights in units of the last hidden layer's; geometric
    means over networks."""
    coordinates, values = subject.fitted(_POINTS)
    by_arguments, by_weights = [], []
    for seed in range(_NETWORKS):
        norms = gradient_norms(
            subject.field(scaling, seed), coordinates, lambda fitted: (fitted - values).square().mean()
        )
        by_arguments.append(np.log(np.array(norms.arguments) / norms.arguments[-1]))
        by_weights.append(np.log(np.array(norms.weights) / norms.weights[-2]))
    return np.exp(np.mean(by_arguments, axis=0)), np.exp(np.mean(by_weights, axis=0))
