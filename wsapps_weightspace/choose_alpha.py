"""``alpha=auto`` for a dataset of fields: some samples are fitted from every alpha and scored between points.

The fields of all samples stand for one run: scores and steps are their means.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from wsapps.accelerator import on_main
from wsapps.alpha import REFERENCE, Choice, Curve, Found, choose, chosen_once, untried
from wsapps.errors import UserError
from wsapps.run import Run
from wsapps.seeding import generator
from wsapps_weightspace.build_config import BuildConfig
from wsapps_weightspace.fitting import FittingConfig, make_fitter
from wsapps_weightspace.fitting.fitter import psnr_of
from wsapps_weightspace.initial import initial_weights
from wsapps_weightspace.numbering import Numbering, Numbers
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.views import targets_of
from wsapps_weightspace.weights import FieldWeights, evaluate

_LEAST_FIELDS, _MOST_FIELDS = 8, 64  # that are fitted from each alpha
_HELD_OUT = 8  # one of so many points
_SHARDS = ("nefs_*.hdf5",)  # fitted with the alpha
_FITS = 2  # of each field: to the end, and to the score of alpha = 1


def chosen_alpha(config: BuildConfig, samples: LabelledSamples, device: torch.device, run: Run) -> float:
    """The alpha for a build: by trials now, or by those of an earlier process in the run's folder.

    ``alpha.json`` and ``alpha.png`` go into the folder. All ranks call it alike; the first one fits.

    Raises:
        UserError: alpha = 1 diverges, or the record is damaged, or missing where there are fitted fields.
    """

    def look() -> Found:
        choice, curves, fields = on_main(run.accelerator, lambda: choose_alpha(config, samples, device))
        return choice, curves, {"fields": fields}

    return chosen_once(run, look, _SHARDS)["alpha"]


def choose_alpha(
    config: BuildConfig, samples: LabelledSamples, device: torch.device
) -> tuple[Choice, list[Curve], int]:
    """Fit some samples from every candidate and apply the rule; also how many fields of each.

    A build of so few fields that trials would cost too much keeps alpha = 1.

    Raises:
        UserError: alpha = 1 diverges.
    """
    settings, numbering = config.auto_alpha, config.numbering(samples)
    alphas = sorted({REFERENCE, *settings.candidates})
    fields = min(_MOST_FIELDS, int(settings.part * numbering.fields / (_FITS * len(alphas))))
    if fields < _LEAST_FIELDS:
        return untried(f"trials would cost more than {settings.part:g} of so few fields"), [], 0
    trial = _Trial(config, samples, _spread(numbering, fields), device)
    ends = {alpha: trial.end(alpha) for alpha in alphas}
    if ends[REFERENCE].diverged:
        raise UserError("alpha = 1 diverges in the trials of alpha=auto; choose a smaller fitting.lr")
    target = ends[REFERENCE].last_fitted
    if config.fitting.target_psnr is not None:  # fits end just above it, one as good as another
        target = min(target, config.fitting.target_psnr)
    curves = [trial.timed(end, target) for end in ends.values()]
    return choose(curves, settings.tolerance), curves, fields


class _Trial:
    """Fits the same samples from any alpha; the same eighth of their points is held out."""

    def __init__(self, config: BuildConfig, samples: LabelledSamples, numbers: Numbers, device: torch.device):
        self.config, self.numbers, self.device, self.peak = config, numbers, device, samples.peak
        self.architecture = config.about(samples).architecture
        coordinates = samples.coordinates
        self.coordinates = coordinates[numbers.sample] if coordinates.ndim == 3 else coordinates
        self.targets = targets_of(samples, config.views, numbers, config.seed)
        count = self.targets.shape[1]
        order = torch.randperm(count, generator=generator(config.seed, "alpha", "held out"))
        self.held_out, self.fitted = order[: max(1, count // _HELD_OUT)], order[max(1, count // _HELD_OUT) :]

    def end(self, alpha: float) -> Curve:
        """Scores at the end of the steps alone."""
        weights, fitted, steps = self._fit(alpha, self.config.fitting)
        return Curve(alpha, [steps], [fitted], [self._score(weights, self.held_out)], averaged=1)

    def timed(self, end: Curve, target: float) -> Curve:
        """The same with, before the end, the step at which fields have the target: the mean, where a field
        that never has it counts with all of its steps. Of alpha = 1 too, whose own end it is: some of its
        fields have it early."""
        if end.diverged or end.last_fitted < target:
            return end
        _, _, sooner = self._fit(end.alpha, replace(self.config.fitting, target_psnr=target))
        steps, fitted, held_out = [*end.steps], [*end.fitted], [*end.held_out]
        return Curve(
            end.alpha,
            [min(sooner, steps[0]), *steps],
            [target, *fitted],
            [held_out[0], *held_out],
            averaged=1,
        )

    def _fit(self, alpha: float, settings: FittingConfig) -> tuple[FieldWeights, float, float]:
        """Weights, fitted PSNR and steps, means over the fields."""
        config = self.config
        init = replace(config.init, alpha=alpha)
        initial = initial_weights(self.architecture, init, self.numbers, config.seed)
        fitter = make_fitter(settings, self.architecture, self.peak, self.device)
        points = self.coordinates[..., self.fitted, :].contiguous()
        done = fitter.fit(initial, points, self.targets[:, self.fitted].contiguous())
        return done.weights, float(done.psnr.double().mean()), float(done.steps.double().mean())

    def _score(self, weights: FieldWeights, rows: Tensor) -> float:
        with torch.no_grad():
            values = evaluate(weights, self.architecture, self.coordinates[..., rows, :].contiguous())
        errors = (values - self.targets[:, rows]).double().square().mean(dim=(1, 2))
        return float(psnr_of(errors, self.peak).double().mean())


def _spread(numbering: Numbering, count: int) -> Numbers:
    """Evenly spread over all fields."""
    rows = torch.linspace(0, numbering.fields - 1, count).round().long().tolist()
    some = [numbering.numbers(row, row + 1) for row in rows]
    return Numbers(*(torch.cat([getattr(one, name) for one in some]) for name in ("sample", "init", "view")))
