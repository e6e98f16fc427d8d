"""Block floating point with stochastic rounding: low-precision training, simulated.

Yang et al., 2019 (SWALP), sections 2 and 4: numbers of a block share an exponent, and each is
rounded to a neighbouring multiple of the block's step, up with a probability that makes the
rounding unbiased. A block is an index of the first dimension: a filter of a weight, an example of
an activation. Each entry of a vector (γ, a bias) is a block of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from lth_bench.errors import UserError
from lth_bench.masks import Layer
from lth_bench.models.prunable import layers_by_name
from lth_bench.training.randomness import device_generator

LEAST = 2.0**-100
"""A block whose entries are all smaller has the step of this number, which does not underflow."""


@torch.no_grad()
def block_rounded(x: Tensor, bits: int, rng: torch.Generator) -> Tensor:
    """`x` [B, …] in `bits` bits a number, sign included.

    With e = ⌊log₂ max|x|⌋ of a block, its step is 2^(e − bits + 2), and results lie within
    ±2^e (2 − 2^(2 − bits)). A block of zeros stays zero, one that is not finite is not rounded.
    """
    if x.numel() == 0:
        return x.clone()
    blocks = x.reshape(len(x), -1) if x.ndim else x.reshape(1, 1)
    largest = blocks.abs().amax(1, keepdim=True).clamp(min=LEAST)
    # 2^e exactly: the mantissa lies in [½, 1)
    step = largest / (2 * torch.frexp(largest).mantissa) * 2.0 ** (2 - bits)
    scaled = blocks / step
    low = scaled.floor()
    noise = torch.rand(blocks.shape, generator=rng, device=x.device, dtype=x.dtype)
    most = 2 ** (bits - 1) - 1
    rounded = (low + (noise < scaled - low)).clamp(-most, most) * step
    return torch.where(largest.isfinite(), rounded, blocks).reshape(x.shape)


class _BothWays(torch.autograd.Function):
    """Rounds activations on the way forward, and their errors on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rounding: Rounding) -> Tensor:
        ctx.rounding = rounding
        return rounding(x)

    @staticmethod
    def backward(ctx: Any, *errors: Tensor) -> tuple[Tensor, None]:
        return ctx.rounding(errors[0]), None


class Rounding:
    """Rounds to so many bits, with random numbers that depend on a seed alone."""

    def __init__(self, bits: int, device: torch.device) -> None:
        self.bits = bits
        # its own: what modules and callbacks draw from the device's must not change it
        self._rng = device_generator(device).clone_state()

    def seed(self, seed: int) -> None:
        """Draw from the start of this seed's random numbers."""
        self._rng.manual_seed(seed)

    def __call__(self, x: Tensor) -> Tensor:
        """A rounded copy of `x`."""
        return block_rounded(x, self.bits, self._rng)

    @torch.no_grad()
    def in_place(self, tensors: Sequence[Tensor]) -> None:
        """Round these tensors where they are."""
        for tensor in tensors:
            tensor.copy_(self(tensor))

    @contextmanager
    def within(self, module: nn.Module, layers: Sequence[Layer]) -> Iterator[None]:
        """Forward passes in this block round the outputs of convolutions and linear layers, and
        their backward passes the errors there; the output layer's are left as they are, as in
        SWALP's networks.
        """

        def rounded(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
            found: Tensor = _BothWays.apply(output, self)
            return found

        last = {layer.name for layer in layers if layer.kind == "output"}
        hooks = [
            part.register_forward_hook(rounded)
            for name, part in module.named_modules()
            if isinstance(part, nn.Linear | _ConvNd) and name not in last
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()


def require_roundable(module: nn.Module, layers: Sequence[Layer], bits: int) -> None:
    """UserError for a network with weights of other layers than convolutions and linear ones that
    are called as modules, be they among the prunable `layers` or not: what those compute would not
    be rounded.
    """
    parts = dict(module.named_modules())
    for layer in (*layers_by_name(module).values(), *layers):
        if not isinstance(parts.get(layer.name), nn.Linear | _ConvNd):
            owner = parts.get(layer.name.partition("/")[0], module)
            raise UserError(
                f"training in {bits} bits rounds what convolutions and linear layers compute, but "
                f"the weight {layer.key!r} belongs to {type(owner).__name__}; leave the bits out, "
                f"or the model"
            )
