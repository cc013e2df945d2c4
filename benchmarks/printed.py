"""Tables as the benchmarks print them; imported by them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def markdown(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table under a title; "not measured" for empty cells."""
    lines = [f"\n{title}\n", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(cell or 'not measured' for cell in row)} |" for row in rows]
    return "\n".join(lines)


def mean_and_deviation(values: Sequence[float], digits: int = 1) -> str:
    """``mean ± deviation``; of one value itself, of none an empty cell."""
    if not values:
        return ""
    text = f"{statistics.fmean(values):.{digits}f}"
    return text if len(values) < 2 else f"{text} ± {statistics.stdev(values):.{digits}f}"
