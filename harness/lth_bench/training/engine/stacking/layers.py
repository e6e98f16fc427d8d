"""Layers that hold the weights of `members` members and compute them all at once.

The rows of a stacked network's batch are the examples of all members. Everything between these
layers treats rows independently, as PyTorch's modules do, and needs no change. Rows are ordered by
member, then example ("member-major"), or, in networks with convolutions, by example, then member
("example-major"): then [N·M, C, H, W] is, without a copy, the [N, M·C, H, W] that grouped
convolutions and batch norm take.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def example_major(module: nn.Module) -> bool:
    """Whether this network's batches are ordered by example, then member."""
    return any(not isinstance(m, nn.Linear | nn.Flatten) and _own(m) for m in module.modules())


class _NoStackedForm(Exception):
    """A layer that only `torch.func` can stack. Its own class, so that exceptions raised while
    copying a user's module, NotImplementedError included, are not mistaken for it.
    """


def stack_layers(module: nn.Module, members: int, example_major: bool) -> nn.Module | None:
    """A copy of the network with stacked layers; None if a layer has no stacked form.

    Parameters and buffers keep their names and gain a leading dimension of `members`.
    """
    try:
        return _stacked(copy.deepcopy(module), members, example_major, {})
    except _NoStackedForm:
        return None


def _stacked(
    part: nn.Module, members: int, example_major: bool, made: dict[int, nn.Module]
) -> nn.Module:
    """The stacked form of a submodule; `made` caches those already converted, by id."""
    if id(part) not in made:
        build = LAYERS.get(type(part))
        if build is None and _own(part):
            raise _NoStackedForm
        if build is not None:
            made[id(part)] = build(part, members, example_major)
            made[id(part)].training = part.training
        else:
            made[id(part)] = shell = copy.copy(part)
            shell._modules = {
                n: _stacked(m, members, example_major, made) if m is not None else None
                for n, m in part._modules.items()
            }
    return made[id(part)]


def _own(module: nn.Module) -> bool:
    """Whether a module itself holds tensors, not only its submodules."""
    return any(True for _ in module.parameters(recurse=False)) or any(
        True for _ in module.buffers(recurse=False)
    )


def stack(tensor: Tensor, members: int) -> Tensor:
    """`members` copies along a new first dimension, contiguous."""
    return torch.stack([tensor.detach()] * members).contiguous()


def _stack(tensor: Tensor, members: int) -> nn.Parameter:
    return nn.Parameter(stack(tensor, members), tensor.requires_grad)


def _stack_if(tensor: Tensor | None, members: int) -> nn.Parameter | None:
    return None if tensor is None else _stack(tensor, members)


class _Products(torch.autograd.Function):
    """x·wᵀ for every member. Autograd's backward of `baddbmm(x, wᵀ)` computes the transposed
    gradient and copies it; this one computes it in the weight's own memory layout.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return torch.bmm(x, w.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, w = ctx.saved_tensors
        back = torch.bmm(grad, w) if ctx.needs_input_grad[0] else None
        return back, torch.bmm(grad.transpose(1, 2), x) if ctx.needs_input_grad[1] else None


class _ProductsAndBias(torch.autograd.Function):
    """The same with a bias, which `baddbmm` adds at no cost."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor) -> Tensor:
        ctx.save_for_backward(x, w)
        return torch.baddbmm(b.unsqueeze(1), x, w.transpose(1, 2))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, w = ctx.saved_tensors
        by_x, by_w, by_b = ctx.needs_input_grad
        return (
            torch.bmm(grad, w) if by_x else None,
            torch.bmm(grad.transpose(1, 2), x) if by_w else None,
            # Example-major rows are interleaved, and PyTorch's sum adds the columns after the
            # last full SIMD vector in another order: bits would depend on the slot.
            grad.contiguous().sum(1) if by_b else None,
        )


class StackedLinear(nn.Module):
    """weight [M, out, in], bias [M, out]."""

    def __init__(self, layer: nn.Linear, members: int, example_major: bool) -> None:
        super().__init__()
        self.members, self.example_major = members, example_major
        self.weight = _stack(layer.weight, members)
        self.bias = _stack_if(layer.bias, members)

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape
        rows = by_member(x, self.members, self.example_major).reshape(self.members, -1, shape[-1])
        w: Tensor = self.weight
        b: Tensor | None = self.bias
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            rows, w, b = rows.to(dtype), w.to(dtype), None if b is None else b.to(dtype)
        out: Tensor = _Products.apply(rows, w) if b is None else _ProductsAndBias.apply(rows, w, b)
        out = out.view(self.members, -1, *shape[1:-1], out.shape[-1])
        return (out.transpose(0, 1) if self.example_major else out).flatten(0, 1)


class StackedConv2d(nn.Module):
    """weight [M, out, in / groups, kh, kw], bias [M, out]; rows are example-major."""

    def __init__(self, layer: nn.Conv2d, members: int, example_major: bool) -> None:
        super().__init__()
        if layer.padding_mode != "zeros":
            raise _NoStackedForm
        self.members = members
        self.how: Any = (layer.stride, layer.padding, layer.dilation, members * layer.groups)
        self.weight = _stack(layer.weight, members)
        self.bias = _stack_if(layer.bias, members)

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.flatten()
        out = F.conv2d(_side_by_side(x, self.members), self.weight.flatten(0, 1), bias, *self.how)
        return _rows(out, self.members)


class StackedBatchNorm(nn.Module):
    """weight, bias and running statistics [M, C]; rows are example-major."""

    def __init__(
        self, layer: nn.BatchNorm1d | nn.BatchNorm2d, members: int, example_major: bool
    ) -> None:
        super().__init__()
        if layer.momentum is None or layer.running_mean is None or not layer.affine:
            raise _NoStackedForm
        assert layer.running_var is not None and layer.num_batches_tracked is not None
        self.members, self.momentum, self.eps = members, layer.momentum, layer.eps
        self.weight, self.bias = _stack(layer.weight, members), _stack(layer.bias, members)
        self.running_mean: Tensor
        self.running_var: Tensor
        self.num_batches_tracked: Tensor
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, stack(getattr(layer, name), members))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.num_batches_tracked.add_(1)
        out = F.batch_norm(
            _side_by_side(x, self.members),
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.flatten(),
            self.bias.flatten(),
            self.training,
            self.momentum,
            self.eps,
        )
        return _rows(out, self.members)


LAYERS: dict[type[nn.Module], Any] = {
    nn.Linear: StackedLinear,
    nn.Conv2d: StackedConv2d,
    nn.BatchNorm1d: StackedBatchNorm,
    nn.BatchNorm2d: StackedBatchNorm,
}
"""Exact types only: a subclass may compute something else."""


def by_member(rows: Tensor, members: int, example_major: bool) -> Tensor:
    """[rows, …] as [M, N, …]."""
    if example_major:
        return rows.reshape(-1, members, *rows.shape[1:]).transpose(0, 1)
    return rows.reshape(members, -1, *rows.shape[1:])


def _side_by_side(x: Tensor, members: int) -> Tensor:
    """[N·M, C, …] as [N, M·C, …]."""
    return x.reshape(-1, members * x.shape[1], *x.shape[2:])


def _rows(x: Tensor, members: int) -> Tensor:
    """[N, M·C, …] as [N·M, C, …]."""
    return x.reshape(x.shape[0] * members, -1, *x.shape[2:])
