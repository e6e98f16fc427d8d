"""A sequential network's first linear layer, on images less their background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lth_bench.training.engine.sequential import DenseLinear, SequentialByHand, Stage
from lth_bench.training.engine.sparse_input.images import Lines, SparseBatch
from lth_bench.training.input.task_data import Background

VECTOR = 16
"""Rows of the weight are padded to multiples of this, a cache line of floats: the forward product
takes .27 for .32 ms at 300 units."""


class SparseInputLinear:
    """A linear layer that has its weight by input pixel, and its bias."""

    def __init__(self, linear: nn.Linear, background: Background) -> None:
        """As large as `linear`, with zeros for values."""
        units, pixels = linear.weight.shape
        padded = -(-units // VECTOR) * VECTOR
        bias: Tensor | None = linear.bias
        # of three dimensions, so that its shape tells it from every other parameter
        self.weight = linear.weight.new_zeros(1, pixels, padded).detach()
        self.bias = None if bias is None else torch.zeros_like(bias).detach()
        self._units = units
        self._background = float(background.shades[background.value])

    def as_usual(self, tensor: Tensor) -> Tensor:
        """The view [units, pixels] of what has the shape of `weight`."""
        return tensor[0, :, : self._units].t()

    def out(self, x: SparseBatch | Lines) -> Tensor:
        """[N, units]."""
        lines = x if isinstance(x, Lines) else x.by_image
        product = lines.times(self.weight[0])[:, : self._units]
        same = product[-1] * self._background
        return product[:-1] + (same if self.bias is None else same.add_(self.bias))

    def leave_gradients(self, g: Tensor, x: SparseBatch) -> None:
        """From the gradient [N, units] by its output."""
        by_bias = torch.sum(g, 0)
        if self.bias is not None:
            self.bias.grad = by_bias
        table = g.new_zeros(len(g) + 1, self.weight.shape[2])
        table[:-1, : self._units] = g
        torch.mul(by_bias, self._background, out=table[-1, : self._units])
        self.weight.grad = x.by_pixel.times(table)[None]

    def back(self, g: Tensor) -> Tensor:
        """No layer comes before this one."""
        raise AssertionError("images have no gradient")


class SparseInputSequential(SequentialByHand):
    """A sequential network with such a first layer, on tensors of its own."""

    def __init__(self, stages: Sequence[Stage], background: Background) -> None:
        """Values are to be put into `parameters`."""
        self.first = SparseInputLinear(stages[0].linear, background)
        linears: list[SparseInputLinear | DenseLinear] = [self.first]
        linears += [DenseLinear(*_copies(stage.linear)) for stage in stages[1:]]
        super().__init__(stages, linears)
        self.parameters: dict[str, Tensor] = {}
        """Keyed as in the state dict; `usual` gives the shapes that they have there."""
        for stage, linear in zip(stages, linears, strict=True):
            self.parameters[f"{stage.name}.weight"] = linear.weight
            if linear.bias is not None:
                self.parameters[f"{stage.name}.bias"] = linear.bias

    def usual(self, tensor: Tensor) -> Tensor:
        """A view with the shape of the state dict's, of a parameter or what has its shape."""
        return self.first.as_usual(tensor) if tensor.ndim == 3 else tensor

    @torch.no_grad()
    def load(self, values: Mapping[str, Tensor]) -> None:
        """Copy a state dict's values."""
        for key, parameter in self.parameters.items():
            self.usual(parameter).copy_(values[key])


def _copies(linear: nn.Linear) -> tuple[Tensor, Tensor | None]:
    bias: Tensor | None = linear.bias
    return linear.weight.detach().clone(), None if bias is None else bias.detach().clone()
