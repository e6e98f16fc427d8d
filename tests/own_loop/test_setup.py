"""What `sparsify` takes, and what it refuses in one message."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import lth_bench
from lth_bench import Mask, TaskFacts, Ticket, UserError, hookimpl
from lth_bench.objectives import CrossEntropy
from lth_bench.objectives.squared_error import SquaredError


def examples(n: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(n, 1, 6, 6, generator=draws)
    return x, torch.randint(0, 3, (n,), generator=draws)


@pytest.mark.parametrize(
    "strategy",
    [
        "imp", "late_rewind", "early_imp", "early_bird", "one_shot", "lr_rewind", "fine_tune",
        "sculpt", "bimp",
    ],
)  # fmt: skip
@pytest.mark.parametrize("given", [False, True])
def test_strategies_that_train_are_refused_in_one_message(
    make_loop: Any, strategy: str, given: bool
) -> None:
    """The same one, whatever else is given."""
    loop = make_loop()
    before = {k: v.clone() for k, v in loop.net.state_dict().items()}
    data = DataLoader(TensorDataset(*examples()), batch_size=8)
    more: dict[str, Any] = {"steps": 100, "data": data} if given else {}
    with pytest.raises(UserError) as refused:
        lth_bench.sparsify(loop.net, loop.optimizer, strategy, 0.3, **more)
    said = str(refused.value)
    assert said.startswith(f"strategy {strategy!r} needs trainings of its own (")
    assert "random, snip" in said and "lth_bench.load_ticket(results, id)" in said
    assert all(torch.equal(v, before[k]) for k, v in loop.net.state_dict().items())


def test_weights_frozen_at_other_values_than_zero_are_for_runs_alone(make_loop: Any) -> None:
    loop = make_loop()
    how = {"criterion": "random", "pruned": "initial"}
    with pytest.raises(UserError, match="freezes pruned weights at other values than zero"):
        lth_bench.sparsify(loop.net, loop.optimizer, "supermask", 0.3, params=how)
    how["pruned"] = "zero"
    assert lth_bench.sparsify(loop.net, loop.optimizer, "supermask", 0.3, params=how).density < 1


def test_snip_takes_data_in_any_of_its_forms(make_loop: Any) -> None:
    """The same examples, the same mask."""
    x, y = examples()
    dataset = TensorDataset(x, y)
    masks = []
    for data in ((x, y), dataset, DataLoader(dataset, batch_size=8, shuffle=True)):
        loop = make_loop()
        sparse = lth_bench.sparsify(
            loop.net, loop.optimizer, "snip", 0.3, data=data, params={"batch_size": 32}
        )
        masks.append(sparse.mask)
    assert masks[0] == masks[1] == masks[2]
    assert masks[0].count == round(0.3 * masks[0].total)


def test_excluded_layers_stay_dense_and_do_not_count(make_loop: Any) -> None:
    loop = make_loop()
    sparse = lth_bench.sparsify(loop.net, loop.optimizer, "random", 0.3, exclude=["6", "0*"])
    assert set(sparse.mask.kept) == {"4"}
    assert sparse.mask.count == round(0.3 * 96 * 20)
    loop.train(range(2))
    assert loop.net[6].weight.all()


def test_a_strategy_may_be_an_instance(make_loop: Any) -> None:
    from lth_strategies.random import Random

    loop, other = make_loop(), make_loop()
    a = lth_bench.sparsify(loop.net, loop.optimizer, Random(allocation="erk"), 0.3)
    b = lth_bench.sparsify(other.net, other.optimizer, "random", 0.3, params={"allocation": "erk"})
    assert a.mask == b.mask


def test_an_optimizer_inside_of_a_trainer_s_is_found(make_loop: Any, holds: Any) -> None:
    class Accelerated(torch.optim.Optimizer):
        def __init__(self, optimizer: torch.optim.Optimizer) -> None:
            self.optimizer = optimizer

    loop = make_loop()
    sparse = lth_bench.sparsify(loop.net, Accelerated(loop.optimizer), "random", 0.3)
    loop.train(range(2))
    holds(sparse)


REFUSED = [
    ({"density": 1.5}, r"density is the kept fraction, in \(0, 1\), but got 1.5"),
    ({"density": 0}, r"density is the kept fraction, in \(0, 1\), but got 0"),
    ({"strategy": "rigl"}, "'rigl': its schedule goes by the length of training; pass steps="),
    ({"strategy": "rigl", "steps": 0}, "steps is the number of optimizer steps, 1 or more"),
    (
        {"strategy": "rigl", "steps": 10, "params": {"extend": 2}},
        "train 2 times as long as the loop",
    ),
    ({"strategy": "rigle"}, "unknown strategy 'rigle'; did you mean 'rigl'"),
    ({"strategy": "dense"}, "prunes nothing"),
    ({"params": {"alocation": "erk"}}, "strategy 'random': unknown key alocation; did you mean"),
    ({"strategy": "snip"}, "'snip': it looks at training examples .*pass data=: a pair of tensors"),
    (
        {"strategy": "snip", "data": examples(20)},
        "'snip': batch_size must be at most 20, the examples in the training split, but got 128",
    ),
    (
        {"strategy": "snip", "data": (torch.randn(20, 1, 6, 6), torch.randn(20, 3))},
        r"but they are float32 \[10, 3\]; pass loss=an objective, or a function",
    ),
    (
        {"strategy": "snip", "data": examples(20), "loss": lambda out, y: out[:, :2]},
        r"loss must return a scalar, or one number an example, but got \[10, 2\]",
    ),
    (
        {"strategy": "snip", "data": examples(20), "loss": lambda out, y: out.sum().detach()},
        "loss must keep the gradient",
    ),
    (
        {"strategy": "snip", "data": examples(20), "loss": lambda out, y: out @ y},
        r"'snip': loss raised RuntimeError: .* \(test_setup.py:\d+\)",
    ),
    ({"loss": "mse"}, "loss must be an objective, or a function .*, but got 'mse'"),
    ({"strategy": "snip", "data": [1, 2]}, "data must be a pair of tensors .*but got a list"),
    ({"exclude": "head"}, "exclude: no layer is called 'head'; choose from: 0, 4, 6"),
    ({"exclude": "*"}, "Sequential has nothing to prune: after exclude"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=lambda x: str(x)[:30])
def test_bad_arguments_are_named(make_loop: Any, options: Any, message: str) -> None:
    loop = make_loop()
    options = {"strategy": "random", "density": 0.3, **options}
    if "loss" in options or "float32" in message:
        options["params"] = {"batch_size": 10} if options["strategy"] == "snip" else {}
    with pytest.raises(UserError, match=message):
        lth_bench.sparsify(loop.net, loop.optimizer, **options)


def test_what_is_no_model_or_optimizer_is_named(make_loop: Any) -> None:
    loop = make_loop()
    with pytest.raises(UserError, match=r"model must be a torch.nn.Module, but got a dict"):
        lth_bench.sparsify(dict(loop.net.state_dict()), loop.optimizer)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"must be a torch.optim.Optimizer, but got a str"):
        lth_bench.sparsify(loop.net, "sgd")  # type: ignore[arg-type]
    other = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    with pytest.raises(UserError, match="updates none of the model's prunable weights"):
        lth_bench.sparsify(loop.net, other, "random")
    norm = nn.LayerNorm(3)
    with pytest.raises(UserError, match="no convolution, linear, attention or recurrent layer"):
        lth_bench.sparsify(norm, torch.optim.SGD(norm.parameters(), lr=0.1), "random")
    lbfgs = torch.optim.LBFGS(loop.net.parameters())
    with pytest.raises(UserError, match="LBFGS computes several"):
        lth_bench.sparsify(loop.net, lbfgs, "rigl", steps=10)


def test_a_loss_of_one_s_own_is_what_weights_are_scored_by(make_loop: Any) -> None:
    """As a scalar, by example and as an objective; and another loss has another mask."""
    x, y = examples()
    values = torch.randn(len(x), 3, generator=torch.Generator().manual_seed(3))

    def mask(targets: torch.Tensor, loss: Any) -> Mask:
        loop = make_loop()
        return lth_bench.sparsify(
            loop.net, loop.optimizer, "snip", 0.3, data=(x, targets), loss=loss,
            params={"batch_size": 32},
        ).mask  # fmt: skip

    by_scalar = mask(values, F.mse_loss)
    raw = SquaredError(mean=(0.0,), deviation=(1.0,))
    assert by_scalar == mask(values, raw)
    assert by_scalar == mask(values, lambda out, t: (out - t).square().mean(1))
    assert mask(y, None) == mask(y, F.cross_entropy) == mask(y, CrossEntropy())
    assert mask(y, None) != mask(y, lambda out, t: F.cross_entropy(-out, (t + 1) % 3))


@pytest.fixture
def one_process(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone."""
    store = f"file://{tmp_path / 'store'}"
    dist.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="torch is built without torch.distributed")
@pytest.mark.usefixtures("one_process")
def test_sharded_weights_are_refused_by_name() -> None:
    """FSDP2 makes a DTensor of every parameter; a mask would be of a shard."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    fully_shard(net, mesh=init_device_mesh("cpu", (1,)))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(UserError, match=r"layer '0' has a weight of type DTensor: sharded"):
        lth_bench.sparsify(net, optimizer, "random", 0.5)


class Fussy:
    """Does without tokens, and reads what it is told of the task."""

    def __init__(self, *facts: str) -> None:
        self.asks, self.told = facts, {}  # type: tuple[str, ...], dict[str, Any]

    def check_task(self, task: TaskFacts) -> None:
        self.told = {name: getattr(task, name) for name in self.asks}
        if task.input_shape.kind == "tokens":
            raise ValueError(f"tokens below {task.input_shape.vocabulary} are not for it")

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        ones = torch.ones(1, *ticket.input_shape, device=ticket.device)
        ticket.module(ticket.initial.values)(ones)
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)


class Bag(nn.Module):
    """The mean of tokens' embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(9, 4), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> Any:
        return self.head(self.table(x).mean(1))


def test_a_strategy_that_is_not_for_the_inputs_says_so_itself() -> None:
    """An input of ones is no token: torch's error of an embedding came instead."""
    net = Bag()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    tokens = torch.tensor([[0, 5, 2], [1, 1, 7]])
    for data in ((tokens, torch.tensor([0, 2])), TensorDataset(tokens, torch.tensor([0, 2]))):
        with pytest.raises(UserError, match=r"^strategy 'Fussy': tokens below 8 are not for it$"):
            lth_bench.sparsify(net, optimizer, Fussy(), 0.5, data=data)


def test_the_facts_that_check_task_receives(make_loop: Any) -> None:
    loop, facts = make_loop(), [field.name for field in fields(TaskFacts)]
    data = DataLoader(TensorDataset(*examples(64)), batch_size=8)
    strategy = Fussy(*facts)
    lth_bench.sparsify(loop.net, loop.optimizer, strategy, 0.3, data=data, steps=40)
    told = dict(strategy.told)
    shape = told.pop("input_shape")
    assert (shape, shape.kind, shape.targets, shape.vocabulary) == ((1, 6, 6), "images", "class", 0)
    assert [layer.numel for layer in told.pop("layers")] == [54, 1920, 60]
    assert told.pop("recipe").total_steps(64) == 40
    built = told.pop("build")()
    assert built is not loop.net and built.state_dict().keys() == loop.net.state_dict().keys()
    assert told == {
        "train_size": 64, "classes": 3, "total_steps": 40, "steps_per_epoch": 8,
        "layer_counts": {"0": 54, "4": 1920, "6": 60},
        "layer_kinds": {"0": "conv", "4": "linear", "6": "output"}, "has_momentum": False,
    }  # fmt: skip


@pytest.mark.parametrize("fact", ["total_steps", "steps_per_epoch"])
def test_what_is_not_known_is_not_checked(make_loop: Any, fact: str) -> None:
    """The hooks do without: nothing is demanded for the check's sake."""
    loop = make_loop()
    sparse = lth_bench.sparsify(loop.net, loop.optimizer, Fussy(fact), 0.3, data=examples())
    assert sparse.mask.count == round(0.3 * 2034)
