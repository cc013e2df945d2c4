"""The loop: what stops it, what it refuses, what it writes, and what it asks of an objective."""

from __future__ import annotations

import math
import os
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from noisy_objective import (
    NoisyObjective,
    assert_same_state,
    config,
    even_batch,
    final_state,
    make_trainer,
    ragged_batch,
    signal_during,
)

from wsapps import Interrupted, SinusoidalField, UserError, checkpoint
from wsapps.accelerator import make_accelerator
from wsapps.finite import Diverged
from wsapps.gradient import accumulate_gradient
from wsapps.objective import Objective
from wsapps.optimizer import OptimizerConfig
from wsapps.trainer import Trainer, TrainerConfig

# --- divergence ---------------------------------------------------------------------------------


class Exploding(NoisyObjective):
    """One term becomes bad at step 37."""

    def __init__(self, name: str, value: float):
        super().__init__()
        self.name, self.value = name, value
        self.register_buffer("step", torch.tensor(0))

    def before_step(self, step: int) -> None:
        self.step.fill_(step)

    def forward(self, batch):
        terms = super().forward(batch)
        if int(self.step) < 37:
            return terms
        if self.name == "gradient norm":  # the derivative of sqrt at 0 is infinite, and its value is 0
            zero = (self.field.output.bias * 0).sum()
            return {**terms, "loss_sum": terms["loss_sum"] + zero.sqrt()}
        return {**terms, self.name: terms[self.name] * self.value}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["loss_sum", "spread", "count"])
def test_a_bad_term_stops_with_its_step_and_name(tmp_path, name, value):
    trainer = make_trainer(tmp_path, objective=Exploding(name, value), checkpoint_seconds=0.0)
    with pytest.raises(
        Diverged, match=rf"^step 37: .*\b{name}\b.* became NaN or infinite; .*step 37, is kept"
    ):
        trainer.fit()
    found = checkpoint.load_latest(tmp_path)
    assert found.step == 37  # after the good step 36
    assert all(bool(torch.isfinite(value).all()) for value in found.state["objective"].values())
    assert max(path.name for path in tmp_path.iterdir()) == "step_00000037"


def test_a_bad_gradient_stops_too():
    with pytest.raises(Diverged, match="step 37: gradient norm became NaN or infinite; nothing was saved"):
        make_trainer(objective=Exploding("gradient norm", math.nan)).fit()


def test_a_bad_gradient_without_clipping_is_never_saved(tmp_path):
    """Nothing looks at the gradient then: the parameters show it, in a save or by the next loss."""
    objective = Exploding("gradient norm", math.nan)
    optimizer = OptimizerConfig(lr=1e-3)
    trainer = make_trainer(tmp_path, objective=objective, optimizer=optimizer, checkpoint_seconds=0.0)
    with pytest.raises(Diverged, match=r"step 37: field\.output\.bias became NaN or infinite"):
        trainer.fit()
    assert checkpoint.load_latest(tmp_path).step == 37
    with pytest.raises(Diverged, match="step 38: loss_sum became"):
        make_trainer(objective=Exploding("gradient norm", math.nan), optimizer=optimizer).fit()


def test_a_bad_term_is_found_at_the_latest_when_evaluating_or_saving(tmp_path):
    def evaluate() -> dict[str, float]:
        pytest.fail("a state that is not finite was evaluated")

    objective = Exploding("loss_sum", math.nan)
    with pytest.raises(Diverged, match="step 37"):
        make_trainer(
            tmp_path, objective=objective, evaluate=evaluate, log_every=1000, evaluate_every=60
        ).fit()
    objective = Exploding("loss_sum", math.nan)
    with pytest.raises(Diverged, match="step 37"):
        make_trainer(tmp_path, objective=objective, log_every=1000).fit()
    assert checkpoint.load_latest(tmp_path) is None


def test_a_batch_of_nothing_is_named():
    def empty(step: int, rank: int, world: int):
        return {name: value[:0] for name, value in even_batch(step, rank, world).items()}

    with pytest.raises(Diverged, match=r"step 0: .*1 / count"):
        make_trainer(batch=empty).fit()


# --- checkpoints of something else --------------------------------------------------------------


@pytest.fixture
def saved(tmp_path) -> Path:
    make_trainer(tmp_path, max_steps=5).fit()
    return tmp_path


def altered(folder: Path, **changes: Any) -> None:
    """Replace the checkpoint by a whole one with other content."""
    found = checkpoint.load_latest(folder)
    state = {name: value for name, value in {**found.state, **changes}.items() if value is not None}
    checkpoint.save(folder, found.step, state)


def refused(folder: Path, objective: Objective | None = None, **changes: Any) -> str:
    """The message of the refusal, after making sure that the objective was left alone."""
    objective = objective or NoisyObjective(seed=5)
    before = {name: value.clone() for name, value in objective.state_dict().items()}
    with pytest.raises(UserError) as error:
        make_trainer(folder, objective=objective, **changes)
    assert_same_state(objective.state_dict(), before)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)
    return str(error.value)


def test_another_architecture(saved):
    other = NoisyObjective()
    other.field = SinusoidalField(2, 1, 24, 1)
    assert "another architecture" in refused(saved, other)
    deeper = NoisyObjective()
    deeper.field = SinusoidalField(2, 1, 16, 2)
    refused(saved, deeper)


@pytest.mark.parametrize("name", ["objective", "optimizer", "seconds"])
def test_a_part_that_is_missing(saved, name):
    altered(saved, **{name: None})
    assert f"has no {name}" in refused(saved)


def optimizer_state(folder: Path) -> dict[str, Any]:
    return checkpoint.load_latest(folder).state["optimizer"]


def with_entry(folder: Path, index: int, **changes: Any) -> dict[str, Any]:
    saved = optimizer_state(folder)
    entry = {**saved["state"][index], **changes}
    entry = {name: value for name, value in entry.items() if value is not None}
    return {**saved, "state": {**saved["state"], index: entry}}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda f: with_entry(f, 1, exp_avg=torch.zeros(3, 3)),
            r"\(3, 3\).*exp_avg of field.layers.0.linear.bias",
        ),
        (lambda f: with_entry(f, 0, exp_avg_sq=None), "exp_avg, step of field.layers.0.linear.weight"),
        (lambda f: with_entry(f, 0, momentum_buffer=torch.zeros(16, 2)), "momentum_buffer"),
        (lambda f: with_entry(f, 0, exp_avg=0.5), "0.5"),
        (lambda f: with_entry(f, 0, step=torch.zeros(2)), "step"),
        (lambda f: {**optimizer_state(f), "state": {17: {}}}, "parameter 17 is unknown"),
        (
            lambda f: {**optimizer_state(f), "param_groups": [{"params": [0, 1]}]},
            "2 parameters in it and 6 here",
        ),
        (lambda f: {**optimizer_state(f), "param_groups": []}, "0 parameters"),
        (lambda f: {"state": {}}, "damaged"),
        (lambda f: {"state": [1, 2], "param_groups": {}}, "damaged"),
        (lambda f: {"state": {"a": {}}, "param_groups": []}, "damaged"),
        (lambda f: {}, "damaged"),
        (lambda f: [], "has no optimizer"),
    ],
)
def test_the_state_of_another_optimizer(saved, make, said):
    altered(saved, optimizer=make(saved))
    message = refused(saved)
    assert re.search(said, message), message


@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": math.nan},
        {"seconds": -1.0},
        {"seconds": "12"},
        {"history": {}},
        {"history": [1, 2]},
        {"history": [{"step": 1}]},
        {"history": [{"step": 1, "seconds": "x"}]},
        {"evaluated_step": "last"},
        {"evaluated_seconds": math.inf},
        {"objective": [1]},
        {"objective": {"centre": 3}},
    ],
)
def test_damaged_values(saved, changes):
    altered(saved, **changes)
    refused(saved)


def test_a_checkpoint_without_the_later_additions_still_loads(saved):
    altered(saved, evaluated_step=None, evaluated_seconds=None, history=None, scaler=None)
    assert make_trainer(saved, max_steps=6).fit().steps == 6


def test_rates_come_from_the_configuration_not_from_the_checkpoint(saved):
    trainer = make_trainer(saved, max_steps=6, optimizer=OptimizerConfig(lr=0.25, beta1=0.5))
    assert trainer.optimizer.param_groups[0]["betas"] == (0.5, 0.999)
    trainer.fit()
    assert trainer.optimizer.param_groups[0]["lr"] == 0.25


# --- precision and Accelerate -------------------------------------------------------------------


class Recording(NoisyObjective):
    """Remembers the dtype in which its field computed."""

    dtype: torch.dtype | None = None

    def forward(self, batch):
        self.dtype = self.field.layers[0].linear(batch["x"]).dtype
        return super().forward(batch)


def test_float32_is_the_default_and_bf16_runs():
    assert TrainerConfig(max_steps=1).mixed_precision == "no"
    for precision, dtype in (("no", torch.float32), ("bf16", torch.bfloat16), ("no", torch.float32)):
        objective = Recording()
        result = make_trainer(objective=objective, mixed_precision=precision, max_steps=20).fit()
        assert objective.dtype == dtype
        assert math.isfinite(result.figures["loss"])
        assert all(parameter.dtype == torch.float32 for parameter in objective.parameters())


def test_an_objective_forgets_the_precision_of_an_earlier_trainer():
    objective = Recording()
    for precision, dtype in (("bf16", torch.bfloat16), ("no", torch.float32), ("bf16", torch.bfloat16)):
        make_trainer(objective=objective, mixed_precision=precision, max_steps=2).fit()
        assert objective.dtype == dtype
    make_trainer(objective=objective, max_steps=1)
    assert "forward" not in vars(objective)


@pytest.mark.skipif(torch.cuda.is_available(), reason="fp16 works there")
def test_fp16_without_a_gpu_is_a_user_error():
    with pytest.raises(
        UserError, match=r"^trainer\.mixed_precision=fp16 needs a GPU; on the CPU choose no or bf16$"
    ):
        make_trainer(mixed_precision="fp16")
    assert make_accelerator("no").mixed_precision == "no"  # the failure leaves nothing behind


def test_the_launcher_s_settings_do_not_change_the_gradient(monkeypatch):
    """Its own accumulation would divide the loss again, and its dynamo backend compile outside DDP."""
    plain = make_trainer(max_steps=3)
    plain.fit()
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    other = make_trainer(max_steps=3)
    other.fit()
    assert_same_state(final_state(other), final_state(plain))


def test_somebody_s_own_accelerator_serves():
    objective = NoisyObjective()
    trainer = Trainer(
        config(max_steps=3), objective, ragged_batch, accelerator=Accelerator(), show_progress=False
    )
    assert trainer.fit().steps == 3


def gradient_of(objective: Objective) -> None:
    accelerate = make_accelerator()
    accumulate_gradient(accelerate, accelerate.prepare(objective), [even_batch(0, 0, 1)])


def test_mistakes_of_an_objective_are_named():
    class Missing(NoisyObjective):
        def forward(self, batch):
            return {"loss_sum": super().forward(batch)["loss_sum"]}

    class NotScalar(NoisyObjective):
        def forward(self, batch):
            return {**super().forward(batch), "extra": torch.zeros(3)}

    class Disconnected(NoisyObjective):
        def forward(self, batch):
            return {name: value.detach() for name, value in super().forward(batch).items()}

    for kind, said in (
        (Missing, "missing: count"),
        (NotScalar, r"extra of shape \(3,\)"),
        (Disconnected, "parameter"),
    ):
        with pytest.raises(ValueError, match=said):
            gradient_of(kind())


def test_plain_numbers_are_scalars_too():
    class Plain(NoisyObjective):
        def forward(self, batch):
            terms = super().forward(batch)
            return {**terms, "count": len(batch["x"]), "spread": 2.0}

    trainer = make_trainer(objective=Plain(), batch=even_batch, max_steps=3)
    trainer.fit()
    assert trainer.objective.seen.tolist() == [3 * 2 * 8, 3 * 2 * 2.0]


# --- the loop -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {"max_steps": None},
        {"max_steps": 0},
        {"max_seconds": -1.0},
        {"accumulate": 0},
        {"log_every": 0},
        {"agree_every": 0},
        {"evaluate_every": -1},
        {"evaluate_seconds": -1.0},
        {"checkpoint_seconds": math.nan},
    ],
)
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        config(**settings)


def test_it_learns_and_reports():
    trainer = make_trainer(objective=NoisyObjective(noise=0.0), log_every=50, max_steps=400)
    result = trainer.fit()
    losses = [entry["loss"] for entry in trainer.history]
    assert [entry["step"] for entry in trainer.history] == list(range(50, 401, 50))
    assert losses[-1] < 0.2 * losses[0]
    assert result.steps == 400
    assert result.figures == {name: trainer.history[-1][name] for name in ("loss", "spread")}


def test_the_schedule_warms_up_and_decays():
    rates = []

    class Watching(NoisyObjective):
        def after_step(self, step, totals):
            rates.append(trainer.optimizer.param_groups[0]["lr"])

    trainer = make_trainer(objective=Watching(), accumulate=1)
    trainer.fit()
    assert rates[0] == pytest.approx(2e-3 / 21, rel=1e-12)
    assert np.argmax(rates) == 20  # the first after 20 steps of warm-up
    assert rates[100] == pytest.approx(2e-3 * 0.1**0.5, rel=1e-12)


def test_batches_are_asked_for_by_micro_step_rank_and_world():
    asked = []

    def batch(*arguments):
        asked.append(arguments)
        return even_batch(*arguments)

    make_trainer(batch=batch, max_steps=3).fit()
    assert asked == [(micro_step, 0, 1) for micro_step in range(6)]


def test_a_batch_source_may_draw_from_the_global_generator(tmp_path):
    def batch(micro_step: int, rank: int, world: int):
        x = torch.rand(6, 2)
        return {"x": x, "y": x.prod(dim=1, keepdim=True)}

    whole = make_trainer(batch=batch, max_steps=20)
    whole.fit()
    with pytest.raises(Interrupted):
        make_trainer(tmp_path, signal_during(9, batch=batch), max_steps=20).fit()
    rest = make_trainer(tmp_path, batch, NoisyObjective(seed=3), max_steps=20)
    rest.fit()
    assert_same_state(final_state(rest), final_state(whole))
    assert len({float(batch(0, 0, 1)["x"].sum()) for _ in range(3)}) == 3


def test_a_signal_after_the_last_step_is_not_lost(tmp_path):
    def evaluate() -> dict[str, float]:
        if trainer.step == 20:
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    trainer = make_trainer(tmp_path, evaluate=evaluate, evaluate_every=20, max_steps=20)
    with pytest.raises(Interrupted):
        trainer.fit()
    assert make_trainer(tmp_path, max_steps=20).fit().steps == 20


def test_evaluation_runs_in_eval_mode_without_gradients_and_training_goes_on():
    modes = []
    trainer = make_trainer(
        evaluate=lambda: modes.append((objective.training, torch.is_grad_enabled())) or {},
        objective=(objective := NoisyObjective()),
        evaluate_every=4,
        max_steps=10,
    )
    trainer.fit()
    assert modes == [(False, False)] * 2
    assert objective.training


def test_numbers_of_all_kinds_and_pictures_may_come_from_an_evaluation(tmp_path):
    results = {
        "python": 1.5,
        "int": 2,
        "numpy": np.float32(2.5),
        "tensor": torch.tensor(3.5),
        "picture": torch.rand(4, 5, 3),
    }
    trainer = make_trainer(tensorboard=tmp_path, evaluate=lambda: results, evaluate_every=2, max_steps=2)
    figures = trainer.fit().figures
    assert [figures[name] for name in ("python", "int", "numpy", "tensor")] == [1.5, 2.0, 2.5, 3.5]
    assert "picture" not in figures
    events = read_events(tmp_path)
    assert events.Tags()["images"] == ["picture"]
    assert (events.Images("picture")[0].width, events.Images("picture")[0].height) == (5, 4)


# --- TensorBoard --------------------------------------------------------------------------------


def read_events(folder: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def points(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in read_events(folder).Scalars(tag)]


class Crash(Exception):
    pass


def test_tensorboard_has_training_and_evaluation_also_after_resuming(tmp_path):
    run, events = tmp_path / "run", tmp_path / "events"

    def fit(batch):
        objective = NoisyObjective()
        evaluate = lambda: {"test/field": float(objective.field(torch.zeros(1, 2)))}  # noqa: E731
        trainer = make_trainer(
            run, batch, objective, evaluate, events, max_steps=80, log_every=10, evaluate_every=20
        )
        trainer.fit()
        return trainer

    with pytest.raises(Interrupted):
        fit(signal_during(35))

    def crashing(micro_step, rank, world):
        if micro_step == 2 * 65:  # what was written since step 35 is written again
            raise Crash
        return ragged_batch(micro_step, rank, world)

    with pytest.raises(Crash):
        fit(crashing)
    trainer = fit(ragged_batch)
    logged = [(entry["step"], entry["loss"]) for entry in trainer.history if "loss" in entry]
    evaluated = [(entry["step"], entry["test/field"]) for entry in trainer.history if "test/field" in entry]
    assert [step for step, _ in logged] == list(range(10, 81, 10))
    assert [step for step, _ in evaluated] == [20, 40, 60, 80]
    assert points(events, "train/loss") == [(step, float(np.float32(value))) for step, value in logged]
    assert points(events, "test/field") == [(step, float(np.float32(value))) for step, value in evaluated]
    assert [step for step, _ in points(events, "train/lr")] == list(range(10, 81, 10))


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_trainer(max_steps=3).fit()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_events_that_cannot_be_made_is_a_user_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="TensorBoard"):
        make_trainer(tensorboard=tmp_path / "file" / "events")
