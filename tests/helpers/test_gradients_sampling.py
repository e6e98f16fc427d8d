from __future__ import annotations

import pytest
import torch

from lth_bench import balanced_batch
from lth_bench.models.mlp import MLP


def test_as_many_of_each_class_and_none_twice(make_ticket):
    ticket = make_ticket(MLP(hidden=()))
    x, y = balanced_batch(ticket, 10)
    assert x.shape == (30, 1, 6, 6)
    assert torch.bincount(y).tolist() == [10, 10, 10]
    whole = ticket.bench.data.normalise(ticket.bench.data.train.x)
    found = [int((whole == image).flatten(1).all(1).nonzero()) for image in x]
    assert len(set(found)) == 30
    assert torch.equal(ticket.bench.data.train.y[torch.tensor(found)], y)


def test_the_order_is_random_and_repeatable(make_ticket):
    def labels(seed, purpose):
        return balanced_batch(make_ticket(MLP(hidden=()), seed=seed), 20, purpose)[1]

    assert torch.equal(labels(0, "a"), labels(0, "a"))
    assert not torch.equal(labels(0, "a"), labels(0, "b"))
    assert not torch.equal(labels(0, "a"), labels(1, "a"))
    assert not torch.equal(labels(0, "a").sort().values, labels(0, "a"))  # classes are mixed


@pytest.mark.parametrize("per_class", [0, 10_000])
def test_more_than_the_rarest_class_has(per_class, make_ticket):
    with pytest.raises(ValueError, match=f"per_class must be at least 1 .*but got {per_class}"):
        balanced_batch(make_ticket(MLP(hidden=())), per_class)
