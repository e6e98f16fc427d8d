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
