"""What models and datasets of fields are for: files, classify, predict, retrieve, edit, interpolate."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from objective_contract import ObjectiveContract
from tiny_fields import ARCHITECTURE, CLASSES, SIDE, make_fields
from user_errors import one_line_error

from wsapps.errors import UserError
from wsapps.objective import Batch, Objective
from wsapps.seeding import generator, seed_global
from wsapps_weightspace import classify, edit, interpolate, predict_psnr, retrieve
from wsapps_weightspace.editing import EditorConfig, FieldEditor
from wsapps_weightspace.field_dataset import FieldDataset
from wsapps_weightspace.field_file import save_field_file
from wsapps_weightspace.learning.dilation import EditObjective, edit_scores, morphed
from wsapps_weightspace.learning.embeddings import nearest, value_embedding, weight_embeddings
from wsapps_weightspace.learning.model_file import ModelDescription, load_model, save_model
from wsapps_weightspace.learning.rendering import Canvas, canvas_of
from wsapps_weightspace.learning.trained import open_classifier
from wsapps_weightspace.models import CLASSIFIERS
from wsapps_weightspace.symmetry import act, random_element
from wsapps_weightspace.weights import Architecture, evaluate, from_flat

SMALL = Architecture((2, 4, 1), 6.0, 6.0)
QUICK = ["batch_size=16", "trainer.num_threads=1", "trainer.log_every=1"]


pytestmark = pytest.mark.usefixtures("fresh_logging")


@pytest.fixture(scope="module")
def dots(tmp_path_factory) -> Path:
    return make_fields(tmp_path_factory.mktemp("fields") / "dots")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    """A classifier that was not trained: its outputs are as good as any for what is tested here."""
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(folder, *make_model())
    return folder


def make_model() -> tuple[torch.nn.Module, ModelDescription]:
    seed_global("init")
    config = CLASSIFIERS["flat_mlp"].Config(width=8)
    model = CLASSIFIERS["flat_mlp"](ARCHITECTURE, 3, config)
    return model, ModelDescription("classes", "flat_mlp", config, ARCHITECTURE, CLASSES, {"accuracy": 0.5})


def moved(flat: torch.Tensor, seed: int, most_shift: int = 1) -> torch.Tensor:
    """Other weights of the same functions."""
    element = random_element(ARCHITECTURE, len(flat), most_shift=most_shift, generator=generator(seed))
    return act(element, from_flat(flat, ARCHITECTURE), ARCHITECTURE).flat()


# Model files


def test_a_model_comes_back_bit_for_bit(model_folder):
    model, description = make_model()
    again, told = open_classifier(str(model_folder))
    assert told == description
    assert not again.training
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value)
    fields = from_flat(torch.randn(5, ARCHITECTURE.parameters), ARCHITECTURE)
    assert torch.equal(again(fields), model.eval()(fields))


def test_a_damaged_or_wrong_model_is_one_line(model_folder, tmp_path):
    save_model(tmp_path / "model", *make_model())
    tensors, told = tmp_path / "model" / "model.safetensors", tmp_path / "model" / "model.json"
    for build in (CLASSIFIERS, {}):
        one_line_error(
            lambda build=build: load_model(tmp_path / "model", "psnr", build, lambda d: None), "model.json"
        )
    intact = tensors.read_bytes()
    tensors.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    one_line_error(lambda: open_classifier(str(tmp_path)), "model.safetensors", "checksum")
    tensors.write_bytes(intact)
    told.write_text(told.read_text().replace('"version": 1', '"version": 9'))
    one_line_error(lambda: open_classifier(str(tmp_path)), "version 9")
    told.write_text("{")
    one_line_error(lambda: open_classifier(str(tmp_path)), "not valid JSON")
    one_line_error(lambda: open_classifier(str(tmp_path / "nowhere")), "does not exist", "train")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("")
    one_line_error(lambda: open_classifier(str(tmp_path / "run")), "without a trained model yet")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(["model", "config", "architecture", "outputs", "about", "purpose"]), JSON)
@settings(deadline=None, max_examples=60)
def test_any_description_is_read_or_refused_in_one_line(tmp_path_factory, key, value):
    folder = tmp_path_factory.mktemp("fuzzed")
    save_model(folder, *make_model())
    told = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**told, key: value}))
    said = ""
    try:
        open_classifier(str(folder))
    except UserError as error:
        said = str(error)
    assert "\n" not in said


@given(st.lists(st.integers(-3, 2**40), max_size=5), st.sampled_from([0, -1.0, 1e308, 30]))
@settings(deadline=None, max_examples=40)
def test_hostile_sizes_are_refused_before_memory_is_taken(tmp_path_factory, sizes, omega):
    folder = tmp_path_factory.mktemp("hostile")
    save_model(folder, *make_model())
    told = json.loads((folder / "model.json").read_text())
    told["architecture"] = {"sizes": sizes, "omega_0": omega, "omega_hidden": 1.0}
    (folder / "model.json").write_text(json.dumps(told))
    one_line_error(lambda: open_classifier(str(folder)))


# classify


def test_a_field_file_has_the_class_of_its_row(dots, model_folder, tmp_path, capsys):
    dataset = FieldDataset.open(dots)
    dataset.save_field(7, tmp_path / "field")
    assert classify.main([f"model={model_folder}", f"field={tmp_path / 'field'}", "as_json=true"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert classify.main([f"model={model_folder}", f"field={dots}", "as_json=true", "most=9"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 9
    assert alone["class"] == lines[7]["class"]
    assert alone["probabilities"] == pytest.approx(lines[7]["probabilities"], abs=1e-6)
    assert sum(alone["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert alone["true_class"] == lines[7]["true_class"] == dataset.classes[int(dataset.labels[7])]
    shard = dots / "nefs_45-90.hdf5"
    assert classify.main([f"model={model_folder.parent}", f"field={shard}", "shown=1"]) == 0
    text = capsys.readouterr().out.splitlines()
    assert text[0].startswith("field 45: ")
    assert text[-1].endswith("of 45 right")


def test_what_cannot_be_classified_is_one_line(dots, model_folder, tmp_path, capsys):
    other = Architecture((2, 4, 1), 6.0, 6.0)
    fields = from_flat(torch.randn(1, other.parameters), other)
    save_field_file(tmp_path / "other", fields, other, {})
    for field, words in (
        (tmp_path / "other", "2-4-1"),
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path, "no shards"),
    ):
        assert classify.main([f"model={model_folder}", f"field={field}"]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert words in said


# predict_psnr


def test_psnrs_are_predicted_better_than_by_their_mean(dots, tmp_path, capsys):
    out = tmp_path / "run"
    arguments = [f"dataset={dots}", f"out={out}", *QUICK, "epochs=40", "classifier.width=32"]
    assert predict_psnr.main(arguments) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["r2"] > 0.1
    assert (out / "psnr.png").is_file()
    history = json.loads((out / "history.json").read_text())
    assert metrics["val_rmse"] == min(entry["val_rmse"] for entry in history if "val_rmse" in entry)
    capsys.readouterr()
    assert predict_psnr.main(arguments) == 0
    assert "is finished (r2" in capsys.readouterr().err


# retrieve


@given(st.integers(1, 20), st.integers(3, 30), st.integers(0, 99))
@settings(deadline=None, max_examples=30)
def test_the_nearest_are_nearest(queries, gallery, seed):
    torch.manual_seed(seed)
    q, g = torch.randn(queries, 4), torch.randn(gallery, 4)
    distances = (q[:, None] - g).norm(dim=2)
    found = nearest(q, g, 3)
    assert torch.allclose(distances.gather(1, found), distances.sort(dim=1).values[:, :3], atol=1e-4)


def test_embeddings_know_the_symmetries_that_they_say(dots):
    dataset = FieldDataset.open(dots)
    flat, canvas = dataset.flat[:20], canvas_of(ARCHITECTURE, dataset.about)
    assert canvas is not None
    embeddings = weight_embeddings(dataset.flat, ARCHITECTURE)
    embeddings["values"] = value_embedding(canvas, ARCHITECTURE)
    for name, embed in embeddings.items():
        error = (embed(moved(flat, 1)) - embed(flat)).abs().max() / embed(flat).abs().max()
        assert (error > 0.1) if name == "weights" else (error < 1e-3), name


def test_retrieving_by_several_embeddings(dots, model_folder, tmp_path):
    out = tmp_path / "run"
    by = "by=[weights,values,features]"
    assert retrieve.main([f"dataset={dots}", f"out={out}", by, f"model={model_folder}", "neighbours=3"]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["precision/values"] > metrics["precision/chance"] == pytest.approx(1 / 3, abs=0.05)
    found = json.loads((out / "neighbours.json").read_text())
    dataset = FieldDataset.open(dots)
    train = set(dataset.rows("train").tolist())
    assert found.keys() == {"weights", "values", "features"}
    for rows in found.values():
        assert [int(row) for row in rows] == dataset.rows("test").tolist()
        assert all(len(set(row)) == 3 and set(row) <= train for row in rows.values())
    assert (out / "weights.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["by=[features]"], "model="),
        (["by=[colour]"], "weights"),
        (["neighbours=1000"], "1000"),
        (["by=[]"], "by"),
    ],
)
def test_bad_retrievals_are_one_line(dots, arguments, words, tmp_path, capsys):
    assert retrieve.main([f"dataset={dots}", f"out={tmp_path / 'run'}", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert not (tmp_path / "run").exists()


# interpolate


def test_ways_keep_the_functions_and_aligning_undoes_symmetries():
    torch.manual_seed(0)
    canvas = square()
    first = 0.4 * torch.randn(6, ARCHITECTURE.parameters)
    second = moved(first, 2)
    values = shown(first, canvas)
    middle = {}
    for name, way in interpolate.ways(ARCHITECTURE).items():
        one, two = way(first, second)
        assert torch.allclose(shown(one, canvas), values, atol=1e-3), name
        assert torch.allclose(shown(two, canvas), values, atol=1e-3), name
        middle[name] = float(interpolate.middle_psnr((one, two), ARCHITECTURE, canvas).min())
    assert middle["canonical"] > 60 > middle["raw"]
    assert middle["aligned"] > 60


def test_interpolating_draws_its_pairs(dots, tmp_path):
    out = tmp_path / "run"
    arguments = [f"dataset={dots}", f"out={out}", "pairs=2", "steps=3", "scored_pairs=5"]
    assert interpolate.main(arguments) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    # These fields differ in their linear output layers alone: values follow weights in a straight line.
    assert metrics["middle_psnr/raw"] > 80
    assert metrics["scored_pairs"] == 5
    assert (out / "pair_1.png").is_file()
    assert interpolate.main([f"dataset={dots}", f"out={tmp_path / 'no'}", "same_sample=true"]) == 2
    assert not (tmp_path / "no").exists()


# edit


def test_dilation_is_the_largest_value_around():
    values = torch.randn(2, SIDE * SIDE, 1)
    pictures = values[..., 0].unflatten(1, (SIDE, SIDE))
    dilated = morphed(values, (SIDE, SIDE), "dilate", 1)[..., 0].unflatten(1, (SIDE, SIDE))
    for y, x in ((0, 0), (5, 7), (SIDE - 1, 3)):
        around = pictures[:, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
        assert torch.equal(dilated[:, y, x], around.flatten(1).amax(dim=1))
    eroded = morphed(values, (SIDE, SIDE), "erode", 2)
    assert torch.equal(eroded, -morphed(-values, (SIDE, SIDE), "dilate", 2))


def test_edit_scores_in_closed_form():
    assert edit_scores(0.01, 0.04) == pytest.approx(
        {"mse": 0.01, "psnr": 20, "identity_mse": 0.04, "gain": 0.75}
    )


class TestEditObjective(ObjectiveContract):
    test_compiled_gradients_are_the_eager_ones = None  # g++ needs minutes for it

    def make_objective(self) -> Objective:
        seed_global("init")
        editor = FieldEditor(SMALL, EditorConfig(channels=4, blocks=1))
        return EditObjective(editor, SMALL, square(), "dilate", 1)

    def make_batch(self, objective: Objective, step: int) -> Batch:
        seed_global("data", step)
        return {"weights": 0.3 * torch.randn(6, SMALL.parameters)}


def test_fields_that_are_left_alone_have_the_error_of_dilation():
    objective = TestEditObjective().make_objective()
    assert isinstance(objective, EditObjective)
    fields = from_flat(TestEditObjective().make_batch(objective, 0)["weights"], SMALL)
    values = evaluate(fields, SMALL, objective.coordinates)
    wanted = ((values - morphed(values, (SIDE, SIDE), "dilate", 1)) / 2).square().mean(dim=(1, 2))
    assert torch.allclose(objective.squared(fields, edit=False), wanted)


def test_an_editor_dilates_better_than_nothing(dots, tmp_path):
    out = tmp_path / "run"
    arguments = [
        f"dataset={dots}", f"out={out}", *QUICK, "epochs=25", "editor.channels=8", "editor.blocks=1",
        "trainer.optimizer.warmup_steps=5", "trainer.optimizer.lr=3e-3",
    ]  # fmt: skip
    assert edit.main(arguments) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["gain"] > 0.1
    assert (out / "edited.png").is_file()
    digest = hashlib.sha256((out / "model" / "model.safetensors").read_bytes()).hexdigest()
    assert json.loads((out / "model" / "model.json").read_text())["sha256"] == digest
    assert edit.main([f"dataset={dots}", f"out={tmp_path / 'no'}", "radius=50"]) == 2
    assert not (tmp_path / "no").exists()


def test_fields_of_fit_a_nef_stand_upright():
    """Its coordinates are (x, y): the first one runs along a row of the picture."""
    canvas = canvas_of(SMALL, about=None)
    assert canvas is not None
    flat = torch.zeros(1, SMALL.parameters)
    field = from_flat(flat, SMALL)
    field.weights[0][:, 0, 0] = 0.1  # one neuron hears x
    field.weights[1][:, 0, 0] = 1.0
    picture = canvas.render(field.flat(), SMALL)[0, :, :, 0]
    assert torch.equal(picture, picture[:1].expand_as(picture))
    assert bool((picture[0].diff() > 0).all())


def square() -> Canvas:
    axis = torch.linspace(-1, 1, SIDE)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).flatten(0, 1)
    return Canvas(grid, (SIDE, SIDE), -1.0, 1.0)


def shown(flat: torch.Tensor, canvas: Canvas) -> torch.Tensor:
    return evaluate(from_flat(flat, ARCHITECTURE), ARCHITECTURE, canvas.coordinates)
