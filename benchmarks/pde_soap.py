"""SOAP in place of Adam for residual losses, at equal time.

    pip install pytorch-optimizer
    python benchmarks/pde_soap.py [--problems burgers wave] [--seconds 30] [--out DIR]

Relative L2 errors of the first unknown after descent alone, by rate, and after the problem's usual run, whose
descent is one or the other; one core, one seed. A run is a run folder of its own: the command can be killed
and called again. Source: Vyas et al., "SOAP: improving and stabilizing Shampoo using Adam", 2024.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from printed import markdown
from pytorch_optimizer import SOAP
from torch import nn

import wsapps.trainer
from wsapps.optimizer import OptimizerConfig, make_optimizer
from wsapps.run_folder import RunFolder
from wsapps_pde.solve import main as solve

RATES = (1e-3, 3e-3, 1e-2)
_SOAP = ("trainer.optimizer.beta1=0.95", "trainer.optimizer.beta2=0.95")  # the paper's
_ALONE = ("stages.method=none", "trainer.num_threads=1")


def soap(config: OptimizerConfig, module: nn.Module) -> torch.optim.Optimizer:
    """The optimiser that the trainer is given in place of Adam."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return SOAP(parameters, lr=config.lr, betas=(config.beta1, config.beta2), weight_decay=0.0)


def main() -> None:
    arguments = _parse()
    columns = list(_columns(arguments.seconds))
    rows = []
    for problem in arguments.problems:
        errors = []
        for name, settings in columns:
            wsapps.trainer.make_optimizer = soap if name.startswith("SOAP") else make_optimizer
            out = (
                arguments.out / f"{arguments.seconds:g}" / problem / name.replace(", ", "_").replace(" ", "_")
            )
            errors.append(_error(problem, settings, out))
        rows.append([problem, *(f"{error:.1e}" for error in errors)])
        title = f"Relative L2 after {arguments.seconds:g} s, one core, one seed"
        print(markdown(title, ["problem", *(name for name, _ in columns)], rows), flush=True)


def _columns(seconds: float) -> Iterator[tuple[str, Sequence[str]]]:
    limit = f"trainer.max_seconds={seconds:g}"
    for kind, own in (("Adam", ()), ("SOAP", _SOAP)):
        for rate in RATES:
            yield f"{kind}, {rate:g}", (*own, limit, *_ALONE, f"trainer.optimizer.lr={rate:g}")
    for kind, own in (("Adam", ()), ("SOAP", (*_SOAP, "trainer.optimizer.lr=3e-3"))):
        yield f"{kind}, then the second stage", (*own, limit, _ALONE[1])


def _error(problem: str, settings: Sequence[str], out: Path) -> float:
    code = solve([f"problem={problem}", f"out={out}", *settings])
    metrics = RunFolder(out, "finished").read_metrics() if code == 0 else {}
    found = [value for key, value in metrics.items() if key.startswith("relative_l2/")]
    return float(found[0]) if found else math.nan


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", nargs="+", default=["burgers", "wave"])
    parser.add_argument("--seconds", type=float, default=30.0, help="of training, each")
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks/pde_soap"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
