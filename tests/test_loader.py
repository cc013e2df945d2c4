"""Epochs through a DataLoader: every item once, and continued where a run stopped."""

from __future__ import annotations

import itertools

import pytest
import torch
from noisy_objective import (
    NoisyObjective,
    assert_same_state,
    final_state,
    make_trainer,
    points,
    signal_during,
)

from wsapps import Interrupted
from wsapps.loader import LoaderBatches


class Items:
    """A dataset of dicts."""

    def __init__(self, count: int):
        self.data = points(count, 1)
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"index": torch.tensor(index), **{name: value[index] for name, value in self.data.items()}}


def indices(batches: LoaderBatches, steps: range, rank: int = 0, world: int = 1) -> list[list[int]]:
    return [batches(step, rank, world)["index"].tolist() for step in steps]


def joined(lists: list[list[int]]) -> list[int]:
    return list(itertools.chain.from_iterable(lists))


def test_an_epoch_has_every_item_once_in_another_order_each_time():
    batches = LoaderBatches(Items(12), batch_size=4)
    epochs = [joined(indices(batches, range(3 * epoch, 3 * epoch + 3))) for epoch in range(4)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs)
    assert all(a != b for a, b in itertools.combinations(epochs, 2))
    assert joined(indices(LoaderBatches(Items(12), 4, seed=1), range(3))) != epochs[0]


def test_ranks_share_each_batch():
    whole = indices(LoaderBatches(Items(10), 5), range(4))
    shares = [indices(LoaderBatches(Items(10), 5), range(4), rank, 2) for rank in range(2)]
    assert [len(share) for share in shares[0]] == [3] * 4
    for step in range(4):
        assert sorted(shares[0][step] + shares[1][step]) == sorted(whole[step])


def test_any_step_can_come_first():
    whole = indices(LoaderBatches(Items(11), 4), range(9))
    assert indices(LoaderBatches(Items(11), 4), range(5, 9)) == whole[5:]
    batches = LoaderBatches(Items(11), 4)
    assert indices(batches, range(7, 9)) + indices(batches, range(2)) == whole[7:] + whole[:2]


def test_workers_give_the_same():
    assert indices(LoaderBatches(Items(11), 4, num_workers=1), range(5)) == indices(
        LoaderBatches(Items(11), 4), range(5)
    )


def test_a_small_dataset_is_one_batch():
    assert sorted(LoaderBatches(Items(3), 100)(0, 0, 1)["index"].tolist()) == [0, 1, 2]


def test_what_it_refuses():
    with pytest.raises(ValueError, match="0 items"):
        LoaderBatches(Items(0), 4)
    with pytest.raises(ValueError, match="batch_size=0"):
        LoaderBatches(Items(3), 0)
    with pytest.raises(ValueError, match="a batch of 2 items cannot be shared by 3 ranks"):
        LoaderBatches(Items(10), 2)(0, 0, 3)


def test_a_run_continues_exactly(tmp_path):
    def loader() -> LoaderBatches:
        return LoaderBatches(Items(20), 8)

    whole = make_trainer(batch=loader(), max_steps=20)
    whole.fit()
    with pytest.raises(Interrupted):
        make_trainer(tmp_path, signal_during(7, batch=loader()), max_steps=20).fit()
    rest = make_trainer(tmp_path, loader(), NoisyObjective(seed=3), max_steps=20)
    rest.fit()
    assert_same_state(final_state(rest), final_state(whole))
