"""Held-out samples: what each scheme keeps, counted by hand."""

from __future__ import annotations

import pytest
import torch

from wsapps.errors import UserError
from wsapps_signals.holdout import training_mask


def test_every_other_is_a_chessboard():
    mask = training_mask("every_other", 12, (3, 4), seed=0).view(3, 4)
    expected = [[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    assert mask.tolist() == [[bool(value) for value in row] for row in expected]


def test_downsample_keeps_every_second_along_each_axis():
    mask = training_mask("downsample", 4 * 6 * 2, (4, 6, 2), seed=0).view(4, 6, 2)
    assert mask[::2, ::2, ::2].all()
    assert int(mask.sum()) == 2 * 3 * 1


def test_random_keeps_half_and_follows_its_seed():
    mask = training_mask("random", 1001, None, seed=3)
    assert int(mask.sum()) == 500
    assert torch.equal(mask, training_mask("random", 1001, None, seed=3))
    assert not torch.equal(mask, training_mask("random", 1001, None, seed=4))


def test_none_keeps_all():
    assert training_mask("none", 5, None, seed=0).all()


def test_a_grid_is_needed_where_it_is():
    with pytest.raises(UserError, match=r"scattered samples; choose holdout=random"):
        training_mask("every_other", 12, None, seed=0)


@pytest.mark.parametrize("holdout", ["every_other", "random", "downsample"])
def test_both_sides_hold_something(holdout):
    with pytest.raises(UserError, match="leaves nothing on one side of 1 samples"):
        training_mask(holdout, 1, (1,), seed=0)
