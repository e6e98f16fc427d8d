"""Paths found by trying, in networks of ReLU, sums, means and the larger of several."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from lth_bench.masks import Mask, weight_key

LARGE = 1e4
"""What a tried weight becomes: more than all others together, so that it decides a maximum."""
Pair = tuple[str, int, int]
"""Layer, output channel, input channel."""


def kept_pairs(mask: Mask, most: int) -> list[Pair]:
    """Connections of channels that a mask keeps, at most so many, at random."""
    found = [
        (name, int(o), int(i))
        for name, kept in mask.kept.items()
        for o, i in _over(kept).nonzero().tolist()
    ]
    random.Random(0).shuffle(found)
    return found[:most]


@torch.no_grad()
def on_a_path(module: nn.Module, x: Tensor, mask: Mask, tried: list[Pair]) -> Iterator[bool]:
    """For each connection, whether the outputs change with it, when all that is kept is positive,
    and no bias, constant or norm stands in the way. `x` is positive.
    """
    twin = copy.deepcopy(module).double().eval()
    draws = torch.Generator().manual_seed(0)
    for part in twin.modules():
        if isinstance(getattr(part, "bias", None), Tensor):
            part.bias.zero_()
        if isinstance(part, _NormBase):
            part.running_mean.zero_()
            part.running_var.fill_(1.0)
            if part.affine:
                part.weight.fill_(1.0)
    for name in (n for n, _ in twin.named_parameters() if ".bias_" in n):
        twin.get_parameter(name).zero_()  # of recurrent layers
    for name, kept in mask.kept.items():
        fan_in = max(1, kept[0].numel())
        values = (torch.rand(kept.shape, generator=draws, dtype=torch.float64) + 0.5) / fan_in
        twin.get_parameter(weight_key(name)).copy_(values * _spread(_over(kept), kept.shape))
    before = twin(x.clone())
    for name, o, i in tried:
        weight = twin.get_parameter(weight_key(name))
        was = weight[o, i].clone()
        weight[o, i] += LARGE
        yield not torch.equal(before, twin(x.clone()))
        weight[o, i] = was


def _over(kept: Tensor) -> Tensor:
    """[out, in]: whether anything is kept between two channels."""
    return kept.flatten(2).any(2) if kept.dim() > 2 else kept


def _spread(pairs: Tensor, shape: torch.Size) -> Tensor:
    return pairs.reshape(*pairs.shape, *(1,) * (len(shape) - 2)).expand(shape)
