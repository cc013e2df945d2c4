"""Fitting an image: our step against a plain training loop, paired, and against matrix products.

    python benchmarks/image_fit.py
    python benchmarks/image_fit.py --side 512 --width 512 --image photo.png

The plain loop is what papers' scripts do: eager float32, all pixels at once, Adam, PyTorch's defaults.
Ours is ``wsapps.Trainer`` as the commands use it. Each is a process of its own, for one of them changes the
allocator; they take turns, one step each, from the same initial weights. A third process multiplies
matrices in its turn.
"""

from __future__ import annotations

import argparse
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

LR, ALPHA, OMEGA, HIDDEN = 1e-4, 2.5, 30.0, 3
_DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def main() -> None:
    arguments = _parse()
    if arguments.worker:
        WORKERS[arguments.worker](arguments)
        return
    names = ["plain", "ours", "ours, eager", "products"]
    workers = {name: _start(name) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for worker in workers.values():
        _line(worker)  # ready: built, and compiled
    for round_ in range(arguments.rounds + arguments.warm_up):
        for name, worker in workers.items():
            started = time.perf_counter()
            _send(worker, "go")
            _line(worker)
            if round_ >= arguments.warm_up:
                seconds[name].append(time.perf_counter() - started)
    losses = {}
    for name, worker in workers.items():
        _send(worker, "stop")
        losses[name] = _line(worker)
        worker.wait()
    _report(arguments, seconds, losses)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256, help="pixels along each side")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=3)
    parser.add_argument("--image", type=Path, help="a picture; by default the embedded sample")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def _report(arguments: argparse.Namespace, seconds: dict[str, list[float]], losses: dict[str, str]) -> None:
    points, width = arguments.side**2, arguments.width
    products = 3 * 2 * points * (HIDDEN * width * width + (2 + 1) * width)  # one forward, two backward
    rate = 2 * points * width * width / statistics.median(seconds["products"])
    where = torch.cuda.get_device_name() if _DEVICE.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{arguments.side}x{arguments.side} grey, width {width}, {where}")
    print(f"matrix products {points} x {width} x {width}: {rate / 1e9:.0f} GFLOP/s\n")
    print("| loop | step, s | plain / this, paired | part of the product rate | loss after all steps |")
    print("|---|---|---|---|---|")
    for name in ("plain", "ours, eager", "ours"):
        step = statistics.median(seconds[name])
        ratios = [plain / mine for plain, mine in zip(seconds["plain"], seconds[name], strict=True)]
        part = products / step / rate
        print(
            f"| {name} | {step:.4f} | {statistics.median(ratios):.2f} | {100 * part:.0f} % | {losses[name]} |"
        )


# --- the processes that take turns ---------------------------------------------------------------


def _start(name: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, *sys.argv[1:], "--worker", name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        sys.exit(f"a worker ended with exit code {worker.wait()}")
    return line.strip()


def _send(worker: subprocess.Popen[str], word: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(word + "\n")
    worker.stdin.flush()


def _turn() -> bool:
    """Say that the last turn is over, and wait for the next; False when there is none."""
    if _DEVICE.type == "cuda":
        torch.cuda.synchronize()
    print("done", flush=True)
    return sys.stdin.readline().strip() == "go"


def _problem(arguments: argparse.Namespace) -> tuple[torch.Tensor, torch.Tensor]:
    from wsapps_signals.kinds.image import ImageConfig, ImageSignal

    path = str(arguments.image) if arguments.image else None
    signal = ImageSignal.from_config(ImageConfig(grey=True, max_side=arguments.side), path)
    return signal.coordinates, signal.values


def _plain(arguments: argparse.Namespace) -> None:
    """The loop of the paper's released script, from its description; one file, PyTorch alone."""
    coordinates, values = (tensor.to(_DEVICE) for tensor in _problem(arguments))
    field = _PlainSiren(arguments.width).to(_DEVICE)
    optimizer = torch.optim.Adam(field.parameters(), lr=LR)
    loss = torch.tensor(math.nan)
    while _turn():
        optimizer.zero_grad()
        loss = ((field(coordinates) - values) ** 2).mean()
        loss.backward()
        optimizer.step()
    print(f"{loss.item():.6e}", flush=True)


class _PlainSiren(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        torch.manual_seed(0)
        sizes = [2, *[width] * (HIDDEN + 1), 1]
        self.layers = nn.ModuleList()
        for index in range(len(sizes) - 1):
            layer = nn.Linear(sizes[index], sizes[index + 1])
            bound = 1 / 2 if index == 0 else math.sqrt(6 / sizes[index]) / OMEGA
            nn.init.uniform_(layer.weight, -bound, bound)
            self.layers.append(layer)
        with torch.no_grad():
            for layer in self.layers[:-1]:
                layer.weight.mul_(ALPHA)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            x = torch.sin(OMEGA * layer(x))
        return self.layers[-1](x)


def _ours(arguments: argparse.Namespace, compiled: bool = True) -> None:
    """Our trainer; its batch source waits for the turn where a step begins."""
    from wsapps.accelerator import make_accelerator
    from wsapps.cpu import prepare_cpu
    from wsapps.field_objective import FieldObjective
    from wsapps.fields import SinusoidalField
    from wsapps.objective import Batch
    from wsapps.optimizer import OptimizerConfig
    from wsapps.samplers import PointSampler, parts_for
    from wsapps.trainer import Trainer, TrainerConfig

    prepare_cpu()
    coordinates, values = _problem(arguments)
    torch.manual_seed(0)
    field = SinusoidalField(2, 1, arguments.width, HIDDEN, OMEGA, OMEGA, ALPHA)
    accelerator = make_accelerator()
    parts = parts_for(len(coordinates), accelerator.device)
    sampler = PointSampler(coordinates, values, parts=parts).to(accelerator.device)
    config = TrainerConfig(
        max_steps=10**9, accumulate=parts, compile=compiled, log_every=1, optimizer=OptimizerConfig(lr=LR)
    )

    def batch(micro_step: int, rank: int, world: int) -> Batch:
        if micro_step % parts == 0 and not _turn():
            print(f"{trainer.figures['loss']:.6e}", flush=True)
            sys.exit()
        return sampler(micro_step, rank, world)

    trainer = Trainer(config, FieldObjective(field), batch, accelerator=accelerator, show_progress=False)
    trainer.fit()


def _products(arguments: argparse.Namespace) -> None:
    """The product of a hidden layer, again and again: the best that this library and machine can do."""
    width, part = arguments.width, 4096 if _DEVICE.type == "cpu" else arguments.side**2
    activations, weight = torch.randn(part, width, device=_DEVICE), torch.randn(width, width, device=_DEVICE)
    out = torch.empty(part, width, device=_DEVICE)
    while _turn():
        for _ in range(arguments.side**2 // part):
            torch.mm(activations, weight, out=out)
    print("-", flush=True)


WORKERS = {
    "plain": _plain,
    "ours": _ours,
    "ours, eager": lambda arguments: _ours(arguments, compiled=False),
    "products": _products,
}


if __name__ == "__main__":
    main()
