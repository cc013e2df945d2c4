"""``python -m wsapps_weightspace.build dataset=mnist_5k``: fit a field to every sample of a labelled set.

Fields are written in shards of fixed ranges. A build can be killed at any moment and started again: what is
lost is one shard a rank. A field depends on the settings and on its own number, and not on the ranks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from accelerate import Accelerator
from accelerate.utils import gather_object

from wsapps.accelerator import make_accelerator, on_main
from wsapps.alpha import with_auto_alpha
from wsapps.command import run_command
from wsapps.config import load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.run import Run, describe_device, open_run
from wsapps_weightspace.about import ShardAbout
from wsapps_weightspace.build_config import BuildConfig
from wsapps_weightspace.build_outputs import write_outputs
from wsapps_weightspace.build_progress import BuildProgress
from wsapps_weightspace.choose_alpha import chosen_alpha
from wsapps_weightspace.datasets import load_samples
from wsapps_weightspace.fitting import Fitted, Fitter, make_fitter, resolve_engine
from wsapps_weightspace.initial import initial_weights
from wsapps_weightspace.layout import write_nef_json
from wsapps_weightspace.numbering import Numbering, Numbers
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.shards import finished_ranges, read_shard, shard_name, write_shard
from wsapps_weightspace.splits import make_splits, write_splits
from wsapps_weightspace.views import targets_of

PROGRAM = "python -m wsapps_weightspace.build"


def build(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    arguments = with_auto_alpha(arguments, "init.alpha")
    config = load_or_help(BuildConfig, "build", "weightspace", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu(config.num_threads)
    accelerator = make_accelerator()
    problem = make_problem(config, accelerator)
    with open_run(problem.config, "weightspace", problem.samples.name, accelerator) as run:
        if run.folder.status == "finished":
            decibels = run.folder.read_metrics().get("fit/psnr", float("nan"))
            run.say("%s is finished (%.2f dB); choose another out= for a new one", run.folder.path, decibels)
            return
        if config.alpha == "auto":
            problem = _with_chosen_alpha(problem, run)
        build_fields(problem, run)


@dataclass(frozen=True)
class BuildProblem:
    """What is built: settings, with the engine that works here, samples, numbering, and what shards tell."""

    config: BuildConfig
    samples: LabelledSamples
    numbering: Numbering
    about: ShardAbout

    def shards(self) -> list[tuple[int, int]]:
        """``(first, last)`` of all shards, last excluded."""
        count, size = self.numbering.fields, self.config.shard
        return [(first, min(first + size, count)) for first in range(0, count, size)]

    def fitter(self, accelerator: Accelerator) -> Fitter:
        """What fits the fields."""
        return make_fitter(
            self.config.fitting, self.about.architecture, self.samples.peak, accelerator.device
        )


def make_problem(config: BuildConfig, accelerator: Accelerator) -> BuildProblem:
    """Everything of a build that can be wrong, before it begins; raises UserError."""
    loaded: list[LabelledSamples] = []
    # On the first rank before the others, which then find what had to be fetched.
    on_main(accelerator, lambda: loaded.append(load_samples(config.dataset, config.data)))
    samples = loaded[0] if loaded else load_samples(config.dataset, config.data)
    numbering, about = config.numbering(samples), config.about(samples)
    engine = resolve_engine(config.fitting.engine, about.architecture, accelerator.device)
    config = replace(config, fitting=replace(config.fitting, engine=engine))
    return BuildProblem(config, samples, numbering, config.about(samples))


def _with_chosen_alpha(problem: BuildProblem, run: Run) -> BuildProblem:
    config, samples = problem.config, problem.samples
    alpha = chosen_alpha(config, samples, run.accelerator.device, run)
    config = replace(config, init=replace(config.init, alpha=alpha))
    return replace(problem, config=config, about=config.about(samples))


def build_fields(problem: BuildProblem, run: Run) -> None:
    """Fit what is not fitted yet in an open run folder, and write everything that a build leaves."""
    accelerator = run.accelerator
    finished = on_main(accelerator, lambda: _begin(problem, run))
    todo = [shard for shard in problem.shards() if shard not in finished]
    run.say(
        "fitting %d fields of %s (%d of them are there), %d parameters each, on %s, in %s",
        problem.numbering.fields, problem.samples.name, sum(last - first for first, last in finished),
        problem.about.architecture.parameters, describe_device(accelerator.device), run.folder.path,
    )  # fmt: skip
    mine = todo[accelerator.process_index :: accelerator.num_processes]
    failure = None
    try:
        _fit_shards(problem, run, mine, sum(last - first for first, last in finished))
    except UserError as error:
        failure = str(error)
    # The other ranks learn of a failure instead of waiting.
    failures = gather_object([failure]) if accelerator.num_processes > 1 else [failure]
    if any(failures):
        raise UserError(next(failure for failure in failures if failure))
    if run.is_main:
        write_outputs(problem.samples, problem.config, run)
    accelerator.wait_for_everyone()
    run.say("pictures: %s", run.folder.path / "index.html")


def _begin(problem: BuildProblem, run: Run) -> list[tuple[int, int]]:
    """The shards that are there, after a check that they are of this build; else splits are written first."""
    folder, wanted = run.folder.path, problem.shards()
    finished = [shard for shard in finished_ranges(folder) if shard in wanted]
    if finished:
        found = read_shard(folder / shard_name(*finished[0])).about
        if found is None or not found.same_as(problem.about):
            raise UserError(
                f"{folder} holds fields of other samples than dataset={problem.config.dataset} has now; "
                "choose another out=, or bring the old samples back"
            )
        return finished
    config = problem.config
    write_splits(
        folder, make_splits(problem.samples.test, config.val_fraction, config.seed, problem.numbering.fields)
    )
    write_nef_json(folder, problem.about.architecture)
    return []


def _fit_shards(problem: BuildProblem, run: Run, shards: Sequence[tuple[int, int]], done: int) -> None:
    with BuildProgress(run, problem.numbering.fields, done) as progress:
        fitter = problem.fitter(run.accelerator) if shards else None
        for first, last in shards:
            assert fitter is not None
            numbers = problem.numbering.numbers(first, last)
            fitted = fit_numbers(problem, fitter, numbers, progress)
            progress.finish(shard_name(first, last), fitted)
            write_shard(
                run.folder.path,
                first,
                last,
                fitted.weights,
                problem.samples.labels[numbers.sample],
                fitted.psnr,
                numbers.sample,
                problem.about,
                numbers.init,
                numbers.view,
            )


def fit_numbers(
    problem: BuildProblem, fitter: Fitter, numbers: Numbers, progress: BuildProgress | None = None
) -> Fitted:
    """The fields with some numbers, fitted.

    Raises:
        UserError: one of them diverged.
    """
    config, samples = problem.config, problem.samples
    initial = initial_weights(problem.about.architecture, config.init, numbers, config.seed)
    targets = targets_of(samples, config.views, numbers, config.seed)
    coordinates = samples.coordinates
    own = coordinates[numbers.sample] if coordinates.ndim == 3 else coordinates
    fitted = fitter.fit(initial, own, targets, progress.tick if progress else None)
    bad = ~(fitted.psnr > -float("inf")) | ~fitted.weights.flat().isfinite().all(dim=1)
    if bool(bad.any()):
        raise UserError(
            f"{int(bad.sum())} of {len(bad)} fields diverged, the first of them fits sample "
            f"{int(numbers.sample[bad][0])}; choose a smaller fitting.lr or init.alpha"
        )
    return fitted


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(build, arguments)


if __name__ == "__main__":
    sys.exit(main())
