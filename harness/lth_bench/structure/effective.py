"""Effective density: the weights that lie on some path from the input to the output.

A random mask leaves weights that touch a dead unit and do nothing; a direct count overstates such
a ticket (Vysogorets & Kempe, 2021, arXiv 2107.02306).
"""

from __future__ import annotations

import copy
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from lth_bench.masks import Mask

SMALL = 1e-6
"""Scale of the input, so that no activation saturates on the way (ReLU6 at 6)."""


def effective_density(module: nn.Module, input_shape: tuple[int, ...], mask: Mask) -> float:
    """Fraction of the prunable weights that are kept and lie on a path, in [0, 1]."""
    return effective_mask(module, input_shape, mask).density


def effective_mask(module: nn.Module, input_shape: tuple[int, ...], mask: Mask) -> Mask:
    """The kept weights on some path of kept weights from an input channel to an output.

    A path leads from channel to channel: a weight counts when its input channel is reached from
    the data and its output channel reaches the logits, wherever in the kernel it lies. Neither
    values nor biases matter; a unit whose γ is held at zero passes nothing on.

    The network itself finds the paths: with every connected pair of channels given a small
    positive weight, biases zero and normalisation left out, all activations and gradients are
    sums of non-negative terms, and a weight's gradient is positive exactly on a path. Exact for
    activations that are zero at zero and increasing there (ReLU, GELU, SiLU, tanh, ...); after a
    sigmoid even a dead unit counts as reached. `module` is not changed.
    """
    twin = copy.deepcopy(module).double().eval().requires_grad_(False)
    parts = dict(twin.named_modules())
    for name, part in parts.items():
        if isinstance(getattr(part, "bias", None), Tensor):
            part.bias.zero_()
        if isinstance(part, (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)):
            held = mask.held.get(f"{name}.weight") if isinstance(part, _NormBase) else None
            part.forward = partial(_pass_on, held)  # type: ignore[method-assign]  # a copy's own
    weights = [parts[name].weight for name in mask.kept]
    for weight, kept in zip(weights, mask.kept.values(), strict=True):
        pairs = _pairs(kept).double()
        # rows that sum to 1 keep activations from growing or fading with the width
        pairs /= pairs.sum(1, keepdim=True).clamp(min=1) * kept[0, 0].numel()
        weight.copy_(_over_kernel(pairs, kept.shape))
        weight.requires_grad_(True)
    draws = torch.Generator().manual_seed(0)
    x = (torch.rand(1, *input_shape, generator=draws, dtype=torch.float64) + 0.5) * SMALL
    with torch.enable_grad():
        out = twin(x.to(weights[0].device))
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
            out.sum(), weights, allow_unused=True
        )
    effective = {}
    for (name, kept), gradient in zip(mask.kept.items(), gradients, strict=True):
        if gradient is None:  # not on the way to the outputs at all
            effective[name] = torch.zeros_like(kept)
            continue
        on_path = _pairs(gradient != 0).to(kept.device)
        effective[name] = kept & _over_kernel(on_path, kept.shape)
    return Mask(effective, layers=mask.layers)


def _pairs(weights: Tensor) -> Tensor:
    """Bool [out, in]: whether anything holds between two channels, anywhere in the kernel."""
    return weights.flatten(2).any(2) if weights.dim() > 2 else weights


def _over_kernel(pairs: Tensor, shape: torch.Size) -> Tensor:
    """[out, in] repeated over the kernel, to a weight's shape [out, in, *kernel]."""
    return pairs.reshape(*pairs.shape, *(1,) * (len(shape) - 2)).expand(shape)


def _pass_on(held: Tensor | None, x: Tensor) -> Tensor:
    """In place of a normalisation: x [N, C, ...], without the channels held at zero."""
    if held is None:
        return x.clone()  # an activation may work in place on what it gets
    return x * held.to(x).view(1, -1, *(1,) * (x.dim() - 2))
