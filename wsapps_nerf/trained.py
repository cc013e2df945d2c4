"""Opening a finished or interrupted run: its configuration, its field, and the newest checkpoint in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator

from wsapps import checkpoint
from wsapps.accelerator import make_accelerator, on_main
from wsapps.config import doc, from_yaml
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.run_folder import RunFolder
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.kernels import build_kernels
from wsapps_nerf.load import space_of
from wsapps_nerf.objective import RadianceObjective

_TRAIN = "accelerate launch -m wsapps_nerf.train"


@dataclass
class DataPlace:
    """Where the pictures of a run are."""

    root: str | None = doc("where the scene lies now, if it has moved since training", default=None)


@dataclass(frozen=True)
class TrainedRun:
    """A run as its newest checkpoint has it.

    Attributes:
        run: its folder, not locked.
        config: its configuration, with the place of the data that was asked for.
        objective: field, renderer and grid, on the accelerator's device, in eval mode.
        steps: of training done.
        accelerator: of this process; the ranks have all read the same checkpoint.
    """

    run: RunFolder
    config: TrainConfig
    objective: RadianceObjective
    steps: int
    accelerator: Accelerator


def open_trained(out: str, data_root: str | None = None) -> TrainedRun:
    """Open the run folder `out`; `data_root` replaces the place of its data.

    Raises:
        UserError: there is no run, no checkpoint, or one that does not fit the run's configuration.
    """
    run = RunFolder.existing(Path(out), _TRAIN)
    config = from_yaml(TrainConfig, run.config_yaml, str(run.path / "config.yaml"))
    if data_root is not None:
        config = replace(config, data=replace(config.data, root=data_root))
    prepare_cpu(config.trainer.num_threads)
    accelerator = make_accelerator()
    build_kernels(accelerator)
    objective = build_objective(config, space_of(config.scene))
    # A run in progress may write another one between the ranks' reads: all read the first rank's.
    latest = checkpoint.load(Path(on_main(accelerator, lambda: _newest(run))))
    tensors = latest.state.get("objective")
    if not isinstance(tensors, dict):
        raise UserError(f"{latest.path} is not a checkpoint of a training run; choose another out=")
    checkpoint.copy_into(objective, tensors, str(latest.path))
    return TrainedRun(run, config, objective.to(accelerator.device).eval(), latest.step, accelerator)


def _newest(run: RunFolder) -> str:
    latest = checkpoint.load_latest(run.checkpoints)
    if latest is None:
        raise UserError(f"{run.path} has no checkpoint yet; `{_TRAIN} out={run.path}` makes one")
    return str(latest.path)
