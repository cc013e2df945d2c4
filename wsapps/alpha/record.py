"""What a choice of alpha leaves: ``alpha.json``, ``alpha.png``, and lines for the log."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Canvas

from wsapps.alpha.curve import Curve
from wsapps.alpha.rule import Choice, Verdict
from wsapps.atomic import explained, write_json
from wsapps.errors import UserError
from wsapps.pictures import save_figure

RECORD = "alpha.json"
PICTURE = "alpha.png"


def write_record(
    folder: Path, choice: Choice, curves: Sequence[Curve], notes: Mapping[str, Any] | None = None
) -> None:
    """Write what was tried and chosen; ``alpha.json``, whose presence says that it is done, last.

    Args:
        folder: of the run that the choice is for.
        choice, curves: as :func:`wsapps.alpha.rule.choose` has them.
        notes: what else is to be kept: cost, points, ...
    """
    if curves:
        draw_choice(Path(folder) / PICTURE, choice, curves)
    elif len(choice.verdicts) > 1:
        draw_prediction(Path(folder) / PICTURE, choice)
    record = {**asdict(choice), "curves": [asdict(curve) for curve in curves], **(notes or {})}
    write_json(Path(folder) / RECORD, record)


def read_record(folder: Path) -> dict[str, Any] | None:
    """What :func:`write_record` wrote, or None where nothing was chosen yet.

    Raises:
        UserError: the file is damaged.
    """
    file = Path(folder) / RECORD
    with explained("read", file):
        if not file.exists():
            return None
        text = file.read_text(encoding="utf-8", errors="replace")
    try:
        record = json.loads(text)
        alphas = [record["alpha"], *(verdict["alpha"] for verdict in record["verdicts"])]
        good = all(math.isfinite(alpha) and alpha > 0 for alpha in alphas)
    except (ValueError, KeyError, TypeError, RecursionError):
        good, record = False, None
    if record is None or not good:
        raise UserError(
            f"{file} is damaged; delete it and what was trained beside it, and alpha is chosen again"
        )
    return {**record, "alpha": float(record["alpha"])}


def told(choice: Choice) -> list[str]:
    """What was tried and why it ended so, a line a candidate and one for the choice."""
    if math.isnan(choice.chosen.held_out):
        return [f"alpha {choice.alpha:g}: {choice.chosen.fate}"]
    lines = [f"alpha {v.alpha:g}: {_words(v)}: {v.fate}" for v in choice.verdicts]
    asked = f"target {choice.target:.2f}, held-out score of at least {choice.floor:.2f}"
    if math.isnan(choice.target):
        asked = f"expected between samples: at least {choice.floor:.1f} dB against alpha 1"
        if choice.texture is not None and choice.texture.is_noise:
            asked += "; neighbours differ as by noise, of which nothing is to be won"
    return [*lines, f"alpha={choice.alpha:g} is chosen ({asked})"]


def draw_choice(file: Path, choice: Choice, curves: Sequence[Curve]) -> None:
    """Draw the fitted and held-out scores over steps, and steps to the target against the held-out score."""
    canvas = Canvas(figsize=(13, 3.6), layout="constrained")
    fitted, held_out, trade = canvas.subplots(1, 3)
    palette = matplotlib.colormaps["viridis"]
    for index, curve in enumerate(curves):
        colour = palette(0.9 * index / max(len(curves) - 1, 1))
        width = 2.4 if curve.alpha == choice.alpha else 1.2
        style = {"marker": ".", "color": colour, "linewidth": width}
        fitted.plot(curve.steps, curve.fitted, label=f"alpha {curve.alpha:g}", **style)
        held_out.plot(curve.steps, curve.held_out, **style)
    for verdict in choice.verdicts:
        if math.isfinite(verdict.steps_to_target):
            place = (verdict.held_out, verdict.steps_to_target)
            mark = "o" if verdict.alpha == choice.alpha else "x"
            trade.plot(*([value] for value in place), mark, color="k", markersize=8)
            trade.annotate(f"{verdict.alpha:g}", place, xytext=(6, 4), textcoords="offset points")
    fitted.axhline(choice.target, color="k", linestyle=":", linewidth=1)
    held_out.axhline(choice.floor, color="k", linestyle=":", linewidth=1)
    trade.axvline(choice.floor, color="k", linestyle=":", linewidth=1)
    fitted.set(title="fitted samples (dotted: target)", xlabel="step", ylabel="score, dB")
    held_out.set(title="held-out samples (dotted: least)", xlabel="step")
    trade.set(title="circle: chosen", xlabel="held-out score, dB", ylabel="steps to the target")
    fitted.legend(fontsize=7)
    for panel in (fitted, held_out, trade):
        panel.grid(alpha=0.3)
    save_figure(file, canvas, 120)


def draw_prediction(file: Path, choice: Choice) -> None:
    """Draw the held-out score that is expected over alpha, and the least that may be."""
    canvas = Canvas(figsize=(4.6, 3.4), layout="constrained")
    panel = canvas.subplots()
    alphas, scores = zip(*((v.alpha, v.held_out) for v in choice.verdicts), strict=True)
    panel.plot(alphas, scores, "x-")
    panel.plot([choice.alpha], [choice.chosen.held_out], "o", color="k")
    panel.axhline(choice.floor, color="k", linestyle=":", linewidth=1)
    panel.set(
        title="circle: chosen; dotted: least",
        xlabel="alpha",
        ylabel="expected between samples\nagainst alpha 1, dB",
    )
    panel.grid(alpha=0.3)
    save_figure(file, canvas, 120)


def _words(verdict: Verdict) -> str:
    """What was measured of a candidate, or predicted."""
    if verdict.steps == 0:
        missed = f"and miss each other by {verdict.left_out:.2%} of the deviation"
        known = f"at the start samples explain {verdict.explained:.1%} of what is between them {missed}"
        return f"{known}, expected there: {verdict.held_out:+.2f} dB against alpha 1"
    scores = f"fitted {verdict.fitted:.2f}, held-out {verdict.held_out:.2f}"
    return f"{_steps(verdict)}, {scores} after {verdict.steps:g} steps"


def _steps(verdict: Verdict) -> str:
    if not math.isfinite(verdict.steps_to_target):
        return "target not reached"
    speed = "" if math.isnan(verdict.speed_up) else f" ({verdict.speed_up:.2f} times as fast)"
    return f"target in {verdict.steps_to_target:.0f} steps{speed}"
