"""``python -m wsapps_signals.fit signal=image path=photo.png``: fit a field to a signal."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from accelerate import Accelerator
from torch import Tensor, nn

from wsapps.accelerator import make_accelerator, on_main
from wsapps.alpha.fallback import with_fallback
from wsapps.atomic import write_json
from wsapps.command import run_command
from wsapps.config import load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.export import save_field
from wsapps.field_objective import FieldObjective
from wsapps.fields.matching import parameter_count
from wsapps.finite import Diverged
from wsapps.fitting_rate import fitting_rate
from wsapps.metrics import psnr
from wsapps.pictures import save_png
from wsapps.prediction import predict, shared_prediction
from wsapps.projection import output_solver
from wsapps.run import Run, describe_device, open_run
from wsapps.samplers import PointSampler
from wsapps.trainer import Trainer, TrainerConfig
from wsapps_signals.choose_alpha import chosen
from wsapps_signals.config import FitConfig, build_field, build_sampler, with_choices
from wsapps_signals.holdout import training_mask
from wsapps_signals.kinds.all_kinds import SIGNALS
from wsapps_signals.kinds.signal import Signal
from wsapps_signals.large import suited
from wsapps_signals.outputs import write_page

PROGRAM = "python -m wsapps_signals.fit"


def fit(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    arguments = with_choices(arguments)
    config = load_or_help(FitConfig, "fit", "signals", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu(config.trainer.num_threads)
    accelerator = make_accelerator(config.trainer.mixed_precision)
    signal = load_signal(config)
    config = suited(config, signal, arguments)
    # Before there is a run folder: what is wrong with the settings is not to leave one.
    problem = make_problem(config, signal)
    with open_run(config, "signals", signal.title, accelerator) as run:
        if run.folder.status == "finished":
            scores = run.folder.read_metrics()
            shown = next((f"{name} {scores[name]}" for name in ("psnr", "iou") if name in scores), "no score")
            run.say("%s is finished (%s); choose another out= for a new run", run.folder.path, shown)
            return
        fit_signal(problem, run)


@dataclass(frozen=True)
class FitProblem:
    """What a run fits: a signal, the samples ``(N,)`` that are used, and a new field with its settings."""

    config: FitConfig
    signal: Signal
    mask: Tensor
    field: nn.Module
    method: Any


def make_problem(config: FitConfig, signal: Signal) -> FitProblem:
    """Everything of a fit that can be wrong, before it begins; raises UserError."""
    mask = training_mask(config.holdout, len(signal.coordinates), signal.grid, config.trainer.seed)
    if config.trainer.accumulate > (points := int(mask.sum())):
        raise UserError(
            f"trainer.accumulate={config.trainer.accumulate} makes more parts than points ({points})"
        )
    field, method = build_field(config, signal)
    return FitProblem(config, signal, mask, field, method)


def load_signal(config: FitConfig) -> Signal:
    """The signal that a configuration names; raises UserError as its kind does."""
    return SIGNALS[config.signal.name].from_config(config.signal, config.path)


def fit_signal(problem: FitProblem, run: Run) -> dict[str, float]:
    """Fit a signal in an open run folder, write everything that a run leaves, and return its scores.

    With ``alpha=auto`` alpha is chosen first, and where the run diverges it begins anew with a smaller one.
    """
    if problem.config.alpha != "auto":
        return _fit(problem, run)
    matched = replace(problem.config, method=problem.method)  # the width that the field has
    config = chosen(matched, problem.signal, problem.mask, problem.field, run)
    return with_fallback(lambda other: _fit(make_problem(other, problem.signal), run), config, run)


def _fit(problem: FitProblem, run: Run) -> dict[str, float]:
    accelerator, folder = run.accelerator, run.folder
    config, signal, mask, field = problem.config, problem.signal, problem.mask, problem.field
    sampler, objective, trainer_config = make_training(problem, accelerator)
    parameters = parameter_count(field)
    trainer = Trainer(
        trainer_config,
        objective,
        sampler,
        checkpoints=folder.checkpoints,
        tensorboard=folder.tensorboard,
        accelerator=accelerator,
    )
    run.say(
        "fitting %s to %s (%d points, %d parameters) on %s, in %s",
        config.method.name, signal.title, len(sampler), parameters,
        describe_device(accelerator.device), folder.path,
    )  # fmt: skip
    if trainer_config.optimizer.lr != config.trainer.optimizer.lr:
        run.say("learning rate %.2g, by lr=auto (trainer.optimizer.lr= sets it)", trainer_config.optimizer.lr)
    if objective.solver is not None:
        run.say("its output layer is solved for in every step (projection.enabled=false trains it)")
    result = trainer.fit()
    objective.finish()
    field.eval()
    scores = _scores(signal, field, mask, accelerator)
    if run.is_main:
        size = save_field(folder.path / "field", field, problem.method, {"signal": asdict(config.signal)})
        metrics = {
            **scores,
            "parameters": parameters,
            "field_bytes": size,
            "bits_per_point": 8 * size / len(signal.coordinates),
            "lr": trainer_config.optimizer.lr,
            **run.usual_metrics(result),
        }
        if config.alpha == "auto":
            metrics["alpha"] = config.method.alpha
        if signal.native_bits:
            metrics["compression_ratio"] = signal.native_bits / (8 * size)
        local = partial(predict, field)
        figures = signal.write(folder.path, local)
        save_png(folder.path / "preview.png", signal.preview(local))
        write_json(folder.path / "history.json", trainer.history)
        write_json(folder.path / "figures.json", [asdict(figure) for figure in figures])
        write_page(folder, signal.title, metrics, figures, trainer.history)
        folder.write_metrics(metrics)
    accelerator.wait_for_everyone()
    run.say("%s", ", ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    run.say("pictures: %s", folder.path / "index.html")
    return scores


def make_training(
    problem: FitProblem, accelerator: Accelerator
) -> tuple[PointSampler, FieldObjective, TrainerConfig]:
    """Batches, loss, and the trainer's settings with micro-batches and a learning rate that suit the field.

    The field is moved to the device, and where its output layer is solved for, that is set.
    """
    config, device = problem.config, accelerator.device
    field = problem.field.to(device)
    sampler, trainer = build_sampler(config, problem.signal, problem.mask, field, device)
    solver = output_solver(field, sampler, config.projection)
    rate = on_main(accelerator, partial(fitting_rate, field, solver)) if config.lr == "auto" else None
    if rate is not None:
        trainer = replace(trainer, optimizer=replace(trainer.optimizer, lr=rate))
    return sampler, FieldObjective(field, problem.signal.peak, solver), trainer


def _scores(signal: Signal, field: nn.Module, mask: Tensor, accelerator: Accelerator) -> dict[str, float]:
    """The signal's own scores; where samples were held out, of training and test samples apart."""
    shared = shared_prediction(field, accelerator)
    scores = dict(signal.scores(shared))
    if not bool(mask.all()):
        values = shared(signal.coordinates)
        for name, chosen in (("train_psnr", mask), ("test_psnr", ~mask)):
            scores[name] = psnr(values[chosen], signal.values[chosen], signal.peak)
    if bad := [name for name, value in scores.items() if math.isnan(value)]:
        raise Diverged(f"after the last step {' and '.join(bad)} of the field are NaN")
    return scores


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(fit, arguments)


if __name__ == "__main__":
    sys.exit(main())
