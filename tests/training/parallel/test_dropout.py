"""Dropout draws on several ranks what it draws on one device, and what cannot is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.models.mlp import MLP
from lth_bench.training.input.task_data import Share
from lth_bench.training.parallel import layout
from lth_bench.training.parallel.dropout import KINDS, draws_as_one_device, share_dropout
from lth_bench.training.parallel.follower import NoCrew
from lth_bench.training.parallel.group import Ranks
from lth_bench.training.recipe import Recipe

RECIPE = Recipe(steps=4, batch_size=20, val_size=60)
SHAPES = {nn.Dropout: (6, 5), nn.Dropout1d: (6, 5, 3), nn.Dropout2d: (6, 5, 3, 4)}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("memory", ["usual", "channels last"])
@pytest.mark.parametrize("inplace", [False, True])
def test_the_parts_are_the_bits_of_the_whole(kind: Any, memory: str, inplace: bool) -> None:
    x = torch.randn(SHAPES.get(kind, (6, 5, 3, 4, 2)))
    if memory == "channels last":
        x = x.movedim(1, -1).contiguous().movedim(-1, 1)
    one = kind(0.4, inplace)
    torch.manual_seed(1)
    whole = one(x.clone(memory_format=torch.preserve_format))
    assert 0 < int((whole == 0).sum()) < whole.numel()
    for rank in range(3):
        shared = nn.Sequential(kind(0.4, inplace))
        share_dropout(shared, Share(rank, 3))
        torch.manual_seed(1)
        assert torch.equal(shared(x[2 * rank : 2 * rank + 2]), whole[2 * rank : 2 * rank + 2])
        shared.eval()
        assert torch.equal(shared(x), x)


class Functional(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(36, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.dropout(x.flatten(1), 0.01, self.training))


class ExamplesSecond(Functional):
    """Its last layer starts with zeros, so that its outputs alone would tell of nothing."""

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.dropout = nn.Dropout(0.5)
        nn.init.zeros_(self.fc.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.dropout(x.flatten(1).t()).t())


class Vanishing(ExamplesSecond):
    """The outputs are below 1e-5, as after many layers without norms."""

    def forward(self, x: Tensor) -> Tensor:
        return 1e-8 * super().forward(x)


@dataclass(frozen=True)
class Made:
    kind: type

    def build(self, _: Any, classes: int) -> nn.Module:
        return self.kind(classes)


@pytest.mark.parametrize(
    ("net", "alike"),
    [
        (MLP(hidden=(3,)), True),
        (MLP(hidden=(3,), dropout=0.5), True),
        (Made(Functional), False),
        (Made(ExamplesSecond), False),
        (Made(Vanishing), False),
    ],
    ids=["none", "nn.Dropout", "F.dropout", "examples second", "tiny outputs"],
)
def test_what_draws_otherwise_has_a_seed_for_each_rank(
    net: Any, alike: bool, make_bench: Any, monkeypatch: Any
) -> None:
    """Or all parts of a batch would lose the same units."""

    class Wrapped(nn.Module):
        def __init__(self, module: nn.Module, **_: Any) -> None:
            super().__init__()

    monkeypatch.setattr(layout, "DistributedDataParallel", Wrapped)
    bench = make_bench(net, RECIPE)
    assert draws_as_one_device(bench.network) == alike
    seeds = set()
    for rank in range(2):
        group = Ranks(Share(rank, 2), bench.device)
        made = layout.DataParallel(bench.network, bench.data, RECIPE, group=group, crew=NoCrew())
        made.begin([1], [0], [bench.initial(1).values], [bench.dense_mask()], penalties={})
        seeds.add(made.forward_seed(3))
        assert made.draws_as_one == alike
    assert len(seeds) == (1 if alike else 2)
