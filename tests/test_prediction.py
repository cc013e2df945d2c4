"""Values at many points do not depend on how they are divided."""

from __future__ import annotations

import torch

from wsapps.accelerator import make_accelerator
from wsapps.fields import SinusoidalField
from wsapps.prediction import predict, shared_prediction


def test_batches_change_nothing():
    field = SinusoidalField(2, 3, width=8)
    points = torch.rand(101, 2) * 2 - 1
    whole = predict(field, points)
    assert whole.shape == (101, 3)
    assert not whole.requires_grad
    for batch in (1, 7, 100, 101, 500):
        torch.testing.assert_close(predict(field, points, batch), whole)
    torch.testing.assert_close(whole, field(points).detach())


def test_one_rank_predicts_all():
    field = SinusoidalField(2, 1, width=8)
    points = torch.rand(10, 2)
    torch.testing.assert_close(shared_prediction(field, make_accelerator())(points), predict(field, points))
