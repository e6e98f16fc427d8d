"""Methods that train other tensors than the weights, on a pretend GPU: nothing is captured there
that must change from step to step, such as what they draw.
"""

from __future__ import annotations

import pytest
import torch

from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.aws import AWS
from lth_strategies.signed_supermask import SignedSupermask
from lth_strategies.supermask import Supermask

RECIPE = Recipe(lr=0.05, momentum=0.9, steps=6, batch_size=20, val_size=60, eval_every=3)
NET = MLP(hidden=(7,))


@pytest.mark.parametrize(
    ("strategy", "net"),
    [
        (AWS(rounds=2, dense_fraction=0.34, round_fraction=0.17), ConvBN()),
        (SignedSupermask(), NET),
        (Supermask(pruned="initial"), NET),
    ],
)
def test_the_ticket_is_the_cpu_s(strategy, net, pretend_gpu, make_bench, make_ticket, tmp_path):
    masks, values = [], []
    for device in ("cuda:0", "cpu"):
        bench = make_bench(net, RECIPE, device=device, root=tmp_path / device[:3])
        ticket = make_ticket(bench, 0.4)
        ticket = ticket.after_selection(strategy.select_mask(ticket))
        if hasattr(strategy, "rewind_point"):
            ticket = ticket.after_rewinding(strategy.rewind_point(ticket))
        trained = strategy.train(ticket) if hasattr(strategy, "train") else ticket.fit()
        assert {v.device for v in trained.values.values()} == {torch.device(device)}
        masks.append(trained.mask.to("cpu"))
        values.append({key: value.cpu() for key, value in trained.values.items()})
    assert masks[0] == masks[1]
    for key, value in values[1].items():
        torch.testing.assert_close(values[0][key], value)
