"""Symmetries of sine networks: the group, its action, normal forms, alignment, augmentation, phasors."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wsapps_weightspace.symmetry import (
    AugmentationConfig,
    act,
    add_noise,
    align,
    augment,
    canonicalise,
    change_coordinates,
    compose,
    identity,
    inverse,
    misfit,
    phasors,
    random_element,
    random_map,
)
from wsapps_weightspace.weights import Architecture, FieldWeights, evaluate, from_flat

SMALL = Architecture((2, 5, 4, 3), omega_0=7.4, omega_hidden=3.1)
ONE_HIDDEN = Architecture((1, 6, 2), omega_0=11.0)

architectures = st.builds(
    Architecture,
    sizes=st.lists(st.integers(1, 5), min_size=3, max_size=5).map(tuple),
    omega_0=st.floats(0.5, 40.0),
    omega_hidden=st.floats(0.5, 40.0),
)
seeds = st.integers(0, 2**31)
quick = settings(max_examples=30, deadline=None)


def random_fields(architecture: Architecture, count: int, seed: int, scale: float = 0.4) -> FieldWeights:
    draws = torch.Generator().manual_seed(seed)
    flat = torch.randn(count, architecture.parameters, generator=draws, dtype=torch.float64)
    return from_flat(scale * flat, architecture)


def element_of(architecture: Architecture, count: int, seed: int, most_shift: int = 3):
    draws = torch.Generator().manual_seed(seed)
    return random_element(architecture, count, most_shift=most_shift, generator=draws)


def points(architecture: Architecture, count: int = 7) -> Tensor:
    draws = torch.Generator().manual_seed(99)
    return torch.rand(count, architecture.sizes[0], generator=draws, dtype=torch.float64) * 2 - 1


def assert_same(a: FieldWeights, b: FieldWeights, tolerance: float = 1e-11) -> None:
    torch.testing.assert_close(a.flat(), b.flat(), rtol=tolerance, atol=tolerance)


@given(architecture=architectures, seed=seeds)
@quick
def test_action_preserves_the_function(architecture, seed):
    fields = random_fields(architecture, 3, seed)
    moved = act(element_of(architecture, 3, seed + 1), fields, architecture)
    x = points(architecture)
    torch.testing.assert_close(
        evaluate(moved, architecture, x), evaluate(fields, architecture, x), rtol=1e-9, atol=1e-9
    )


def test_a_shift_that_ignores_omega_changes_the_function():
    """The slip of published code: half a turn of the bias is pi / omega, not pi."""
    fields = random_fields(SMALL, 3, 0)
    wrong = Architecture(SMALL.sizes, omega_0=1.0, omega_hidden=1.0)
    element = random_element(SMALL, 3, permute=False, flip=False, most_shift=1)
    moved, x = act(element, fields, wrong), points(SMALL)
    assert not torch.allclose(evaluate(moved, SMALL, x), evaluate(fields, SMALL, x), atol=1e-3)


@given(architecture=architectures, seed=seeds)
@quick
def test_group_laws(architecture, seed):
    fields = random_fields(architecture, 2, seed)
    a, b, c = (element_of(architecture, 2, seed + k) for k in (1, 2, 3))
    assert_same(act(compose(b, a), fields, architecture), act(b, act(a, fields, architecture), architecture))
    assert_same(act(compose(inverse(a), a), fields, architecture), fields)
    assert_same(act(inverse(a), act(a, fields, architecture), architecture), fields)
    assert_same(act(identity(architecture, 2), fields, architecture), fields, 0.0)
    left, right = compose(compose(c, b), a), compose(c, compose(b, a))
    for x, y in zip(left, right, strict=True):
        assert torch.equal(x.source_NH, y.source_NH)
        assert torch.equal(x.sign_NH, y.sign_NH)
        assert torch.equal(x.shift_NH, y.shift_NH)


def test_flips_and_shifts_do_not_commute():
    """They form a dihedral group: a flip turns a shift round."""
    one = Architecture((1, 1, 1), omega_0=2.0)
    fields = random_fields(one, 1, 0)
    whole = torch.ones(1, 1, dtype=torch.int64)
    neuron = identity(one, 1)[0].source_NH
    flip = (type(identity(one, 1)[0])(neuron, -whole, 0 * whole),)
    shift = (type(flip[0])(neuron, whole, whole),)
    apart = (
        act(compose(flip, shift), fields, one).biases[0] - act(compose(shift, flip), fields, one).biases[0]
    )
    torch.testing.assert_close(apart, torch.full_like(apart, -2 * math.pi / 2.0))


def test_element_must_fit_the_architecture():
    with pytest.raises(ValueError, match="hidden layers"):
        act(identity(ONE_HIDDEN, 2), random_fields(SMALL, 2, 0), SMALL)


def test_random_elements_reach_everything_and_follow_their_generator():
    draws = [
        random_element(SMALL, 4000, most_shift=2, generator=torch.Generator().manual_seed(5)) for _ in "ab"
    ]
    first = draws[0][0]
    assert torch.equal(first.source_NH, draws[1][0].source_NH)
    assert torch.equal(first.source_NH.sort(dim=1).values, torch.arange(5).expand(4000, 5))
    assert set(first.shift_NH.unique().tolist()) == {-2, -1, 0, 1, 2}
    # 20,000 fair draws: their mean has deviation 0.007.
    assert abs(float(first.sign_NH.double().mean())) < 0.03
    assert abs(float((first.source_NH[:, 0] == 3).double().mean()) - 0.2) < 0.03


@given(architecture=architectures, seed=seeds)
@quick
def test_canonical_form_forgets_the_symmetry_and_keeps_the_function(architecture, seed):
    fields = random_fields(architecture, 3, seed)
    moved = act(element_of(architecture, 3, seed + 1), fields, architecture)
    form = canonicalise(fields, architecture)
    x = points(architecture)
    torch.testing.assert_close(
        evaluate(form, architecture, x), evaluate(fields, architecture, x), rtol=1e-8, atol=1e-8
    )
    assert_same(canonicalise(moved, architecture), form, 1e-9)
    assert_same(canonicalise(form, architecture), form, 1e-12)
    for layer, b in enumerate(form.biases[:-1]):
        phase = architecture.omega(layer) * b
        assert float(phase.min()) >= -1e-4
        assert float(phase.max()) <= math.pi / 2 + 1e-9
        assert bool((b.diff(dim=1) >= 0).all())


def test_canonical_form_without_sorting_keeps_the_order():
    fields = random_fields(SMALL, 3, 0)
    element = random_element(SMALL, 3, permute=False, most_shift=3)
    form = canonicalise(fields, SMALL, sort=False)
    assert_same(canonicalise(act(element, fields, SMALL), SMALL, sort=False), form, 1e-10)
    torch.testing.assert_close(form.weights[0].abs(), fields.weights[0].abs())
    assert not torch.equal(form.biases[0].argsort(dim=1), torch.arange(5).expand(3, 5))


def test_canonical_sign_of_a_neuron_without_bias_is_that_of_its_largest_weight():
    fields = random_fields(SMALL, 4, 0)
    unbiased = FieldWeights(fields.weights, tuple(torch.zeros_like(b) for b in fields.biases))
    form = canonicalise(unbiased, SMALL)
    for w in form.weights[:-1]:
        assert bool((w.gather(1, w.abs().argmax(dim=1, keepdim=True)) > 0).all())
    x = points(SMALL)
    torch.testing.assert_close(evaluate(form, SMALL, x), evaluate(unbiased, SMALL, x))


@given(architecture=architectures, seed=seeds)
@quick
def test_alignment_finds_the_reference_again(architecture, seed):
    reference = random_fields(architecture, 1, seed)
    copies = FieldWeights(
        tuple(w.expand(4, -1, -1) for w in reference.weights),
        tuple(b.expand(4, -1) for b in reference.biases),
    )
    moved = act(element_of(architecture, 4, seed + 1), copies, architecture)
    aligned = align(moved, reference, architecture)
    assert float(misfit(aligned, reference).max()) < 1e-15 * architecture.parameters * 1e6
    assert_same(aligned, copies, 1e-8)


def test_alignment_never_moves_away_and_keeps_the_function():
    fields, reference = random_fields(SMALL, 20, 0), random_fields(SMALL, 1, 1)
    before = misfit(align(fields, reference, SMALL, sweeps=0), reference)
    for sweeps in (1, 2, 4):
        aligned = align(fields, reference, SMALL, sweeps)
        after = misfit(aligned, reference)
        assert bool((after <= before + 1e-9).all())
        before = after
    assert float(before.mean()) < 0.8 * float(misfit(fields, reference).mean())
    x = points(SMALL)
    torch.testing.assert_close(evaluate(aligned, SMALL, x), evaluate(fields, SMALL, x), rtol=1e-9, atol=1e-9)


def test_one_layer_is_aligned_as_well_as_by_trying_everything():
    one = Architecture((1, 3, 1), omega_0=5.0)
    fields, reference = random_fields(one, 1, 0), random_fields(one, 1, 1)
    best = float(misfit(align(fields, reference, one, sweeps=1), reference))
    flips = [torch.tensor([[a, b, c]]) for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    shifts = [torch.tensor([[a, b, c]]) for a in range(-3, 4) for b in range(-3, 4) for c in range(-3, 4)]
    orders = [torch.tensor([o]) for o in ([0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0])]
    layer = type(identity(one, 1)[0])
    stacked = [
        torch.cat(columns)
        for columns in zip(*((o, s, j) for o in orders for s in flips for j in shifts), strict=True)
    ]
    many = fields[torch.zeros(len(stacked[0]), dtype=torch.int64)]
    everything = misfit(act((layer(*stacked),), many, one), reference)
    assert best == pytest.approx(float(everything.min()), rel=1e-9)


def test_alignment_in_parts_equals_alignment_of_each():
    fields, reference = random_fields(SMALL, 3, 0), random_fields(SMALL, 1, 1)
    together = align(fields, reference, SMALL)
    for n in range(3):
        assert_same(align(fields[n : n + 1], reference, SMALL), together[n : n + 1])
    assert len(align(fields[:0], reference, SMALL)) == 0
    with pytest.raises(ValueError, match="one field"):
        align(fields, fields, SMALL)


def test_alignment_to_a_reference_without_biases():
    reference = random_fields(SMALL, 1, 1)
    reference = FieldWeights(reference.weights, tuple(torch.zeros_like(b) for b in reference.biases))
    aligned = align(act(element_of(SMALL, 1, 2), reference, SMALL), reference, SMALL)
    torch.testing.assert_close(aligned.flat(), reference.flat(), rtol=0, atol=1e-12)


@given(architecture=architectures, seed=seeds)
@quick
def test_phasors_follow_the_symmetry(architecture, seed):
    fields = random_fields(architecture, 2, seed)
    element = element_of(architecture, 2, seed + 1)
    before = phasors(fields, architecture)
    after = phasors(act(element, fields, architecture), architecture)
    for layer, (cosine, sine), (new_cosine, new_sine) in zip(element, before, after, strict=True):
        half_turns = 1 - 2 * (layer.shift_NH % 2)
        torch.testing.assert_close(new_cosine, cosine.gather(1, layer.source_NH) * half_turns)
        torch.testing.assert_close(new_sine, sine.gather(1, layer.source_NH) * layer.activation_sign_NH)


@given(architecture=architectures, seed=seeds, mirror=st.booleans())
@quick
def test_changed_coordinates(architecture, seed, mirror):
    fields, x = random_fields(architecture, 3, seed), points(architecture)
    draws = torch.Generator().manual_seed(seed)
    matrix, offset = random_map(
        3, architecture.sizes[0], 0.3, 0.5, 0.2, mirror, generator=draws, dtype=torch.float64
    )
    moved = evaluate(change_coordinates(fields, matrix, offset), architecture, x)
    torch.testing.assert_close(
        moved, evaluate(fields, architecture, x @ matrix + offset[:, None]), rtol=1e-8, atol=1e-8
    )


def test_random_maps_stay_within_their_bounds():
    draws = torch.Generator().manual_seed(0)
    matrix, offset = random_map(500, 2, 0.2, 0.3, 0.1, True, generator=draws, dtype=torch.float64)
    assert float(offset.abs().max()) <= 0.2
    determinant = torch.linalg.det(matrix)
    assert float(determinant.abs().log().abs().max()) <= 0.2 + 1e-12
    assert 150 < int((determinant < 0).sum()) < 350
    upright = matrix * torch.tensor([1.0, 1.0], dtype=torch.float64)
    angle = torch.atan2(upright[:, 0, 1], upright[:, 0, 0])
    assert float(angle.abs().max()) <= 0.3 + 1e-12
    assert float(angle.abs().max()) > 0.25
    plain = random_map(3, 3, dtype=torch.float64)
    torch.testing.assert_close(plain[0], torch.eye(3, dtype=torch.float64).expand(3, 3, 3))


def test_augmentation_by_default_changes_nothing_and_by_symmetries_no_value():
    fields, x = random_fields(SMALL, 5, 0), points(SMALL)
    assert augment(fields, SMALL, AugmentationConfig()) is fields
    before = fields.flat().clone()
    config = AugmentationConfig(permute=True, flip=True, most_half_turns=2)
    moved = augment(fields, SMALL, config, torch.Generator().manual_seed(1))
    assert not torch.allclose(moved.flat(), before)
    assert torch.equal(fields.flat(), before)
    torch.testing.assert_close(evaluate(moved, SMALL, x), evaluate(fields, SMALL, x), rtol=1e-9, atol=1e-9)
    again = augment(fields, SMALL, config, torch.Generator().manual_seed(1))
    assert torch.equal(again.flat(), moved.flat())


def test_noise_has_the_size_it_says():
    fields = random_fields(Architecture((2, 40, 40, 1)), 50, 0)
    still = FieldWeights(fields.weights, tuple(torch.zeros_like(b) for b in fields.biases))
    noisy = add_noise(still, 0.1, torch.Generator().manual_seed(3))
    scale = float(still.weights[1].square().mean().sqrt())
    added = (noisy.weights[1] - still.weights[1]).std()
    assert float(added) == pytest.approx(0.1 * scale, rel=0.05)
    assert float(noisy.biases[1].std()) == pytest.approx(0.1 * scale, rel=0.1)


def test_turning_does_not_shear_pictures_that_are_not_square():
    draws = torch.Generator().manual_seed(1)
    half = torch.diag(torch.tensor([15.0, 63.0], dtype=torch.float64)) / 2  # from coordinates to pixels
    matrix, _ = random_map(20, 2, turn=0.4, generator=draws, dtype=torch.float64, sides=(15, 63))
    in_pixels = half.inverse() @ matrix @ half
    identity = torch.eye(2, dtype=torch.float64).expand(20, 2, 2)
    torch.testing.assert_close(in_pixels @ in_pixels.mT, identity)
    assert float(in_pixels[:, 0, 1].abs().max()) > 0.3
    # And fields of such pictures are turned so.
    fields, config = random_fields(SMALL, 5, 0), AugmentationConfig(turn=20.0)
    solved = torch.linalg.pinv(fields.weights[0])
    turned, as_square = (
        augment(fields, SMALL, config, torch.Generator().manual_seed(1), grid).weights[0] @ solved
        for grid in ((16, 64), (9, 9))
    )
    torch.testing.assert_close(turned, as_square * (half.diagonal()[:, None] / half.diagonal()))


def test_augmentation_that_moves_the_coordinates():
    fields, x = random_fields(SMALL, 5, 0), points(SMALL)
    config = AugmentationConfig(shift=0.1, turn=10.0, stretch=0.1, mirror=True)
    moved = augment(fields, SMALL, config, torch.Generator().manual_seed(1))
    assert torch.equal(moved.weights[1], fields.weights[1])
    assert not torch.allclose(evaluate(moved, SMALL, x), evaluate(fields, SMALL, x), atol=1e-3)
    with pytest.raises(ValueError, match="noise"):
        AugmentationConfig(noise=-1.0)
