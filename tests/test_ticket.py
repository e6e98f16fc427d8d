"""What a ticket offers its hooks: streams, batches, modules, the dense run."""

from __future__ import annotations

import pytest
import torch

from lth_bench.models.conv_bn import ConvBN
from lth_bench.ticket import CostLedger, DenseRun, Ticket
from lth_bench.training.recipe import Recipe

RECIPE = Recipe(lr=0.1, steps=12, batch_size=20, val_size=60, eval_every=6)


@pytest.fixture
def ticket(make_bench):
    return first_ticket(make_bench(ConvBN(), RECIPE))


def first_ticket(bench, seed=0, checkpoints=()):
    ledger = CostLedger()
    return Ticket(
        bench=bench,
        seed=seed,
        target=0.5,
        round=0,
        mask=bench.dense_mask(),
        dense=DenseRun(bench, seed, ledger, checkpoints=frozenset(checkpoints)),
        ledger=ledger,
    )


def test_facts(ticket):
    assert ticket.prunable == 9 * 16 + 9 * 16 * 32 + 9 * 32 * 32 + 32 * 3
    assert ticket.target_count == ticket.prunable / 2
    assert ticket.input_shape == (1, 6, 6)
    assert (ticket.classes, ticket.total_steps, ticket.steps_per_epoch) == (3, 12, 10)
    assert [(x.name, x.kind) for x in ticket.layers] == [
        ("conv1", "conv"), ("conv2", "conv"), ("conv3", "conv"), ("fc", "output"),
    ]  # fmt: skip
    assert [group.size for group in ticket.units] == [16, 32, 32]


def test_batches_show_each_training_example_at_most_once_in_an_order_of_their_own(ticket):
    data = ticket.bench.data
    whole = data.normalise(data.train.x)

    def indices(t, purpose):
        x = torch.cat([x for x, _ in t.batches(30, purpose)])
        return [int((whole == image).flatten(1).all(1).nonzero()) for image in x]

    a = indices(ticket, "a")
    assert len(a) == len(set(a)) == 180  # 200 examples, the short batch dropped
    assert a == indices(ticket, "a")
    assert a != sorted(a)
    assert a != indices(ticket, "b")
    assert a != indices(first_ticket(ticket.bench, seed=1), "a")
    for x, y in ticket.batches(200):
        assert (x.shape, y.shape) == ((200, 1, 6, 6), (200,))


@pytest.mark.parametrize("size", [0, 201])
def test_batches_of_an_impossible_size(size, ticket):
    with pytest.raises(ValueError, match=f"size must be from 1 to 200, .* but got {size}"):
        next(ticket.batches(size))


def test_streams_are_functions_of_seed_and_purpose(ticket):
    def draw(t, purpose):
        return torch.rand(3, generator=t.stream(purpose)).tolist()

    assert draw(ticket, "x") == draw(ticket, "x")
    assert draw(ticket, "x") != draw(ticket, "y")
    assert draw(ticket, "x") != draw(first_ticket(ticket.bench, seed=1), "x")


def test_a_module_is_one_s_own(ticket):
    module = ticket.module()
    assert module.training
    with torch.no_grad():
        module.fc.weight.zero_()
    assert bool((ticket.initial.values["fc.weight"] != 0).any())
    assert bool((ticket.module().fc.weight != 0).any())
    values = {k: v + 1 for k, v in ticket.initial.values.items()}
    assert torch.equal(ticket.module(values).fc.weight, values["fc.weight"])


def test_the_dense_run_s_states(make_bench):
    bench = make_bench(ConvBN(), RECIPE)
    dense = first_ticket(bench, checkpoints={4}).dense
    assert dense.at(0).step == 0
    assert torch.equal(dense.at(0).values["fc.weight"], bench.initial(0).values["fc.weight"])
    before = dense.at(4)  # as a prefix, since the whole run was not asked for
    assert dense.trained.step == 12
    after = dense.at(4)  # as its checkpoint
    assert (before.step, after.step) == (4, 4)
    assert all(torch.equal(v, after.values[k]) for k, v in before.values.items())
    assert dense.at(12).values is dense.values
    for step in (-1, 13):
        with pytest.raises(ValueError, match=f"step must be from 0 to 12, .* but got {step}"):
            dense.at(step)


def test_fit_starts_from_the_initial_values_until_there_is_a_rewind_point(ticket):
    from lth_bench import RewindPoint

    plain = ticket.fit(end=3)
    assert (plain.start, plain.step) == (0, 3)
    later = ticket.after_rewinding(RewindPoint(plain.values, 3))
    rest = later.fit(end=6)
    assert (rest.start, rest.step) == (3, 6)
    assert rest.cost.steps == 3
    assert ticket.start is None
    assert len(ticket.ledger.search) == 2


def test_accounts_hold_no_tensors(ticket):
    trained = ticket.dense.trained
    (receipt,) = ticket.ledger.search
    assert receipt.key == trained.key
    assert receipt.cost == trained.cost
    assert not receipt.values
    assert not receipt.best.values
    assert len(trained.values) > 0


@pytest.mark.parametrize(
    "values", [torch.zeros(2, 3), torch.zeros(3), torch.tensor([[0.0, torch.nan], [0, 0]])]
)
def test_a_matrix_needs_a_finite_value_for_every_pair(ticket, values):
    with pytest.raises(ValueError, match="every pair"):
        ticket.keep_matrix("x", [0, 1], values)


def test_when_dense_gradients_count_is_one_of_three(ticket):
    with pytest.raises(ValueError, match="one of on_change, always, never, but got 'sometimes'"):
        ticket.fit(dense_gradients="sometimes")
