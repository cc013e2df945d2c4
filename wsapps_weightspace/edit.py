"""``python -m wsapps_weightspace.edit dataset=DIR``: a network that thickens pictures in their weights."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from wsapps.accelerator import make_accelerator
from wsapps.atomic import write_json
from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.config.checks import at_least_one
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.fields.matching import parameter_count
from wsapps.pictures import save_png
from wsapps.report import Figure, Section, write_report
from wsapps.run import Run, open_run
from wsapps.seeding import seed_global
from wsapps_weightspace.editing import EditorConfig, FieldEditor
from wsapps_weightspace.learning.batches import FieldBatches
from wsapps_weightspace.learning.best_training import BestResult, by_epochs, train_to_best
from wsapps_weightspace.learning.config import LearningConfig
from wsapps_weightspace.learning.curves import learning_curves
from wsapps_weightspace.learning.data import LearningData, keep_data, open_data
from wsapps_weightspace.learning.dilation import EditObjective, Operation, edit_scores
from wsapps_weightspace.learning.inference import outputs_of, shared_outputs
from wsapps_weightspace.learning.model_file import ModelDescription, save_model
from wsapps_weightspace.learning.pictures import sheet
from wsapps_weightspace.learning.rendering import Canvas, canvas_of
from wsapps_weightspace.weights import FieldWeights, evaluate

PROGRAM = "python -m wsapps_weightspace.edit"
_SHOWN = 8


@dataclass(kw_only=True)
class EditConfig(LearningConfig):
    """Everything that editing depends on; configs/weightspace/edit.yaml fills it."""

    operation: Operation = doc(
        "what becomes of the pictures: bright strokes thicker, or thinner", default="dilate"
    )
    radius: int = doc("of the square that the operation looks at", default=1, unit="pixels")
    editor: EditorConfig = field(default_factory=EditorConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "radius")


def edit(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(EditConfig, "edit", "weightspace", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu(config.trainer.num_threads)
    accelerator = make_accelerator(config.trainer.mixed_precision)
    data = open_data(config, accelerator.num_processes)
    canvas = canvas_of(data.dataset.architecture, data.dataset.about)
    if canvas is None:
        raise UserError(f"{config.dataset} has no fields of pictures, and this command edits pictures")
    objective = build_objective(config, data, canvas)
    with open_run(config, "weightspace", f"{config.operation}-{data.name}", accelerator) as run:
        keep_data(data, run)
        if run.folder.status == "finished":
            mse = run.folder.read_metrics().get("mse")
            run.say("%s is finished (mse %s); choose another out= for a new run", run.folder.path, mse)
            return
        train_editor(config, objective, canvas, data, run)


def build_objective(config: EditConfig, data: LearningData, canvas: Canvas) -> EditObjective:
    """The loss of a new editor, drawn by the seed. Raises UserError for a radius beyond the picture."""
    if config.radius >= min(canvas.size):
        raise UserError(f"radius={config.radius} is too large for pictures of {canvas.size} pixels")
    dataset = data.dataset
    seed_global(config.trainer.seed, "init")
    editor = FieldEditor(dataset.architecture, config.editor)
    editor.prepare(dataset.weights[data.train])
    augment = config.augment(dataset)
    return EditObjective(editor, dataset.architecture, canvas, config.operation, config.radius, augment)


def train_editor(
    config: EditConfig, objective: EditObjective, canvas: Canvas, data: LearningData, run: Run
) -> None:
    """Train in an open run folder, score the best state on the test fields, write all that a run leaves."""
    dataset, device = data.dataset, run.accelerator.device

    def mse(rows: Tensor, edit: bool = True) -> float:
        squared = partial(objective.squared, edit=edit)
        errors = shared_outputs(squared, dataset.flat[rows], dataset.architecture, run.accelerator)
        return float(errors.double().mean())

    batches = FieldBatches(
        {"weights": dataset.flat.to(device)}, data.train.to(device), config.batch_size, config.trainer.seed
    )
    run.say(
        "training an editor (%d parameters) to %s %d fields of %s, in %s",
        parameter_count(objective), config.operation, len(data.train), data.name, run.folder.path,
    )  # fmt: skip
    trainer_config = by_epochs(config.trainer, config.epochs, batches)

    def evaluate_mse() -> dict[str, float]:
        return {"val_mse": mse(data.val)}

    result = train_to_best(
        run, trainer_config, objective, batches, evaluate_mse, score="val_mse", lowest=True
    )
    scores = edit_scores(mse(data.test), mse(data.test, edit=False))
    metrics = {
        **scores,
        "val_mse": result.kept,
        "kept_step": result.kept_step,
        "parameters": parameter_count(objective),
        "train_fields": len(data.train),
        "test_fields": len(data.test),
        **run.usual_metrics(result.fit),
    }
    if run.is_main:
        _write(config, objective.cpu(), canvas, data, metrics, result, run)
        run.folder.write_metrics(metrics)
    run.accelerator.wait_for_everyone()
    run.say("%s", ", ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    run.say("pictures: %s", run.folder.path / "index.html")


def _write(
    config: EditConfig,
    objective: EditObjective,
    canvas: Canvas,
    data: LearningData,
    metrics: Mapping[str, float | str],
    result: BestResult,
    run: Run,
) -> None:
    folder, architecture = run.folder.path, data.dataset.architecture
    about = {"radius": config.radius, "dataset": data.name}
    told = ModelDescription(config.operation, "field_editor", config.editor, architecture, ("fields",), about)
    save_model(folder / "model", objective.model, told)
    write_json(folder / "history.json", result.history)
    save_png(folder / "edited.png", _sheet(objective, canvas, data))
    write_report(
        folder,
        title=f"{config.operation} {data.name}, in the weights",
        summary=f"mean squared error {metrics['mse']:.4f} of {len(data.test)} edited test fields, "
        f"{metrics['identity_mse']:.4f} of the same left alone, on a scale of 0 to 1",
        metrics=dict(metrics),
        sections=[Section("Test fields", figures=[Figure("edited.png", "fields, targets, edited fields")])],
        curves=learning_curves(result.history, "val_mse", "validation mse"),
        config_yaml=run.folder.config_yaml,
    )


def _sheet(objective: EditObjective, canvas: Canvas, data: LearningData):
    """Rows: what the first test fields show, what they are to show, what they show when edited."""
    flat, architecture = data.dataset.flat[data.test[:_SHOWN]], data.dataset.architecture

    def shown(fields: FieldWeights) -> Tensor:
        return evaluate(fields, architecture, objective.coordinates)

    kinds = {
        "field": shown,
        "target": objective.target,
        "edited": lambda fields: shown(objective.model(fields)),
    }
    rows = []
    for name, values in kinds.items():
        pictures = canvas.shown(outputs_of(values, flat, architecture)).clamp(0, 1)
        rows.append([(name if n == 0 else "", picture) for n, picture in enumerate(pictures)])
    return sheet(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(edit, arguments)


if __name__ == "__main__":
    sys.exit(main())
