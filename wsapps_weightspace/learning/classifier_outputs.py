"""What a finished training of a classifier leaves in its run folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from wsapps.atomic import write_json, write_text
from wsapps.pictures import save_figure, save_png
from wsapps.report import Figure, Section, TextTable, write_report
from wsapps.run_folder import RunFolder
from wsapps_weightspace.learning.classification import Scores
from wsapps_weightspace.learning.curves import learning_curves
from wsapps_weightspace.learning.data import LearningData
from wsapps_weightspace.learning.model_file import ModelDescription, save_model
from wsapps_weightspace.learning.pictures import confusion_figure, sheet
from wsapps_weightspace.learning.rendering import canvas_of
from wsapps_weightspace.learning.trained import CLASSES
from wsapps_weightspace.train_config import TrainConfig

_MISTAKES = 32
_A_ROW = 8


def write_outputs(
    folder: RunFolder,
    config: TrainConfig,
    model: nn.Module,
    data: LearningData,
    logits: Tensor,
    scores: Scores,
    metrics: Mapping[str, float | str],
    history: Sequence[Mapping[str, float]],
) -> None:
    """The model, predictions, confusion matrix, mistakes, and ``index.html``.

    Args:
        logits: ``(M, K)`` of the test fields; ``scores`` are theirs.
    """
    dataset = data.dataset
    about = {"dataset": data.name, "accuracy": scores.accuracy}
    save_model(
        folder.path / "model",
        model,
        ModelDescription(
            CLASSES, config.classifier.name, config.classifier, dataset.architecture, dataset.classes, about
        ),
    )
    write_text(folder.path / "predictions.csv", predictions_csv(data, logits))
    by_class = scores.by_class(dataset.classes)
    write_json(
        folder.path / "confusion.json",
        {
            "classes": list(dataset.classes),
            "accuracy": scores.accuracy,
            "by_class": by_class,
            "confusion": scores.confusion.tolist(),
        },
    )
    write_json(folder.path / "history.json", list(history))
    save_figure(folder.path / "confusion.png", confusion_figure(scores.confusion, dataset.classes))
    sections = [
        Section("Confusion", "True classes by rows.", [Figure("confusion.png", "test fields")]),
        *_mistakes(folder.path, data, logits),
    ]
    kind = "function space" if getattr(model, "function_space", False) else "weights only"
    write_report(
        folder.path,
        title=f"{config.classifier.name} on {data.name}",
        summary=f"accuracy {scores.accuracy:.4f} on {len(data.test)} test fields ({kind}), state of step "
        f"{metrics['kept_step']} of {metrics['steps']}, {metrics['train_seconds']:.0f} s of training on "
        f"{metrics['device']}",
        metrics=dict(metrics),
        sections=sections,
        curves=learning_curves(history, "val_accuracy", "validation accuracy"),
        config_yaml=folder.config_yaml,
        tables=[TextTable("Accuracy by class", ["class", "accuracy"], _rows(by_class))],
    )


def predictions_csv(data: LearningData, logits: Tensor) -> str:
    """A line a test field: its sample, class, given class and that one's probability."""
    dataset, probabilities = data.dataset, logits.softmax(dim=1)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["sample", "init", "view", "class", "given", "probability"])
    for row, one in zip(data.test.tolist(), probabilities, strict=True):
        given = int(one.argmax())
        writer.writerow(
            [
                int(dataset.index[row]),
                int(dataset.init_number[row]),
                int(dataset.view[row]),
                dataset.classes[int(dataset.labels[row])],
                dataset.classes[given],
                f"{float(one[given]):.4f}",
            ]
        )
    return stream.getvalue()


def _mistakes(folder: Path, data: LearningData, logits: Tensor) -> list[Section]:
    """Wrongly classified fields, the most certain of them first, rendered from their weights."""
    dataset = data.dataset
    canvas = canvas_of(dataset.architecture, dataset.about)
    labels = dataset.labels[data.test]
    certainty, given = logits.softmax(dim=1).max(dim=1)
    wrong = (given != labels).nonzero()[:, 0]
    if canvas is None or not len(wrong):
        return []
    chosen = wrong[certainty[wrong].argsort(descending=True)][:_MISTAKES]
    pictures = canvas.render(dataset.flat[data.test[chosen]], dataset.architecture)
    named = [
        (f"{dataset.classes[int(labels[n])]} → {dataset.classes[int(given[n])]}", picture)
        for n, picture in zip(chosen, pictures, strict=True)
    ]
    rows = [named[first : first + _A_ROW] for first in range(0, len(named), _A_ROW)]
    save_png(folder / "mistakes.png", sheet(rows, height=112))
    caption = f"{len(named)} of {len(wrong)} wrongly classified test fields, the most certain first"
    return [Section("Mistakes", "True class → given class.", [Figure("mistakes.png", caption)])]


def _rows(by_class: Mapping[str, float]) -> list[list[tuple[str, bool]]]:
    lowest = min(by_class.values())
    return [[(name, False), (f"{value:.4f}", value == lowest)] for name, value in by_class.items()]
