"""What each rank of tests/test_stages.py does; started by torchrun as ``two_ranks_stage.py FOLDER``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from noisy_objective import NoisyObjective, config, points

from wsapps.accelerator import make_accelerator
from wsapps.command import leave_other_ranks
from wsapps.objective import Batch
from wsapps.quasi_newton import QuasiNewtonConfig
from wsapps.quasi_newton.frozen import FrozenObjective
from wsapps.stages import QuasiNewtonStage
from wsapps.trainer import Trainer

SIZES = [(9, 4), (3, 11)]  # points, [micro-batch][rank]


def share(refresh: int, rank: int, world: int) -> list[Batch]:
    """Ragged micro-batches, float64; a world of one gets what two ranks get."""
    if world == 1:
        both = [share(refresh, rank, 2) for rank in range(2)]
        return [{name: torch.cat([a[name], b[name]]) for name in a} for a, b in zip(*both, strict=True)]
    drawn = [points(sizes[rank], refresh, micro, rank) for micro, sizes in enumerate(SIZES)]
    return [{name: value.double() for name, value in batch.items()} for batch in drawn]


def compute(folder: Path | None, accelerator: Accelerator) -> dict[str, Any]:
    """A gradient before and after training under DistributedDataParallel, and whole stages."""
    objective = NoisyObjective(noise=0.0).double()
    rank, world = accelerator.process_index, accelerator.num_processes
    frozen = FrozenObjective(accelerator, objective)
    frozen.freeze(share(0, rank, world), 0)
    value, gradient = frozen(frozen.vector())
    settings = config(max_steps=2, accumulate=1, log_every=1)
    Trainer(
        settings,
        objective,
        lambda step, rank, world: share(step, rank, world)[0],
        accelerator=accelerator,
        show_progress=False,
    ).fit()
    after = frozen(frozen.vector())[1]

    def stage(steps: int, seed: int) -> QuasiNewtonStage:
        # The second rank does not see the first one's folder.
        where = folder / f"run {rank}" if folder else None
        found = QuasiNewtonStage(
            QuasiNewtonConfig(max_steps=steps, refresh_every=4, keep_best=False),
            NoisyObjective(seed, noise=0.0).double(),
            share,
            score=lambda: float(rank + 1) + float(found.step),
            checkpoints=where,
            accelerator=accelerator,
            seconds=5.0 * rank,  # each has a clock of its own
            show_progress=False,
        )
        found.fit()
        return found

    first = stage(6, 0)
    continued = stage(9, 99 if folder else 0)
    return {
        "value": [value],
        "gradient": gradient.tolist(),
        "after adam": after.tolist(),
        "x": first.minimizer.x.tolist(),
        "first second": first._state.first_seconds,
        "evaluations": first.minimizer.evaluations,
        "scores": [entry["score"] for entry in first.history if "score" in entry],
        "continued": continued.minimizer.x.tolist(),
        "holds a matrix": first.minimizer.inverse is not None,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    out, number = Path(sys.argv[1]), int(os.environ["RANK"])
    said = compute(out, make_accelerator())
    (out / f"said_{number}.json").write_text(json.dumps(said))
    torch.distributed.barrier()  # gloo aborts at times where a peer has left already
    leave_other_ranks()
