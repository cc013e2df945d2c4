"""FieldEnsemble: N fields at once are the N fields one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from wsapps.ensemble import FieldEnsemble
from wsapps.fields import FIELDS, SinusoidalField


def members(name: str, count: int = 3):
    torch.manual_seed(0)
    kind = FIELDS[name]
    return [kind.from_config(2, 3, replace(kind.Config(), width=16)).double() for _ in range(count)]


def points(*sizes: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(*sizes, generator=generator, dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_values_and_gradients_are_those_of_the_fields(name):
    fields = members(name)
    ensemble, coordinates = FieldEnsemble(fields), points(3, 5, 2)
    together = ensemble(coordinates)
    apart = torch.stack([field(x) for field, x in zip(fields, coordinates, strict=True)])
    torch.testing.assert_close(together, apart)
    together.square().sum().backward()
    apart.square().sum().backward()
    gradients = dict(ensemble.named_parameters())
    for key, parameter in fields[1].named_parameters():
        torch.testing.assert_close(gradients[key.replace(".", "/")].grad[1], parameter.grad)


def test_rows_may_belong_to_any_field_and_any_number_of_them_to_one():
    fields = members("sinusoidal")
    ensemble, coordinates = FieldEnsemble(fields), points(4, 5, 2)
    owners = torch.tensor([2, 0, 2, 2])
    values = ensemble(coordinates, owners)
    for row, owner in enumerate(owners.tolist()):
        torch.testing.assert_close(values[row], fields[owner](coordinates[row]))
    values.sum().backward()
    assert float(next(ensemble.parameters()).grad[1].abs().sum()) == 0.0  # nobody asked field 1


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_member_is_the_field_that_went_in(name):
    fields = members(name)
    field = FieldEnsemble(fields).member(2)
    assert torch.equal(field(points(7, 2)), fields[2](points(7, 2)))


def test_state_goes_through_a_dict_and_back():
    ensemble, other = FieldEnsemble(members("ffn")), FieldEnsemble(members("ffn")[::-1])
    other.load_state_dict(ensemble.state_dict())
    assert torch.equal(other(points(3, 4, 2)), ensemble(points(3, 4, 2)))
    assert len(other) == 3


def test_what_makes_no_ensemble():
    with pytest.raises(ValueError, match="at least one field"):
        FieldEnsemble([])
    with pytest.raises(ValueError, match="one architecture"):
        FieldEnsemble([SinusoidalField(2, 1, 8), SinusoidalField(2, 1, 9)])
    with pytest.raises(ValueError, match="settings differ"):  # all would compute with the first one's
        FieldEnsemble([SinusoidalField(2, 1, 8, omega_0=30.0), SinusoidalField(2, 1, 8, omega_0=10.0)])


def test_fields_may_differ_in_alpha_which_a_member_keeps():
    fields = [SinusoidalField(2, 1, 8, alpha=alpha) for alpha in (1.0, 2.0)]
    ensemble = FieldEnsemble(fields)
    assert [ensemble.member(index).alpha for index in range(2)] == [1.0, 2.0]
