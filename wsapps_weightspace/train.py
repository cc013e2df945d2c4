"""``python -m wsapps_weightspace.train dataset=DIR classifier=probes``: classify fields by their weights."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wsapps.accelerator import make_accelerator
from wsapps.command import run_command
from wsapps.config import load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.fields.matching import parameter_count
from wsapps.run import Run, describe_device, open_run
from wsapps_weightspace.learning.batches import FieldBatches
from wsapps_weightspace.learning.best_training import Figures, by_epochs, train_to_best
from wsapps_weightspace.learning.classification import ClassificationObjective, scores_of
from wsapps_weightspace.learning.classifier_outputs import write_outputs
from wsapps_weightspace.learning.data import LearningData, keep_data, open_data, some_of
from wsapps_weightspace.learning.inference import shared_outputs
from wsapps_weightspace.train_config import TrainConfig, build_objective

PROGRAM = "python -m wsapps_weightspace.train"
_MOST_SEEN = 2000  # training fields that are classified at the end, to tell how well they were learned


def train(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(TrainConfig, "train", "weightspace", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu(config.trainer.num_threads)
    accelerator = make_accelerator(config.trainer.mixed_precision)
    data = open_data(config, accelerator.num_processes)
    # Before there is a run folder: what is wrong with the settings is not to leave one.
    objective = build_objective(config, data)
    with open_run(config, "weightspace", f"{data.name}-{config.classifier.name}", accelerator) as run:
        keep_data(data, run)
        if run.folder.status == "finished":
            accuracy = run.folder.read_metrics().get("accuracy")
            run.say(
                "%s is finished (accuracy %s); choose another out= for a new run", run.folder.path, accuracy
            )
            return
        train_classifier(config, objective, data, run)


def train_classifier(
    config: TrainConfig, objective: ClassificationObjective, data: LearningData, run: Run
) -> None:
    """Train in an open run folder, score the best state on the test fields, write all that a run leaves."""
    dataset, accelerator = data.dataset, run.accelerator
    device = accelerator.device
    model = objective.model

    def logits_of(rows):
        return shared_outputs(model, dataset.flat[rows], dataset.architecture, accelerator)

    def evaluate() -> dict[str, float]:
        scores = scores_of(logits_of(data.val), dataset.labels[data.val])
        return {
            "val_accuracy": scores.accuracy,
            "val_accuracy_error": scores.standard_error,
            "val_loss": scores.loss,
        }

    tensors = {"weights": dataset.flat.to(device), "labels": dataset.labels.to(device)}
    batches = FieldBatches(tensors, data.train.to(device), config.batch_size, config.trainer.seed)
    run.say(
        "training %s (%d parameters) on %d fields of %s, %d classes, on %s, in %s",
        config.classifier.name, parameter_count(model), len(data.train), data.name, len(dataset.classes),
        describe_device(device), run.folder.path,
    )  # fmt: skip
    trainer_config = by_epochs(config.trainer, config.epochs, batches)
    result = train_to_best(
        run, trainer_config, objective, batches, evaluate, "val_accuracy", tolerance=_error
    )
    logits = logits_of(data.test)
    scores = scores_of(logits, dataset.labels[data.test])
    seen = some_of(data.train, _MOST_SEEN)
    metrics = {
        "accuracy": scores.accuracy,
        "val_accuracy": result.kept,
        "train_accuracy": scores_of(logits_of(seen), dataset.labels[seen]).accuracy,
        "loss": scores.loss,
        **{f"accuracy/{name}": value for name, value in scores.by_class(dataset.classes).items()},
        "kept_step": result.kept_step,
        "epochs": result.fit.steps * config.trainer.accumulate / batches.steps_per_epoch,
        "parameters": parameter_count(model),
        "train_fields": len(data.train),
        "test_fields": len(data.test),
        **run.usual_metrics(result.fit),
    }
    if run.is_main:
        write_outputs(run.folder, config, model, data, logits, scores, metrics, result.history)
        run.folder.write_metrics(metrics)
    accelerator.wait_for_everyone()
    run.say("accuracy %.4f on %d test fields", scores.accuracy, len(data.test))
    run.say("pictures: %s", run.folder.path / "index.html")


def _error(figures: Figures) -> float:
    """The latest of the states that are best within the error of their validation accuracy is kept."""
    return figures["val_accuracy_error"]


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(train, arguments)


if __name__ == "__main__":
    sys.exit(main())
