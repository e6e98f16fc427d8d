"""The bare matrix products and convolutions of a training step: no step that computes them whole
takes less. One that leaves out the images' background may.

For every convolution and linear layer the output, the gradient by the weight and, but for the
layers that read the data, the gradient by the input, in shapes read off the network itself.
Nothing else: no activation, loss, mask, update or data.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Product:
    """One layer's products on one batch."""

    input: tuple[int, ...]
    """[N, in], or [N, C, H, W] of a convolution."""
    weight: tuple[int, ...]
    """[out, in], or [out, C, h, w]."""
    output: tuple[int, ...]
    by_input: bool
    """Whether the gradient by the input is needed."""
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] = ()

    @property
    def flops(self) -> int:
        """2 a multiply-add."""
        positions = math.prod((self.output[0], *self.output[2:]))
        return 2 * math.prod(self.weight) * positions * (3 if self.by_input else 2)


def products(module: nn.Module, shape: tuple[int, int, int], batch: int) -> list[Product]:
    """The products of a step on images [C, H, W], in the order of the forward pass."""
    twin = copy.deepcopy(module).to("meta")
    found: list[Product] = []

    def watch(layer: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        x, weight = inputs[0], tuple(layer.weight.shape)
        if isinstance(layer, nn.Conv2d):
            where = (tuple(layer.stride), tuple(layer.padding))
            product = Product(tuple(x.shape), weight, tuple(out.shape), x.requires_grad, *where)
        else:
            rows = x.numel() // x.shape[-1]
            product = Product((rows, x.shape[-1]), weight, (rows, weight[0]), x.requires_grad)
        found.append(product)

    for part in twin.modules():
        if isinstance(part, (nn.Conv2d, nn.Linear)):
            part.register_forward_hook(watch)
    twin(torch.zeros(batch, *shape, device="meta"))
    return found


Step = Callable[[], None]


def floor_steps(
    found: list[Product], width: int, device: torch.device, dtype: torch.dtype
) -> dict[str, Step]:
    """Ways to do a step's products for `width` members at once, by name.

    `stacked` does all members of a layer in one call: batched products, grouped convolutions.
    `apart` does one member after the other. `channels_last` is the order in memory.
    """
    conv = any(len(p.weight) == 4 for p in found)
    orders = (False, True) if conv else (False,)
    ways: dict[str, Step] = {}
    for channels_last in orders:
        suffix = ", channels_last" if channels_last else ""
        apart = [_prepared(p, 1, device, dtype, channels_last) for p in found]
        ways["apart" + suffix] = _all(apart, width)
        if width > 1:
            stacked = [_prepared(p, width, device, dtype, channels_last) for p in found]
            ways["stacked" + suffix] = _all(stacked, 1)
    return ways


def _all(steps: list[Step], times: int) -> Step:
    def run() -> None:
        for _ in range(times):
            for step in steps:
                step()

    return run


def _prepared(
    p: Product, width: int, device: torch.device, dtype: torch.dtype, channels_last: bool
) -> Step:
    """One layer's products on tensors made beforehand. Drawn at random: zeros can run faster."""

    def draw(*shape: int) -> Tensor:
        made = torch.randn(shape, device=device, dtype=dtype)
        if channels_last and len(shape) == 4:
            made = made.contiguous(memory_format=torch.channels_last)
        return made

    if len(p.weight) == 4:
        return _convolution(p, width, draw)
    lead = (width,) if width > 1 else ()
    x, w, g = draw(*lead, *p.input), draw(*lead, *p.weight), draw(*lead, *p.output)

    def linear() -> None:
        torch.matmul(x, w.mT)
        torch.matmul(g.mT, x)
        if p.by_input:
            torch.matmul(g, w)

    return linear


def _convolution(p: Product, width: int, draw: Callable[..., Tensor]) -> Step:
    batch, channels, *size = p.input
    x = draw(batch, width * channels, *size)
    w = draw(width * p.weight[0], *p.weight[1:])
    g = draw(batch, width * p.output[1], *p.output[2:])
    outputs = [p.by_input, True, False]

    def convolution() -> None:
        F.conv2d(x, w, None, p.stride, p.padding, groups=width)
        torch.ops.aten.convolution_backward(
            g, x, w, None, p.stride, p.padding, (1, 1), False, (0, 0), width, outputs
        )

    return convolution
