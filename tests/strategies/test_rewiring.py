"""What strategies that rewire share: longer trainings, exploration, and the user's own loop."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

import lth_bench
from lth_bench.errors import UserError
from lth_bench.models.mlp import MLP
from lth_bench.running.forecast import forecast
from lth_bench.training.recipe import Recipe
from lth_strategies.acdc import ACDC
from lth_strategies.gradual import Gradual
from lth_strategies.granet import GraNet
from lth_strategies.rigl import RigL
from lth_strategies.set import SET
from lth_strategies.snfs import SNFS
from lth_strategies.srigl import SRigL

STRATEGIES = [
    RigL(update_every=4),
    SET(update_every=4),
    SNFS(update_every=4),
    SRigL(update_every=4),
    GraNet(updates=6),
    Gradual(prunings=5),
    ACDC(),
]
RECIPE = Recipe(
    lr=0.1, momentum=0.9, weight_decay=0.01, steps=24, batch_size=20, val_size=60, eval_every=12,
    dtype="float64", schedule="step", milestones=(12,),
)  # fmt: skip


def named(strategy):
    return type(strategy).__name__


def played(strategy, ticket):
    return strategy.train(ticket.after_selection(strategy.select_mask(ticket).to(ticket.device)))


@pytest.mark.parametrize("strategy", STRATEGIES, ids=named)
def test_a_loop_of_one_s_own_gives_the_same(strategy, make_bench, make_ticket):
    bench = make_bench(MLP(hidden=(8,)), RECIPE)
    ticket = make_ticket(bench, target=0.3, seed=3)
    trained = played(strategy, ticket)
    assert trained.mask.count == ticket.target_count

    net = bench.network.twin(bench.initial(3).values)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
    sparse = lth_bench.sparsify(net, optimizer, strategy, 0.3, steps=24, seed=3)
    for step in range(24):
        optimizer.param_groups[0]["lr"] = 0.1 if step < 12 else 0.01
        x, y = bench.data.batch(step, 3, RECIPE)
        optimizer.zero_grad()
        F.cross_entropy(net(x.double()), y).backward()
        optimizer.step()
    assert sparse.mask == trained.mask
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, trained.values[key], rtol=0, atol=1e-10)


@pytest.mark.parametrize("strategy", STRATEGIES, ids=named)
def test_a_longer_training_is_counted_and_reaches_the_target(strategy, make_bench, make_ticket):
    bench = make_bench(MLP(hidden=(8,)), RECIPE)
    ticket = make_ticket(bench, target=0.3)
    longer = dataclasses.replace(strategy, extend=2)
    trained = played(longer, ticket)
    assert (trained.start, trained.step) == (0, 48) and trained.cost.steps == 48
    assert trained.mask.count == ticket.target_count
    expected = forecast(
        "x", longer, counts={"fc1": 288, "fc2": 24}, kinds={"fc1": "linear", "fc2": "output"},
        densities=(0.3,), total_steps=24,
    )  # fmt: skip
    assert expected.fits == (48,)
    # what it explored is kept with the training, and read again where it is found finished
    rate = strategy.score(ticket, trained)["exploration_rate"]
    assert ticket.target <= rate <= 1
    found = played(longer, make_ticket(make_bench(MLP(hidden=(8,)), RECIPE), target=0.3))
    assert found.key == trained.key
    assert strategy.score(ticket, found)["exploration_rate"] == rate
    assert "exploration_rate" not in strategy.score(ticket, ticket.fit(end=2))  # a control


def test_it_explores_more_than_it_keeps(make_bench, make_ticket):
    ticket = make_ticket(make_bench(MLP(hidden=(8,)), RECIPE), target=0.3)
    rates = {}
    for strategy in (RigL(update_every=50), RigL(update_every=4), Gradual()):
        trained = played(strategy, ticket)
        rates[strategy] = strategy.score(ticket, trained)["exploration_rate"]
    never, rigl, gradual = rates.values()
    assert never == pytest.approx(94 / 312) and never < rigl < gradual == 1


def test_momentum_is_asked_of_the_user_s_optimizer():
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    plain = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(UserError, match=r"^strategy 'snfs': SNFS grows weights by their momentum"):
        lth_bench.sparsify(net, plain, "snfs", 0.5, steps=9, params={"update_every": 2})
    adam = torch.optim.AdamW(net.parameters())
    lth_bench.sparsify(net, adam, "snfs", 0.5, steps=9, params={"update_every": 2}).remove()
