"""``python -m wsapps_signals.resample out=RUN size=[1024,1024]``: a fitted field on another grid."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wsapps.atomic import explained
from wsapps.command import run_command
from wsapps.config import doc, from_yaml, load_or_help
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.export import load_field
from wsapps.prediction import predict
from wsapps.run_folder import RunFolder
from wsapps_signals.config import FitConfig
from wsapps_signals.fit import load_signal

PROGRAM = "python -m wsapps_signals.resample"
_FIT = "python -m wsapps_signals.fit"


@dataclass
class ResampleConfig:
    """What is written; configs/signals/resample.yaml fills it."""

    out: str = doc("run folder of a finished fit; the file is written into its folder resampled/")
    size: list[int] = doc(
        "points along each axis: [height,width] of a picture, [samples] of a sound, [n,n,n] of a shape, "
        "[latitudes,longitudes] of a map, [frames,height,width] of a video"
    )
    path: str | None = doc("where the signal's file lies now, if it has moved", default=None)

    def __post_init__(self) -> None:
        if not self.size or min(self.size) < 2:
            raise ValueError(f"size must have at least 2 points along each axis, got {self.size}")


def resample(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(ResampleConfig, "resample", "signals", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu()
    run = RunFolder.existing(Path(config.out), _FIT)
    if run.status != "finished":
        raise UserError(f"{run.path} is not finished; `{_FIT} out={run.path}` continues it")
    fitted = from_yaml(FitConfig, run.config_yaml, str(run.path / "config.yaml"))
    if config.path is not None:
        fitted.path = config.path
    signal = load_signal(fitted)
    field = load_field(run.path / "field")
    folder = run.path / "resampled"
    with explained("write into", folder):
        folder.mkdir(exist_ok=True)
    for file in signal.resample(folder, partial(predict, field), tuple(config.size)):
        print(file)


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(resample, arguments)


if __name__ == "__main__":
    sys.exit(main())
