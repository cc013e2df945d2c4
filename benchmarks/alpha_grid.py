"""The full grid that ``alpha=auto`` is judged by: fields of every alpha on small signals, half held out.

Imported by alpha_auto.py, alpha_expected.py, recipes.py and initialisations.py, whose docstrings have the
commands.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from wsapps.alpha import REFERENCE, Curve, with_alpha
from wsapps.alpha.by_samples import looks
from wsapps.alpha.interpolation import Interpolation
from wsapps.alpha.texture import Texture
from wsapps.atomic import write_json
from wsapps.fields import make_field
from wsapps.finite import Diverged
from wsapps.metrics import psnr
from wsapps.prediction import predict
from wsapps.trainer import Trainer
from wsapps_signals.config import fit_config
from wsapps_signals.fit import FitProblem, load_signal, make_problem, make_training
from wsapps_signals.kinds.signal import Signal

ALPHAS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
KODAK = (
    "p51_mustang", "market_place", "hats", "sailboats", "two_macaws", "barn_and_pond", "girl_in_red",
    "monument", "red_door", "mountain_chalet", "sailboat_at_pier", "stone_building",
)  # fmt: skip
DIV2K = tuple(f"{number:02d}" for number in range(8))


def picture(path: str, side: int, holdout: str, grey: bool = True) -> tuple[str, ...]:
    """Settings of a picture whose longer side has so many pixels."""
    colour = f"signal.grey={str(grey).lower()}"
    return "signal=image", colour, f"signal.max_side={side}", f"holdout={holdout}", f"path={path}"


# So sparse that a run trains the output layer by itself.
_MESH = (
    *("signal=occupancy", "signal.points=9216", "signal.grid=32", "holdout=random"),
    "projection.enabled=false",
)
# 0.21 of Bach's 7 seconds at the full rate, in as much of the usual coordinates.
_SOUND = ("signal=audio", "signal.seconds=0.209", "signal.coordinate_scale=2.99", "holdout=every_other")
#: Name to settings of the fit; a path is below the folder of data.
OTHERS: dict[str, tuple[str, ...]] = {
    "era5": ("signal=sphere", "signal.max_points=9216", "holdout=every_other", "path=era5/era5_t2m_1deg.nc"),
    "lucy": (*_MESH, "path=mesh/lucy.ply"),
    "bunny": (*_MESH, "path=mesh/bunny.ply"),
    "bach, 1 s": (*_SOUND, "signal.start=1", "path=audio/bach.wav"),
    "bach, 4 s": (*_SOUND, "signal.start=4", "path=audio/bach.wav"),
}
SIGNALS = OTHERS | {
    name: picture(f"{folder}/{name}.png", 96, "every_other")
    for pair in zip(KODAK, (*DIV2K, *[""] * 4), strict=True)
    for folder, name in zip(("kodak", "div2k"), pair, strict=True)
    if name
}
_LEVELS = ("signal=sphere", "path=era5/era5_levels_2017-01-01.nc", "holdout=random")
#: Signals of other sizes, densities and ways of holding out.
UNSEEN = {
    **{f"{name}, random 128": picture(f"kodak/{name}.png", 128, "random") for name in KODAK},
    **{f"{name}, colour 64": picture(f"div2k/{name}.png", 64, "every_other", grey=False) for name in DIV2K},
    "z, random": (*_LEVELS, "signal.variable=z"),
    "t, random": (*_LEVELS, "signal.variable=t", "signal.level=1"),
    "lucy, 20000": (
        *("signal=occupancy", "signal.points=20000", "signal.grid=32", "holdout=random"),
        *("projection.enabled=false", "path=mesh/lucy.ply"),
    ),
    "bach, 2 s, random": (
        *("signal=audio", "signal.start=2", "signal.seconds=0.4", "signal.coordinate_scale=5.7"),
        *("holdout=random", "path=audio/bach.wav"),
    ),
    "bach, 6 s": (*_SOUND, "signal.start=6", "path=audio/bach.wav"),
}
#: A third set.
FRESH = {
    **{f"{name}, one of four": picture(f"kodak/{name}.png", 160, "downsample") for name in KODAK[::2]},
    **{
        f"{name}, colour, random 96": picture(f"div2k/{name}.png", 96, "random", grey=False)
        for name in DIV2K[::2]
    },
    **{
        f"lego {view}": picture(f"nerf_synthetic/lego/test/r_{view}.png", 96, "every_other")
        for view in (0, 48, 104, 152)
    },
    "z, every other": ("signal=sphere", _LEVELS[1], "signal.variable=z", "holdout=every_other"),
    "bach, 3 s": (*_SOUND, "signal.start=3", "path=audio/bach.wav"),
    "bach, 5 s, random": (*_SOUND[:-1], "holdout=random", "signal.start=5", "path=audio/bach.wav"),
}
_ALL = {
    name: f"{folder}/{name}.png" for folder, names in (("kodak", KODAK), ("div2k", DIV2K)) for name in names
}
_LEGO = {f"lego {view}": f"nerf_synthetic/lego/test/r_{view}.png" for view in (24, 72, 136, 184)}


def _pictures(label: str, paths: Mapping[str, str], side: int, holdout: str, grey: bool = True) -> dict:
    return {f"{name}, {label}": picture(path, side, holdout, grey) for name, path in paths.items()}


#: Pictures at other sizes: with those above, what alpha_expected.py draws its line through.
SIZES = {
    **_pictures("random 96", _ALL | _LEGO, 96, "random"),
    **_pictures("grid 128", _ALL | dict(list(_LEGO.items())[::2]), 128, "every_other"),
    **_pictures("colour 96", dict(list(_ALL.items())[::2]), 96, "every_other", grey=False),
    **_pictures("grid 64", _ALL, 64, "every_other"),
}
#: Grey photographs, of which alpha_expected.py asks for more than one seed.
SEVERAL_SEEDS = [name for name in SIGNALS if name not in OTHERS] + [
    f"{name}, {label}"
    for label, names in (("random 96", _ALL), ("grid 128", KODAK), ("grid 64", _ALL))
    for name in names
]
_LARGER = {
    256: ("p51_mustang", "sailboats", "girl_in_red", "mountain_chalet", "00", "03"),
    192: ("hats", "05"),
}
#: Larger pictures in the field that a fit has by default.
LARGER = {
    name: (*settings, "method.width=256")
    for side, names in _LARGER.items()
    for name, settings in _pictures(
        f"grid {side}", {each: _ALL[each] for each in names}, side, "every_other"
    ).items()
}
#: Those of width 128, and of every set, by name.
SMALL = SIGNALS | UNSEEN | FRESH | SIZES
ALL = SMALL | LARGER
COMMON = ("method.width=128",)
#: What is asked of a choice: decibels that it may lose against alpha = 1, and its steps over the grid's.
TOLERANCE, SLOWER = 0.5, 1.15
_LOOKS = 15
_HOPELESS = 3.0  # dB under the held-out score of alpha = 1


def problem_of(name: str, data: Path, settings: tuple[str, ...]) -> FitProblem:
    """A signal with its field and its training samples, as ``fit`` would make them."""
    own = [s.replace("path=", f"path={data}/") for s in ALL[name]]
    return problem_from([*COMMON, *own, *settings])


def problem_from(settings: Sequence[str]) -> FitProblem:
    """What ``wsapps_signals.fit`` would train with these settings."""
    config = fit_config(settings)
    return make_problem(config, load_signal(config))


def looks_of(
    problem: FitProblem, alphas: Sequence[float], seed: int
) -> tuple[dict[float, Interpolation], Texture]:
    """As ``alpha=auto`` looks at what a run sees, at all of these alphas."""
    samples, values = problem.signal.coordinates[problem.mask], problem.signal.values[problem.mask]

    def make(alpha: float) -> nn.Module:
        return make_field(samples.shape[1], values.shape[1], with_alpha(problem.config, alpha).method)

    found, texture = looks(make, samples, values, alphas, seed=seed, least=-math.inf)
    return found, texture or Texture()


def runs_folder(out: Path, seed: int, steps: int = 150) -> Path:
    """Where whole runs of a seed and length are kept, a folder for each signal."""
    return out / f"{steps}-lr-auto-seed-{seed}"


def grid_curves(
    folder: Path, name: str, data: Path, settings: tuple[str, ...], accelerator: Accelerator
) -> dict[float, Curve]:
    """Whole runs of every alpha, ascending, until one is far worse than alpha = 1 between the samples: what
    is larger memorises more."""
    curves, floor = {}, -math.inf
    for alpha in ALPHAS:
        problem = problem_of(name, data, (*settings, f"method.alpha={alpha}"))
        curve = curves[alpha] = grid_curve(folder / name / f"{alpha:g}.json", problem, alpha, accelerator)
        if alpha == REFERENCE:
            floor = curve.last_held_out - _HOPELESS
        if curve.diverged or curve.last_held_out < floor:
            break
    return curves


def mean_of(several: Sequence[Mapping[float, Curve]]) -> dict[float, Curve]:
    """Of every alpha that all of several seeds have, the mean curve."""
    mean = {}
    for alpha, first in several[0].items():
        if all(alpha in curves for curves in several):
            same = [curves[alpha] for curves in several]
            scores = np.mean([[curve.fitted, curve.held_out] for curve in same], axis=0)
            mean[alpha] = Curve(alpha, first.steps, *scores.tolist())
    return mean


def steps_ratio(curve: Curve, other: Curve, target: float) -> float:
    """Steps to a fitted score over those of another alpha."""
    steps, others = (max(1.0, each.steps_to(target)) for each in (curve, other))
    return steps / others


def grid_curve(file: Path, problem: FitProblem, alpha: float, accelerator: Accelerator) -> Curve:
    """The learning curve of a whole run, trained now or read from where an earlier process left it."""
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, _train(problem, alpha, accelerator))
    record = json.loads(file.read_text())
    steps, fitted, held_out = (
        [math.nan if v is None else float(v) for v in record[name]]
        for name in ("steps", "fitted", "held_out")
    )
    return Curve(alpha, steps, fitted, held_out)


def _train(problem: FitProblem, alpha: float, accelerator: Accelerator) -> dict[str, object]:
    signal, mask, field = problem.signal, problem.mask, problem.field
    last = problem.config.trainer.last_step
    assert last is not None
    sampler, objective, settings = make_training(problem, accelerator)
    settings.log_every, settings.evaluate_every = 1, max(1, last // _LOOKS)
    held_out = signal.coordinates[~mask], signal.values[~mask]

    def score() -> float:
        return psnr(predict(field, held_out[0]), held_out[1], signal.peak) if len(held_out[0]) else math.nan

    looks = [(0.0, score())]

    def look() -> dict[str, float]:
        looks.append((float(trainer.step), score()))
        return {}

    trainer = Trainer(settings, objective, sampler, look, accelerator=accelerator)
    diverged, began = False, time.process_time()
    try:
        trainer.fit()
    except Diverged:
        diverged = True
    seconds = time.process_time() - began
    if not diverged and looks[-1][0] < last:
        look()
    accelerator.free_memory()
    curve = _joined(alpha, trainer.history, looks, diverged)
    return {**asdict(curve), "cpu_seconds": seconds, "iou": _iou(signal, mask, field)}


def _joined(
    alpha: float, history: list[dict[str, float]], looks: list[tuple[float, float]], diverged: bool
) -> Curve:
    """Fitted scores of every step, with held-out ones between looks linear."""
    curve = Curve(alpha)
    steps, scores = zip(*looks, strict=True)
    for entry in history:
        if "psnr" in entry:
            curve.add(entry["step"], entry["psnr"], float(np.interp(entry["step"], steps, scores)))
    if diverged:
        curve.add((curve.steps or [0])[-1] + 1, math.nan, math.nan)
    return curve


def _iou(signal: Signal, mask: Tensor, field: nn.Module) -> float | None:
    """Of held-out samples, where values are inside or outside."""
    if signal.grid is not None:
        return None
    inside = predict(field, signal.coordinates[~mask]) > 0.5
    truth = signal.values[~mask] > 0.5
    return float((inside & truth).sum() / torch.clamp((inside | truth).sum(), min=1))
