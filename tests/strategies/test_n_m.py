"""N:M: patterns and SR-STE's gradient by hand, along the input channels of every kind of layer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.errors import Unreachable
from lth_bench.masks import Layer, count_at
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.n_m import NM, SparseRefined, best, best_of_units, inputs, written

RECIPE = Recipe(lr=0.05, momentum=0.9, steps=20, batch_size=20, val_size=60, eval_every=10)
FOUR = torch.tensor([[0.1, -0.5, 0.3, 0.2]])


def test_two_of_four_by_hand():
    layer = Layer("w", "output", (1, 4))
    assert best(FOUR, layer, 2, 4).tolist() == [[False, True, True, False]]
    ties = torch.tensor([[1.0, -1, 1, 1]])
    assert best(ties, layer, 2, 4).tolist() == [[True, True, False, False]]


def test_sr_ste_s_gradient_by_hand():
    """g = 1: what is left out has 1 + 2e-4 · w."""
    weight = FOUR.double().requires_grad_()
    kept = best(FOUR, Layer("w", "output", (1, 4)), 2, 4)
    out = SparseRefined.apply(weight, kept, 2e-4)
    assert out.tolist() == [[0, -0.5, pytest.approx(0.3), 0]]
    out.sum().backward()
    expected = [1.00002, 1, 1, 1.00004]
    assert weight.grad.flatten().tolist() == pytest.approx(expected, abs=1e-9)


def test_groups_lie_along_the_input_channels():
    """A convolution's weights at one position of the kernel, and a transposed one's columns."""
    weight = torch.zeros(1, 4, 1, 2)
    weight[0, :, 0, 0] = torch.tensor([1.0, 2, 3, 4])
    weight[0, :, 0, 1] = torch.tensor([4.0, 3, 2, 1])
    kept = best(weight, Layer("c", "conv", (1, 4, 1, 2)), 1, 2)
    assert kept[0, :, 0, 0].tolist() == [False, True, False, True]
    assert kept[0, :, 0, 1].tolist() == [True, False, True, False]
    transposed = Layer("t", "conv", (4, 1, 1, 2), transposed=True)
    assert torch.equal(best(weight.transpose(0, 1), transposed, 1, 2), kept.transpose(0, 1))
    assert inputs(Layer("g", "conv", (8, 2, 3, 3), groups=4)) == 2


@given(
    st.integers(1, 3), st.integers(1, 4), st.sampled_from([(), (3, 3)]),
    st.sampled_from([(1, 2), (1, 4), (2, 4), (3, 4), (5, 8)]), st.integers(0, 9),
)  # fmt: skip
def test_every_group_keeps_its_n_largest(out, groups, kernel, pattern, seed):
    n, m = pattern
    shape = (out, groups * m, *kernel)
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    kept = best(weight, Layer("w", "conv", shape), n, m)
    split = kept.movedim(1, -1).reshape(-1, m)
    assert (split.sum(1) == n).all()
    sizes = weight.abs().movedim(1, -1).reshape(-1, m)
    largest, rest = sizes.masked_fill(~split, 9).amin(1), sizes.masked_fill(split, -9).amax(1)
    assert (largest >= rest).all()


def test_constant_fan_in_by_hand():
    """Two weights of every unit, of neighbours too; the columns of a transposed layer, whose second
    part of inputs is another unit's.
    """
    weight = torch.tensor([[4.0, -3, 1, 2], [1.0, 2, -3, 4]])
    kept = best_of_units(weight, Layer("w", "linear", (2, 4)), 2)
    assert kept.tolist() == [[True, True, False, False], [False, False, True, True]]
    transposed = Layer("t", "conv", (4, 2), transposed=True)
    assert torch.equal(best_of_units(weight.T, transposed, 2), kept.T)
    grouped = Layer("g", "conv", (4, 2), transposed=True, groups=2)
    assert grouped.fan_in == 2
    found = best_of_units(weight.T, grouped, 1).T
    assert found.tolist() == [[True, False, False, True], [False, True, False, True]]


@pytest.mark.parametrize("method", ["magnitude", "sr_ste"])
def test_constant_fan_in_suits_networks_whose_channels_are_no_multiple(
    method, make_bench, make_ticket
):
    """conv1 reads one channel in 9 positions, of which a third is three."""
    strategy = NM(n=1, m=3, pattern="fan_in", method=method, unfitting="dense")
    kept = (144 + 4608 + 9216) // 3 + 96  # 32 inputs of the output layer are no multiple of 3
    ticket = make_ticket(make_bench(ConvBN(), RECIPE), kept / 14064)
    chosen = ticket.after_selection(strategy.select_mask(ticket))
    chosen = chosen.after_rewinding(strategy.rewind_point(chosen))
    trained = strategy.train(chosen)
    assert trained.mask.count == kept
    for name, fan_in in (("conv1", 9), ("conv2", 144), ("conv3", 288)):
        rows = trained.mask.kept[name].flatten(1).sum(1)
        assert rows.unique().tolist() == [fan_in // 3]
    with pytest.raises(ValueError, match=r"of which 1/3 is a whole number, which fc \(32\) do"):
        NM(n=1, m=3, pattern="fan_in").require_groups(ticket.layers)


@pytest.fixture
def ticket(make_bench, make_ticket):
    return make_ticket(make_bench(MLP(hidden=(12, 8)), RECIPE), 0.5)


def pattern_of(mask):
    return {int(k.view(-1, 4).sum(1).unique()) for k in mask.kept.values()}


def test_magnitude_trains_on_from_the_dense_run(ticket):
    strategy = NM()
    mask = strategy.select_mask(ticket)
    assert mask.count == ticket.target_count and pattern_of(mask) == {2}
    point = strategy.rewind_point(ticket.after_selection(mask))
    assert point.step == 0
    assert torch.equal(point.values["fc2.weight"], ticket.dense.values["fc2.weight"])


def test_sr_ste_ends_with_the_pattern_of_its_last_step(ticket):
    strategy = NM(method="sr_ste")
    mask = strategy.select_mask(ticket)
    assert mask.count == mask.total
    chosen = ticket.after_selection(mask)
    chosen = chosen.after_rewinding(strategy.rewind_point(chosen))
    trained = strategy.train(chosen)
    assert trained.mask.count == ticket.target_count and pattern_of(trained.mask) == {2}
    initial = best(ticket.initial.weights["fc1"], ticket.layers[0], 2, 4)
    assert not torch.equal(trained.mask.kept["fc1"], initial)  # it moved
    for name, kept in trained.mask.kept.items():
        assert not trained.weights[name].masked_fill(kept, 0).any()
    assert [t.key for t in ticket.ledger.search] == [trained.key]  # and no dense run
    assert trained.cost.flops_masked_theoretical == trained.cost.flops_dense


def test_sr_ste_on_a_gpu_as_on_a_cpu(pretend_gpu, make_bench, make_ticket, tmp_path):
    recipe, strategy, found = replace(RECIPE, dtype="float64"), NM(method="sr_ste"), {}
    for device in ("cpu", "cuda:0"):
        bench = make_bench(MLP(hidden=(12, 8)), recipe, root=tmp_path / device[:3], device=device)
        ticket = make_ticket(bench, 0.5)
        chosen = ticket.after_selection(strategy.select_mask(ticket))
        found[device] = strategy.train(chosen.after_rewinding(strategy.rewind_point(chosen)))
    cpu, gpu = found.values()
    assert gpu.mask.to(torch.device("cpu")) == cpu.mask
    for key, value in cpu.values.items():
        torch.testing.assert_close(gpu.values[key].cpu(), value, rtol=0, atol=1e-6)
    assert not pretend_gpu.failed_captures


def test_layers_without_groups_are_refused_or_kept_dense(make_bench, make_ticket):
    """conv1 reads one channel: 144 of 144 + 4608 + 9216 + 96 weights stay, and half of the rest."""
    bench = make_bench(ConvBN(), RECIPE)
    with pytest.raises(Unreachable, match=r"multiples of 4, which conv1 \(1\) do not have"):
        NM().select_mask(make_ticket(bench, 0.5))
    kept = 144 + (4608 + 9216 + 96) // 2
    dense = NM(unfitting="dense")
    says = r"keeps 7104 of 14064 weights of this network, a density of 0\.5051, and not 0\.5"
    with pytest.raises(Unreachable, match=says):
        dense.select_mask(make_ticket(bench, 0.5))
    mask = dense.select_mask(make_ticket(bench, 0.5051))
    assert (mask.count, mask.kept_per_layer()["conv1"]) == (kept, 144)


def test_the_density_that_is_named_means_the_count():
    for count, total in ((7104, 14064), (1, 3), (999_999, 20_000_000)):
        assert count_at(float(written(count, total)), total) == count


def test_bad_patterns():
    with pytest.raises(ValueError, match="n must be below m, but got n = 4 and m = 4"):
        NM(n=4)
    assert NM(n=1, m=8).reaches == (0.125,)
    layers = (Layer("a", "conv", (8, 3, 3, 3)), Layer("b", "output", (10, 6)))
    says = r"2:4 needs input channels in multiples of 4, which a \(3\), b \(6\) do not have"
    for unfitting in ("refuse", "dense"):  # no layer has groups
        with pytest.raises(ValueError, match=says):
            NM(unfitting=unfitting).require_groups(layers)
    with pytest.raises(ValueError, match='or set unfitting = "dense"'):
        NM(m=3, n=1).require_groups((*layers, Layer("c", "linear", (4, 4))))
