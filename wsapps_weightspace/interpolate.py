"""``python -m wsapps_weightspace.interpolate dataset=DIR``: what lies between the weights of two fields.

A row of pictures a pair and a way: ``raw`` mixes the weights as they are, ``canonical`` those of both fields
in normal form, ``aligned`` those of the first field and of the second aligned to it. The last row mixes the
values: a cross-fade. The score of a way is the PSNR of the field in the middle against the mean of the ends'
values, in the mean over pairs: how nearly the function follows the weights in a straight line.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wsapps.accelerator import make_accelerator
from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.config.checks import at_least_one
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.metrics import psnr_from_mse
from wsapps.pictures import save_png
from wsapps.report import Figure, Section, TextTable, write_report
from wsapps.run import Run, describe_device, open_run
from wsapps.seeding import generator
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.learning.inference import outputs_of
from wsapps_weightspace.learning.pictures import sheet
from wsapps_weightspace.learning.rendering import Canvas, canvas_of
from wsapps_weightspace.symmetry import align, canonicalise
from wsapps_weightspace.weights import Architecture, evaluate, from_flat

PROGRAM = "python -m wsapps_weightspace.interpolate"
Ends = tuple[Tensor, Tensor]  # (M, P) each
Way = Callable[[Tensor, Tensor], Ends]


@dataclass
class InterpolateConfig:
    """Between which fields; configs/weightspace/interpolate.yaml fills it."""

    dataset: str = doc("folder of fitted fields, as wsapps_weightspace.build leaves it")
    out: str | None = doc("run folder; by default runs/weightspace/<name>-<time>", default=None)
    on_bad: Literal["refuse", "skip"] = doc("what to do about damaged shards", default="refuse")
    pairs: int = doc("pairs of fields that are shown", default=4)
    scored_pairs: int = doc("pairs of fields that are scored", default=64)
    steps: int = doc("pictures from one field to the other, both of them counted", default=9)
    same_sample: bool = doc("pairs of fields of one sample, from two of its initial weights", default=False)
    seed: int = doc("seed of the pairs that are drawn among the test fields", default=0)

    def __post_init__(self) -> None:
        at_least_one(self, "pairs", "scored_pairs")
        if self.steps < 3:
            raise ValueError(f"steps must be at least 3, got {self.steps}")


def interpolate(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(InterpolateConfig, "interpolate", "weightspace", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu()
    accelerator = make_accelerator()
    dataset = FieldDataset.open(config.dataset, config.on_bad)
    canvas = canvas_of(dataset.architecture, dataset.about)
    if canvas is None:
        raise UserError(f"{config.dataset} has no fields of pictures, and this command draws pictures")
    first, second = draw_pairs(config, dataset)
    with open_run(config, "weightspace", "interpolate", accelerator) as run:
        if run.folder.status == "finished":
            run.say("%s is finished; choose another out= for a new run", run.folder.path)
        elif run.is_main:
            _interpolate(config, dataset, canvas, first, second, run)
        accelerator.wait_for_everyone()


def draw_pairs(config: InterpolateConfig, dataset: FieldDataset) -> Ends:
    """Rows of the first and of the second fields, at most ``max(pairs, scored_pairs)`` of each.

    Raises:
        UserError: there are no two fields to pair.
    """
    rows, count = dataset.rows("test"), max(config.pairs, config.scored_pairs)
    order = rows[torch.randperm(len(rows), generator=generator(config.seed, "pairs"))]
    if config.same_sample:
        return _pairs_of_samples(dataset, order, count, config.dataset)
    if len(order) < 2:
        raise UserError(f"{config.dataset} has one test field, and a pair needs two")
    half = min(count, len(order) // 2)
    return order[:half], order[half : 2 * half]


def _pairs_of_samples(dataset: FieldDataset, order: Tensor, count: int, name: str) -> Ends:
    seen: dict[tuple[int, int], int] = {}
    pairs = []
    for row in order.tolist():
        key = (int(dataset.index[row]), int(dataset.view[row]))
        if (other := seen.pop(key, None)) is not None:
            pairs.append((other, row))
        else:
            seen[key] = row
    if not pairs:
        raise UserError(
            f"{name} has one field a test sample; same_sample=true needs a dataset built with several inits"
        )
    first, second = torch.tensor(pairs[:count]).unbind(dim=1)
    return first, second


def ways(architecture: Architecture) -> dict[str, Way]:
    """How two fields are made ready to be mixed, ``(M, P)`` each; neither changes its function."""

    def normal(flat: Tensor) -> Tensor:
        return outputs_of(lambda fields: canonicalise(fields, architecture).flat(), flat, architecture)

    def aligned(first: Tensor, second: Tensor) -> Ends:
        moved = [
            align(from_flat(two[None], architecture), from_flat(one[None], architecture), architecture)
            for one, two in zip(first, second, strict=True)
        ]
        return first, torch.cat([fields.flat() for fields in moved])

    return {
        "raw": lambda first, second: (first, second),
        "canonical": lambda first, second: (normal(first), normal(second)),
        "aligned": aligned,
    }


def middle_psnr(ends: Ends, architecture: Architecture, canvas: Canvas) -> Tensor:
    """``(M,)`` dB: the field of the mean weights against the mean of the two fields' values."""

    def values(flat: Tensor) -> Tensor:
        return outputs_of(
            lambda fields: evaluate(fields, architecture, canvas.coordinates), flat, architecture
        )

    first, second = ends
    wanted = (values(first) + values(second)) / 2
    mse = (values((first + second) / 2) - wanted).square().flatten(1).mean(dim=1)
    return torch.tensor([psnr_from_mse(float(value), canvas.high - canvas.low) for value in mse])


def _interpolate(
    config: InterpolateConfig,
    dataset: FieldDataset,
    canvas: Canvas,
    first: Tensor,
    second: Tensor,
    run: Run,
) -> None:
    architecture = dataset.architecture
    one, two = dataset.flat[first], dataset.flat[second]
    names = [
        (dataset.classes[int(dataset.labels[i])], dataset.classes[int(dataset.labels[j])])
        for i, j in zip(first[: config.pairs], second[: config.pairs], strict=True)
    ]
    metrics: dict[str, float | str] = {"scored_pairs": min(config.scored_pairs, len(first))}
    rows: list[list[list[tuple[str, Tensor]]]] = [[] for _ in names]
    for way, prepare in ways(architecture).items():
        ends = prepare(one, two)
        scored = ends[0][: config.scored_pairs], ends[1][: config.scored_pairs]
        metrics[f"middle_psnr/{way}"] = float(middle_psnr(scored, architecture, canvas).mean())
        run.say("%s: %.2f dB in the middle", way, metrics[f"middle_psnr/{way}"])
        for pair in range(len(names)):
            parts = torch.linspace(0, 1, config.steps)[:, None]
            mixed = torch.lerp(ends[0][pair], ends[1][pair], parts)
            rows[pair].append(_captioned(way, canvas.render(mixed, architecture)))
    for pair in range(len(names)):
        start, end = canvas.render(torch.stack([one[pair], two[pair]]), architecture)
        fade = [torch.lerp(start, end, float(part)) for part in torch.linspace(0, 1, config.steps)]
        rows[pair].append(_captioned("values", torch.stack(fade)))
        save_png(run.folder.path / f"pair_{pair}.png", sheet(rows[pair]))
    metrics["wall_seconds"] = time.monotonic() - run.began
    metrics["device"] = describe_device(run.accelerator.device)
    _write_page(config, names, metrics, run)
    run.folder.write_metrics(metrics)
    run.say("pictures: %s", run.folder.path / "index.html")


def _captioned(name: str, pictures: Tensor) -> list[tuple[str, Tensor]]:
    """A row of pictures, the first with its name."""
    return [(name if number == 0 else "", picture) for number, picture in enumerate(pictures)]


def _write_page(
    config: InterpolateConfig,
    names: Sequence[tuple[str, str]],
    metrics: Mapping[str, float | str],
    run: Run,
) -> None:
    scores = [(way, float(metrics[f"middle_psnr/{way}"])) for way in ("raw", "canonical", "aligned")]
    best = max(score for _, score in scores)
    write_report(
        run.folder.path,
        title=f"Between fields of {config.dataset}",
        summary=f"{metrics['scored_pairs']} pairs of test fields scored, {len(names)} shown",
        metrics=dict(metrics),
        sections=[
            Section(
                "Pictures",
                "Rows: weights as they are, both in normal form, the second aligned to the first; values.",
                [Figure(f"pair_{n}.png", f"{one} to {two}") for n, (one, two) in enumerate(names)],
            )
        ],
        config_yaml=run.folder.config_yaml,
        tables=[
            TextTable(
                "PSNR in the middle against the mean of the values, dB",
                ["way", "PSNR"],
                [[(way, False), (f"{score:.2f}", score == best)] for way, score in scores],
            )
        ],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(interpolate, arguments)


if __name__ == "__main__":
    sys.exit(main())
