"""``python -m wsapps_weightspace.verify dataset=DIR``: checksums, and the fields against their samples.

Exit code 0 where everything is in order, 2 where a shard is damaged, missing or does not show its samples.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from wsapps.command import run_command
from wsapps.config import doc, load_or_help
from wsapps.config.checks import not_negative
from wsapps.cpu import prepare_cpu
from wsapps.errors import UserError
from wsapps.progress import Progress
from wsapps_weightspace.about import ShardAbout
from wsapps_weightspace.build_config import config_of, samples_checksum
from wsapps_weightspace.datasets import load_samples
from wsapps_weightspace.shards import read_shard, some_shard_paths
from wsapps_weightspace.verification import Findings, Original, verify_folder

PROGRAM = "python -m wsapps_weightspace.verify"
_SHOWN = 3  # faults in the line of the error
_log = logging.getLogger("wsapps")


@dataclass
class VerifyConfig:
    """What is checked, and how; configs/weightspace/verify.yaml fills it."""

    dataset: str = doc("folder of fitted fields, as wsapps_weightspace.build leaves it, or of fit-a-nef")
    compare: Literal["try", "must", "no"] = doc(
        "whether fields are compared with their samples: try says so where these cannot be had, no only asks "
        "for finite values",
        default="try",
    )
    samples: str | None = doc("where the samples lie now; by default where the build had them", default=None)
    tolerance: float = doc("most that stored and rendered PSNR may differ", default=0.05, unit="dB")

    def __post_init__(self) -> None:
        not_negative(self, "tolerance")


def verify(arguments: Sequence[str]) -> None:
    """The command's body; ``arguments`` are ``key=value``."""
    config = load_or_help(VerifyConfig, "verify", "weightspace", PROGRAM, arguments)
    if config is None:
        return
    prepare_cpu()
    folder = Path(config.dataset)
    count = len(some_shard_paths(folder))
    original = None if config.compare == "no" else find_original(folder, config)
    began = time.monotonic()
    bar = Progress(count, None, visible=True, title="verifying", unit="shards")
    try:
        findings = verify_folder(
            folder,
            original,
            config.tolerance,
            lambda done: bar.update(done, time.monotonic() - began, {}),
        )
    finally:
        bar.close()
    _report(folder, findings, original)


def find_original(folder: Path, config: VerifyConfig) -> Original | None:
    """The samples that the fields were fitted to; None, with a message, where there is no way to have them.

    Raises:
        UserError: they cannot be had, and ``compare=must`` or ``samples=`` asks for them.
    """
    try:
        about = _first_about(folder)
        told = about.config.get("samples_sha256")
        if told is None:
            raise UserError(f"the shards in {folder} do not tell what they were fitted to")
        settings = config_of(about)
        samples = load_samples(config.samples or settings.dataset, settings.data)
        if told != samples_checksum(samples):
            raise UserError(
                f"{config.samples or settings.dataset} holds other samples than the fields were fitted to"
            )
    except UserError as error:
        if config.compare == "must" or config.samples is not None:
            raise
        _log.warning("not compared with the samples, only rendered: %s", error)
        return None
    return Original(replace(samples, low=about.low, high=about.high), settings)


def _first_about(folder: Path) -> ShardAbout:
    """What the first intact shard tells."""
    for path in some_shard_paths(folder):
        try:
            about = read_shard(path).about
        except UserError:
            continue
        if about is None:
            raise UserError(f"{folder} comes from another program, which does not tell what it fitted")
        return about
    raise UserError(f"{folder} has no intact shard")


def _report(folder: Path, findings: Findings, original: Original | None) -> None:
    for line in findings.bad:
        _log.warning("%s", line)
    intact = f"{findings.shards} shards with {findings.fields:,} fields can be read"
    if findings.foreign:
        intact += f" ({findings.foreign} of them have no checksum)"
    print(intact)
    if original is not None and findings.compared:
        print(
            f"rendered again and compared with {original.samples.name}: "
            f"{findings.psnr_sum / findings.compared:.2f} dB, at most {findings.largest_difference:.4f} dB "
            "from what is stored"
        )
    elif findings.fields and original is None:
        print("rendered again: values looked at for being finite, not compared with samples")
    if findings.bad:
        shown = "; ".join(findings.bad[:_SHOWN])
        more = f"; and {len(findings.bad) - _SHOWN} more" if len(findings.bad) > _SHOWN else ""
        raise UserError(f"{folder}: {len(findings.bad)} faults: {shown}{more}")
    print("all in order")


def main(arguments: Sequence[str] | None = None) -> int:
    return run_command(verify, arguments)


if __name__ == "__main__":
    sys.exit(main())
