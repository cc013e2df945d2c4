"""Learning curves of a run's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wsapps.report import Curve, Series


def learning_curves(history: Sequence[Mapping[str, float]], score: str, label: str) -> list[Curve]:
    """The loss of training, and a score over steps and over time."""
    losses = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    points = [(entry["step"], entry["seconds"], entry[score]) for entry in history if score in entry]
    curves = []
    if points:
        steps, seconds, values = zip(*points, strict=True)
        curves.append(Curve(f"{label} over steps", "step", label, [Series(label, steps, values)]))
        curves.append(Curve(f"{label} over time", "seconds", label, [Series(label, seconds, values)]))
    if losses:
        steps, values = zip(*losses, strict=True)
        curves.append(Curve("Loss", "step", "training loss", [Series("training", steps, values)], log_y=True))
    return curves
