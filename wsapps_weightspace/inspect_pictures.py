"""Pictures of a dataset of fields: what the fields show, their PSNRs, and how their parameters are spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from wsapps.pictures import Picture, colourize, save_figure, save_png
from wsapps.report import Figure
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.learning.inference import outputs_of
from wsapps_weightspace.learning.pictures import sheet
from wsapps_weightspace.learning.rendering import canvas_of
from wsapps_weightspace.summary import histogram
from wsapps_weightspace.weights import Architecture, evaluate

#: From ``(n, P)`` parameters to n pictures.
Render: TypeAlias = Callable[[Tensor, Architecture], Sequence[Picture] | Tensor]
_MOST_CLASSES = 20
_DOTS = 100  # pixels an inch
_BINS = 60
_COLOUR = "#2b6cb0"
_CURVE_POINTS, _SLICE_SIDE = 512, 48


def save_pictures(folder: Path, dataset: FieldDataset, per_class: int) -> dict[str, list[Figure]]:
    """Write all pictures into a folder, and return them by the title of their section.

    Raises:
        UserError: one cannot be written.
    """
    shown = shown_rows(dataset, per_class)
    pictures: dict[str, list[Figure]] = {}
    if _save_fields(folder / "fields.png", dataset, shown):
        caption = (
            f"up to {per_class} fields a class, decoded from their weights; PSNR in dB where it is known"
        )
        pictures["Fields"] = [Figure("fields.png", caption)]
    if dataset.psnr.isfinite().any():
        save_figure(folder / "psnr.png", psnr_drawing(dataset.psnr))
        pictures["PSNR"] = [Figure("psnr.png", "fields by their PSNR")]
    save_figure(folder / "parameters.png", parameter_drawing(dataset))
    caption = "parameters of all fields, layer by layer: matrices above, biases below"
    pictures["Parameters"] = [Figure("parameters.png", caption)]
    return pictures


def shown_rows(dataset: FieldDataset, per_class: int) -> list[Tensor]:
    """Positions of up to so many fields of each of the first 20 classes that have any, spread over them."""
    rows = []
    for label in range(len(dataset.classes)):
        of_class = (dataset.labels == label).nonzero()[:, 0]
        if len(of_class) and len(rows) < _MOST_CLASSES:
            places = torch.linspace(0, len(of_class) - 1, min(per_class, len(of_class))).long()
            rows.append(of_class[places])
    return rows


def psnr_drawing(psnr_N: Tensor) -> Drawing:
    """A histogram of those that are known."""
    drawing = Drawing(figsize=(7, 2.8), dpi=_DOTS, layout="constrained")
    plot = drawing.subplots()
    bars = histogram(psnr_N, _BINS)
    plot.stairs(bars.counts.numpy(), bars.edges.numpy(), fill=True, color=_COLOUR)
    plot.set_xlabel("PSNR in dB")
    plot.set_ylabel("fields")
    return drawing


def parameter_drawing(dataset: FieldDataset) -> Drawing:
    """A histogram of each matrix and bias vector over all fields."""
    layers = dataset.architecture.layers
    drawing = Drawing(figsize=(2.6 * layers + 0.6, 4.2), dpi=_DOTS, layout="constrained")
    plots = drawing.subplots(2, layers, squeeze=False)
    for layer, (w, b) in enumerate(dataset.weights):
        for row, (name, values) in enumerate(((f"W {layer}", w), (f"b {layer}", b))):
            bars = histogram(values.flatten(), _BINS)
            plots[row, layer].stairs(bars.counts.numpy(), bars.edges.numpy(), fill=True, color=_COLOUR)
            plots[row, layer].set_title(name, fontsize=9)
            plots[row, layer].xaxis.set_major_locator(MaxNLocator(4))
            plots[row, layer].set_yticks([])
    return drawing


def _save_fields(path: Path, dataset: FieldDataset, rows: Sequence[Tensor]) -> bool:
    """A row a class of what fields show; False where that is no picture, curve or volume."""
    coordinates, values = dataset.architecture.sizes[0], dataset.architecture.sizes[-1]
    canvas = canvas_of(dataset.architecture, dataset.about)
    if canvas is not None:
        save_png(path, _sheet(dataset, rows, canvas.render))
    elif coordinates == 1:
        save_figure(path, _curves(dataset, rows))
    elif coordinates == 3 and values == 1:
        save_png(path, _sheet(dataset, rows, _slices))
    else:
        return False
    return True


def _sheet(dataset: FieldDataset, rows: Sequence[Tensor], render: Render) -> Picture:
    """Captioned pictures; rows of classes with fewer fields are filled up with white."""
    longest = max(len(row) for row in rows)
    strips = []
    for row in rows:
        images = render(dataset.flat[row], dataset.architecture)
        name = dataset.classes[int(dataset.labels[row[0]])]
        captions = [name if n == 0 else _decibels(dataset.psnr[place]) for n, place in enumerate(row)]
        blank = [("", np.ones(images[0].shape))] * (longest - len(row))
        strips.append([*zip(captions, images, strict=True), *blank])
    return sheet(strips)


def _slices(flat_NP: Tensor, architecture: Architecture) -> list[Picture]:
    """Volumes where the third coordinate is 0, ``(H, W, 3)`` each; white is the value zero."""
    axis = torch.linspace(-1, 1, _SLICE_SIDE)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack([columns, -rows, torch.zeros_like(rows)], dim=-1).flatten(0, 1)
    values = outputs_of(lambda fields: evaluate(fields, architecture, points), flat_NP, architecture)
    images = values[..., 0].unflatten(1, (_SLICE_SIDE, _SLICE_SIDE)).nan_to_num(0.0, 0.0, 0.0)
    most = float(images.abs().max()) or 1.0
    return [torch.from_numpy(colourize(image, -most, most, colormap="coolwarm")) for image in images]


def _curves(dataset: FieldDataset, rows: Sequence[Tensor]) -> Drawing:
    """Fields of one coordinate: a plot a class, the first value of its fields."""
    points = torch.linspace(-1, 1, _CURVE_POINTS)[:, None]
    drawing = Drawing(figsize=(8, 1.1 * len(rows) + 0.5), dpi=_DOTS, layout="constrained")
    plots = drawing.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for plot, row in zip(plots, rows, strict=True):
        values = outputs_of(
            lambda fields: evaluate(fields, dataset.architecture, points),
            dataset.flat[row],
            dataset.architecture,
        )
        plot.plot(points[:, 0].numpy(), values[..., 0].T.numpy(), linewidth=0.8)
        plot.set_title(dataset.classes[int(dataset.labels[row[0]])], fontsize=9, loc="left")
        plot.margins(x=0)
    plots[-1].set_xlabel("coordinate")
    return drawing


def _decibels(psnr: Tensor) -> str:
    return f"{float(psnr):.1f}" if psnr.isfinite() else ""
