"""What every objective must keep to, as tests to inherit::

class TestMine(ObjectiveContract):
    def make_objective(self): return MyObjective(...)   # fresh, and the same each time
    def make_batch(self, objective, step): return {"x": ...}
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from wsapps.objective import Batch, Objective
from wsapps.seeding import seed_global


class ObjectiveContract:
    """The tests. Subclasses give an objective and its batches, and may set the figures below."""

    #: Steps after which state is compared; more where an objective does something now and then.
    steps = 3
    #: Largest difference of loss and gradients relative to their largest entry: of a doubled batch, and
    #: of a compiled step. Sines of large arguments amplify the rounding of float32.
    sum_tolerance = 1e-4
    compile_tolerance = 1e-3

    def make_objective(self) -> Objective:
        raise NotImplementedError

    def make_batch(self, objective: Objective, step: int) -> Batch:
        raise NotImplementedError

    def double(self, batch: Batch) -> Batch:
        """Everything in the batch twice."""
        return {name: torch.cat([value, value]) for name, value in batch.items()}

    def test_forward_returns_a_sum_and_its_count(self):
        objective = self.make_objective()
        terms = self.step(objective, 0)
        assert {"loss_sum", "count"} <= terms.keys()
        for name, value in terms.items():
            assert torch.as_tensor(value).dim() == 0, f"{name} is not 0-dimensional"
            assert bool(torch.isfinite(torch.as_tensor(value))), f"{name} is not finite"
        assert terms["loss_sum"].requires_grad
        assert float(terms["count"]) > 0
        # bf16 and fp16 cannot count beyond 256 and 2048.
        assert torch.as_tensor(terms["count"]).dtype not in (torch.bfloat16, torch.float16)

    def test_the_loss_is_a_sum(self):
        objective = self.make_objective()
        batch = self.make_batch(objective, 0)
        objective.eval()  # no noise
        once, twice = objective(batch), objective(self.double(batch))
        for name in ("loss_sum", "count"):
            expected = 2 * float(torch.as_tensor(once[name]).detach())
            assert abs(float(torch.as_tensor(twice[name]).detach()) - expected) <= self.sum_tolerance * abs(
                expected
            ), f"{name} of everything twice is not twice {name}"

    def test_steps_are_kept_in_registered_buffers_alone(self):
        objective = self.make_objective()
        trained = {name: value for name, value in objective.named_parameters() if value.requires_grad}
        parameters = {name: value.detach().clone() for name, value in trained.items()}
        plain = plain_state(objective)
        for step in range(self.steps):
            self.step(objective, step)
            for name, parameter in objective.named_parameters():
                assert parameter.grad is None, f"something but the trainer went backward through {name}"
        for name, value in trained.items():
            assert torch.equal(value, parameters[name]), f"a step changed the parameter {name}"
        assert_equal(plain_state(objective), plain, "a step changed an attribute that is no buffer")

    def test_a_step_depends_on_its_generator_alone(self):
        first, second = self.make_objective(), self.make_objective()
        for step in range(self.steps):
            one = self.step(first, step)
            torch.rand(7)  # whatever else was drawn
            assert_equal(self.step(second, step), one, "two equal steps differ")
        assert_equal(first.state_dict(), second.state_dict(), "two equal steps leave different states")

    def test_a_restored_state_continues_identically(self):
        first = self.make_objective()
        for step in range(self.steps):
            self.step(first, step)
        second = self.make_objective()
        with torch.no_grad():
            for value in second.parameters():
                value.add_(1.0)
        saved = {name: value.clone() for name, value in first.state_dict().items()}
        second.load_state_dict(saved)
        for step in range(self.steps, 2 * self.steps):
            one, two = self.step(first, step), self.step(second, step)
            assert_equal(two, one, f"step {step} after restoring differs")
            assert_equal(gradients(two, second), gradients(one, first), "gradients after restoring differ")
        assert_equal(second.state_dict(), first.state_dict(), "states after restoring differ")

    def test_metrics_are_numbers(self):
        objective = self.make_objective()
        terms = self.step(objective, 0)
        totals = {name: float(torch.as_tensor(value).detach()) for name, value in terms.items()}
        for name, value in objective.metrics(totals).items():
            assert isinstance(name, str)
            assert isinstance(value, float), name

    @pytest.mark.slow
    @pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs g++")
    def test_compiled_gradients_are_the_eager_ones(self):
        eager, compiled = self.make_objective(), self.make_objective()
        eager.eval()  # no noise: compiled code draws other numbers
        compiled.eval()
        names = list(compiled.state_dict())
        compiled.compile_()
        assert list(compiled.state_dict()) == names, "compiling renames what checkpoints hold"
        batch = self.make_batch(eager, 0)
        wanted, found = gradients(eager(batch), eager), gradients(compiled(batch), compiled)
        largest = max(float(value.abs().max()) for value in wanted.values())
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            error = float((found[name] - value).abs().max())
            assert error <= self.compile_tolerance * largest, f"{name} is off by {error} of {largest}"

    def step(self, objective: Objective, step: int) -> dict[str, Tensor]:
        """One step as the trainer does it, short of the gradient."""
        objective.train()
        seed_global("before_step", step)
        objective.before_step(step)
        batch = self.make_batch(objective, step)
        seed_global("forward", step)
        terms = objective(batch)
        wide = {name: torch.as_tensor(value).detach().to(torch.float64) for name, value in terms.items()}
        objective.after_step(step, wide)
        return terms


def gradients(terms: Mapping[str, Tensor], objective: Objective) -> dict[str, Tensor]:
    """Of the mean loss, for the trainable parameters that it depends on."""
    trainable = [(name, value) for name, value in objective.named_parameters() if value.requires_grad]
    names, parameters = zip(*trainable, strict=True)
    found = torch.autograd.grad(terms["loss_sum"] / terms["count"], parameters, allow_unused=True)
    return {name: value for name, value in zip(names, found, strict=True) if value is not None}


def plain_state(module: nn.Module) -> dict[str, Any]:
    """Every number, text and tensor in the submodules' attributes that is neither parameter nor buffer."""
    found: dict[str, Any] = {}
    for prefix, part in module.named_modules():
        for name, value in vars(part).items():
            # torch's own bookkeeping; and the mode, which the trainer sets
            if name != "training" and name not in _TORCH_OWN:
                _collect(f"{prefix}.{name}", value, found, depth=4)
    return found


_TORCH_OWN = set(vars(nn.Module()))


def _collect(place: str, value: Any, found: dict[str, Any], depth: int) -> None:
    if isinstance(value, nn.Module) or depth == 0:
        return
    if isinstance(value, (Tensor, np.ndarray)):
        found[place] = torch.as_tensor(value).detach().clone()
    elif value is None or isinstance(value, (bool, int, float, str)):
        found[place] = value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _collect(f"{place}[{key!r}]", item, found, depth - 1)
    elif isinstance(value, (list, tuple, set)):
        for index, item in enumerate(value):
            _collect(f"{place}[{index}]", item, found, depth - 1)
    elif hasattr(value, "__dict__") and not callable(value):
        _collect(place, vars(value), found, depth - 1)


def assert_equal(found: Mapping[str, Any], wanted: Mapping[str, Any], message: str) -> None:
    assert found.keys() == wanted.keys(), f"{message}: {sorted(found.keys() ^ wanted.keys())}"
    for name, value in wanted.items():
        same = torch.equal(found[name], value) if isinstance(value, Tensor) else found[name] == value
        assert same, f"{message}: {name}"
