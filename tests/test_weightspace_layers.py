"""Layers on weights: equivariance and invariance under random elements of the symmetry group, in float64."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from wsapps_weightspace.editing import EditorConfig, FieldEditor
from wsapps_weightspace.layers.dws import DwsLayer
from wsapps_weightspace.layers.embeddings import FieldEmbedding
from wsapps_weightspace.layers.folding import fold, folded_channels, unfold
from wsapps_weightspace.layers.neural_graph import NeuralGraphLayer, RelationalAttention
from wsapps_weightspace.layers.nfn import HnpLayer, NpLayer
from wsapps_weightspace.layers.normalisation import ChannelNorm, EntryStandardisation, LayerScale
from wsapps_weightspace.layers.pooling import InvariantPool
from wsapps_weightspace.layers.sign_maps import EvenUnits, OddNorm, SignUpdate
from wsapps_weightspace.layers.sign_trunk import SignTrunk, SignTrunkConfig
from wsapps_weightspace.layers.weight_features import WeightFeatures, permute
from wsapps_weightspace.symmetry import GroupElement, act, random_element
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate, from_flat

architectures = st.builds(
    Architecture,
    sizes=st.lists(st.integers(1, 4), min_size=3, max_size=5).map(tuple),
    omega_0=st.floats(0.5, 40.0),
    omega_hidden=st.floats(0.5, 40.0),
)
seeds = st.integers(0, 2**31)
quick = settings(max_examples=12, deadline=None)
CHANNELS, OUT, BATCH = 3, 5, 2
#: Each sine layer multiplies rounding errors by omega |W|: up to 40, three times over.
THROUGH_SINES = 1e-7


def random_fields(architecture: Architecture, seed: int, count: int = BATCH) -> FieldWeights:
    draws = torch.Generator().manual_seed(seed)
    flat = torch.randn(count, architecture.parameters, generator=draws, dtype=torch.float64)
    return from_flat(0.5 * flat, architecture)


def random_features(architecture: Architecture, seed: int, channels: int = CHANNELS) -> WeightFeatures:
    draws = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(BATCH, *shape, channels, generator=draws, dtype=torch.float64)

    pairs = architecture.pairs
    return WeightFeatures(tuple(draw(i, o) for i, o in pairs), tuple(draw(o) for _, o in pairs))


def element_of(architecture: Architecture, seed: int, count: int = BATCH, **kinds) -> GroupElement:
    return random_element(architecture, count, generator=torch.Generator().manual_seed(seed), **kinds)


def permutation_of(architecture: Architecture, seed: int) -> list[Tensor]:
    return [layer.source_NH for layer in element_of(architecture, seed, flip=False)]


def made(seed: int, make, *args, **kwargs) -> nn.Module:
    """A module in float64 whose every parameter is random, those that start as zeros and ones, too."""
    torch.manual_seed(seed)
    module = make(*args, **kwargs).double().eval()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def assert_close(a: Tensor, b: Tensor, tolerance: float = 1e-9) -> None:
    """Equal but for a part of the largest of the values."""
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance * max(1.0, float(b.detach().abs().max())))


def assert_features(a: WeightFeatures, b: WeightFeatures) -> None:
    for x, y in zip([*a.weights, *a.biases], [*b.weights, *b.biases], strict=True):
        assert_close(x, y)


def depends_on_everything(layer: nn.Module, features: WeightFeatures) -> bool:
    """Whether every output entry that is asked for feels a change of every input tensor."""
    inputs = [x.clone().requires_grad_() for x in (*features.weights, *features.biases)]
    count = len(features.weights)
    out = layer(WeightFeatures(tuple(inputs[:count]), tuple(inputs[count:])))
    for y in (*out.weights, *out.biases):
        grads = torch.autograd.grad(y.flatten(1)[:, 0].sum(), inputs, retain_graph=True)
        if not all(bool(grad.abs().sum() > 0) for grad in grads):
            return False
    return True


@pytest.mark.parametrize("layer", [NpLayer, HnpLayer, DwsLayer])
@given(architecture=architectures, seed=seeds)
@quick
def test_linear_layers_are_permutation_equivariant(layer, architecture, seed):
    module = made(seed, layer, architecture, CHANNELS, OUT)
    features, sources = random_features(architecture, seed), permutation_of(architecture, seed + 1)
    assert_features(module(permute(features, sources)), permute(module(features), sources))


@pytest.mark.parametrize("layer", [NpLayer, HnpLayer])
def test_linear_layers_are_affine(layer):
    architecture = Architecture((2, 4, 3, 2))
    module = made(0, layer, architecture, CHANNELS, OUT)
    a, b = random_features(architecture, 0), random_features(architecture, 1)
    zero = module(a.map(torch.zeros_like))
    whole = module(a + b) + zero
    assert_features(whole, module(a) + module(b))


@pytest.mark.parametrize("layer", [NpLayer, HnpLayer])
def test_linear_layers_mix_all_weights_and_biases(layer):
    architecture = Architecture((2, 4, 3, 5, 2))
    assert depends_on_everything(
        made(0, layer, architecture, CHANNELS, OUT), random_features(architecture, 0)
    )


def test_np_layer_is_the_published_formula():
    """Two layers: each term of W' and b' written out, with the layer's own matrices."""
    architecture = Architecture((2, 3, 2))
    module, f = made(0, NpLayer, architecture, CHANNELS, OUT), random_features(architecture, 0)
    linear, (w0, w1), (b0, b1) = module.linear, f.weights, f.biases
    rows0, columns0, rows1, columns1 = w0.mean(2), w0.mean(1), w1.mean(2), w1.mean(1)
    at_inputs, at_hidden, at_outputs = (
        rows0,
        torch.cat([columns0, b0, rows1], -1),
        torch.cat([columns1, b1], -1),
    )
    means = [b0.mean(1), b1.mean(1), w0.mean((1, 2)), w1.mean((1, 2))]
    shared = (torch.cat(means, -1) @ linear.total.weight.T + linear.total.bias).split(linear._sizes, -1)

    def edge(s: int, w: Tensor, source: Tensor, target: Tensor) -> Tensor:
        own = w @ linear.edge[s].weight.T + linear.edge[s].bias
        row = source @ linear.edge_source[s].weight.T
        column = target @ linear.edge_target[s].weight.T
        return own + row[:, :, None] + column[:, None] + shared[3 + s][:, None, None]

    def node(s: int, context: Tensor) -> Tensor:
        return context @ linear.node[s].weight.T + linear.node[s].bias + shared[s][:, None]

    expected = WeightFeatures(
        (edge(0, w0, at_inputs, at_hidden), edge(1, w1, at_hidden, at_outputs)),
        (node(1, at_hidden), node(2, at_outputs)),
    )
    assert_features(module(f), expected)


def test_np_layer_permutes_inputs_and_outputs_too_and_hnp_does_not():
    architecture = Architecture((3, 4, 3))
    features = random_features(architecture, 0)
    order = torch.tensor([2, 0, 1])

    def turned(f: WeightFeatures) -> WeightFeatures:
        return WeightFeatures(
            (f.weights[0][:, order], f.weights[1][:, :, order]), (f.biases[0], f.biases[1][:, order])
        )

    module = made(0, NpLayer, architecture, CHANNELS, OUT)
    assert_features(module(turned(features)), turned(module(features)))
    module = made(0, HnpLayer, architecture, CHANNELS, OUT)
    with pytest.raises(AssertionError):
        assert_features(module(turned(features)), turned(module(features)))


@given(architecture=architectures, seed=seeds)
@quick
def test_folding_is_inverted(architecture, seed):
    features = random_features(architecture, seed)
    graph, channels = fold(features), folded_channels(architecture, CHANNELS)
    assert tuple(x.shape[-1] for x in graph.nodes) == channels.nodes
    assert graph.whole.shape[-1] == channels.whole
    back = unfold(graph, architecture, CHANNELS)
    for a, b in zip([*back.weights, *back.biases], [*features.weights, *features.biases], strict=True):
        assert torch.equal(a, b)


@given(architecture=architectures, seed=seeds, io=st.booleans())
@quick
def test_embedding_norm_and_pool_follow_permutations(architecture, seed, io):
    fields = random_fields(architecture, seed)
    element = element_of(architecture, seed + 1, flip=False)
    sources = [layer.source_NH for layer in element]
    embedding = made(seed, FieldEmbedding, architecture, CHANNELS, 4, io=io)
    embedding.prepare(fields)
    norm, pool = made(seed, ChannelNorm, architecture, CHANNELS), InvariantPool(architecture)
    features = norm(embedding(fields))
    moved = norm(embedding(act(element, fields, architecture)))
    assert_features(moved, permute(features, sources))
    pooled = pool(features)
    assert pooled.shape == (BATCH, pool.size(CHANNELS))
    assert_close(pool(moved), pooled)


def test_embedding_sees_phases_and_not_turns():
    """Whole turns of hidden biases leave two of its features; the scaled value alone tells them apart."""
    architecture = Architecture((2, 4, 1), omega_0=5.0)
    fields = random_fields(architecture, 0)
    turned = act(
        tuple(
            type(layer)(layer.source_NH, layer.sign_NH, 2 * layer.shift_NH)
            for layer in element_of(architecture, 1, permute=False, flip=False, most_shift=3)
        ),
        fields,
        architecture,
    )
    embedding = made(0, FieldEmbedding, architecture, CHANNELS, 0)
    assert not torch.allclose(embedding(turned).biases[0], embedding(fields).biases[0])
    with torch.no_grad():
        embedding.nodes[0].weight[:, 0] = 0
    assert_close(embedding(turned).biases[0], embedding(fields).biases[0])


@given(architecture=architectures, seed=seeds)
@quick
def test_layer_scale_commutes_with_flips_and_permutations(architecture, seed):
    fields = random_fields(architecture, seed)
    scale = LayerScale(architecture).double()
    scale.fit(fields)
    element = element_of(architecture, seed + 1)
    assert_close(
        scale(act(element, fields, architecture)).flat(), act(element, scale(fields), architecture).flat()
    )
    for w in scale(fields).weights:
        assert float(w.square().mean()) == pytest.approx(1.0)


def test_statistics_of_constant_entries_and_empty_layers():
    standardise = EntryStandardisation(2).double()
    standardise.fit(torch.tensor([[1.0, 5.0], [3.0, 5.0]], dtype=torch.float64))
    row = torch.tensor([[3.0, 6.0]], dtype=torch.float64)
    assert standardise(row).tolist() == [[1.0, 1.0]]
    architecture = Architecture((2, 3, 1))
    fields = random_fields(architecture, 0)
    unbiased = FieldWeights(fields.weights, tuple(torch.zeros_like(b) for b in fields.biases))
    scale = LayerScale(architecture).double()
    scale.fit(unbiased)
    assert torch.equal(scale(unbiased).biases[0], unbiased.biases[0])


def node_features(architecture: Architecture, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    draws = torch.Generator().manual_seed(seed)
    nodes = [torch.randn(BATCH, n, 6, generator=draws, dtype=torch.float64) for n in architecture.sizes]
    edges = [torch.randn(BATCH, i, o, 4, generator=draws, dtype=torch.float64) for i, o in architecture.pairs]
    return nodes, edges


@given(architecture=architectures, seed=seeds)
@quick
def test_neural_graph_layer_is_permutation_equivariant(architecture, seed):
    module = made(seed, NeuralGraphLayer, 6, 4, 8, 2)
    nodes, edges = node_features(architecture, seed)
    draws = torch.Generator().manual_seed(seed + 1)
    orders = [torch.randperm(n, generator=draws) for n in architecture.sizes]  # of inputs and outputs, too

    def turned(graph):
        nodes, edges = graph
        return (
            [x[:, order] for x, order in zip(nodes, orders, strict=True)],
            [e[:, a][:, :, b] for e, a, b in zip(edges, orders[:-1], orders[1:], strict=True)],
        )

    after, expected = module(turned((nodes, edges))), turned(module((nodes, edges)))
    for a, b in zip([*after[0], *after[1]], [*expected[0], *expected[1]], strict=True):
        assert_close(a, b)


def test_relational_attention_is_the_published_formula():
    """One node of a hidden layer, its neighbours one by one."""
    architecture, heads = Architecture((2, 3, 2)), 2
    module = made(0, RelationalAttention, 6, 4, 8, heads)
    nodes, edges = node_features(architecture, 0)
    here = nodes[1][0, 1]
    neighbours = [(nodes[0][0, i], module.edge_forward(edges[0][0, i, 1])) for i in range(2)]
    neighbours += [(nodes[2][0, k], module.edge_backward(edges[1][0, 1, k])) for k in range(2)]
    q = module.node(here)[:8].view(heads, 4)
    scores, values = [], []
    for node, edge in neighbours:
        k, v = module.node(node)[8:16].view(heads, 4), module.node(node)[16:].view(heads, 4)
        q_edge, k_edge, v_edge, factor = edge.view(4, heads, 4)
        scores.append(((q + q_edge) * (k + k_edge)).sum(-1) / 2)
        values.append(v * factor + v_edge)
    weights = torch.stack(scores).softmax(0)
    expected = module.output((weights[..., None] * torch.stack(values)).sum(0).flatten())
    assert_close(module((nodes, edges))[1][0, 1], expected)


def test_attention_refuses_a_width_that_heads_do_not_divide():
    with pytest.raises(ValueError, match="heads"):
        RelationalAttention(4, 4, 6, 4)


def test_even_units_and_odd_norm():
    units, norm = made(0, EvenUnits, 5, 7), made(0, OddNorm, 5)
    x = random_features(Architecture((1, 2, 1)), 0, 5).biases[0]
    assert_close(units(-x), units(x))
    assert_close(norm(-x), -norm(x))
    reference = nn.functional.silu(x @ units.weight.weight.T + units.threshold)
    reference = reference + nn.functional.silu(-x @ units.weight.weight.T + units.threshold)
    assert_close(units(x), reference)


@given(seed=seeds, others=st.booleans())
@quick
def test_sign_update_keeps_types(seed, others):
    module = made(seed, SignUpdate, 5, 4, 3 if others else 0)
    draws = torch.Generator().manual_seed(seed)

    def draw(channels: int) -> Tensor:
        return torch.randn(2, 6, channels, generator=draws, dtype=torch.float64)

    odd, even, odd_messages, even_messages = draw(5), draw(5), draw(4), draw(3) if others else None
    sign = 1 - 2 * torch.randint(0, 2, (2, 6, 1), generator=draws).double()
    new_odd, new_even = module(odd, even, odd_messages, even_messages)
    flipped = module(sign * odd, even, sign * odd_messages, even_messages)
    assert_close(flipped[0], sign * new_odd)
    assert_close(flipped[1], new_even)


trunks = st.builds(
    SignTrunkConfig,
    channels=st.just(5),
    node_features=st.just(4),
    blocks=st.integers(1, 2),
    backward=st.booleans(),
    form=st.sampled_from(["sine", "gated"]),
    start=st.sampled_from(["identity", "random"]),
)


@given(architecture=architectures, seed=seeds, config=trunks)
@quick
def test_sign_trunk_is_equivariant_to_the_whole_group(architecture, seed, config):
    module = made(seed, SignTrunk, architecture, config)
    fields = random_fields(architecture, seed)
    module.prepare(fields)
    element = element_of(architecture, seed + 1, most_shift=3)
    before, after = module(fields), module(act(element, fields, architecture))
    for layer, ((odd, even), (new_odd, new_even)) in enumerate(zip(before, after, strict=True)):
        if 0 < layer < architecture.layers:
            source = element[layer - 1].source_NH[..., None]
            sign = element[layer - 1].activation_sign_NH[..., None]
            odd = odd.gather(1, source.expand_as(odd)) * sign
            even = even.gather(1, source.expand_as(even))
        assert_close(new_odd, odd, THROUGH_SINES)
        assert_close(new_even, even, THROUGH_SINES)


@pytest.mark.parametrize("form", ["sine", "gated"])
def test_sign_trunk_is_continuous_where_a_canonical_phase_is_not(form):
    """A phase that passes half of pi, where bringing it into one period would flip the outgoing weights."""
    architecture = Architecture((2, 4, 4, 1), omega_0=7.4, omega_hidden=3.1)
    module = made(0, SignTrunk, architecture, SignTrunkConfig(channels=4, node_features=6, form=form))
    fields = random_fields(architecture, 0)

    def with_phase(phase: float) -> FieldWeights:
        biases = [b.clone() for b in fields.biases]
        biases[0][:, 1] = phase / architecture.omega(0)
        return FieldWeights(fields.weights, tuple(biases))

    half = torch.pi / 2
    below, above = module(with_phase(half - 1e-9)), module(with_phase(half + 1e-9))
    for (a, b), (c, d) in zip(below, above, strict=True):
        torch.testing.assert_close(a, c, rtol=0, atol=1e-5)
        torch.testing.assert_close(b, d, rtol=0, atol=1e-5)


def test_sine_form_with_an_identity_start_begins_as_evaluations_of_the_field():
    architecture = Architecture((2, 5, 4, 3), omega_0=7.4, omega_hidden=3.1)
    torch.manual_seed(0)
    trunk = SignTrunk(architecture, SignTrunkConfig(channels=6, node_features=3)).double()
    fields = random_fields(architecture, 0)
    block, wiring = trunk.blocks[0], trunk.wiring(fields)
    said = trunk.inputs.input_IC.expand(BATCH, -1, -1)
    nodes = trunk.inputs(wiring, fields.biases[-1])
    for layer, step in enumerate(block.steps):
        said, *_ = step(said, wiring, layer, *nodes[layer + 1])
    heard = torch.einsum("bnc,bno->bco", said, fields.weights[-1]) + fields.biases[-1][:, None]
    assert_close(heard, evaluate(fields, architecture, trunk.inputs.input_IC.T))


@given(architecture=architectures, seed=seeds, config=trunks)
@quick
def test_editor_is_equivariant_to_the_whole_group(architecture, seed, config):
    editor = made(seed, FieldEditor, architecture, EditorConfig(**vars(config)))
    fields = random_fields(architecture, seed)
    editor.prepare(fields)
    element = element_of(architecture, seed + 1, most_shift=3)
    edited = editor(fields)
    moved = editor(act(element, fields, architecture))
    assert_close(moved.flat(), act(element, edited, architecture).flat(), THROUGH_SINES)
    for new, old in zip([*edited.weights, *edited.biases], [*fields.weights, *fields.biases], strict=True):
        assert bool((new != old).any())


def test_editor_starts_near_the_field_that_it_is_given():
    architecture = Architecture((2, 16, 16, 1))
    torch.manual_seed(0)
    editor = FieldEditor(architecture, EditorConfig(channels=16, node_features=16, step=1e-4)).double()
    fields = random_fields(architecture, 0)
    fields = from_flat(0.1 * fields.flat(), architecture)
    editor.prepare(fields)
    x = torch.rand(50, 2, dtype=torch.float64) * 2 - 1
    before, after = evaluate(fields, architecture, x), evaluate(editor(fields), architecture, x)
    assert 0 < float((after - before).detach().abs().max()) < 0.05 * float(before.std())
    with pytest.raises(ValueError, match="step"):
        EditorConfig(step=0.0)
