"""``python -m wsapps_weightspace.retrieve dataset=DIR``: the fields that are most like a field.

Test fields are the queries, training fields the gallery. The score of an embedding is the part of the nearest
that has the query's class.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from wsapps.accelerator import make_accelerator
from wsapps.atomic import write_json
from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.config.checks import at_least_one
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.pictures import Picture, save_png
from wsapps.report import Figure, Section, TextTable, write_report
from wsapps.run import Run, describe_device, open_run
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.learning.data import some_of
from wsapps_weightspace.learning.embeddings import (
    Embed,
    Embedding,
    feature_embedding,
    nearest,
    value_embedding,
    weight_embeddings,
)
from wsapps_weightspace.learning.model_file import check_architecture
from wsapps_weightspace.learning.pictures import sheet
from wsapps_weightspace.learning.rendering import canvas_of
from wsapps_weightspace.learning.trained import open_classifier

PROGRAM = "python -m wsapps_weightspace.retrieve"
_SHEET_QUERIES = 8  # with their pictures


@dataclass
class RetrieveConfig:
    """What is compared, and by what; configs/weightspace/retrieve.yaml fills it."""

    dataset: str = doc("folder of fitted fields, as wsapps_weightspace.build leaves it")
    out: str | None = doc("run folder; by default runs/weightspace/<name>-<time>", default=None)
    on_bad: Literal["refuse", "skip"] = doc("what to do about damaged shards", default="refuse")
    by: list[Embedding] = doc(
        "embeddings that are tried: weights as they are, canonical, aligned, the values shown, or the "
        "features of a trained model",
        default_factory=lambda: ["weights", "canonical", "values"],
    )
    model: str | None = doc("run folder of wsapps_weightspace.train, for by=[features]", default=None)
    neighbours: int = doc("fields found for each query", default=8)
    most_queries: int = doc("most test fields that are queries", default=500)
    most_gallery: int = doc("most training fields that are compared with", default=20_000)

    def __post_init__(self) -> None:
        at_least_one(self, "neighbours", "most_queries", "most_gallery")
        if not self.by:
            raise ValueError("by must name at least one embedding")


def retrieve(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(RetrieveConfig, "retrieve", "weightspace", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu()
    accelerator = make_accelerator()
    dataset = FieldDataset.open(config.dataset, config.on_bad)
    queries = some_of(dataset.rows("test"), config.most_queries)
    gallery = some_of(dataset.rows("train"), config.most_gallery)
    if config.neighbours > len(gallery):
        raise UserError(f"neighbours={config.neighbours}, but the gallery has {len(gallery)} fields")
    embeddings = make_embeddings(config, dataset, gallery)
    with open_run(config, "weightspace", "retrieve", accelerator) as run:
        if run.folder.status == "finished":
            run.say("%s is finished; choose another out= for a new run", run.folder.path)
        elif run.is_main:
            _retrieve(config, dataset, queries, gallery, embeddings, run)
        accelerator.wait_for_everyone()


def make_embeddings(config: RetrieveConfig, dataset: FieldDataset, gallery: Tensor) -> dict[Embedding, Embed]:
    """The embeddings that were asked for; raises UserError where one is not possible."""
    architecture = dataset.architecture
    known = weight_embeddings(dataset.flat[gallery], architecture)
    if "values" in config.by:
        canvas = canvas_of(architecture, dataset.about)
        if canvas is None:
            raise UserError(f"{config.dataset} has no pictures to compare values of: leave values out of by=")
        known["values"] = value_embedding(canvas, architecture)
    if "features" in config.by:
        if config.model is None:
            raise UserError("by=[features] needs model=, the run folder of a trained classifier")
        model, description = open_classifier(config.model)
        check_architecture(architecture, description.architecture, config.dataset)
        known["features"] = feature_embedding(model, architecture)
    return {name: known[name] for name in config.by}


def _retrieve(
    config: RetrieveConfig,
    dataset: FieldDataset,
    queries: Tensor,
    gallery: Tensor,
    embeddings: Mapping[Embedding, Embed],
    run: Run,
) -> None:
    labels = dataset.labels
    found: dict[str, Tensor] = {}
    metrics: dict[str, float | str] = {}
    for name, embed in embeddings.items():
        began = time.monotonic()
        places = nearest(embed(dataset.flat[queries]), embed(dataset.flat[gallery]), config.neighbours)
        found[name] = gallery[places]
        same = labels[found[name]] == labels[queries][:, None]
        metrics[f"precision/{name}"] = float(same.double().mean())
        metrics[f"seconds/{name}"] = time.monotonic() - began
        run.say("%s: %.4f of the %d nearest share the class", name, same.double().mean(), config.neighbours)
    shares = torch.bincount(labels[gallery], minlength=len(dataset.classes)).double() / len(gallery)
    metrics["precision/chance"] = float(shares[labels[queries]].mean())
    metrics |= {"queries": len(queries), "gallery": len(gallery)}
    metrics |= {
        "wall_seconds": time.monotonic() - run.began,
        "device": describe_device(run.accelerator.device),
    }
    _write(config, dataset, queries, found, metrics, run)
    run.folder.write_metrics(metrics)
    run.say("pictures: %s", run.folder.path / "index.html")


def _write(
    config: RetrieveConfig,
    dataset: FieldDataset,
    queries: Tensor,
    found: Mapping[str, Tensor],
    metrics: Mapping[str, float | str],
    run: Run,
) -> None:
    folder = run.folder.path
    neighbours = {
        name: {str(int(query)): row for query, row in zip(queries, rows.tolist(), strict=True)}
        for name, rows in found.items()
    }
    write_json(folder / "neighbours.json", neighbours)
    scores = [(name, float(metrics[f"precision/{name}"])) for name in (*found, "chance")]
    best = max(score for _, score in scores)
    table = TextTable(
        f"Part of the {config.neighbours} nearest that has the query's class",
        ["embedding", "precision"],
        [[(name, False), (f"{score:.4f}", score == best)] for name, score in scores],
    )
    sections = []
    for name, rows in found.items():
        picture = _sheet(dataset, queries[:_SHEET_QUERIES], rows[:_SHEET_QUERIES])
        if picture is not None:
            save_png(folder / f"{name}.png", picture)
            caption = "query, and its neighbours, the nearest first"
            sections.append(Section(f"By {name}", figures=[Figure(f"{name}.png", caption)]))
    write_report(
        folder,
        title=f"Fields that are alike in {dataset.folder.name}",
        summary=f"{len(queries)} test fields, {metrics['gallery']} training fields to be found",
        metrics=dict(metrics),
        sections=sections,
        config_yaml=run.folder.config_yaml,
        tables=[table],
    )


def _sheet(dataset: FieldDataset, queries: Tensor, found: Tensor) -> Picture | None:
    """A row a query: itself and its neighbours, each with its class; None where there are no pictures."""
    canvas = canvas_of(dataset.architecture, dataset.about)
    if canvas is None:
        return None
    rows = []
    for query, places in zip(queries, found, strict=True):
        chosen = torch.cat([query[None], places])
        pictures = canvas.render(dataset.flat[chosen], dataset.architecture)
        names = [dataset.classes[int(label)] for label in dataset.labels[chosen]]
        rows.append([(f"[{names[0]}]", pictures[0]), *zip(names[1:], pictures[1:], strict=True)])
    return sheet(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(retrieve, arguments)


if __name__ == "__main__":
    sys.exit(main())
