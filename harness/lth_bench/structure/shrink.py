"""The physically smaller network of a structured ticket, and its cost."""

from __future__ import annotations

import copy
import statistics
import time
import warnings
from collections.abc import Sequence

import torch
from torch import nn

from lth_bench.masks import Mask
from lth_bench.models import examples
from lth_bench.models.tracing import eager
from lth_bench.structure.groups import UnitGroup
from lth_bench.structure.trace import cut, refusal
from lth_bench.structure.unit_masks import removed_units
from lth_bench.structure.units import unit_groups
from lth_bench.structure.verify import outputs, same

WARM_UP = 3
"""Untimed runs before the measurement."""


def shrink_network(
    module: nn.Module,
    input_shape: tuple[int, ...],
    mask: Mask,
    groups: Sequence[UnitGroup] | None = None,
) -> nn.Module:
    """A copy of the network without the units that `mask` removes, on the same device.

    Its outputs equal the masked network's. Pruned weights of surviving units are zeros in it; a
    mask that removes no whole unit gives a network of the original size. `module` keeps its values;
    the copy has the same training mode and the same frozen parameters. `groups` are
    `unit_groups(module, input_shape)`, if already known.

    UserError for a network whose units cannot be removed, and for a mask that removes all units of
    a layer.
    """
    if groups is None:
        groups = unit_groups(module, input_shape)
    removed = removed_units(groups, mask)
    small = copy.deepcopy(module)
    small.zero_grad(set_to_none=True)
    device = next(module.parameters()).device
    mask.to(device).apply_(small.state_dict())
    masked = copy.deepcopy(small).double().eval()
    rng = torch.Generator().manual_seed(0)
    x = examples.random(2, input_shape, torch.float64, rng)
    x = x.to(device)
    with eager():
        cut(small, input_shape, groups, removed)
        agree = same(outputs(masked, x), outputs(copy.deepcopy(small).double().eval(), x))
    if not agree:
        raise refusal(
            module, "after removing this mask's units its outputs differ from the masked network's"
        )
    # tracing leaves every part in eval mode and with gradients
    for name, part in module.named_modules():
        small.get_submodule(name).training = part.training
    for name, parameter in module.named_parameters():
        small.get_parameter(name).requires_grad_(parameter.requires_grad)
    return small


def measure_network(
    small: nn.Module, input_shape: tuple[int, ...], batch: int = 1, repeats: int = 30
) -> dict[str, float]:
    """The cost of a network: a forward pass in eval mode, on its device and in its dtype.

    `parameters`: number of parameters, including biases and batch norm. `flops`: of one example, 2
    per multiply-add, by torch's FlopCounterMode. `latency_seconds`: median time of a batch of
    `batch` examples over `repeats` runs, after a warm-up. The network is not changed.
    """
    from torch.utils.flop_counter import FlopCounterMode  # imports Triton, which takes 0.2 s

    if batch < 1 or repeats < 1:
        raise ValueError(f"batch and repeats must be at least 1, but got {batch} and {repeats}")
    like = next(small.parameters())
    twin = copy.deepcopy(small).eval()
    counter = FlopCounterMode(display=False)
    with eager(), warnings.catch_warnings(), counter:
        # it counts with hooks; compiled networks warn about those, which does not matter here
        warnings.filterwarnings("ignore", "Using `torch.compile")
        # with values, since a network's behaviour may depend on them
        outputs(twin, examples.zeros(1, input_shape, like.dtype, like.device))
    x = examples.zeros(batch, input_shape, like.dtype, like.device)
    seconds = []
    for _ in range(WARM_UP + repeats):
        begin = time.perf_counter()
        outputs(twin, x)
        if like.is_cuda:
            torch.cuda.synchronize(like.device)
        seconds.append(time.perf_counter() - begin)
    return {
        "parameters": float(sum(p.numel() for p in small.parameters())),
        "flops": float(counter.get_total_flops()),
        "latency_seconds": statistics.median(seconds[WARM_UP:]),
    }
