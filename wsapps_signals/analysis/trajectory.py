"""Fields that are trained for the analysis, followed from the first step to the last."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from wsapps.accelerator import forget_training
from wsapps.alpha import Curve
from wsapps.analysis import KernelWatch
from wsapps.atomic import write_json
from wsapps.errors import UserError
from wsapps.field_objective import FieldObjective
from wsapps.finite import Diverged
from wsapps.metrics import psnr
from wsapps.prediction import predict
from wsapps.samplers import parts_for, step_in_parts
from wsapps.trainer import Trainer
from wsapps_signals.analysis.scaling import Scaling
from wsapps_signals.analysis.subject import Subject

Entry = dict[str, float]


@dataclass(frozen=True)
class Trajectory:
    """One field's training.

    Attributes:
        scaling, seed: of the field.
        training: entries with ``step`` and ``psnr`` of the fitted samples.
        looks: entries with ``step``, ``test_psnr`` of the held-out samples and, for the first seed, figures
            of the tangent kernel.
        seconds: of training.
        diverged: whether it ended by that.
    """

    scaling: Scaling
    seed: int
    training: list[Entry]
    looks: list[Entry]
    seconds: float
    diverged: bool

    def curve(self) -> Curve:
        """Fitted scores at every step that was logged; held-out ones are linear between looks."""
        curve = Curve(self.scaling.factor)
        steps, scores = ([look[name] for look in self.looks] for name in ("step", "test_psnr"))
        for entry in self.training:
            curve.add(entry["step"], entry["psnr"], float(np.interp(entry["step"], steps, scores)))
        if self.diverged:
            last = self.training[-1]["step"] if self.training else 0.0
            curve.add(last + 1, math.nan, math.nan)
        return curve


def follow(
    folder: Path, subject: Subject, scaling: Scaling, seed: int, accelerator: Accelerator
) -> Trajectory:
    """Train a field, or read what an earlier process left of it; an interrupted training continues.

    Args:
        folder: of this field, ``trajectory.json`` and, while it is trained, checkpoints.
    """
    file = folder / "trajectory.json"
    if file.is_file():
        return _read(file)
    field = subject.field(scaling, seed)
    evaluate = _looks_at(subject, field, with_kernel=seed == 0)
    with torch.no_grad():
        first = {"step": 0.0, **evaluate()}  # before a checkpoint is loaded into the field
    config = replace(
        subject.config.trainer, seed=seed, evaluate_every=subject.config.kernel_every, checkpoint_seconds=30.0
    )
    coordinates, values = subject.fitted()
    parts = parts_for(len(coordinates), accelerator.device)
    sampler = step_in_parts(coordinates, values, None, parts, seed)
    trainer = Trainer(
        replace(config, accumulate=parts),
        FieldObjective(field, subject.signal.peak),
        sampler.to(accelerator.device),
        evaluate,
        checkpoints=folder / "checkpoint",
        accelerator=accelerator,
    )
    diverged, last = False, []
    try:
        result = trainer.fit()
        if result.steps % config.evaluate_every:
            with torch.no_grad():
                last = [{"step": float(result.steps), **evaluate()}]
    except Diverged:
        diverged = True
    history = trainer.history
    trajectory = Trajectory(
        scaling,
        seed,
        [{"step": e["step"], "psnr": e["psnr"]} for e in history if "psnr" in e],
        [
            first,
            *({k: v for k, v in e.items() if k != "seconds"} for e in history if "test_psnr" in e),
            *last,
        ],
        trainer.clock.seconds,
        diverged,
    )
    write_json(file, asdict(trajectory))
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    forget_training(accelerator)
    return trajectory


def _looks_at(subject: Subject, field: nn.Module, with_kernel: bool) -> Callable[[], Entry]:
    coordinates, values = subject.held_out()
    points = subject.fitted(max(1, subject.config.kernel_points // values.shape[1]))
    watch = KernelWatch(field, *points)

    def look() -> Entry:
        score = psnr(predict(field, coordinates), values, subject.signal.peak)
        return {"test_psnr": score, **(watch() if with_kernel and _finite(field) else {})}

    return look


def _finite(field: nn.Module) -> bool:
    tensors: Sequence[Tensor] = list(field.parameters())
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def _read(file: Path) -> Trajectory:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        training, looks = ([_entry(entry) for entry in data[name]] for name in ("training", "looks"))
        scaling, seed = Scaling(**data["scaling"]), int(data["seed"])
        return Trajectory(scaling, seed, training, looks, float(data["seconds"]), bool(data["diverged"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is damaged; delete it, and the field is trained again") from error


def _entry(raw: dict[str, float | None]) -> Entry:
    return {str(name): math.nan if value is None else float(value) for name, value in raw.items()}
