"""The page of a finished fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from wsapps.report import Curve, Figure, Section, Series, write_report
from wsapps.run_folder import RunFolder


def write_page(
    folder: RunFolder,
    title: str,
    metrics: Mapping[str, float | str],
    figures: Sequence[Figure],
    history: Sequence[Mapping[str, float]],
) -> None:
    """``index.html``: scores, learning curve, and the reconstruction beside the signal."""
    score = next(f"{metrics[name]:.4g} {unit}" for name, unit in _HEADLINES if name in metrics)
    write_report(
        folder.path,
        title=f"Field of {title}",
        summary=f"{score} after {metrics['steps']} steps, {metrics['train_seconds']:.0f} s of training on "
        f"{metrics['device']}",
        metrics=dict(metrics),
        sections=[Section("Reconstruction", figures=figures)],
        curves=learning_curves(history),
        config_yaml=folder.config_yaml,
    )


_HEADLINES = (("iou", "IoU"), ("psnr", "dB PSNR"))


def learning_curves(history: Sequence[Mapping[str, float]]) -> list[Curve]:
    """PSNR of the training samples over steps and over time."""
    points = [(entry["step"], entry["seconds"], entry["psnr"]) for entry in history if "psnr" in entry]
    if not points:
        return []
    steps, seconds, values = zip(*points, strict=True)
    return [
        Curve("PSNR over steps", "step", "training PSNR in dB", [Series("training", steps, values)]),
        Curve("PSNR over time", "seconds", "training PSNR in dB", [Series("training", seconds, values)]),
    ]
