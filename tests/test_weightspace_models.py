"""Classifiers of fields: invariance, shapes, gradients, saving, and that each can learn."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from wsapps.errors import UserError
from wsapps_weightspace.models import (
    CLASSIFIERS,
    CanonicalMlpConfig,
    DwsConfig,
    FieldClassifier,
    FlatMlpConfig,
    NeuralGraphConfig,
    NfnConfig,
    Probes,
    ProbesConfig,
    RenderedCnn,
    RenderedCnnConfig,
    ScaleGmnConfig,
)
from wsapps_weightspace.models.classifier import some_of
from wsapps_weightspace.symmetry import act, random_element
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate, from_flat

CONFIGS = {
    "flat_mlp": FlatMlpConfig(width=16, dropout=0.0),
    "canonical": CanonicalMlpConfig(width=16, dropout=0.0),
    "aligned": CanonicalMlpConfig(form="aligned", width=16, dropout=0.0),
    "np": NfnConfig(channels=4, blocks=2, width=16, dropout=0.0),
    "hnp": NfnConfig(channels=4, blocks=2, width=16, dropout=0.0, symmetry="hnp"),
    "dws": DwsConfig(channels=4, blocks=2, width=16, dropout=0.0),
    "neural_graph": NeuralGraphConfig(
        nodes=8, edges=4, attention=8, heads=2, blocks=2, width=16, dropout=0.0
    ),
    "sine_gmn": ScaleGmnConfig(channels=8, node_features=6, width=16, dropout=0.0),
    "random_gmn": ScaleGmnConfig(
        channels=8, node_features=6, blocks=2, start="random", backward=False, width=16, dropout=0.0
    ),
    "gated_gmn": ScaleGmnConfig(channels=8, node_features=6, form="gated", width=16, dropout=0.0),
    "probes": ProbesConfig(probes=8, width=16, dropout=0.0),
    "rendered_cnn": RenderedCnnConfig(resolution=8, channels=4, width=16, dropout=0.0),
}
ARCHITECTURES = [
    Architecture((2, 5, 4, 3), omega_0=7.4, omega_hidden=3.1),
    Architecture((1, 4, 1), omega_0=4.3),
    Architecture((3, 4, 3, 4, 2), omega_0=6.1, omega_hidden=2.7),
]
every_model = pytest.mark.parametrize("kind", CONFIGS)


def random_fields(architecture: Architecture, count: int, seed: int = 0) -> FieldWeights:
    draws = torch.Generator().manual_seed(seed)
    flat = torch.randn(count, architecture.parameters, generator=draws, dtype=torch.float64)
    return from_flat(0.5 * flat, architecture)


def made(kind: str, architecture: Architecture, classes: int = 3) -> FieldClassifier:
    torch.manual_seed(0)
    config = CONFIGS[kind]
    model = CLASSIFIERS[config.name](architecture, classes, config).double()
    model.prepare(random_fields(architecture, 20, seed=7))
    return model.eval()


def test_every_classifier_has_its_own_configuration():
    assert {config.name for config in CONFIGS.values()} == set(CLASSIFIERS)
    for name, kind in CLASSIFIERS.items():
        assert kind.Config().name == name
    spaces = {name for name, kind in CLASSIFIERS.items() if kind.function_space}
    assert spaces == {"probes", "rendered_cnn"}


@every_model
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=str)
def test_classifiers_are_invariant_to_the_whole_group(kind, architecture):
    model, fields = made(kind, architecture), random_fields(architecture, 6)
    draws = torch.Generator().manual_seed(1)
    logits = model(fields)
    assert logits.shape == (6, 3)
    assert model.features(fields).shape == (6, model.width)
    assert float(logits.detach().std(dim=0).min()) > 1e-3  # it does look at the fields
    moved = act(random_element(architecture, 6, most_shift=3, generator=draws), fields, architecture)
    change = float((model(moved) - logits).detach().abs().max())
    if kind == "flat_mlp":
        assert change > 1e-2
    else:
        assert change < 1e-9


@pytest.mark.parametrize("kind", ["np", "dws", "neural_graph"])
def test_without_the_canonical_form_permutations_alone_are_known(kind, monkeypatch):
    architecture, config = ARCHITECTURES[0], CONFIGS[kind]
    monkeypatch.setattr(config, "canonical", False)
    model, fields = made(kind, architecture), random_fields(architecture, 6)
    draws = torch.Generator().manual_seed(1)
    for flip in (False, True):
        element = random_element(architecture, 6, flip=flip, generator=draws)
        change = (model(act(element, fields, architecture)) - model(fields)).detach().abs().max()
        assert bool(change > 1e-3) == flip


@every_model
def test_a_field_is_classified_by_itself(kind):
    architecture = ARCHITECTURES[0]
    model, fields = made(kind, architecture), random_fields(architecture, 5)
    together = model(fields)
    for n in range(5):
        torch.testing.assert_close(model(fields[n : n + 1])[0], together[n], rtol=1e-9, atol=1e-9)


@every_model
def test_saved_and_loaded(kind):
    """Statistics and references are part of the state."""
    architecture = ARCHITECTURES[0]
    model, fields = made(kind, architecture), random_fields(architecture, 4)
    config = CONFIGS[kind]
    torch.manual_seed(5)
    other = CLASSIFIERS[config.name](architecture, 3, config).double().eval()
    assert not torch.allclose(other(fields), model(fields))
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(fields), model(fields))


@every_model
def test_every_parameter_gets_a_gradient(kind):
    architecture = ARCHITECTURES[0]
    model = made(kind, architecture).train()
    F.cross_entropy(model(random_fields(architecture, 6)), torch.arange(6) % 3).backward()
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert idle == []


@every_model
def test_learns_to_tell_two_functions_apart(kind):
    """Fields near one of two prototypes, moved by random symmetries where the model knows these."""
    architecture = ARCHITECTURES[0]
    draws = torch.Generator().manual_seed(2)
    prototypes, labels = random_fields(architecture, 2), torch.arange(32) % 2
    fields = prototypes[labels].flat()
    fields = from_flat(fields + 0.02 * torch.randn(fields.shape, generator=draws), architecture)
    if kind != "flat_mlp":
        fields = act(random_element(architecture, 32, most_shift=2, generator=draws), fields, architecture)
    model = made(kind, architecture, classes=2)
    model.prepare(fields)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(model(fields), labels).backward()
        optimizer.step()
    assert float((model(fields).argmax(dim=1) == labels).double().mean()) > 0.9


def test_probes_are_values_at_their_coordinates():
    architecture = ARCHITECTURES[0]
    model = made("probes", architecture)
    assert isinstance(model, Probes)
    fields = random_fields(architecture, 4)
    values = model.values(fields).detach()
    expected = evaluate(fields, architecture, model.coordinates_KD).detach()
    assert torch.equal(values, expected.reshape(4, -1))
    assert float(model.coordinates_KD.detach().abs().max()) <= 1


def test_rendered_cnn_sees_the_picture():
    architecture = ARCHITECTURES[0]
    model = made("rendered_cnn", architecture)
    assert isinstance(model, RenderedCnn)
    fields = random_fields(architecture, 2)
    picture = model.render(fields)
    assert picture.shape == (2, 3, 8, 8)
    corner = evaluate(fields, architecture, torch.tensor([[1.0, -1.0]], dtype=torch.float64))
    torch.testing.assert_close(picture[:, :, -1, 0], corner[:, 0])


def test_rendered_cnn_refuses_grids_that_it_cannot_hold():
    with pytest.raises(UserError, match="4 coordinates"):
        RenderedCnn(Architecture((4, 3, 1)), 2, RenderedCnnConfig())
    with pytest.raises(UserError, match="resolution=100"):
        RenderedCnn(Architecture((3, 3, 1)), 2, RenderedCnnConfig(resolution=100))
    with pytest.raises(ValueError, match="resolution"):
        RenderedCnnConfig(resolution=3)


def test_some_of_is_evenly_spread():
    fields = random_fields(ARCHITECTURES[1], 10)
    assert len(some_of(fields, 100)) == 10
    chosen = some_of(fields, 4)
    assert torch.equal(chosen.flat(), fields.flat()[[0, 3, 6, 9]])


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (lambda: FlatMlpConfig(width=0), "width"),
        (lambda: ProbesConfig(probes=0), "probes"),
        (lambda: NfnConfig(blocks=0), "blocks"),
        (lambda: NeuralGraphConfig(attention=30, heads=4), "multiple of heads"),
        (lambda: ScaleGmnConfig(channels=0), "channels"),
        (lambda: CanonicalMlpConfig(sweeps=-1), "sweeps"),
    ],
)
def test_settings_out_of_range(config, words):
    with pytest.raises(ValueError, match=words):
        config()


def test_a_model_needs_classes():
    with pytest.raises(ValueError, match="class"):
        CLASSIFIERS["flat_mlp"](ARCHITECTURES[0], 0, FlatMlpConfig())


def test_logits_are_an_affine_map_of_the_features():
    model, fields = made("sine_gmn", ARCHITECTURES[0]), random_fields(ARCHITECTURES[0], 4)
    assert isinstance(model.output, nn.Linear)
    assert torch.equal(model.output(model.features(fields)), model(fields))
