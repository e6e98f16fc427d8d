"""A plain loop gives the masks and values of `lth_bench.run`, in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from taken_home import DENSITY

import lth_bench
from lth_bench.data.digits import Digits
from lth_bench.data.tabular import Tabular
from lth_bench.data.text import StdlibText
from lth_bench.objectives.squared_error import SquaredError
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.recipe import Recipe


def in_a_closure(optimizer: torch.optim.Optimizer, net: Any, x: Any, y: Any) -> None:
    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        return loss

    optimizer.step(closure)


def plainly(optimizer: torch.optim.Optimizer, net: Any, x: Any, y: Any) -> None:
    optimizer.zero_grad()
    F.cross_entropy(net(x), y).backward()
    optimizer.step()


@pytest.mark.parametrize("way", [plainly, in_a_closure])
@pytest.mark.parametrize(
    ("label", "params"), [("snip", {}), ("random", {}), ("rigl", {"update_every": 5})]
)
def test_masks_and_values(
    home: Any, ticket_id: Any, label: str, params: dict[str, Any], way: Any
) -> None:
    ticket = lth_bench.load_ticket(home.results, ticket_id(label))
    data = ResidentData(Digits().load(Path()), 97, torch.device("cpu"))
    recipe = Recipe(**ticket.recipe["recipe"])
    net = ticket.module(ticket.start.values).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)

    sparse = lth_bench.sparsify(
        net, optimizer, label, DENSITY, steps=30, params=params, seed=3,
        data=(data.normalise(data.train.x), data.train.y),
    )  # fmt: skip
    selected = sparse.mask
    for step in range(30):
        x, y = data.batch(step, 3, recipe)
        way(optimizer, net, x.double(), y)

    assert sparse.mask == ticket.mask
    assert (sparse.mask == selected) == (label != "rigl")
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, ticket.final.values[key], rtol=0, atol=1e-10)


def next_token(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """As a user writes it: outputs [N, T, V], tokens [N, T]."""
    return F.cross_entropy(outputs.transpose(1, 2), targets)


@pytest.mark.parametrize(("label", "params"), [("snip", {}), ("rigl", {"update_every": 5})])
@pytest.mark.parametrize("model", ["mlp", "transformer"])
def test_other_losses_and_inputs(
    anywhere: Any, ticket_of_model: Any, model: str, label: str, params: dict[str, Any]
) -> None:
    ticket = lth_bench.load_ticket(anywhere.results, ticket_of_model(model, label))
    if model == "mlp":
        arrays = Tabular(name="diabetes").load(Path())
    else:
        arrays = StdlibText(size=4000, length=8).load(Path())
    data = ResidentData(arrays, 20, torch.device("cpu"))
    inputs = data.normalise(data.train.x)
    loss: Any = next_token
    if model == "mlp":
        inputs = inputs.double()
        loss = SquaredError().bound(data.train.y, data.info)
    recipe = Recipe(**ticket.recipe["recipe"])
    net = ticket.module(ticket.start.values).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    sparse = lth_bench.sparsify(
        net, optimizer, label, 0.3, steps=20, params=params, seed=3,
        data=(inputs, data.train.y), loss=loss,
    )  # fmt: skip
    for step in range(20):
        x, y = data.batch(step, 3, recipe)
        optimizer.zero_grad()
        out = net(x.double() if x.is_floating_point() else x)
        (loss.losses(out, y).mean() if model == "mlp" else loss(out, y)).backward()
        optimizer.step()

    assert sparse.mask == ticket.mask
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, ticket.final.values[key], rtol=0, atol=1e-10)
