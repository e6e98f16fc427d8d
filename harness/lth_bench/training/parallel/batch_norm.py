"""Batch norm over the whole batch while every rank has a part of it."""

from __future__ import annotations

import copy
from types import MethodType
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def replica(module: nn.Module, device: torch.device) -> nn.Module:
    """A second module in the same memory, whose batch norms take their statistics over all ranks.
    The first one can still be called by one rank alone.

    Its parameters are objects of their own, since DistributedDataParallel leaves hooks on them for
    as long as it lives.
    """
    shared: dict[int, Tensor] = {id(b): b for b in module.buffers()}
    for p in module.parameters():
        shared[id(p)] = nn.Parameter(p.detach(), requires_grad=p.requires_grad)
    twin = copy.deepcopy(module, shared)
    if device.type == "cuda":
        convert = nn.SyncBatchNorm.convert_sync_batchnorm
        synced: nn.Module = convert(twin)  # type: ignore[no-untyped-call]  # torch's stub
        return synced
    for part in twin.modules():
        if isinstance(part, _BatchNorm):
            part.forward = MethodType(_normalised, part)  # type: ignore[method-assign]
    return twin


def _normalised(norm: Any, x: Tensor) -> Tensor:
    """The forward pass on a CPU, for which torch's SyncBatchNorm is not made: mean and biased
    variance over all ranks, which have equally many examples. x: [N, C, …].
    """
    norm._check_input_dim(x)
    if not (norm.training or norm.running_mean is None):
        return F.batch_norm(
            x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps
        )
    others = [d for d in range(x.ndim) if d != 1]
    n = x.numel() // x.shape[1] * dist.get_world_size()
    shape = [1, -1, *(1 for _ in others[1:])]
    mean = _sum_over_ranks(x.sum(others)) / n
    centred = x - mean.view(shape)
    variance = _sum_over_ranks(centred.square().sum(others)) / n
    if norm.training and norm.track_running_stats:
        _keep_statistics(norm, mean.detach(), variance.detach() * (n / (n - 1)))
    y = centred * torch.rsqrt(variance + norm.eps).view(shape)
    if norm.affine:
        y = y * norm.weight.view(shape) + norm.bias.view(shape)
    return y


@torch.no_grad()
def _keep_statistics(norm: Any, mean: Tensor, variance: Tensor) -> None:
    """Update the running mean and the running unbiased variance, [C], in place."""
    norm.num_batches_tracked.add_(1)
    # as in torch, no momentum stands for the mean over all batches
    share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean), share)
    norm.running_var.lerp_(variance.to(norm.running_var), share)


class _OverRanks(torch.autograd.Function):
    """A sum over the ranks, of which every rank's loss takes its gradient."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


def _sum_over_ranks(x: Tensor) -> Tensor:
    total: Tensor = _OverRanks.apply(x)
    return total
