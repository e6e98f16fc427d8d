"""A sequential network on images less their background, and where leaving it out pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lth_bench.training.engine.sequential import DenseLinear, SequentialByHand, Stage, stages_of
from lth_bench.training.input.sparse_images import SparseBatch, SparseRows
from lth_bench.training.input.task_data import Background, TaskData
from lth_bench.training.recipe import Recipe

SMALLEST = 100_000
"""Weights that the first layer must have."""
SMALLEST_BATCH = 16
"""Images; smaller batches take longer (1.1 to 1.4 times at one image, 1.0 at 8 to 16)."""
MOSTLY = 0.7
"""Share of the training images that must be background."""
MOST = 2**27
"""Pixels of the training images that may differ from it: they take 1 GB."""


def sparse_stages(
    module: nn.Module, data: TaskData, device: torch.device
) -> tuple[Stage, ...] | None:
    """The stages of a sequential network whose first layer is faster without the background, or
    None.

    A function of the network, the data and the kind of machine, never of where the data lies, so
    that a rerun computes the same way.
    """
    background = data.background
    if device.type != "cpu" or background is None or background.share < MOSTLY:
        return None
    if background.others > MOST or "fbgemm" not in engines():
        return None  # fbgemm has the fast kernel
    stages = stages_of(module)
    large = stages is not None and stages[0].linear.weight.numel() >= SMALLEST
    return stages if large else None


def trains_so(recipe: Recipe) -> bool:
    """Whether a recipe's batches are images as they are, and enough of them."""
    plain = not (recipe.crop or recipe.flip) and recipe.dtype != "bfloat16"
    return plain and recipe.batch_size >= SMALLEST_BATCH


def engines() -> list[str]:
    """The libraries of kernels that this build of torch has for this CPU."""
    found: list[str] = torch.backends.quantized.supported_engines
    return found


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

    def out(self, x: SparseBatch | SparseRows) -> Tensor:
        """[N, units]."""
        lines = x if isinstance(x, SparseRows) else x.by_image
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
