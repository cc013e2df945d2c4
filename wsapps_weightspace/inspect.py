"""``python -m wsapps_weightspace.inspect dataset=DIR``: what a dataset of fields holds.

Numbers go to stdout and into ``inspect.json``, pictures and a page beside it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wsapps.atomic import explained, write_json
from wsapps.command import run_command
from wsapps.config import doc, load_or_help, to_yaml
from wsapps.config.checks import at_least_one
from wsapps.cpu import prepare_cpu
from wsapps.report import Section, TextTable, write_report
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.inspect_pictures import save_pictures
from wsapps_weightspace.splits import SPLITS
from wsapps_weightspace.summary import (
    as_json,
    as_text,
    class_counts,
    parameter_statistics,
    psnr_quantiles,
)

PROGRAM = "python -m wsapps_weightspace.inspect"


@dataclass
class InspectConfig:
    """What is looked at; configs/weightspace/inspect.yaml fills it."""

    dataset: str = doc("folder of fitted fields, as wsapps_weightspace.build leaves it, or of fit-a-nef")
    out: str | None = doc("folder of the page; by default inspect/ in the dataset's", default=None)
    on_bad: Literal["refuse", "skip"] = doc("what to do about damaged or missing shards", default="skip")
    per_class: int = doc("fields of each class that are shown", default=10)

    def __post_init__(self) -> None:
        at_least_one(self, "per_class")


def inspect(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(InspectConfig, "inspect", "weightspace", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu()
    dataset = FieldDataset.open(config.dataset, config.on_bad)
    print(as_text(dataset), flush=True)
    folder = Path(config.out) if config.out else Path(config.dataset) / "inspect"
    with explained("write to", folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "inspect.json", as_json(dataset))
    print(write_page(folder, dataset, config))


def write_page(folder: Path, dataset: FieldDataset, config: InspectConfig) -> Path:
    """Write the pictures and ``index.html``; raises UserError where they cannot be written."""
    pictures = save_pictures(folder, dataset, config.per_class)
    name = dataset.about.dataset if dataset.about is not None else dataset.folder.resolve().name
    metrics: dict[str, float | str] = {
        "fields": len(dataset),
        "samples": len(dataset.index.unique()),
        "parameters": dataset.architecture.parameters,
        **{f"psnr {name}": value for name, value in psnr_quantiles(dataset.psnr).items()},
    }
    return write_report(
        folder,
        title=f"Fields of {name}",
        summary=as_text(dataset).splitlines()[1].strip(),
        metrics=metrics,
        sections=[
            *[Section(title, figures=figures) for title, figures in pictures.items()],
            *[Section("Left out", text=line) for line in dataset.skipped],
        ],
        config_yaml=to_yaml(config),
        tables=[_class_table(dataset), _parameter_table(dataset)],
    )


def _class_table(dataset: FieldDataset) -> TextTable:
    counts = class_counts(dataset).tolist()
    rows = [
        [(name, False), *((f"{count:,}", False) for count in row)]
        for name, row in zip(dataset.classes, counts, strict=True)
    ]
    return TextTable("Fields of each class", ["class", *SPLITS], rows)


def _parameter_table(dataset: FieldDataset) -> TextTable:
    rows = [
        [(s.name, False), *((f"{number:.4f}", False) for number in (s.mean, s.std, s.least, s.most))]
        for s in parameter_statistics(dataset)
    ]
    columns = ["", "mean", "standard deviation", "least", "largest"]
    return TextTable("Parameters of each layer, over all fields", columns, rows)


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(inspect, arguments)


if __name__ == "__main__":
    sys.exit(main())
