"""The quasi-Newton stage: what it minimises, how it continues, and what it refuses."""

from __future__ import annotations

import itertools
import json
import logging
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import two_ranks_stage
from launch_ranks import launch
from noisy_objective import NoisyObjective, assert_same_state, make_trainer, points
from torch import Tensor, nn

from wsapps import Diverged, Interrupted, UserError, checkpoint
from wsapps.accelerator import make_accelerator
from wsapps.objective import Batch, Objective
from wsapps.quasi_newton import QuasiNewtonConfig
from wsapps.quasi_newton.frozen import FrozenObjective
from wsapps.stages import QuasiNewtonStage
from wsapps.trainer import Trainer, TrainerConfig

STEPS = 24


def doubled(batch: Batch) -> Batch:
    return {name: value.double() for name, value in batch.items()}


def objective(seed: int = 0, noise: float = 0.05) -> NoisyObjective:
    return NoisyObjective(seed, noise).double()


class Hardest:
    """Batches that depend on the objective: of 60 new points the 20 of the largest error, in ragged parts."""

    def __init__(self, of: NoisyObjective):
        self.of = of
        self.asked: list[int] = []

    def __call__(self, refresh: int, rank: int, world: int) -> list[Batch]:
        self.asked.append(refresh)
        batch = doubled(points(60, refresh, rank))
        self.of.centre.add_(0.01)  # it may write buffers
        with torch.no_grad():
            error = (self.of.field(batch["x"]) - batch["y"]).square().squeeze(1)
        hardest = error.argsort(descending=True)[:20]
        return [{name: value[part] for name, value in batch.items()} for part in hardest.split([13, 7])]


def held_out(of: NoisyObjective):
    batch = doubled(points(50, 99))
    return lambda: (of.field(batch["x"]) - batch["y"]).square().mean().item()


def make_stage(folder: Path | None, of: NoisyObjective | None = None, **changes: Any) -> QuasiNewtonStage:
    of = of or objective()
    others = {name: changes.pop(name) for name in ("score", "evaluate", "history", "step") if name in changes}
    batch = changes.pop("batch", None) or Hardest(of)
    settings = {"max_steps": STEPS, "refresh_every": 7, "log_every": 5, **changes}
    score = others.pop("score", held_out(of))
    return QuasiNewtonStage(
        QuasiNewtonConfig(**settings), of, batch, score, checkpoints=folder, show_progress=False, **others
    )


def run(folder: Path | None, of: NoisyObjective | None = None, **changes: Any) -> QuasiNewtonStage:
    stage = make_stage(folder, of, **changes)
    stage.fit()
    return stage


def final_state(stage: QuasiNewtonStage) -> dict[str, Any]:
    """Everything but measured time."""
    state = {f"objective.{name}": value.clone() for name, value in stage.objective.state_dict().items()}
    minimizer = stage.minimizer
    state |= {
        name: getattr(minimizer, name) for name in ("x", "gradient", "direction", "value", "evaluations")
    }
    state |= {"step": stage.step, "best": stage.best}
    entries = [{name: value for name, value in e.items() if name != "seconds"} for e in stage.history]
    return {**state, "history": entries}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return final_state(run(tmp_path_factory.mktemp("whole")))


# --- the function that is minimised ---


def test_value_and_gradient_are_those_of_the_global_mean():
    of = objective(noise=0.0)
    frozen = FrozenObjective(make_accelerator(), of)
    parts = [doubled(points(count, count)) for count in (13, 4, 8)]
    frozen.freeze(parts, 0)
    value, gradient = frozen(frozen.vector())
    terms = of({name: torch.cat([part[name] for part in parts]) for name in parts[0]})
    mean = terms["loss_sum"] / terms["count"]
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(mean, list(of.parameters()))])
    assert value == pytest.approx(mean.item(), rel=1e-13)
    torch.testing.assert_close(gradient, wanted, rtol=0, atol=1e-13 * float(wanted.abs().max()))
    assert all(parameter.grad is None for parameter in of.parameters())
    assert frozen.terms(frozen.vector(), gradient)["count"] == 25


def test_noise_is_frozen_too_and_new_in_the_next_batch():
    of = objective()
    frozen = FrozenObjective(make_accelerator(), of)
    batch = doubled(points(9, 1))
    frozen.freeze([batch], 0)
    first = frozen(frozen.vector())[0]
    torch.rand(3)
    assert frozen(frozen.vector())[0] == first
    frozen.freeze([batch], 1)
    assert frozen(frozen.vector())[0] != first


def test_the_vector_goes_into_the_parameters_and_comes_back():
    of = objective()
    frozen = FrozenObjective(make_accelerator(), of)
    kept = list(of.parameters())
    x = torch.arange(frozen.vector().numel(), dtype=torch.float64)
    frozen.assign(x)
    assert torch.equal(frozen.vector(), x)
    assert torch.equal(kept[0].flatten(), x[: kept[0].numel()])


def test_frozen_and_unused_parameters():
    of = objective(noise=0.0)
    of.unused = nn.Parameter(torch.ones(3, dtype=torch.float64))
    first = next(of.field.parameters()).requires_grad_(False)
    before = first.clone()
    run(None, of, max_steps=3, score=None)
    assert torch.equal(first, before)
    assert torch.equal(of.unused, torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("parameters", [[], [torch.float32, torch.float64]])
def test_parameters_must_be_of_one_dtype(parameters):
    of = Objective()
    of.all = nn.ParameterList([nn.Parameter(torch.zeros(2, dtype=dtype)) for dtype in parameters])
    with pytest.raises(ValueError, match="one dtype"):
        FrozenObjective(make_accelerator(), of)


# --- a whole stage ---


@pytest.mark.parametrize("method", ["ssbroyden", "ssbfgs", "bfgs", "lbfgs"])
def test_every_method_goes_down(method):
    stage = run(None, objective(noise=0.0), method=method, refresh_every=0, log_every=1, score=None)
    losses = [entry["loss"] for entry in stage.history]
    assert len(losses) == STEPS
    assert all(after <= before for before, after in itertools.pairwise(losses))
    assert losses[-1] < 0.1 * losses[0]


def test_float32_objectives():
    of = NoisyObjective(noise=0.0)
    stage = run(None, of, batch=lambda *_: [points(30, 1)], score=None, log_every=1)
    assert stage.minimizer.x.dtype == torch.float32
    assert stage.history[-1]["loss"] < 0.1 * stage.history[0]["loss"]


def test_gradient_descent_first_and_the_stage_afterwards_are_one_run(tmp_path):
    def both(seed: int) -> tuple[Trainer, QuasiNewtonStage]:
        of = objective(seed)
        trainer = make_trainer(tmp_path / "adam", lambda *a: doubled(points(8, *a)), of, max_steps=80)
        trained = trainer.fit()
        stage = QuasiNewtonStage(
            QuasiNewtonConfig(max_steps=10, log_every=5),
            of,
            Hardest(of),
            checkpoints=tmp_path / "quasi_newton",
            accelerator=trainer.accelerator,
            history=trainer.history,
            step=trained.steps,
            seconds=trained.seconds,
        )
        return trainer, stage

    trainer, stage = both(0)
    result = stage.fit()
    assert (result.steps, stage.step) == (90, 90)
    assert result.seconds > trainer.clock.seconds
    steps = [entry["step"] for entry in stage.history]
    assert steps == [40, 80, 85, 90]
    seconds = [entry["seconds"] for entry in stage.history]
    assert seconds == sorted(seconds)
    assert stage.history[-1]["loss"] < stage.history[1]["loss"]
    _, again = both(99)  # both are finished, whatever the initialisation
    assert again.fit().steps == 90
    assert_same_state(final_state(again), final_state(stage))


def test_batches_are_asked_for_by_number_and_kept_between():
    of = objective()
    batch = Hardest(of)
    run(None, of, batch=batch)
    assert batch.asked == [0, 1, 2, 3]  # 24 steps, of which 7 on each
    once = Hardest(of)
    run(None, of, batch=once, refresh_every=0)
    assert once.asked == [0]


class Bowl(Objective):
    """Half the squared distance of three parameters to the batch's ``centre``."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.zeros(3, dtype=torch.float64))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        loss = 0.5 * (self.x - batch["centre"]).square().sum()
        return {"loss_sum": loss, "count": loss.new_ones(())}


def centres(refresh: int, rank: int, world: int) -> list[Batch]:
    return [{"centre": torch.full((3,), float(refresh), dtype=torch.float64)}]


def bowl_stage(**changes: Any) -> QuasiNewtonStage:
    batch, score = changes.pop("batch", centres), changes.pop("score", None)
    config = QuasiNewtonConfig(**{"max_steps": 30, "gradient_tolerance": 1e-8, **changes})
    return QuasiNewtonStage(config, Bowl(), batch, score, show_progress=False)


def test_it_ends_at_the_minimum(caplog):
    stage = bowl_stage(batch=lambda *_: centres(5, 0, 1))
    with caplog.at_level(logging.INFO, logger="wsapps"):
        result = stage.fit()
    assert result.steps < 30
    torch.testing.assert_close(stage.objective.x.detach(), torch.full((3,), 5.0).double())
    assert "gradient's norm" in caplog.text


def test_a_batch_that_has_no_more_to_give_is_replaced_early():
    stage = bowl_stage(refresh_every=1000)
    stage.fit()
    # From centre 0, the start, no step was possible: that ends it. From 1 on there would be ever new centres.
    assert stage.step == 0
    stage = bowl_stage(refresh_every=1000, batch=lambda number, *_: centres(number + 1, 0, 1))
    stage.fit()
    assert stage.step == 30
    assert float(stage.minimizer.x.min()) > 4


@pytest.mark.parametrize("keep", [True, False])
def test_what_was_learned_is_kept_or_not_when_the_batch_changes(keep):
    stage = make_stage(None, keep_inverse=keep, refresh_every=6, max_steps=6, score=None)
    stage.fit()
    g = torch.ones_like(stage.minimizer.x)
    learned = stage.minimizer.inverse.direction(g)
    stage.minimizer.start(keep)
    now = stage.minimizer.inverse.direction(g)
    assert torch.equal(now, learned) == keep
    assert torch.equal(now, now[0] * g) != keep  # a multiple of the identity


@pytest.mark.parametrize("keep_best", [True, False])
def test_the_best_score_decides_what_is_left(keep_best, caplog):
    """Scores that fall and rise again: those of the first refresh are the lowest."""
    scores, seen = [3.0, math.nan, 1.0, 2.0, 2.5], []

    def score() -> float:
        seen.append(of.field.state_dict()[name].clone())
        return scores[len(seen) - 1]

    of = objective()
    name = next(iter(of.field.state_dict()))
    stage = run(None, of, score=score, keep_best=keep_best)
    assert len(seen) == 5  # at steps 0, 7, 14, 21 and 24
    assert stage.best == (14, 1.0)
    assert caplog.text.count("step 7: the score became NaN or infinite") == 1
    assert torch.equal(of.field.state_dict()[name], seen[2] if keep_best else seen[4])
    assert [e["step"] for e in stage.history if "score" in e] == [0, 7, 14, 21, 24]


def test_evaluations_come_when_due():
    at = []
    stage = make_stage(None, evaluate=lambda: at.append(stage.step) or {"error": 1.0}, evaluate_every=10)
    stage.fit()
    assert at == [10, 20]
    assert stage.history[-1]["step"] == STEPS
    assert [e["step"] for e in stage.history if "error" in e] == [10, 20]


def test_it_ends_when_its_time_is_over():
    stage = run(None, max_steps=None, max_seconds=1e-6)
    assert stage.step == 1


# --- resuming ---


class Signalled(Hardest):
    """Batches of an objective that sends its process a signal in a certain evaluation."""

    def __init__(self, of: NoisyObjective, evaluation: int, number: int):
        super().__init__(of)
        self.left, self.number = evaluation, number
        of.register_forward_pre_hook(self.count)

    def count(self, module: nn.Module, arguments: Any) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), self.number)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("method", "stops", "number"),
    [
        ("ssbroyden", [3], signal.SIGTERM),
        ("ssbroyden", [20, 2, 15], signal.SIGINT),
        ("lbfgs", [15, 6], signal.SIGTERM),
    ],
)
def test_stopping_by_a_signal_changes_nothing(tmp_path, uninterrupted, method, stops, number):
    if method != "ssbroyden":
        uninterrupted = final_state(run(None, method=method))
    for evaluation in stops:
        of = objective()
        with pytest.raises(Interrupted, match="state saved in"):
            run(tmp_path, of, batch=Signalled(of, evaluation, number), method=method)
        assert 0 < checkpoint.load_latest(tmp_path).step < STEPS
    # Another initialisation: whatever is not restored would show.
    assert_same_state(final_state(run(tmp_path, objective(99), method=method)), uninterrupted)


def test_a_finished_stage_stays_as_it_is(tmp_path, uninterrupted):
    run(tmp_path)
    assert_same_state(final_state(run(tmp_path, objective(99))), uninterrupted)


def test_the_comparison_can_fail(tmp_path, uninterrupted):
    with pytest.raises(AssertionError):
        assert_same_state(final_state(run(tmp_path, objective(1))), uninterrupted)


def test_a_checkpoint_at_every_step_changes_nothing_and_the_newest_are_kept(tmp_path, uninterrupted):
    assert_same_state(final_state(run(tmp_path, checkpoint_seconds=0.0)), uninterrupted)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step_00000023", "step_00000024"]


# --- what is refused ---


def test_checkpoints_of_something_else_are_refused(tmp_path):
    run(tmp_path, max_steps=3)
    make_trainer(tmp_path / "adam", lambda *a: doubled(points(8, *a)), objective(), max_steps=4).fit()
    wider = objective()
    wider.more = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    cases = [
        ({"method": "bfgs"}, "the method is ssbroyden in it and bfgs here"),
        ({"method": "lbfgs"}, "the method is ssbroyden in it and lbfgs here"),
        ({"step": 10}, "continues training of 0 steps, and there are 10 now"),
        ({"of": wider}, "more is missing in it"),
        ({"folder": tmp_path / "adam"}, "is not a checkpoint of a quasi-Newton stage"),
    ]
    for changes, words in cases:
        of = changes.pop("of", None) or objective(5)
        before = {name: value.clone() for name, value in of.state_dict().items()}
        with pytest.raises(UserError, match=words) as refused:
            make_stage(changes.pop("folder", tmp_path), of, **changes)
        assert "\n" not in str(refused.value)
        assert_same_state(dict(of.state_dict()), before)


def test_damaged_states_are_refused(tmp_path):
    run(tmp_path / "run", max_steps=3)
    found = checkpoint.load_latest(tmp_path / "run")
    for name, value in (
        ("refresh", "two"), ("history", [1]), ("minimizer", None), ("refreshed", {}), ("objective", None),
        ("minimizer", {**found.state["minimizer"], "length": None}), ("best_score", []),
    ):  # fmt: skip
        folder = tmp_path / f"{name} {type(value).__name__}"
        checkpoint.save(folder, 3, {**found.state, name: value})
        with pytest.raises(UserError, match=r"choose another out=|repeat the configuration"):
            make_stage(folder)


def test_a_loss_that_is_not_finite_at_the_start():
    of = objective()
    of.field.state_dict()[next(iter(of.field.state_dict()))].fill_(math.nan)
    with pytest.raises(Diverged, match=r"step 0: loss_sum is NaN or infinite on batch 0; nothing was saved"):
        run(None, of)


def test_a_loss_that_is_not_finite_on_a_new_batch_leaves_the_last_checkpoint(tmp_path):
    def batch(refresh: int, rank: int, world: int) -> list[Batch]:
        found = doubled(points(20, refresh))
        return [{**found, "y": found["y"] * (math.nan if refresh == 2 else 1)}]

    with pytest.raises(Diverged, match=r"step 14: loss_sum .* batch 2; the last good state, of step 14,"):
        run(tmp_path, batch=batch, checkpoint_seconds=0.0)
    assert checkpoint.load_latest(tmp_path).step == 14


def test_an_empty_batch_and_autocast_are_refused():
    with pytest.raises(ValueError, match="at least one micro-batch"):
        run(None, batch=lambda *_: [])
    of = objective()
    with pytest.raises(UserError, match="mixed_precision=bf16"):
        QuasiNewtonStage(
            QuasiNewtonConfig(max_steps=1), of, Hardest(of), accelerator=make_accelerator("bf16")
        )
    make_accelerator()  # Accelerate keeps one precision a process


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({}, "never end"),
        ({"max_steps": 0}, "max_steps must be positive"),
        ({"max_steps": 1, "memory": 0}, "memory must be at least 1"),
        ({"max_steps": 1, "tolerance": -1.0}, "tolerance must not be negative"),
        ({"max_steps": 1, "gradient_tolerance": math.nan}, "gradient_tolerance must not be negative"),
    ],
)
def test_settings_out_of_range(bad, words):
    with pytest.raises(ValueError, match=words):
        QuasiNewtonConfig(**bad)
    assert QuasiNewtonConfig(default_steps=7).last_step == 7
    assert QuasiNewtonConfig(default_steps=7, max_seconds=1.0).last_step is None


def test_too_large_a_matrix_becomes_lbfgs(caplog):
    with caplog.at_level(logging.WARNING, logger="wsapps"):
        stage = run(None, dense_limit_bytes=1000, max_steps=4)
    assert stage.minimizer.inverse.method == "lbfgs"
    assert sum("L-BFGS" in message for message in caplog.messages) == 1


# --- two ranks ---


@pytest.mark.skipif(sys.platform == "win32" or not torch.distributed.is_gloo_available(), reason="needs gloo")
def test_two_ranks_give_what_one_gives(tmp_path):
    launch(two_ranks_stage.__file__, str(tmp_path))
    alone = two_ranks_stage.compute(None, make_accelerator())
    for rank in range(2):
        said = json.loads((tmp_path / f"said_{rank}.json").read_text())
        assert said["holds a matrix"] == (rank == 0)
        for name in ("value", "gradient", "after adam"):
            wanted, found = (torch.tensor(each[name], dtype=torch.float64) for each in (alone, said))
            assert float((found - wanted).abs().max()) <= 1e-12 * float(wanted.abs().max()), name
        for name in ("x", "continued"):  # rounding grows from step to step
            wanted, found = (torch.tensor(each[name], dtype=torch.float64) for each in (alone, said))
            assert float((found - wanted).abs().max()) <= 1e-8 * float(wanted.abs().max()), name
        assert said["first second"] == 0.0
        assert said["evaluations"] == alone["evaluations"]
        assert said["scores"] == [pytest.approx(value, rel=1e-8) for value in alone["scores"]]
    first, second = (json.loads((tmp_path / f"said_{rank}.json").read_text()) for rank in range(2))
    assert {**first, "holds a matrix": None} == {**second, "holds a matrix": None}  # bit for bit


def test_trainer_settings_have_the_same_names():
    """What both have means the same."""
    both = set(TrainerConfig.__dataclass_fields__) & set(QuasiNewtonConfig.__dataclass_fields__)
    assert both >= {"max_steps", "max_seconds", "default_steps", "seed", "compile", "log_every"}
