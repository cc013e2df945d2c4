"""``python -m wsapps_weightspace.predict_psnr dataset=DIR``: how well a field fits, from its weights."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from wsapps.accelerator import make_accelerator
from wsapps.atomic import write_json
from wsapps.command import run_command
from wsapps.config import choice, load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.fields.matching import parameter_count
from wsapps.pictures import save_figure
from wsapps.report import Figure, Section, write_report
from wsapps.run import Run, open_run
from wsapps_weightspace.learning.batches import FieldBatches
from wsapps_weightspace.learning.best_training import BestResult, by_epochs, train_to_best
from wsapps_weightspace.learning.config import LearningConfig
from wsapps_weightspace.learning.curves import learning_curves
from wsapps_weightspace.learning.data import LearningData, keep_data, open_data
from wsapps_weightspace.learning.inference import shared_outputs
from wsapps_weightspace.learning.model_file import ModelDescription, save_model
from wsapps_weightspace.learning.pictures import scatter_figure
from wsapps_weightspace.learning.regression import RegressionObjective, Standardised, regression_scores
from wsapps_weightspace.models import CLASSIFIERS
from wsapps_weightspace.train_config import build_model

PROGRAM = "python -m wsapps_weightspace.predict_psnr"


@dataclass(kw_only=True)
class PsnrConfig(LearningConfig):
    """Everything that the prediction depends on; configs/weightspace/predict_psnr.yaml fills it."""

    classifier: Any = choice(
        CLASSIFIERS, default="flat_mlp", text="the model, of one output: the PSNR in place of classes"
    )


def predict_psnr(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(PsnrConfig, "predict_psnr", "weightspace", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu(config.trainer.num_threads)
    accelerator = make_accelerator(config.trainer.mixed_precision)
    data = open_data(config, accelerator.num_processes)
    objective = build_objective(config, data)
    with open_run(config, "weightspace", f"psnr-{data.name}-{config.classifier.name}", accelerator) as run:
        keep_data(data, run)
        if run.folder.status == "finished":
            r2 = run.folder.read_metrics().get("r2")
            run.say("%s is finished (r2 %s); choose another out= for a new run", run.folder.path, r2)
            return
        train_regression(config, objective, data, run)


def build_objective(config: PsnrConfig, data: LearningData) -> RegressionObjective:
    """The loss of a new model. Raises UserError where the PSNRs are not known, or all equal."""
    psnr = data.dataset.psnr
    if unknown := int((~psnr.isfinite()).sum()):
        raise UserError(
            f"{config.dataset}: the PSNR of {unknown} of {len(psnr)} fields is not known or not finite; "
            "datasets that wsapps_weightspace.build makes have it"
        )
    mean, deviation = float(psnr[data.train].mean()), float(psnr[data.train].std(correction=0))
    if len(data.train) < 2 or deviation < 1e-6 or len(data.test) < 2:
        raise UserError(f"{config.dataset}: there is nothing to predict, all PSNRs are {mean:.2f} dB")
    model = build_model(config.classifier, data, 1, config.trainer.seed)
    return RegressionObjective(
        Standardised(model, mean, deviation),
        data.dataset.architecture,
        config.augment(data.dataset),
    )


def train_regression(
    config: PsnrConfig, objective: RegressionObjective, data: LearningData, run: Run
) -> None:
    """Train in an open run folder, score the best state on the test fields, write all that a run leaves."""
    dataset, device = data.dataset, run.accelerator.device

    def predicted(rows: Tensor) -> Tensor:
        return shared_outputs(objective.model, dataset.flat[rows], dataset.architecture, run.accelerator)

    def evaluate() -> dict[str, float]:
        error = predicted(data.val) - dataset.psnr[data.val]
        return {"val_rmse": math.sqrt(float(error.square().mean()))}

    tensors = {"weights": dataset.flat.to(device), "targets": dataset.psnr.to(device)}
    batches = FieldBatches(tensors, data.train.to(device), config.batch_size, config.trainer.seed)
    run.say("predicting PSNRs of %s from %d fields, in %s", data.name, len(data.train), run.folder.path)
    trainer_config = by_epochs(config.trainer, config.epochs, batches)
    result = train_to_best(run, trainer_config, objective, batches, evaluate, score="val_rmse", lowest=True)
    test = predicted(data.test)
    scores = regression_scores(test, dataset.psnr[data.test])
    metrics = {
        **scores,
        "val_rmse": result.kept,
        "psnr_deviation": float(dataset.psnr[data.test].std()),
        "kept_step": result.kept_step,
        "parameters": parameter_count(objective),
        "train_fields": len(data.train),
        "test_fields": len(data.test),
        **run.usual_metrics(result.fit),
    }
    if run.is_main:
        _write(config, objective, data, test, metrics, result, run)
        run.folder.write_metrics(metrics)
    run.accelerator.wait_for_everyone()
    run.say("%s", ", ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    run.say("pictures: %s", run.folder.path / "index.html")


def _write(
    config: PsnrConfig,
    objective: RegressionObjective,
    data: LearningData,
    predicted: Tensor,
    metrics: Mapping[str, float | str],
    result: BestResult,
    run: Run,
) -> None:
    folder, dataset = run.folder.path, data.dataset
    about = {"mean": float(objective.model.mean), "deviation": float(objective.model.deviation)}
    model = config.classifier
    told = ModelDescription("psnr", model.name, model, dataset.architecture, ("psnr",), about)
    save_model(folder / "model", objective.model, told)
    write_json(folder / "history.json", result.history)
    figure = scatter_figure(dataset.psnr[data.test], predicted, "PSNR of the fit, dB", "predicted PSNR, dB")
    save_figure(folder / "psnr.png", figure)
    write_report(
        folder,
        title=f"PSNR of {data.name} by {config.classifier.name}",
        summary=f"r2 {metrics['r2']:.3f}, rmse {metrics['rmse']:.3f} dB where the PSNRs deviate by "
        f"{metrics['psnr_deviation']:.3f} dB, on {len(data.test)} test fields",
        metrics=dict(metrics),
        sections=[Section("Predictions", figures=[Figure("psnr.png", "test fields")])],
        curves=learning_curves(result.history, "val_rmse", "validation rmse, dB"),
        config_yaml=run.folder.config_yaml,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(predict_psnr, arguments)


if __name__ == "__main__":
    sys.exit(main())
