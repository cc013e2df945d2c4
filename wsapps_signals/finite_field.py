"""Refusing to write a field that diverged."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wsapps.errors import UserError


def check_finite_field(values: NDArray[np.floating], title: str) -> None:
    """Refuse values of a fitted field that are NaN or infinite; a picture would show something plausible.

    Raises:
        UserError: how many there are, and what to do.
    """
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise UserError(
            f"{title}: the fitted field is NaN or infinite at {bad} of {values.size} points: it diverged, "
            f"so there is nothing to write; fit again with a smaller trainer.optimizer.lr"
        )
