"""What a cohort's start and its snapshots launch on a GPU: the same, whatever the cohort size."""

from __future__ import annotations

import pytest

from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP, LeNet300100
from lth_bench.models.resnet import ResNet20
from lth_bench.training.engine.layouts.alone import Plain
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.engine.layouts.stacked import Explicit
from lth_bench.training.recipe import Recipe

RECIPE = Recipe(lr=0.05, steps=12, batch_size=20, val_size=60, momentum=0.9)


@pytest.fixture
def launches(pretend_gpu, make_bench, half_mask, request_of):
    """`launches(net, kind, size)`: of `begin`, the capture apart, of keeping some members' state as
    their best, and of reading all members' values.
    """

    def count(net, kind, size):
        bench = make_bench(net, RECIPE, device="cuda:0")
        layout = kind(bench.network, bench.data, RECIPE, size)
        layout.graphs.possible = False
        masks = [half_mask(bench, slot).to(bench.device) for slot in range(size)]
        fits = [request_of(bench, seed=s, mask=m) for s, m in enumerate(masks)]
        seeds, values = [f.seed for f in fits], [f.values for f in fits]
        found = []
        for _ in range(2):  # the first makes what is made once

            def measured(action):
                pretend_gpu.reset()
                action()
                return pretend_gpu.launched, sum(pretend_gpu.waits.values())

            found = [
                measured(lambda: layout.begin(seeds, [0] * size, values, masks, penalties={})),
                measured(lambda: layout.best.keep(range(max(1, size - 1)))),
                measured(lambda: layout.snapshots(range(size))),
            ]
        tensors = len(layout.tensors())
        return found, tensors

    return count


@pytest.mark.parametrize(
    ("net", "kind"),
    [(MLP(hidden=(7,)), Explicit), (ConvBN(), Explicit), (ConvBN(), Branches)],
    ids=["mlp-stacked", "conv-stacked", "conv-branches"],
)
def test_starts_and_snapshots_take_as_many_at_any_size(net, kind, launches):
    few, tensors = launches(net, kind, 2)
    many, _ = launches(net, kind, 5)
    assert few == many
    (begin, _), (best, _), (read, reads) = few
    # values and masks are stacked and copied
    assert begin <= 6 * tensors
    assert best <= tensors + 1
    assert read <= 2 * tensors and reads == tensors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("net", "kind"),
    [(LeNet300100(), Explicit), (ResNet20(), Explicit), (ResNet20(), Branches)],
    ids=["lenet_300_100", "resnet20-stacked", "resnet20-branches"],
)
def test_at_full_size_too(net, kind, launches):
    few, tensors = launches(net, kind, 16)
    many, _ = launches(net, kind, 64)
    print(f"tensors {tensors}; launches and waits of begin, best, read: {many}")
    assert few == many


@pytest.mark.parametrize(
    "net",
    [MLP(hidden=(7,)), ConvBN(), pytest.param(ResNet20(), marks=pytest.mark.slow)],
    ids=["mlp", "conv", "resnet20"],
)
def test_a_training_alone_takes_no_more_than_a_cohort(net, launches):
    alone, _ = launches(net, Plain, 1)
    several, _ = launches(net, Explicit, 2)
    print(f"launches and waits of begin, best, read: alone {alone}, two {several}")
    assert all(one[0] <= two[0] for one, two in zip(alone, several, strict=True))
