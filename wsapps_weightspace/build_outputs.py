"""What a finished build leaves beside its shards: metrics.json, a picture, and index.html."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from wsapps.pictures import save_png
from wsapps.report import Figure, Section, write_report
from wsapps.run import Run
from wsapps.trainer import FitResult
from wsapps_weightspace.build_config import BuildConfig
from wsapps_weightspace.build_progress import fitting_totals
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.numbering import Numbers
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.views import targets_of
from wsapps_weightspace.weights import evaluate

_SHOWN = 12  # fields
_PICTURE = "fields.png"


def write_outputs(samples: LabelledSamples, config: BuildConfig, run: Run) -> None:
    """Read all shards back, and write their figures and a page. On the first rank alone.

    Raises:
        UserError: a shard is missing or damaged, or nothing can be written.
    """
    folder = run.folder.path
    dataset = FieldDataset.open(folder)
    total = fitting_totals(folder)
    psnr, seconds = dataset.psnr, total["seconds"]
    known = total["fields"] > 0 and seconds > 0
    metrics: dict[str, float | str] = {
        "fit/psnr": float(psnr.mean()),
        "fit/psnr_median": float(psnr.median()),
        "fit/psnr_min": float(psnr.min()),
        "fit/psnr_max": float(psnr.max()),
        "fit/fields": len(dataset),
        "fit/parameters": dataset.architecture.parameters,
        "fit/fields_per_second": total["fields"] / seconds if known else math.nan,
        "fit/steps_per_field": total["steps"] / total["fields"] if known else math.nan,
        "fit/net_steps_per_second": total["steps"] / seconds if known else math.nan,
    }
    if config.fitting.target_psnr is not None:
        metrics["fit/reached"] = float((psnr >= config.fitting.target_psnr - 1e-3).float().mean())
    metrics |= run.usual_metrics(FitResult(config.fitting.steps, seconds, {}))
    sections = []
    picture = reconstructions(dataset, samples, config)
    if picture is not None:
        save_png(folder / _PICTURE, picture)
        caption = f"{_SHOWN} samples evenly from the set, above the fields that fit them"
        sections = [Section("Fields", figures=[Figure(_PICTURE, caption)])]
    write_report(
        folder,
        title=f"Fields of {samples.name}",
        summary=f"{len(dataset)} fields of {dataset.architecture.parameters} parameters, "
        f"{metrics['fit/psnr']:.2f} dB PSNR, {metrics['fit/fields_per_second']:.1f} fields/s on "
        f"{metrics['device']}",
        metrics=dict(metrics),
        sections=sections,
        curves=[],
        config_yaml=run.folder.config_yaml,
    )
    run.folder.write_metrics(metrics)


def reconstructions(dataset: FieldDataset, samples: LabelledSamples, config: BuildConfig) -> Tensor | None:
    """Samples above their fields, ``(2 H, n W, 1 or 3)`` in [0, 1]; None for what is no picture."""
    channels = samples.values.shape[-1]
    if samples.grid is None or len(samples.grid) != 2 or channels not in (1, 3):
        return None
    rows = torch.linspace(0, len(dataset) - 1, min(_SHOWN, len(dataset))).long()
    shown = dataset.select(rows)
    numbers = Numbers(shown.index, shown.init_number, shown.view)
    targets = targets_of(samples, config.views, numbers, config.seed)
    with torch.no_grad():
        values = evaluate(shown.weights, shown.architecture, samples.coordinates)
    both = torch.stack([targets, values]).unflatten(2, samples.grid)  # (2, n, H, W, C)
    strip = both.permute(0, 2, 1, 3, 4).flatten(2, 3).flatten(0, 1)
    return ((strip - samples.low) / samples.peak).clamp(0, 1)
