"""Which layout a network takes at a width."""

from __future__ import annotations

import copy
from typing import TypeAlias

import torch
from torch import Tensor, nn

from lth_bench.training.data import TaskData
from lth_bench.training.layouts.base import Layout
from lth_bench.training.layouts.by_hand import ByHand
from lth_bench.training.layouts.kept_only import KeptOnly
from lth_bench.training.layouts.layers import by_member, example_major, stack_layers
from lth_bench.training.layouts.plain import Plain
from lth_bench.training.layouts.sparse_input import SparseInput
from lth_bench.training.layouts.stacked import Explicit, Vmapped, without_slow_warnings
from lth_bench.training.network import Network
from lth_bench.training.randomness import seeded
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest
from lth_bench.training.sparse_chain import DENSITY

Kind: TypeAlias = type[KeptOnly | SparseInput | Plain | Explicit | Vmapped]

BESIDE_SPARSE_INPUT = 0.1
"""Density of the first layer, where it is the largest, up to which keeping its kept weights alone
beats leaving out the background: LeNet-300-100 takes as long either way at 0.11 (IMP's masks)."""
MEMBERS, EXAMPLES = 2, 3
TOLERANCE = 1e-9
"""Of float64 gradients, relative to the largest: a wrong layout is off by about 1."""


def make_layout(
    network: Network, data: TaskData, recipe: Recipe, width: int, kind: Kind | None = None
) -> Layout:
    """The layout for cohorts of `width` members of this network; if `kind` is not given, of the
    kind that every training can take.
    """
    return (kind or for_any(network, recipe, width))(network, data, recipe, width)


def kind_of(network: Network, data: TaskData, request: FitRequest, width: int) -> Kind:
    """The kind of layout that a training takes at a width: a property of the training, its data and
    the kind of machine, so that a rerun computes the same way.
    """
    sparse_input = width == 1 and SparseInput.takes(network, data, request)
    rivals = sparse_input and network.first_is_largest
    if KeptOnly.takes(network, request, BESIDE_SPARSE_INPUT if rivals else DENSITY):
        return KeptOnly
    if sparse_input:
        return SparseInput
    return for_any(network, request.recipe, width)


def for_any(network: Network, recipe: Recipe, width: int) -> Kind:
    """The kind of layout that every training of the network can take."""
    if width == 1:
        return ByHand if ByHand.takes(network, recipe) else Plain
    return Explicit if network.stacks == "explicit" else Vmapped


def how_it_stacks(module: nn.Module, input_shape: tuple[int, int, int]) -> str | None:
    """`explicit`, `vmap`, or None for a network that trains alone.

    Alone train networks that draw random numbers in their forward pass (dropout), whose draws
    would depend on the place in the stack, and those that `torch.func` cannot stack. Layers are
    taken one by one where that gives the gradients that `torch.func` gives.
    """
    if draws_at_random(module, input_shape):
        return None
    with seeded("stack"):
        module, x = _copy(module, input_shape, torch.float64)
        values = [_scattered(module) for _ in range(MEMBERS)]
        try:
            expected = _gradients_by_vmap(module, values, x)
        except Exception:  # whatever operation cannot be stacked, for whatever reason
            return None
        try:
            found = _gradients_by_layer(module, values, x)
        except Exception:  # the network's own code does not take the stacked layers' rows
            return "vmap"
    agree = found is not None and all(
        float((found[k] - g).abs().max()) <= TOLERANCE * max(1.0, float(g.abs().max()))
        for k, g in expected.items()
    )
    return "explicit" if agree else "vmap"


def draws_at_random(module: nn.Module, input_shape: tuple[int, int, int]) -> bool:
    """Whether a forward pass in training draws random numbers."""
    with seeded("stack"):
        # in its own precision, which the network's code may count on
        kinds = {p.dtype for p in module.parameters() if p.is_floating_point()}
        module, x = _copy(module, input_shape, kinds.pop() if kinds else torch.float32)
        before = torch.get_rng_state()
        module(x[0])
        return not torch.equal(before, torch.get_rng_state())


def _copy(
    module: nn.Module, input_shape: tuple[int, int, int], dtype: torch.dtype
) -> tuple[nn.Module, Tensor]:
    """A copy on the CPU, and batches [members, examples, C, H, W]."""
    module = copy.deepcopy(module).to(device="cpu", dtype=dtype).train()
    return module, torch.randn(MEMBERS, EXAMPLES, *input_shape, dtype=dtype)


def _scattered(module: nn.Module) -> dict[str, Tensor]:
    """Values of a member's own, so that members mixed up show."""
    return {
        k: v + 0.1 * torch.rand_like(v) if v.is_floating_point() else v.clone()
        for k, v in module.state_dict().items()
    }


def _gradients_by_vmap(
    module: nn.Module, values: list[dict[str, Tensor]], x: Tensor
) -> dict[str, Tensor]:
    names = {k for k, _ in module.named_parameters()}
    stacked = {k: torch.stack([v[k] for v in values]) for k in values[0]}
    parameters = {k: v.requires_grad_() for k, v in stacked.items() if k in names}
    buffers = {k: v for k, v in stacked.items() if k not in names}

    def one(p: dict[str, Tensor], b: dict[str, Tensor], x: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(module, (p, b), (x,))
        return out

    with without_slow_warnings():
        logits: Tensor = torch.func.vmap(one)(parameters, buffers, x)
        return _gradients(logits, parameters)


def _gradients_by_layer(
    module: nn.Module, values: list[dict[str, Tensor]], x: Tensor
) -> dict[str, Tensor] | None:
    across = example_major(module)
    stacked = stack_layers(module, MEMBERS, across)
    if stacked is None:
        return None
    with torch.no_grad():
        for key, tensor in stacked.state_dict(keep_vars=True).items():
            tensor.copy_(torch.stack([v[key] for v in values]))
    rows = (x.transpose(0, 1) if across else x).flatten(0, 1)
    logits = by_member(stacked(rows), MEMBERS, across)
    return _gradients(logits, dict(stacked.named_parameters()))


def _gradients(logits: Tensor, parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Gradients of a function that weighs every member, example and class differently."""
    weight = torch.linspace(-1, 1, logits.numel(), dtype=logits.dtype).view(logits.shape)
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        (weight * logits.log_softmax(-1)).sum(), list(parameters.values()), allow_unused=True
    )
    return {
        k: torch.zeros_like(p) if g is None else g
        for (k, p), g in zip(parameters.items(), found, strict=True)
    }
