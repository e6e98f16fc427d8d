"""Block floating point by hand: steps, limits, blocks, and rounding that is right on average."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lth_bench.errors import UserError
from lth_bench.models.mlp import MLP
from lth_bench.models.prunable import layers_by_name, prunable_layers
from lth_bench.training.engine.rounding import Rounding, block_rounded, require_roundable


def rounded(values, bits=8, seed=0):
    return block_rounded(torch.as_tensor(values), bits, torch.Generator().manual_seed(seed))


def test_eight_bits_by_hand():
    """The largest is .75, so e = −1 and the step is 2⁻⁷: .3 is 38.4 steps."""
    draws = 10_000
    block = torch.full((1, draws + 1), 0.3)
    block[0, -1] = 0.75
    found = rounded(block)[0]
    assert found[-1] == 0.75
    low, high = 38 / 128, 39 / 128
    assert (low, high) == (0.296875, 0.3046875)
    assert set(found[:-1].tolist()) == {low, high}
    up = float((found[:-1] == high).double().mean())
    assert up == pytest.approx(0.4, abs=5 * math.sqrt(0.24 / draws))


def test_the_largest_is_clipped_one_step_below_the_next_power():
    for seed in range(5):
        assert rounded([[1.9999, -1.9999]], seed=seed).tolist() == [[2 - 2**-6, -(2 - 2**-6)]]


def test_a_block_is_an_index_of_the_first_dimension():
    """The second row's step is 2⁻⁸ of the first's; a vector's entries each have their own."""
    small = torch.tensor([[1.0, 0.3], [2**-8, 0.3 * 2**-8]])
    found = rounded(small)
    assert float((found[1] - small[1]).abs().max()) < 2**-14
    gammas = torch.tensor([1.0, 0.003, 300.0])
    assert bool(((rounded(gammas) - gammas).abs() / gammas < 2**-6).all())
    assert rounded(torch.tensor(0.0)).shape == ()


def test_zeros_stay_and_what_is_not_finite_is_seen():
    assert rounded(torch.zeros(2, 3)).tolist() == [[0.0] * 3] * 2
    assert rounded(torch.full((2,), 1e-40)).abs().max() < 1e-30
    bad = rounded([[1.0, math.inf], [0.3, math.nan]])
    assert bad[0].tolist() == [1.0, math.inf] and math.isnan(bad[1, 1])


@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=12),
    bits=st.integers(2, 16),
    double=st.booleans(),
)
def test_neighbours_on_the_grid_which_rounding_leaves(values, bits, double):
    x = torch.tensor([values], dtype=torch.float64 if double else torch.float32)
    once = rounded(x, bits, seed=1)
    largest = float(x.abs().max())
    if largest < 2**-90:
        return
    step = 2.0 ** (math.floor(math.log2(largest)) - bits + 2)
    counts = once.double() / step
    assert bool((counts == counts.round()).all())
    assert float(counts.abs().max()) <= 2 ** (bits - 1) - 1
    assert float((once - x).double().abs().max()) <= step
    if float(counts.abs().max()) >= 2 ** (bits - 2):  # its largest did not fall below the power
        assert torch.equal(rounded(once, bits, seed=2), once)


def test_outputs_and_errors_are_rounded_except_the_last_layer_s():
    module = nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 3)).double()
    layers = prunable_layers(module, (5,), 3)
    assert [layer.kind for layer in layers] == ["linear", "output"]
    x = torch.randn(4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    seen = {}

    def watched(name):
        def hook(_module, _inputs, output):
            seen[name] = output
            output.retain_grad()

        return hook

    rounding = Rounding(8, torch.device("cpu"))
    rounding.seed(5)
    with rounding.within(module, layers):
        after = [part.register_forward_hook(watched(i)) for i, part in enumerate(module)]
        module(x).square().sum().backward()
    for hook in after:
        hook.remove()
    rng = torch.Generator().manual_seed(5)
    first, last = module[0](x), seen[2]
    assert torch.equal(seen[0], block_rounded(first, 8, rng))
    assert torch.equal(last, module[2](seen[1]))
    # the error behind the first layer arrives rounded at its bias, summed over the examples
    error = block_rounded(seen[0].grad, 8, rng)
    assert not torch.equal(error, seen[0].grad)
    assert torch.allclose(module[0].bias.grad, error.sum(0), rtol=1e-12)
    # and nothing of it is left on the module
    assert torch.equal(module[0](x), first)


def test_a_network_of_other_layers_is_refused():
    mlp = MLP(hidden=(4,)).build((1, 6, 6), 3)
    require_roundable(mlp, prunable_layers(mlp, (1, 6, 6), 3), 8)
    net = nn.Sequential(nn.LSTM(4, 4))
    says = r"^training in 8 bits rounds .* the weight '0.weight_ih_l0' belongs to LSTM; leave"
    with pytest.raises(UserError, match=says):
        require_roundable(net, tuple(layers_by_name(net).values()), 8)
    both = nn.Sequential(nn.Linear(4, 4), nn.LSTM(4, 4))
    with pytest.raises(UserError, match=r"'1\.weight_ih_l0' belongs to LSTM"):
        require_roundable(both, tuple(layers_by_name(both).values())[:1], 8)  # not prunable
