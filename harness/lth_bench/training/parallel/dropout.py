"""Dropout that drops on several devices what it drops on one."""

from __future__ import annotations

import copy
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lth_bench.models.examples import random
from lth_bench.training.engine.network import Network
from lth_bench.training.input.task_data import Share
from lth_bench.training.randomness import seeded

KINDS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""Those that multiply by noise."""
EXAMPLES = 4


def share_dropout(module: nn.Module, share: Share) -> None:
    """Let every dropout draw for the whole batch, of which it uses this rank's part. All ranks
    need the same seed; each draws as much as one device would.
    """
    for part in module.modules():
        if type(part) in KINDS:
            part.forward = MethodType(_forward(share), part)


def _forward(share: Share) -> Any:
    def dropped(part: Any, x: Tensor) -> Tensor:
        if not part.training:
            return x
        n = len(x)
        noise: Tensor = type(part).forward(part, _whole(x, share.of))
        first = share.first(n * share.of)
        return x * noise[first : first + n].clone()  # a copy, so that the rest is freed

    return dropped


def _whole(x: Tensor, of: int) -> Tensor:
    """Ones like the batch that x is a part of: [N × of, …], in the memory layout that it would
    have, which the noise is drawn in.
    """
    shape = (len(x) * of, *x.shape[1:])
    if len(x) and x.stride(0) == x.numel() // len(x):
        return torch.empty_strided(shape, x.stride(), dtype=x.dtype, device=x.device).fill_(1.0)
    return x.new_ones(shape)


@torch.no_grad()
def draws_as_one_device(network: Network) -> bool:
    """Whether a forward pass under `share_dropout` draws what it would on one device, as two parts
    of a small batch show on a CPU. Not where something else draws random numbers, or where
    examples do not come first.
    """
    generators = network.side_effects.generators
    if not generators <= {"torch"}:
        return False
    if not generators:
        return True
    twin = copy.deepcopy(network.module).to("cpu")
    _scatter(twin)
    for part in twin.modules():
        if isinstance(part, _BatchNorm):
            part.eval()  # its statistics are the whole batch's elsewhere
    x = random(EXAMPLES, network.input_shape, network.dtype)
    with seeded("dropout"):
        whole, ended = twin(x), torch.get_rng_state()
    for rank in range(2):
        share = Share(rank, 2)
        share_dropout(twin, share)
        rows = slice(share.first(EXAMPLES), share.first(EXAMPLES) + share.size(EXAMPLES))
        with seeded("dropout"):
            part = twin(x[rows])
            if not torch.equal(torch.get_rng_state(), ended):
                return False
        # by the size of the outputs, which deep networks make very large or small; NaN is not alike
        if not (part - whole[rows]).abs().max() <= 1e-4 * whole.abs().max():
            return False
    return True


def _scatter(module: nn.Module) -> None:
    """Weights that let every unit be seen in the output, the same on all ranks: in those at hand
    zeros could hide what a unit draws.
    """
    with seeded("dropout weights"):
        for p in module.parameters():
            fan_in = p[0].numel() if p.ndim > 1 else 1
            p.normal_(std=max(1, fan_in) ** -0.5)
