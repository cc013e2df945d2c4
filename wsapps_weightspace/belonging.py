"""Whether shards belong to one dataset, and what is missing between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from wsapps.errors import UserError
from wsapps_weightspace.about import ShardAbout
from wsapps_weightspace.shards import Shard
from wsapps_weightspace.weights import Architecture


def check_together(shards: Sequence[Shard]) -> None:
    """Refuse shards that are not of one dataset.

    Args:
        shards: by their first field.

    Raises:
        UserError: architectures or settings differ, or two hold the same fields.
    """
    for first, other in pairwise(shards):
        _check_pair(first, other)


def _check_pair(first: Shard, other: Shard) -> None:
    both = f"{first.path.name} and {other.path.name} in {first.path.parent}"
    if first.architecture != other.architecture:
        raise UserError(
            f"{both} hold fields of different architectures, {describe(first.architecture)} and "
            f"{describe(other.architecture)}; keep them in folders of their own"
        )
    if other.first < first.last:
        raise UserError(f"{both} hold the same fields; remove one of them")
    one, two = first.about, other.about
    if one is two:
        return
    if one is None or two is None or not one.same_as(two):
        raise UserError(
            f"{both} were built with different settings ({_difference(one, two)}); keep them in folders of "
            "their own"
        )


def missing_ranges(ranges: Iterable[tuple[int, int]], fields: int | None) -> list[tuple[int, int]]:
    """What ranges in order leave out of 0 to ``fields`` (None: to the end of the last range)."""
    missing, end = [], 0
    for first, last in ranges:
        if first > end:
            missing.append((end, first))
        end = max(end, last)
    if fields is not None and end < fields:
        missing.append((end, fields))
    return missing


def describe_ranges(ranges: Sequence[tuple[int, int]]) -> str:
    """Ranges of fields in words, the first four of them."""
    shown = ", ".join(f"{first} to {last - 1}" for first, last in ranges[:4])
    return shown + (f" and {len(ranges) - 4} more ranges" if len(ranges) > 4 else "")


def describe(architecture: Architecture) -> str:
    """In words: ``2-32-32-1 (omega 30, 30)``."""
    sizes = "-".join(str(size) for size in architecture.sizes)
    return f"{sizes} (omega {architecture.omega_0:g}, {architecture.omega_hidden:g})"


def _difference(one: ShardAbout | None, two: ShardAbout | None) -> str:
    if one is None or two is None:
        return "one is of another program"
    names = ("dataset", "classes", "seed", "grid", "low", "high")
    for name in names:
        if getattr(one, name) != getattr(two, name):
            return f"{name}: {getattr(one, name)!r} and {getattr(two, name)!r}"
    for name in {**one.config, **two.config}:
        if one.config.get(name) != two.config.get(name):
            return f"{name}: {one.config.get(name)!r} and {two.config.get(name)!r}"
    return "their coordinates"
