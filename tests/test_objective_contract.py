"""The contract, kept by the core's objectives, and broken on purpose."""

from __future__ import annotations

import pytest
import torch
from noisy_objective import NoisyObjective, even_batch
from objective_contract import ObjectiveContract

from wsapps import ReluPositionalField, SinusoidalField
from wsapps.field_objective import FieldObjective
from wsapps.objective import Batch, Objective
from wsapps.projection import ProjectionConfig, output_solver
from wsapps.samplers import PointSampler
from wsapps.seeding import seed_global


class TestNoisyObjective(ObjectiveContract):
    def make_objective(self) -> Objective:
        return NoisyObjective()

    def make_batch(self, objective: Objective, step: int) -> Batch:
        return even_batch(step, 0, 1)


class TestFieldObjective(ObjectiveContract):
    def make_objective(self) -> Objective:
        seed_global("init")
        return FieldObjective(SinusoidalField(2, 3, 16, 1))

    def make_batch(self, objective: Objective, step: int) -> Batch:
        seed_global("data")
        return PointSampler(torch.rand(50, 2), torch.rand(50, 3), 20)(step, 0, 1)


class TestFieldObjectiveOfTheRival(TestFieldObjective):
    def make_objective(self) -> Objective:
        seed_global("init")
        return FieldObjective(ReluPositionalField(2, 3, 16, 1))


class TestFieldObjectiveWithAProjectedOutput(TestFieldObjective):
    def make_objective(self) -> Objective:
        seed_global("init")
        field, signal = SinusoidalField(2, 3, 16, 1), PointSampler(torch.rand(500, 2), torch.rand(500, 3))
        return FieldObjective(field, solver=output_solver(field, signal, ProjectionConfig()))


class Broken(TestNoisyObjective):
    """Not collected: its name does not begin with Test."""

    def __init__(self, kind: type[Objective]):
        self.make_objective = kind  # type: ignore[method-assign]


class MeanLoss(NoisyObjective):
    def forward(self, batch):
        terms = super().forward(batch)
        return {**terms, "loss_sum": terms["loss_sum"] / terms["count"]}


class VectorLoss(NoisyObjective):
    def forward(self, batch):
        terms = super().forward(batch)
        return {**terms, "loss_sum": terms["loss_sum"][None]}


class HalfCount(NoisyObjective):
    def forward(self, batch):
        terms = super().forward(batch)
        return {**terms, "count": terms["count"].bfloat16()}


class HiddenCounter(NoisyObjective):
    def __init__(self):
        super().__init__()
        self.steps_seen = 0

    def before_step(self, step):
        self.steps_seen += 1


class HiddenTensor(NoisyObjective):
    def __init__(self):
        super().__init__()
        self.cache = {"mean": torch.zeros(2)}

    def before_step(self, step):
        self.cache["mean"] = self.cache["mean"] + 1


class WritesParameters(NoisyObjective):
    def before_step(self, step):
        with torch.no_grad():
            self.field.output.bias.add_(1)


class GoesBackward(NoisyObjective):
    def before_step(self, step):
        self.field(torch.zeros(1, 2)).sum().backward()


class OwnGenerator(NoisyObjective):
    generator = torch.Generator()

    def before_step(self, step):
        self.centre.copy_(torch.rand(2, generator=self.generator))


class ForgottenBuffer(NoisyObjective):
    def __init__(self):
        super().__init__()
        self.register_buffer("centre", torch.zeros(2), persistent=False)


@pytest.mark.parametrize(
    ("kind", "test"),
    [
        (MeanLoss, "test_the_loss_is_a_sum"),
        (VectorLoss, "test_forward_returns_a_sum_and_its_count"),
        (HalfCount, "test_forward_returns_a_sum_and_its_count"),
        (HiddenCounter, "test_steps_are_kept_in_registered_buffers_alone"),
        (HiddenTensor, "test_steps_are_kept_in_registered_buffers_alone"),
        (WritesParameters, "test_steps_are_kept_in_registered_buffers_alone"),
        (GoesBackward, "test_steps_are_kept_in_registered_buffers_alone"),
        (OwnGenerator, "test_a_step_depends_on_its_generator_alone"),
        (ForgottenBuffer, "test_a_restored_state_continues_identically"),
    ],
)
def test_the_contract_notices(kind, test):
    with pytest.raises(AssertionError):
        getattr(Broken(kind), test)()
