"""Chains that hold their kept weights only, against autograd and torch.optim on masked ones."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import cases
from torch import nn

from lth_bench.masks import Mask
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.sequential import stages_of
from lth_bench.training.engine.sparse_sequential import SparseSequential, sparse_layers

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "decay": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.02),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, weight_decay=0.01),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


def masked(sizes, densities, seed):
    """A float64 network with pruned weights at zero, and its mask: whole rows and columns too."""
    torch.manual_seed(seed)
    module = MLP(hidden=sizes[1:-1]).build((1, 1, sizes[0]), sizes[-1]).double()
    kept = {}
    for (name, part), density in zip(
        [(n, m) for n, m in module.named_modules() if isinstance(m, nn.Linear)],
        densities,
        strict=False,
    ):
        kept[name] = torch.rand(part.weight.shape) < density
        kept[name][torch.rand(len(kept[name])) < 0.2] = False
        kept[name][:, torch.rand(kept[name].shape[1]) < 0.2] = False
        with torch.no_grad():
            part.weight *= kept[name]
            part.bias.normal_()
    return module, Mask(kept)


def chain_of(module, mask, sparse):
    sequential = SparseSequential(stages_of(module), mask, frozenset(sparse))
    values = {k: v.detach() for k, v in module.state_dict().items()}
    for key, value in sequential.pack(values).items():
        sequential.parameters[key].copy_(value)
    return sequential


shapes = dict(
    sizes=st.lists(st.integers(1, 9), min_size=3, max_size=5),
    densities=st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=4, max_size=4),
    which=st.lists(st.booleans(), min_size=4, max_size=4),
    n=st.integers(1, 9),
    seed=st.integers(0, 9),
)


@settings(max_examples=cases(40))
@given(smoothing=st.sampled_from([0.0, 0.1]), **shapes)
def test_gradients_of_what_is_kept_are_autograd_s(sizes, densities, which, n, seed, smoothing):
    module, mask = masked(sizes, densities, seed)
    sparse = [name for name, is_sparse in zip(mask.kept, which, strict=False) if is_sparse]
    sequential = chain_of(module, mask, sparse)
    x = torch.randn(n, 1, 1, sizes[0], dtype=torch.float64)
    y = torch.randint(0, sizes[-1], (n,))
    loss = sequential.backward(x, y, smoothing)
    logits = module(x)
    expected = F.cross_entropy(logits, y, label_smoothing=smoothing)
    expected.backward()
    assert abs(float(loss - expected.detach())) <= 1e-12
    assert float((sequential.logits(x) - logits.detach()).abs().max()) <= 1e-12
    found = sequential.unpack({k: p.grad for k, p in sequential.parameters.items()})
    for key, parameter in module.named_parameters():
        name, _, kind = key.rpartition(".")
        gradient = parameter.grad
        if kind == "weight" and name in sparse:
            assert sequential.parameters[key].shape == (int(mask.kept[name].sum()),)
            gradient = gradient * mask.kept[name]
        assert float((found[key] - gradient).abs().max()) <= 1e-12


@settings(max_examples=8)
@given(optimizer=st.sampled_from(sorted(OPTIMIZERS)), **shapes)
def test_fifty_steps_equal_the_masked_network_s(sizes, densities, which, n, seed, optimizer):
    module, mask = masked(sizes, densities, seed)
    sparse = [name for name, is_sparse in zip(mask.kept, which, strict=False) if is_sparse]
    sequential = chain_of(module, mask, sparse)
    ours = OPTIMIZERS[optimizer](list(sequential.parameters.values()))
    theirs = OPTIMIZERS[optimizer](list(module.parameters()))
    dense = {f"{name}.weight": kept for name, kept in mask.kept.items() if name not in sparse}
    for _ in range(50):
        x = torch.randn(n, 1, 1, sizes[0], dtype=torch.float64)
        y = torch.randint(0, sizes[-1], (n,))
        sequential.backward(x, y)
        ours.step()
        theirs.zero_grad()
        F.cross_entropy(module(x), y).backward()
        theirs.step()
        with torch.no_grad():
            for key, kept in dense.items():
                sequential.parameters[key] *= kept
            for name, kept in mask.kept.items():
                module.get_submodule(name).weight *= kept
    found = sequential.unpack(sequential.parameters)
    for key, parameter in module.named_parameters():
        assert float((found[key] - parameter.detach()).abs().max()) <= 1e-12, key


def test_pruned_places_are_neither_read_nor_written():
    module, mask = masked((6, 5, 3), (0.4, 0.4), seed=1)
    sequential = SparseSequential(stages_of(module), mask, frozenset({"fc1", "fc2"}))
    values = {k: torch.full_like(v, 7.0) for k, v in module.state_dict().items()}
    back = sequential.unpack(sequential.pack(values))
    for name, kept in mask.kept.items():
        assert torch.equal(back[f"{name}.weight"], 7.0 * kept)
        assert not bool(back[f"{name}.weight"].signbit().any())
        assert torch.equal(back[f"{name}.bias"], values[f"{name}.bias"])


def test_a_step_leaves_the_module_alone():
    module, mask = masked((6, 5, 3), (0.4, 0.4), seed=2)
    before = copy.deepcopy(module.state_dict())
    sequential = chain_of(module, mask, mask.kept)
    sequential.backward(torch.randn(4, 6, dtype=torch.float64), torch.tensor([0, 1, 2, 0]))
    for parameter in sequential.parameters.values():
        parameter += parameter.grad
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert all(p.grad is None for p in module.parameters())


LENET, SMALL = (1, 28, 28), (1, 8, 8)


@pytest.mark.parametrize(
    ("shape", "densities", "expected"),
    [
        (LENET, (0.2, 0.2, 0.1), {"fc1", "fc2"}),  # the last layer is too small
        (LENET, (0.2, 0.3, 1.0), {"fc1"}),
        (LENET, (0.3, 0.1, 1.0), set()),  # the largest layer decides
        (LENET, (1.0, 1.0, 1.0), set()),
        (SMALL, (0.1, 0.1, 1.0), set()),  # and must be large
    ],
)
def test_sparse_are_large_layers_of_which_little_is_left(shape, densities, expected):
    module = MLP(hidden=(300, 100)).build(shape, 10)
    kept = {}
    for name, density in zip(("fc1", "fc2", "fc3"), densities, strict=True):
        weight = module.get_submodule(name).weight
        kept[name] = torch.arange(weight.numel()).view(weight.shape) < density * weight.numel()
    assert sparse_layers(stages_of(module), Mask(kept)) == expected
