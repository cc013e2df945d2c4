"""Proposal sampling: quantiles, bounds and weights by their definitions, and rays that find a wall."""

from __future__ import annotations

import pytest
import torch
from synthetic_scene import TINY, write_ball_scene

from wsapps.config import default_config_dir, load_config
from wsapps_nerf.config import TrainConfig, build_objective
from wsapps_nerf.load import load_scene
from wsapps_nerf.proposal import Proposal, ProposalConfig, overlapping, quantiles, weights_of
from wsapps_nerf.ray_sampler import RaySampler

BOX = torch.tensor([-1.0, -1, -1, 1, 1, 1])


def random_bins(seed=0, rays=5, bins=12):
    draws = torch.Generator().manual_seed(seed)
    edges = torch.rand(rays, bins + 1, generator=draws, dtype=torch.float64).cumsum(-1)
    return edges, torch.rand(rays, bins, generator=draws, dtype=torch.float64)


def test_quantiles_invert_the_piecewise_linear_distribution():
    edges, weights = random_bins()
    parts = torch.linspace(0, 1, 21, dtype=torch.float64).expand(5, -1)
    places = quantiles(edges, weights, parts)
    width = edges[:, 1:] - edges[:, :-1]
    covered = (places[..., None] - edges[:, None, :-1]) / width[:, None]
    below = (weights[:, None] * covered.clamp(0, 1)).sum(-1) / weights.sum(-1, keepdim=True)
    torch.testing.assert_close(below, parts)


def test_bins_without_weight_get_no_samples():
    edges = torch.arange(5.0).expand(1, -1)
    places = quantiles(edges, torch.tensor([[0.0, 1.0, 0.0, 0.0]]), torch.linspace(0.01, 0.99, 9)[None])
    assert ((places >= 1) & (places <= 2)).all()


def test_what_overlaps_is_the_sum_over_bins_that_an_interval_touches():
    edges, weights = random_bins(1)
    start = torch.rand(5, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64) * 5
    end = start + 0.7
    touches = (edges[:, None, :-1] < end[..., None]) & (edges[:, None, 1:] > start[..., None])
    torch.testing.assert_close(overlapping(edges, weights, start, end), (touches * weights[:, None]).sum(-1))


def test_weights_are_differences_of_transmittance():
    edges, density = random_bins(3)
    through = torch.exp(-(density * (edges[:, 1:] - edges[:, :-1])).cumsum(-1))
    before = torch.cat([torch.ones(5, 1, dtype=torch.float64), through[:, :-1]], dim=-1)
    torch.testing.assert_close(weights_of(density, edges), before - through)


@pytest.mark.parametrize("contracted", [False, True])
@pytest.mark.parametrize("stratified", [False, True])
def test_intervals_follow_each_other_from_near_on(contracted, stratified):
    proposal = Proposal(ProposalConfig(bins=16, samples=8), BOX * (1 + contracted), 0.5, 6.0, contracted)
    origins = torch.tensor([[3.0, 0, 0], [0, 3, 0], [3, 3, 3]])
    directions = torch.tensor([[-1.0, 0, 0], [0, -1, 0], [1, 0, 0]])  # the last one misses the box
    proposed = proposal(origins, directions, stratified)
    assert proposed.edges.shape == (3, 9)
    assert (proposed.edges.diff(dim=-1) >= 0).all()
    if contracted:
        assert (proposed.edges >= 0.5 - 1e-5).all()
        assert proposed.bins[:, -1].min() > 30
    else:
        assert ((proposed.edges[:2] >= 2 - 1e-5) & (proposed.edges[:2] <= 4 + 1e-5)).all()
        assert (proposed.edges[2].diff() == 0).all()


def test_the_loss_is_zero_when_the_promise_holds_and_teaches_the_proposal_alone():
    proposal = Proposal(ProposalConfig(bins=16, samples=16), BOX, 0.5, 6.0, False)
    proposed = proposal(torch.tensor([[3.0, 0, 0]]), torch.tensor([[-1.0, 0, 0]]), stratified=False)
    assert float(proposed.loss(torch.zeros(1, 16)).detach()) == 0
    weights = torch.zeros(1, 16)
    weights[0, -1] = 0.9  # more than is expected of the last interval
    weights.requires_grad_()
    proposed.loss(weights).sum().backward()
    assert weights.grad is None
    assert any(bool(parameter.grad.any()) for parameter in proposal.parameters())


def test_a_proposal_learns_where_a_wall_is():
    """Of a wall at x = 0, most samples lie about it after some steps."""
    torch.manual_seed(0)
    proposal = Proposal(ProposalConfig(bins=32, samples=16), BOX, 0.5, 6.0, False)
    adam = torch.optim.Adam(proposal.parameters(), lr=3e-3)
    origins = torch.cat([torch.full((64, 1), 3.0), torch.rand(64, 2) - 0.5], dim=1)
    directions = torch.tensor([-1.0, 0, 0]).expand(64, 3)

    def near_the_wall(edges):
        return float(((edges - 3.0).abs() < 0.2).float().mean())

    before = near_the_wall(proposal(origins, directions, False).edges)
    for _ in range(150):
        proposed = proposal(origins, directions, stratified=True)
        middle = (proposed.edges[:, 1:] + proposed.edges[:, :-1]) / 2
        weights = weights_of(torch.where(middle > 3.0, 50.0, 0.0), proposed.edges)
        adam.zero_grad()
        proposed.loss(weights).mean().backward()
        adam.step()
    after = near_the_wall(proposal(origins, directions, False).edges)
    assert before < 0.3
    assert after > 0.6


def test_a_field_is_trained_through_a_proposal(tmp_path):
    """A step changes field and proposal, and the loss without the proposal's part is the squared error."""
    ball = write_ball_scene(tmp_path / "ball")
    config = load_config(
        TrainConfig,
        "train",
        config_dir=default_config_dir("nerf"),
        overrides=[f"data.root={ball}", *TINY, "renderer.sampler=proposal"],
    )
    scene = load_scene(config.scene, config.data)
    objective = build_objective(config, scene)
    batch = RaySampler(scene.train, objective, 0)(0, 0, 1)
    objective.train()
    totals = objective(batch)
    totals["loss_sum"].backward()
    for part in (objective.field, objective.renderer.proposal):
        assert all(parameter.grad is not None for parameter in part.parameters())
    assert float(totals["loss_sum"].detach()) > float(totals["squared_error"])
    assert float(totals["samples"]) == 32 * 64
