"""A first layer without the background, against autograd on the whole images."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import cases
from torch import nn

from lth_bench.training.engine.sequential import stages_of
from lth_bench.training.engine.sparse_input.linear import SparseInputSequential
from lth_bench.training.input.sparse_images import SparseImages
from lth_bench.training.input.task_data import Background


def made(n, sizes, biases=True, dtype=torch.float64, value=3):
    """A network, its sparse twin with the same values, a batch for each, and the labels."""
    parts = [nn.Flatten()]
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        parts += [nn.ReLU()] * (i > 0) + [nn.Linear(fan_in, fan_out, bias=biases)]
    module = nn.Sequential(*parts).to(dtype)
    x = torch.randint(0, 256, (n, 1, 1, sizes[0]), dtype=torch.uint8)
    x[torch.rand(x.shape) < 0.8] = value
    shades = torch.randn(256, dtype=dtype)
    sequential = SparseInputSequential(stages_of(module), Background(value, 0.8, 1, shades))
    sequential.load(module.state_dict())
    (batch,) = SparseImages(x, value, shades).batches(torch.arange(n), n)
    y = torch.randint(0, sizes[-1], (n,))
    return module, sequential, shades[x.long()], batch, y


@settings(max_examples=cases(40))
@given(
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=4),
    n=st.integers(1, 9),
    biases=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1]),
    seed=st.integers(0, 9),
)
def test_logits_and_gradients_are_autograd_s(sizes, n, biases, smoothing, seed):
    torch.manual_seed(seed)
    module, sequential, x, batch, y = made(n, sizes, biases)
    logits = module(x)
    expected_loss = F.cross_entropy(logits, y, label_smoothing=smoothing)
    expected = torch.autograd.grad(expected_loss, list(module.parameters()))
    assert float((sequential.logits(batch) - logits.detach()).abs().max()) <= 1e-12
    for _ in range(2):  # what an earlier step left does not matter
        loss = sequential.backward(batch, y, smoothing)
    assert abs(float(loss - expected_loss.detach())) <= 1e-12
    for (key, _), gradient in zip(module.named_parameters(), expected, strict=True):
        found = sequential.usual(sequential.parameters[key].grad)
        assert float((found - gradient).abs().max()) <= 1e-12


def test_rows_are_padded_and_the_padding_stays_zero():
    torch.manual_seed(1)
    _, sequential, _, batch, y = made(7, (30, 21, 3))
    weight = sequential.parameters["1.weight"]
    assert weight.shape == (1, 30, 32)
    sequential.backward(batch, y)
    assert bool((weight[..., 21:] == 0).all()) and bool((weight.grad[..., 21:] == 0).all())
    assert sequential.usual(weight).shape == (21, 30)


@pytest.mark.parametrize("units", [300, 304])
def test_in_float32_it_is_as_exact_as_the_dense_layer(units):
    torch.manual_seed(2)
    module, sequential, x, batch, y = made(64, (784, units, 10), dtype=torch.float32)
    exact = copy.deepcopy(module).double()
    expected = torch.autograd.grad(F.cross_entropy(exact(x.double()), y), [exact[1].weight])[0]
    dense = torch.autograd.grad(F.cross_entropy(module(x), y), [module[1].weight])[0]
    sequential.backward(batch, y)
    found = sequential.usual(sequential.parameters["1.weight"].grad)
    far = [float((g.double() - expected).abs().max()) for g in (found, dense)]
    assert far[0] <= max(4 * far[1], 1e-7)
