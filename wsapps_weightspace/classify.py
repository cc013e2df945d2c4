"""``python -m wsapps_weightspace.classify model=RUN field=PATH``: the class of a field, from its weights."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.config.checks import at_least_one
from wsapps.cpu import prepare_cpu
from wsapps_weightspace.learning.given_fields import GivenFields, read_fields
from wsapps_weightspace.learning.inference import outputs_of
from wsapps_weightspace.learning.model_file import check_architecture
from wsapps_weightspace.learning.trained import open_classifier

PROGRAM = "python -m wsapps_weightspace.classify"


@dataclass
class ClassifyConfig:
    """What is classified, and by what; configs/weightspace/classify.yaml fills it."""

    model: str = doc("run folder of wsapps_weightspace.train, or the folder model/ in it")
    field: str = doc("folder of an exported field, a shard nefs_*.hdf5, or a folder of shards")
    most: int = doc("classify no more than so many fields of a file", default=1000)
    shown: int = doc("probabilities shown of each field, the largest first", default=3)
    as_json: bool = doc("print one JSON object a field and line, with all probabilities", default=False)

    def __post_init__(self) -> None:
        at_least_one(self, "most", "shown")


def classify(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(ClassifyConfig, "classify", "weightspace", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu()
    model, description = open_classifier(config.model)
    fields = read_fields(config.field, config.most)
    check_architecture(fields.architecture, description.architecture, config.field)
    probabilities = outputs_of(model, fields.flat, fields.architecture).softmax(dim=1)
    for line in _lines(config, fields, description.outputs, probabilities):
        print(line)


def _lines(
    config: ClassifyConfig, fields: GivenFields, classes: Sequence[str], probabilities: Tensor
) -> Iterator[str]:
    """One line a field, and how many were right where their classes are known."""
    right = known = 0
    for name, truth, row in zip(fields.names, fields.classes, probabilities, strict=True):
        order = row.argsort(descending=True)
        given = classes[int(order[0])]
        if truth is not None:
            known, right = known + 1, right + (given == truth)
        if config.as_json:
            told: dict[str, Any] = {"field": name, "class": given, "true_class": truth}
            yield json.dumps(told | {"probabilities": dict(zip(classes, row.tolist(), strict=True))})
            continue
        shown = [f"{classes[int(n)]} {float(row[n]):.4f}" for n in order[: config.shown]]
        yield f"{name}: {', '.join(shown)}" + (f" (it is {truth})" if truth is not None else "")
    if known > 1 and not config.as_json:
        yield f"{right} of {known} right"


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(classify, arguments)


if __name__ == "__main__":
    sys.exit(main())
