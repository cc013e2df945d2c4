"""What each rank of tests/test_two_ranks.py does; started by torchrun as ``two_ranks.py WHAT FOLDER``."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from noisy_objective import NoisyObjective, config, points
from safetensors.torch import save_file

import wsapps
from wsapps import Interrupted, SinusoidalField, checkpoint
from wsapps.accelerator import make_accelerator, on_main, prepare
from wsapps.alpha import untried
from wsapps.command import leave_other_ranks, run_command
from wsapps.field_objective import FieldObjective
from wsapps.gradient import accumulate_gradient
from wsapps.lock import Busy
from wsapps.objective import Batch, Objective
from wsapps.optimizer import OptimizerConfig, make_optimizer
from wsapps.projection import ProjectionConfig, output_solver
from wsapps.samplers import PointSampler
from wsapps.seeding import seed_global
from wsapps.trainer import Trainer

# Points in every micro-batch, [micro-batch][rank].
CASES = {
    "same sizes": [[6, 6]],
    "different sizes": [[5, 11]],
    "accumulated, ragged": [[5, 11], [3, 2]],
    "a rank counts nothing": [[7, 0]],
    "the first micro-batch counts nothing": [[0, 0], [4, 9]],
}
STEPS = 20


def share(case: str, micro: int, rank: int) -> Batch:
    """One rank's part of a micro-batch, float64."""
    batch = points(CASES[case][micro][rank], list(CASES).index(case), micro, rank)
    return {name: value.double() for name, value in batch.items()}


def training_share(step: int, rank: int, world: int) -> Batch:
    """Ragged batches, float64; a world of one gets what two ranks get."""
    if world == 1:
        both = [training_share(step, rank, 2) for rank in range(2)]
        return {name: torch.cat([both[0][name], both[1][name]]) for name in both[0]}
    return {name: value.double() for name, value in points(3 + (5 * step + 4 * rank) % 7, step, rank).items()}


def objective() -> NoisyObjective:
    return NoisyObjective(noise=0.0).double()


def gradient(accelerator: Any, objective: Objective, batches: list[Batch]) -> dict[str, torch.Tensor]:
    model, _ = prepare(accelerator, objective, make_optimizer(OptimizerConfig(), objective))
    accumulate_gradient(accelerator, model, batches)
    return {name: parameter.grad.clone() for name, parameter in objective.named_parameters()}


def train(folder: Path | None = None, batch: Any = training_share, **changes: Any) -> Trainer:
    settings = {"max_steps": STEPS, "agree_every": 3, "log_every": 4, **changes}
    trainer = Trainer(config(**settings), objective(), batch, checkpoints=folder, show_progress=False)
    trainer.fit()
    return trainer


def fit_projected() -> torch.nn.Module:
    """A field whose output layer is solved for; each rank descends on half of the samples, float64."""
    seed_global("init")
    field = SinusoidalField(1, 1, 8, 1, 10.0, 10.0).double()
    axis = torch.linspace(-1, 1, 150, dtype=torch.float64)[:, None]
    sampler = PointSampler(axis, torch.sin(9 * axis))
    solver = output_solver(field, sampler, ProjectionConfig())
    assert solver is not None
    Trainer(config(max_steps=STEPS), FieldObjective(field, solver=solver), sampler, show_progress=False).fit()
    solver.finish()
    return field


def fit_by_choices_of_their_own(rank: int) -> torch.nn.Module:
    """``wsapps.fit`` where rounding would give every rank another alpha and another learning rate."""
    axis = torch.linspace(-1, 1, 150)[:, None]
    module = importlib.import_module("wsapps.fit")
    seen = replace(untried("").chosen, alpha=1.25 + rank)
    choice = replace(untried(""), alpha=seen.alpha, verdicts=[seen])
    with (
        mock.patch.object(module, "fitting_rate", return_value=1e-3 / 2**rank),
        mock.patch.object(module, "alpha_by_samples", return_value=choice),
    ):
        return wsapps.fit(axis, torch.sin(9 * axis), width=8, hidden_layers=1, steps=STEPS)


def compute(folder: Path, rank: int) -> None:
    """Gradients, a trained objective, and how errors of one rank reach the other."""
    accelerator = make_accelerator()
    tensors = {}
    for case, sizes in CASES.items():
        batches = [share(case, micro, rank) for micro in range(len(sizes))]
        tensors |= {f"{case}/{k}": v for k, v in gradient(accelerator, objective(), batches).items()}
    trainer = train(folder / "run")
    tensors |= {f"trained/{name}": value for name, value in trainer.objective.state_dict().items()}
    continued = train(folder / "run" if rank == 0 else folder / "not here", max_steps=STEPS + 5)
    tensors |= {f"continued/{name}": value for name, value in continued.objective.state_dict().items()}
    tensors |= {f"projected/{name}": value for name, value in fit_projected().state_dict().items()}
    fitted = fit_by_choices_of_their_own(rank)
    tensors["fitted/alpha"] = torch.tensor(fitted.alpha)  # weights are the first rank's in any case
    tensors |= {f"fitted/{name}": value for name, value in fitted.state_dict().items()}
    save_file(tensors, folder / f"tensors_{rank}.safetensors")

    def user_error() -> None:
        raise Busy("the data are missing")

    def bug() -> None:
        raise ZeroDivisionError("a bug")

    (folder / "file").touch()
    said = {
        "main": on_main(accelerator, lambda: f"rank {rank}"),
        "user error": error_of(lambda: on_main(accelerator, user_error)),
        "bug": error_of(lambda: on_main(accelerator, bug)),
        "cannot save": error_of(lambda: train(folder / "file" / "run")),
        "history": [entry["step"] for entry in trainer.history],
    }
    (folder / f"said_{rank}.json").write_text(json.dumps(said))


def error_of(action: Callable[[], Any]) -> list[str]:
    try:
        action()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["none", ""]


def interrupted(folder: Path, rank: int) -> None:
    """The second rank alone gets SIGTERM during its step 8."""
    saves = []
    save = checkpoint.save

    def counted(*args: Any, **kwargs: Any) -> Path:
        saves.append(args[1])
        return save(*args, **kwargs)

    checkpoint.save = counted

    def batch(micro_step: int, rank: int, world: int) -> Batch:
        if rank == 1 and micro_step == 14:
            os.kill(os.getpid(), signal.SIGTERM)
        return training_share(micro_step, rank, world)

    try:
        train(folder / "run", batch, max_steps=1000)
    except Interrupted as error:
        said = {"signal": error.signal_number, "saves": saves}
        (folder / f"said_{rank}.json").write_text(json.dumps(said))


def compiled(folder: Path, rank: int) -> None:
    """A compiled objective under DistributedDataParallel."""
    accelerator = make_accelerator()
    compiled = objective()
    compiled.compile_()
    batches = [share("accumulated, ragged", micro, rank) for micro in range(2)]
    save_file(gradient(accelerator, compiled, batches), folder / f"tensors_{rank}.safetensors")


def left(folder: Path, rank: int) -> None:
    """A command is stopped, and looks at what threads it leaves."""

    def body(arguments: Sequence[str]) -> None:
        trainer = train()
        trainer.itself = trainer  # only the collector of cycles ends it
        raise Interrupted(signal.SIGTERM)

    code = run_command(body, [])
    names = [task.joinpath("comm").read_text().strip() for task in Path("/proc/self/task").iterdir()]
    (folder / f"said_{rank}.json").write_text(json.dumps({"code": code, "threads": names}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    what, out, rank = sys.argv[1], Path(sys.argv[2]), int(os.environ["RANK"])
    {"compute": compute, "interrupted": interrupted, "compiled": compiled, "left": left}[what](out, rank)
    if torch.distributed.is_initialized():
        torch.distributed.barrier()  # gloo aborts at times where a peer has left already
        leave_other_ranks()
