"""Whether shards are intact, and whether their fields show what they were fitted to.

Shape suffixes: N fields, Q points, D coordinates, C values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from wsapps.errors import UserError
from wsapps_weightspace.belonging import check_together, describe_ranges, missing_ranges
from wsapps_weightspace.build_config import BuildConfig
from wsapps_weightspace.learning.inference import outputs_of
from wsapps_weightspace.numbering import Numbers
from wsapps_weightspace.samples import LabelledSamples
from wsapps_weightspace.shards import Shard, read_shard, some_shard_paths
from wsapps_weightspace.splits import read_splits
from wsapps_weightspace.views import targets_of
from wsapps_weightspace.weights import evaluate

_POINTS = 256  # where nothing else is known about where fields are to be evaluated
_BATCH = 256  # fields
#: Errors this small, as a part of the peak, are those of float32 sums in another order.
_ROUNDING = 1e-6


@dataclass
class Findings:
    """What was found.

    Args:
        bad: a line for each fault, with the shard's name.
        shards, fields: that could be read.
        psnr_sum: of the fields that were compared, as rendered, in dB; ``compared`` of them.
        largest_difference: between stored and rendered PSNRs, in dB.
        foreign: shards without a checksum.
    """

    bad: list[str] = field(default_factory=list)
    shards: int = 0
    fields: int = 0
    compared: int = 0
    psnr_sum: float = 0.0
    largest_difference: float = 0.0
    foreign: int = 0


@dataclass(frozen=True)
class Original:
    """The samples that fields were fitted to, and the settings that say how."""

    samples: LabelledSamples
    config: BuildConfig

    def targets(self, shard: Shard, rows: slice) -> Tensor:
        """``(n, Q, C)`` what they were fitted to. Raises UserError: there are no such samples."""
        index = shard.index[rows]
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < len(self.samples):
            raise UserError(
                f"{shard.path.name} has fields of the samples {int(index.min())} to {int(index.max())}, and "
                f"{self.samples.name} has {len(self.samples)}"
            )
        numbers = Numbers(index, shard.init_number[rows], shard.view[rows])
        return targets_of(self.samples, self.config.views, numbers, self.config.seed)

    def points(self, shard: Shard, rows: slice) -> Tensor:
        """``(Q, D)`` or ``(n, Q, D)`` where they were fitted."""
        coordinates = self.samples.coordinates
        return coordinates if coordinates.ndim == 2 else coordinates[shard.index[rows]]


def verify_folder(
    folder: Path, original: Original | None, tolerance: float, after: Callable[[int], None]
) -> Findings:
    """Check all shards of a folder, one after the other.

    Args:
        original: to compare with; None renders the fields and asks for finite values alone.
        tolerance: in dB, how far stored and rendered PSNR may differ.
        after: called with the number of shards that are checked.

    Raises:
        UserError: the folder holds no shards or cannot be read.
    """
    findings = Findings()
    heads: list[Shard] = []
    for number, path in enumerate(some_shard_paths(folder), 1):
        try:
            shard = read_shard(path)
            check_together([*heads[-1:], shard])
            heads.append(_head(shard))
            findings.shards += 1
            findings.fields += len(shard)
            findings.foreign += shard.about is None
            findings.bad += [
                f"{path.name}: {fault}" for fault in _faults(shard, original, tolerance, findings)
            ]
        except UserError as error:
            findings.bad.append(str(error))
        after(number)
    findings.bad += _missing(folder, heads)
    return findings


def _head(shard: Shard) -> Shard:
    """A shard without its fields, to compare the next one with."""
    return replace(shard, flat=shard.flat[:0].clone())


def _missing(folder: Path, heads: list[Shard]) -> Iterator[str]:
    try:
        splits = read_splits(folder)
    except UserError as error:
        yield str(error)
        return
    missing = missing_ranges([(s.first, s.last) for s in heads], splits.fields if splits else None)
    if missing:
        yield f"no intact shard has the fields {describe_ranges(missing)}; its build, started again, goes on"


def _faults(shard: Shard, original: Original | None, tolerance: float, findings: Findings) -> Iterator[str]:
    finite = shard.flat.isfinite().all(dim=1)
    if not finite.all():
        yield f"{int((~finite).sum())} fields have weights that are not finite, {_first(shard, ~finite)}"
        return
    if original is None:
        bad = ~_rendered(shard).isfinite().flatten(1).all(dim=1)
        if bad.any():
            yield f"{int(bad.sum())} fields have values that are not finite, {_first(shard, bad)}"
        return
    wrong = shard.labels != original.samples.labels[shard.index.clamp(0, len(original.samples) - 1)]
    if wrong.any():
        yield f"{int(wrong.sum())} fields have another label than their sample, {_first(shard, wrong)}"
    rendered = rendered_psnr(shard, original)
    far = _far(shard.psnr.double(), rendered, original.samples.peak, tolerance)
    if far.any():
        row = int(far.nonzero()[0, 0])
        yield (
            f"{int(far.sum())} fields do not show their sample as well as stored, {_first(shard, far)}: "
            f"{float(rendered[row]):.2f} dB and not {float(shard.psnr[row]):.2f}"
        )
    known = rendered.isfinite() & shard.psnr.isfinite()
    if known.any():
        findings.compared += int(known.sum())
        findings.psnr_sum += float(rendered[known].sum())
        difference = float((rendered - shard.psnr.double())[known].abs().max())
        findings.largest_difference = max(findings.largest_difference, difference)


def rendered_psnr(shard: Shard, original: Original) -> Tensor:
    """``(n,)`` float64 dB: the PSNR of each field against its sample, NaN where its values are not finite."""
    errors = []
    with torch.no_grad():
        for start in range(0, len(shard), _BATCH):
            rows = slice(start, start + _BATCH)
            values = evaluate(shard.weights[rows], shard.architecture, original.points(shard, rows))
            errors.append((values - original.targets(shard, rows)).double().square().flatten(1).mean(dim=1))
    return 20 * torch.log10(torch.tensor(original.samples.peak).double()) - 10 * torch.log10(
        torch.cat(errors)
    )


def _far(stored: Tensor, rendered: Tensor, peak: float, tolerance: float) -> Tensor:
    """Where PSNRs differ: by more than the tolerance, and by more than rounding of the errors behind them."""
    rms = [10 ** (-decibels / 20) for decibels in (stored, rendered)]  # as parts of the peak
    close = ((stored - rendered).abs() <= tolerance) | ((rms[0] - rms[1]).abs() <= _ROUNDING)
    return ~close  # NaN is close to nothing


def _rendered(shard: Shard) -> Tensor:
    """``(n, Q, C)`` at the points of the build, or at some points in [-1, 1]^D."""
    points = shard.about.coordinates if shard.about is not None else None
    if points is None:
        drawn = torch.rand(_POINTS, shard.architecture.sizes[0], generator=torch.Generator().manual_seed(0))
        points = 2 * drawn - 1
    points = points[:: -(-len(points) // _POINTS)]
    return outputs_of(
        lambda fields: evaluate(fields, shard.architecture, points), shard.flat, shard.architecture
    )


def _first(shard: Shard, rows: Tensor) -> str:
    row = int(rows.nonzero()[0, 0])
    return f"the first is field {shard.first + row} of sample {int(shard.index[row])}"
