"""Training on fields: batches, objectives, the best state, and the command from end to end."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
from pathlib import Path

import launch_ranks
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from objective_contract import ObjectiveContract
from tiny_fields import ARCHITECTURE, CLASSES, make_fields
from torch import nn

from wsapps.objective import Batch, Objective
from wsapps.seeding import seed_global
from wsapps.trainer_config import TrainerConfig
from wsapps_weightspace import train
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.learning.batches import FieldBatches
from wsapps_weightspace.learning.best_state import BestState
from wsapps_weightspace.learning.best_training import by_epochs
from wsapps_weightspace.learning.classification import ClassificationObjective, scores_of
from wsapps_weightspace.learning.data import some_of
from wsapps_weightspace.learning.inference import outputs_of
from wsapps_weightspace.learning.regression import RegressionObjective, Standardised, regression_scores
from wsapps_weightspace.learning.trained import open_classifier
from wsapps_weightspace.models import CLASSIFIERS
from wsapps_weightspace.symmetry import AugmentationConfig, augment

QUICK = ["classifier=flat_mlp", "classifier.width=32", "batch_size=16"]
QUICK += ["trainer.num_threads=1", "trainer.log_every=1"]


pytestmark = pytest.mark.usefixtures("fresh_logging")


@pytest.fixture(scope="module")
def dots(tmp_path_factory) -> Path:
    return make_fields(tmp_path_factory.mktemp("fields") / "dots")


def metrics_of(out: Path) -> dict:
    return json.loads((out / "metrics.json").read_text())


# Batches


def test_an_epoch_has_every_row_of_the_split_once():
    rows = torch.tensor([3, 5, 8, 9, 12, 20])
    batches = FieldBatches({"weights": torch.arange(30)[:, None]}, rows, 2, seed=1)
    assert batches.steps_per_epoch == 3
    epochs = [
        torch.cat([batches(step, 0, 1)["weights"] for step in range(3 * e, 3 * e + 3)])[:, 0] for e in (0, 1)
    ]
    assert all(torch.equal(epoch.sort().values, rows) for epoch in epochs)
    assert not torch.equal(epochs[0], epochs[1])


@given(st.integers(1, 40), st.integers(1, 16), st.integers(0, 50), st.integers(1, 3))
@settings(deadline=None, max_examples=40)
def test_ranks_share_a_batch_and_the_order_has_no_history(count, size, step, world):
    batches = FieldBatches({"x": torch.arange(count)}, torch.arange(count), size, seed=2)
    world = min(world, size, count)
    whole = batches(step, 0, 1)["x"]
    shares = [
        FieldBatches(batches.tensors, batches.rows, size, 2)(step, rank, world)["x"] for rank in range(world)
    ]
    assert torch.equal(torch.cat(shares).sort().values, whole.sort().values)
    assert len(whole) == min(size, count)


def test_some_of_the_rows_are_spread_and_always_the_same():
    rows = torch.arange(100, 1100)
    some = some_of(rows, 50)
    assert torch.equal(some, some_of(rows, 50))
    assert torch.equal(some, some.sort().values)
    assert len(some.unique()) == 50
    assert 450 < some.double().mean() < 750  # not the first ones alone
    assert torch.equal(some_of(rows, None), rows)


# The best state


def test_the_best_state_is_kept_through_worse_ones_and_checkpoints():
    module = nn.Linear(2, 2)
    best = BestState(module)
    first = module.weight.detach().clone()
    best.restore(module)  # nothing was ever offered
    assert torch.equal(module.weight, first)
    assert best.offer(module, 0.5, step=3)
    nn.init.normal_(module.weight)
    assert best.offer(module, 0.5, step=4)  # later, and as good
    nn.init.normal_(module.weight)
    assert best.offer(module, 0.45, step=5, tolerance=0.06)  # later, and nearly as good
    wanted = module.weight.detach().clone()
    for score in (0.46, 0.4, -math.inf, math.nan, math.inf):
        nn.init.normal_(module.weight)
        assert not best.offer(module, score, step=9)
    other = BestState(nn.Linear(2, 2))
    other.load_state_dict(best.state_dict())
    other.restore(module)
    assert torch.equal(module.weight, wanted)
    assert int(other.step) == 5
    assert not list(best.parameters())


# Objectives


class TestClassificationObjective(ObjectiveContract):
    def make_objective(self) -> Objective:
        seed_global("init")
        kind = CLASSIFIERS["flat_mlp"]
        model = kind(ARCHITECTURE, 3, kind.Config(width=16, dropout=0.3))
        changes = AugmentationConfig(flip=True, permute=True, noise=0.1, shift=0.1)
        return ClassificationObjective(
            model, ARCHITECTURE, 0.1, lambda fields: augment(fields, ARCHITECTURE, changes)
        )

    def make_batch(self, objective: Objective, step: int) -> Batch:
        seed_global("data", step)
        return {"weights": torch.randn(12, ARCHITECTURE.parameters), "labels": torch.randint(3, (12,))}


class TestRegressionObjective(ObjectiveContract):
    def make_objective(self) -> Objective:
        seed_global("init")
        kind = CLASSIFIERS["flat_mlp"]
        return RegressionObjective(
            Standardised(kind(ARCHITECTURE, 1, kind.Config(width=16)), 30.0, 2.0), ARCHITECTURE
        )

    def make_batch(self, objective: Objective, step: int) -> Batch:
        seed_global("data", step)
        return {"weights": torch.randn(12, ARCHITECTURE.parameters), "targets": 30 + torch.randn(12)}


def test_smoothing_and_augmentation_are_for_training_alone():
    objective = TestClassificationObjective().make_objective()
    batch = TestClassificationObjective().make_batch(objective, 0)
    objective.eval()
    terms = objective(batch)
    objective.label_smoothing, objective.augment = 0.0, None
    assert torch.equal(objective(batch)["loss_sum"], terms["loss_sum"])
    scores = scores_of(outputs_of(objective.model, batch["weights"], ARCHITECTURE), batch["labels"])
    assert scores.loss == pytest.approx(float(terms["loss_sum"].detach()) / 12, rel=1e-5)
    assert scores.accuracy == pytest.approx(float(terms["right"]) / 12)


@given(st.integers(1, 30), st.integers(2, 5), st.integers(0, 99))
@settings(deadline=None, max_examples=40)
def test_scores_count_what_they_say(count, classes, seed):
    torch.manual_seed(seed)
    logits, labels = torch.randn(count, classes), torch.randint(classes, (count,))
    scores, given_class = scores_of(logits, labels), logits.argmax(dim=1)
    for i in range(classes):
        for j in range(classes):
            assert int(scores.confusion[i, j]) == int(((labels == i) & (given_class == j)).sum())
    assert scores.accuracy == pytest.approx(float((labels == given_class).double().mean()))
    names = [f"c{i}" for i in range(classes)]
    by_class = scores.by_class(names)
    assert by_class.keys() == {f"c{int(i)}" for i in labels}
    shares = torch.bincount(labels, minlength=classes) / count
    mean = sum(by_class.get(name, 0) * float(share) for name, share in zip(names, shares, strict=True))
    assert mean == pytest.approx(scores.accuracy, abs=1e-6)


def test_scores_of_nothing_are_refused():
    with pytest.raises(ValueError, match="one label a field"):
        scores_of(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))


def test_regression_scores_in_closed_form():
    targets = torch.tensor([10.0, 20.0, 30.0, 60.0])
    perfect = regression_scores(targets.clone(), targets)
    assert perfect == pytest.approx({"r2": 1, "rmse": 0, "mae": 0, "rank_correlation": 1})
    mean = regression_scores(torch.full((4,), 30.0), targets)
    assert mean["r2"] == pytest.approx(0)
    assert mean["rmse"] == pytest.approx(math.sqrt(350))
    assert math.isnan(mean["rank_correlation"])
    assert regression_scores(-(targets**3), targets)["rank_correlation"] == pytest.approx(-1)
    assert math.isnan(regression_scores(targets, torch.full((4,), 5.0))["r2"])


def test_outputs_do_not_depend_on_how_fields_are_batched():
    kind = CLASSIFIERS["flat_mlp"]
    model = kind(ARCHITECTURE, 3, kind.Config(width=16)).double().train()
    flat = torch.randn(11, ARCHITECTURE.parameters, dtype=torch.float64)
    whole = outputs_of(model, flat, ARCHITECTURE, batch=11)
    assert torch.allclose(outputs_of(model, flat, ARCHITECTURE, batch=3), whole, atol=1e-6)
    assert torch.allclose(outputs_of(model, flat[4:5], ARCHITECTURE), whole[4:5], atol=1e-6)


def test_epochs_are_steps_unless_a_limit_is_given():
    batches = FieldBatches({"x": torch.arange(40)}, torch.arange(40), 8)
    base = TrainerConfig(default_steps=1)
    assert by_epochs(base, 3, batches).last_step == 15
    assert by_epochs(base, 3, batches).evaluate_every == 5
    assert by_epochs(base, 0.01, batches).last_step == 1
    assert by_epochs(TrainerConfig(max_steps=7), 3, batches).last_step == 7
    timed = by_epochs(TrainerConfig(max_seconds=9, evaluate_seconds=2), 3, batches)
    assert (timed.last_step, timed.evaluate_every) == (None, 0)
    assert by_epochs(TrainerConfig(default_steps=1, accumulate=5), 3, batches).last_step == 3


# The command


def test_a_classifier_learns_and_leaves_what_it_should(dots, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = [f"dataset={dots}", f"out={out}", *QUICK, "epochs=25"]
    assert train.main(arguments) == 0
    metrics = metrics_of(out)
    assert metrics["accuracy"] > 0.8
    assert metrics["epochs"] == 25
    assert metrics["train_fields"] == 48
    confusion = json.loads((out / "confusion.json").read_text())
    assert sum(map(sum, confusion["confusion"])) == metrics["test_fields"] == 30
    assert confusion["classes"] == list(CLASSES)
    assert metrics["accuracy/east"] == pytest.approx(confusion["by_class"]["east"])
    rows = list(csv.DictReader((out / "predictions.csv").open()))
    right = sum(row["class"] == row["given"] for row in rows)
    assert right / len(rows) == pytest.approx(metrics["accuracy"])
    for name in ("index.html", "confusion.png", "history.json", "config.yaml", "log.txt"):
        assert (out / name).is_file(), name
    # The latest state that is as good as the best one within its standard error is kept.
    history = json.loads((out / "history.json").read_text())
    evaluated = [entry for entry in history if "val_accuracy" in entry]
    best = max(entry["val_accuracy"] for entry in evaluated)
    kept = next(entry for entry in evaluated if entry["step"] == metrics["kept_step"])
    assert metrics["val_accuracy"] == kept["val_accuracy"] >= best - kept["val_accuracy_error"]
    for later in (entry for entry in evaluated if entry["step"] > kept["step"]):
        assert later["val_accuracy"] < best - later["val_accuracy_error"]
    model, description = open_classifier(str(out))
    val = FieldDataset.open(dots).split("val")
    again = scores_of(outputs_of(model, val.flat, val.architecture), val.labels)
    assert again.accuracy == pytest.approx(metrics["val_accuracy"])
    assert description.outputs == CLASSES
    capsys.readouterr()
    assert train.main(arguments) == 0
    assert "is finished (accuracy" in capsys.readouterr().err
    assert train.main([*arguments, "label_smoothing=0.3"]) == 2
    assert "label_smoothing: 0.1 in the run folder, 0.3 now" in capsys.readouterr().err


def test_a_killed_training_continues_to_the_same_model(dots, tmp_path):
    arguments = [f"dataset={dots}", *QUICK, "trainer.optimizer.schedule=constant", "augmentation.noise=0.1"]
    whole, half = tmp_path / "whole", tmp_path / "half"
    assert train.main([*arguments, f"out={whole}", "trainer.max_steps=12"]) == 0
    assert train.main([*arguments, f"out={half}", "trainer.max_steps=5"]) == 0
    (half / "config.yaml").write_text(
        (half / "config.yaml").read_text().replace("max_steps: 5", "max_steps: 12")
    )
    (half / "metrics.json").unlink()
    assert train.main([*arguments, f"out={half}", "trainer.max_steps=12"]) == 0
    assert (half / "model" / "model.safetensors").read_bytes() == (
        whole / "model" / "model.safetensors"
    ).read_bytes()
    assert (half / "predictions.csv").read_text() == (whole / "predictions.csv").read_text()


def test_a_run_is_not_continued_on_other_fields(tmp_path, capsys):
    fields, out = make_fields(tmp_path / "fields", 30), tmp_path / "run"
    arguments = [f"dataset={fields}", f"out={out}", *QUICK, "trainer.max_steps=2"]
    assert train.main(arguments) == 0
    (out / "metrics.json").unlink()
    for shard in fields.iterdir():
        shard.unlink()
    make_fields(fields, 30, seed=1)
    assert train.main(arguments) == 2
    assert "holds a run on other fields" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["classifier=flatmlp"], "flat_mlp"),
        (["dataset=nowhere"], "nowhere"),
        (["batch_size=0"], "batch_size"),
        (["trainer.default_steps=500"], "epochs="),
        (["epochs=0"], "epochs"),
        (["label_smoothing=1"], "label_smoothing"),
        (["most_train=0"], "most_train"),
        (["augmentation.noise=-1"], "noise"),
        (["classifier.width=0"], "width"),
    ],
)
def test_bad_settings_are_one_line_and_leave_no_folder(dots, arguments, words, tmp_path, capsys):
    out = tmp_path / "run"
    assert train.main([f"dataset={dots}", f"out={out}", *QUICK, *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert not out.exists()


@pytest.mark.parametrize("few", ["batch_size=2", "most_train=2"])
def test_a_batch_of_fewer_fields_than_ranks_is_refused(dots, few, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("accelerate.Accelerator.num_processes", 3)
    out = tmp_path / "run"
    assert train.main([f"dataset={dots}", f"out={out}", *QUICK, few]) == 2
    said = capsys.readouterr().err
    assert "cannot be shared by 3 processes" in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_a_damaged_shard_is_named_or_skipped(tmp_path, capsys):
    fields, out = make_fields(tmp_path / "fields", 60, shards=3), tmp_path / "run"
    damaged = fields / "nefs_0-20.hdf5"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    arguments = [f"dataset={fields}", f"out={out}", *QUICK, "trainer.max_steps=1"]
    assert train.main(arguments) == 2
    assert "nefs_0-20.hdf5 is cut off" in capsys.readouterr().err
    assert not out.exists()
    assert train.main([*arguments, "on_bad=skip"]) == 0
    assert metrics_of(out)["train_fields"] < 32


def test_a_single_class_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("tiny_fields.CLASSES", ("only",))
    fields = make_fields(tmp_path / "fields", 30)
    assert train.main([f"dataset={fields}", f"out={tmp_path / 'run'}", *QUICK]) == 2
    assert "one class" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_classifier_trains_by_its_command(dots, name, tmp_path):
    out = tmp_path / "run"
    arguments = [
        f"dataset={dots}",
        f"out={out}",
        "batch_size=16",
        "trainer.num_threads=1",
        "trainer.max_steps=3",
    ]
    config = tmp_path / "classifier.yaml"
    config.write_text(f"name: {name}\n")
    assert train.main([*arguments, f"classifier={config}"]) == 0
    model, _ = open_classifier(str(out))
    assert type(model) is CLASSIFIERS[name]


@pytest.mark.slow
def test_two_ranks_train_as_one(dots, tmp_path):
    arguments = [f"dataset={dots}", *QUICK, "epochs=4", "label_smoothing=0"]
    # As a module: beside a script of ours, our inspect.py would hide Python's.
    launch_ranks.launch("-m", "wsapps_weightspace.train", *arguments, f"out={tmp_path / 'two'}")
    subprocess.run(
        [sys.executable, "-m", "wsapps_weightspace.train", *arguments, f"out={tmp_path / 'one'}"], check=True
    )
    curves = []
    for name in ("one", "two"):
        history = json.loads((tmp_path / name / "history.json").read_text())
        curves.append([entry["val_loss"] for entry in history if "val_loss" in entry])
    assert curves[0] == pytest.approx(curves[1], rel=1e-2)
    assert metrics_of(tmp_path / "two")["test_fields"] == 30
