"""Claim 4: the initial function. The width-1 series and its bounds, and the spectra of real fields."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from wsapps.analysis import Spectrum, bound_range, field_spectrum, grid_spectrum
from wsapps.analysis.bessel import amplitudes, odd_orders, ratio, ratio_bounds
from wsapps_signals.analysis.drawing import colours, make_panels
from wsapps_signals.analysis.finding import Finding
from wsapps_signals.analysis.scaling import KINDS, Scaling, all_scalings, scalings
from wsapps_signals.analysis.subject import Subject

_ORDERS = (1, 3, 5)
_NETWORKS = 4
_LINES = (4096, 16384, 65536)  # points, the more the higher a field's harmonics reach
_LEAST_LINE = 4  # samples, of which there is a spectrum
_FOLDED = 1e-3  # of the power above half of what a line resolves, up to which it will do


def series(subject: Subject) -> tuple[Finding, Canvas]:
    """The ratio of neighbouring harmonics with the paper's bounds, and harmonics against alpha."""
    width = subject.config.method.width
    canvas, (left, middle, right) = make_panels(
        [
            "J_(l+2) / J_l (dotted: bounds)",
            "harmonics over the first, width 1",
            f"the same, width {width}",
        ]
    )
    argument = np.linspace(0.02, 6, 400)
    for order, colour in zip(_ORDERS, colours(len(_ORDERS)), strict=True):
        place = bound_range(order)
        inside = argument < place.lower
        left.plot(argument[inside], ratio(order, argument[inside]), color=colour, label=f"l = {order}")
        for bound in ratio_bounds(order, argument[inside]):
            left.plot(argument[inside], bound, ":", color=colour, linewidth=1)
        left.plot([place.upper], [ratio(order, place.upper)], "o", color=colour, markersize=4)
    left.set(xlabel="argument a = omega_h W_2", ylim=(0, 1.5))
    left.legend(fontsize=7)
    alphas = np.linspace(1, max(4.0, *subject.config.factors), 60)
    _draw_harmonics(middle, alphas, math.sqrt(2.0))
    _draw_harmonics(right, alphas, math.sqrt(2.0 / width))
    first = bound_range(1)
    text = (
        f"The lower bound of J_3/J_1 holds up to a = {first.lower:.3f}, the first zero of J_1, the upper one "
        f"only up to a = {first.upper:.3f} (dot; at a = 2.5 the ratio is {float(ratio(1, 2.5)):.3f} and the "
        f"bound {float(ratio_bounds(1, 2.5)[1]):.3f}). In a field of width 1 a hidden weight with its omega "
        f"has the root mean square 1.41 alpha, beyond that range from alpha {first.upper / math.sqrt(2):.2f} "
        f"on; at width {width} it is {math.sqrt(2 / width):.3f} alpha, and harmonics grow against the first "
        f"by alpha^2 each, as claimed. Scaling the first layer leaves these amplitudes as they are."
    )
    metrics = {f"series/upper_bound_holds_to/l_{order}": bound_range(order).upper for order in _ORDERS}
    return Finding("series", "The initial function as a series (claim 4)", text, metrics), canvas


def spectra(subject: Subject) -> tuple[Finding, Canvas]:
    """Spectra of fields at initialisation along lines through their domain, by alpha and by gain."""
    canvas, (left, middle, right) = make_panels(
        ["weight scaling", "frequency scaling", "mean frequency, in SIREN's"]
    )
    found = {scaling: _mean_spectrum(subject, scaling) for scaling in all_scalings(subject.config.factors)}
    siren = found[Scaling("weights", 1.0)]
    for panel, kind in zip((left, middle), KINDS, strict=True):
        chosen = scalings(subject.config.factors, kind)
        for scaling, colour in zip(chosen, colours(len(chosen)), strict=True):
            spectrum = siren if scaling.factor == 1 else found[scaling]
            _draw_spectrum(panel, spectrum, colour, scaling.label)
        if (spectrum := _signal_spectrum(subject)) is not None:
            _draw_spectrum(panel, spectrum, "tab:red", "the signal", "--")
        panel.set(xlabel="cycles a unit of coordinate", ylabel="part of the power", ylim=(1e-9, 1))
        panel.legend(fontsize=7)
        factors = [scaling.factor for scaling in chosen]
        means = [(siren if s.factor == 1 else found[s]).centroid / siren.centroid for s in chosen]
        right.plot(factors, means, "o-", color="tab:blue" if kind == "weights" else "tab:orange", label=kind)
    factors_line = np.array(sorted({1.0, *subject.config.factors}))
    right.plot(factors_line, factors_line, "k:", linewidth=1, label="in proportion")
    right.set(xlabel="factor", ylabel="ratio")
    right.legend(fontsize=7)
    top = max(subject.config.factors)
    weights, frequency = found[Scaling("weights", top)], found[Scaling("frequency", top)]
    text = (
        f"The mean frequency of a field at initialisation is {siren.centroid:.3g} cycles a unit for SIREN, "
        f"{weights.centroid:.3g} at alpha {top:g} ({weights.centroid / siren.centroid:.2f} times) and "
        f"{frequency.centroid:.3g} at gain {top:g} ({frequency.centroid / siren.centroid:.2f} times). Of the "
        f"power 95 % lie below {siren.rolloff():.3g}, {weights.rolloff():.3g} and {frequency.rolloff():.3g}. "
        f"Scaling the first layer stretches the function, f(gain x), and scaling all layers adds harmonics "
        f"on top of that. Means of {_NETWORKS} networks."
    )
    metrics = {f"spectra/mean_frequency/{s.name}": spectrum.centroid for s, spectrum in found.items()}
    return Finding("spectra", "Spectra of initial fields (claim 4)", text, metrics), canvas


def _draw_harmonics(panel: Axes, alphas: np.ndarray, base: float) -> None:
    """Amplitudes of harmonics 3, 5, 7 over the first, for a hidden weight of ``base`` alpha."""
    table = np.array([np.abs(amplitudes(base * alpha, 4)) for alpha in alphas])
    for column, colour in zip((1, 2, 3), colours(3), strict=True):
        order = odd_orders(4)[column]
        relative = table[:, column] / table[:, 0]
        panel.plot(alphas, relative, color=colour, label=f"l = {order}")
        panel.plot(alphas, relative[0] * alphas ** (2 * column), ":", color=colour, linewidth=1)
    panel.set(xlabel="alpha (dotted: alpha^2, alpha^4, alpha^6)", yscale="log", xscale="log")
    panel.legend(fontsize=7)


def _mean_spectrum(subject: Subject, scaling: Scaling) -> Spectrum:
    """Over networks; lines are long enough to hold many periods and fine enough for the highest harmonics."""
    half_side, found = _half_side(subject), None
    for points in _LINES:
        spectra = [
            field_spectrum(
                subject.field(scaling, seed),
                subject.signal.coordinates.shape[1],
                half_side=half_side,
                lines=8,
                points=points,
                seed=seed,
            )
            for seed in range(_NETWORKS)
        ]
        power = np.mean([spectrum.power for spectrum in spectra], axis=0)
        found = Spectrum(spectra[0].frequencies, power)
        if found.part_above(found.frequencies[-1] / 2) <= _FOLDED:
            break
    assert found is not None
    return found


def _half_side(subject: Subject) -> float:
    # A sound's time runs far beyond what a line of 4,096 points can follow.
    return min(1.0, float(subject.signal.coordinates.abs().max()))


def _signal_spectrum(subject: Subject) -> Spectrum | None:
    """Along the longest axis of a grid; of scattered samples, on a globe and of very few there is none."""
    signal = subject.signal
    if (
        signal.grid is None
        or len(signal.grid) != signal.coordinates.shape[1]
        or max(signal.grid) < _LEAST_LINE
    ):
        return None
    axis = signal.grid.index(max(signal.grid))
    length = float(signal.coordinates[:, axis].max() - signal.coordinates[:, axis].min())
    return grid_spectrum(signal.values, signal.grid, length, axis)


def _draw_spectrum(panel: Axes, spectrum: Spectrum, colour: object, label: str, style: str = "-") -> None:
    power = spectrum.power[1:] / spectrum.power.sum()
    panel.loglog(spectrum.frequencies[1:], power, style, color=colour, linewidth=1, label=label)
