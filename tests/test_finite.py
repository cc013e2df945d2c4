"""The first bad value is found, with its step and name, however late somebody looks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wsapps.finite import Diverged, FiniteWatch, not_finite


def terms(**values: float) -> dict[str, Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_the_first_bad_step_and_term_are_named(bad):
    watch = FiniteWatch()
    for step in range(10):
        watch.note(
            step, terms(loss_sum=bad if step >= 7 else 1.0, count=5.0, other=bad if step in (4, 5) else 0.0)
        )
    with pytest.raises(Diverged, match=r"^step 4: other became NaN or infinite$"):
        watch.check()


def test_terms_that_turn_bad_together_are_all_named():
    watch = FiniteWatch()
    watch.note(3, terms(a=math.nan, b=1.0, c=math.inf))
    with pytest.raises(Diverged, match="step 3: a and c became"):
        watch.check()


def test_good_values_pass_however_large():
    watch = FiniteWatch()
    watch.check()
    watch.note(0, terms(a=1e308, b=-1e308))
    watch.check()


def test_a_bad_value_is_not_forgotten_when_the_terms_change():
    watch = FiniteWatch()
    watch.note(0, terms(a=math.nan))
    with pytest.raises(Diverged, match="step 0: a"):
        watch.note(1, terms(b=1.0))


def test_overflows_now_and_then_are_normal_and_many_in_a_row_are_not():
    watch = FiniteWatch()
    for step in range(201):
        watch.note_overflow(step, step % 40 != 0)
    for step in range(201, 250):
        watch.note_overflow(step, True)
    with pytest.raises(Diverged, match=r"^step 250: the gradient has been NaN or infinite for 50 steps$"):
        watch.note_overflow(250, True)


def test_tensors_that_are_not_finite_are_named():
    good, bad = torch.ones(3), torch.tensor([1.0, math.inf])
    assert not_finite([("a", good), ("b", bad), ("c", bad * 0), ("d", torch.zeros(0))]) == ["b", "c"]
    assert not_finite([]) == []
