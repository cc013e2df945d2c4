"""``python -m wsapps_signals.analyze signal=image path=photo.png``: why weight scaling trains faster.

Every part is a figure with its numbers, and every trained field a file of its own: what an earlier process
has made is not made again, so that the command can be killed and called again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from wsapps.accelerator import make_accelerator
from wsapps.atomic import explained
from wsapps.command import run_command
from wsapps.config import default_config_dir, load_config, load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.report import Figure, Section, TextTable, write_report
from wsapps.run import Run, describe_device, open_run
from wsapps.trainer import FitResult
from wsapps_signals.analysis import curvature, depth, harmonics, trade
from wsapps_signals.analysis.config import AnalyzeConfig
from wsapps_signals.analysis.finding import Finding, kept
from wsapps_signals.analysis.scaling import KINDS, all_scalings
from wsapps_signals.analysis.subject import Subject
from wsapps_signals.analysis.trajectory import Trajectory, follow
from wsapps_signals.kinds.all_kinds import SIGNALS

PROGRAM = "python -m wsapps_signals.analyze"
_APPLICATION = "signals"


def analyze(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(AnalyzeConfig, "analyze", _APPLICATION, PROGRAM, arguments)
    if config is None:
        return
    config = sized(config, arguments)
    prepare_cpu(config.trainer.num_threads)
    accelerator = make_accelerator(config.trainer.mixed_precision)
    if accelerator.num_processes > 1:
        raise UserError(f"{accelerator.num_processes} processes were started; start one with {PROGRAM}")
    signal = SIGNALS[config.signal.name].from_config(config.signal, config.path)
    subject = Subject.of(config, signal)
    subject.field(all_scalings(config.factors)[0], 0)  # what is wrong with the method ends here
    with open_run(config, _APPLICATION, f"analysis-{signal.title}", accelerator) as run:
        if run.folder.status == "finished":
            run.say("%s is finished; choose another out= for a new analysis", run.folder.path)
            return
        findings, trajectories = _initial_parts(subject, run), _train_all(subject, run)
        findings += _trained_parts(subject, trajectories, run)
        _write(subject, run, findings, trajectories)
        run.say("figures and what they say: %s", run.folder.path / "index.html")


def sized(config: AnalyzeConfig, arguments: Sequence[str]) -> AnalyzeConfig:
    """The configuration with ``sizes`` of its kind of signal; what was given counts over them."""
    given = {argument.partition("=")[0] for argument in arguments}
    settings = [s for s in config.sizes.get(config.signal.name, []) if s.partition("=")[0] not in given]
    if not settings:
        return config
    config_dir = default_config_dir(_APPLICATION)
    return load_config(AnalyzeConfig, "analyze", config_dir=config_dir, overrides=[*settings, *arguments])


def _initial_parts(subject: Subject, run: Run) -> list[Finding]:
    parts = {
        "propagation": depth.propagation,
        "series": harmonics.series,
        "spectra": harmonics.spectra,
        "gradients": depth.gradients,
        "hessian": curvature.hessian,
    }
    findings = []
    for name, part in parts.items():
        run.say("%s", name)
        findings.append(kept(run.folder.path, name, lambda part=part: part(subject)))
    return findings


def _train_all(subject: Subject, run: Run) -> list[Trajectory]:
    cells = [(s, seed) for seed in range(subject.config.seeds) for s in all_scalings(subject.config.factors)]
    trajectories = []
    for number, (scaling, seed) in enumerate(cells, start=1):
        run.say("field %d of %d: %s, seed %d", number, len(cells), scaling.label, seed)
        folder = run.folder.path / "fields" / f"{scaling.name}_seed_{seed}"
        with explained("write into", folder):
            folder.mkdir(parents=True, exist_ok=True)
        trajectories.append(follow(folder, subject, scaling, seed, run.accelerator))
        if scaling.factor == 1 and trajectories[-1].diverged:
            raise UserError("SIREN itself has diverged; try a smaller trainer.optimizer.lr, and another out=")
    return trajectories


def _trained_parts(subject: Subject, trajectories: list[Trajectory], run: Run) -> list[Finding]:
    config, folder = subject.config, run.folder.path
    return [
        kept(folder, "learning_curves", lambda: trade.learning_curves(trajectories)),
        kept(folder, "pareto", lambda: trade.pareto(trajectories)),
        kept(folder, "selection", lambda: trade.selection(trajectories, config.tolerance)),
        kept(folder, "kernel", lambda: curvature.kernel(trajectories)),
    ]


def _write(subject: Subject, run: Run, findings: list[Finding], trajectories: list[Trajectory]) -> None:
    metrics = {name: value for finding in findings for name, value in finding.metrics.items()}
    sections = [
        Section(finding.title, finding.text, [Figure(f"{finding.name}.png", finding.title)])
        for finding in findings
    ]
    fitted, held_out = int(subject.mask.sum()), int((~subject.mask).sum())
    write_report(
        run.folder.path,
        title=f"Why weight scaling trains faster: {subject.signal.title}",
        summary=f"{fitted} samples fitted and {held_out} held out, {len(trajectories)} fields of "
        f"{subject.config.trainer.last_step} steps on {describe_device(run.accelerator.device)}",
        metrics={},
        sections=sections,
        tables=[_table(trajectories)],
        config_yaml=run.folder.config_yaml,
    )
    seconds = sum(one.seconds for one in trajectories)
    steps = sum(int(one.training[-1]["step"]) for one in trajectories if one.training)
    run.folder.write_metrics({**metrics, **run.usual_metrics(FitResult(steps, seconds, {}))})


def _table(trajectories: list[Trajectory]) -> TextTable:
    """Every factor: acceleration and scores, means over seeds."""
    rows = []
    for kind in KINDS:
        for one in trade.trades(trajectories, kind):
            speed = f"{one.acceleration:.2f}" if one.acceleration else "target not reached"
            test = f"{one.test_psnr:.2f} ± {one.test_psnr_deviation:.2f}"
            cells = [trade.SYMBOLS[kind] + f" {one.factor:g}", speed, test]
            rows.append([(cell, False) for cell in cells])
    return TextTable("Acceleration over SIREN", ["scaling", "acceleration", "held-out PSNR, dB"], rows)


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(analyze, arguments)


if __name__ == "__main__":
    sys.exit(main())
