"""A sequential network on images without their background, and where that is faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lth_bench.training.engine.sequential import DenseLinear, SequentialByHand, Stage, stages_of
from lth_bench.training.input.sparse_images import SparseBatch, SparseRows
from lth_bench.training.input.task_data import Background, TaskData
from lth_bench.training.recipe import Recipe

SMALLEST = 100_000
"""Minimum number of weights in the first layer."""
SMALLEST_BATCH = 16
"""Minimum batch size, in images; smaller batches are slower (1.1 to 1.4 times at 1 image, 1.0 at
8 to 16)."""
MOSTLY = 0.7
"""Minimum fraction of the training pixels that are background."""
MOST = 2**27
"""Maximum number of training pixels that differ from the background: they take 1 GB."""


def sparse_stages(
    module: nn.Module, data: TaskData, device: torch.device
) -> tuple[Stage, ...] | None:
    """The stages of a sequential network whose first layer is faster without the background; None
    if there is no gain.

    Depends on the network, the data and the kind of machine, never on where the data is stored, so
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
    """Whether a recipe's batches are unaugmented images, and large enough."""
    plain = not recipe.augments and recipe.in_full
    return plain and recipe.batch_size >= SMALLEST_BATCH


def engines() -> list[str]:
    """The kernel libraries that this build of torch has for this CPU."""
    found: list[str] = torch.backends.quantized.supported_engines
    return found


VECTOR = 16
"""Weight rows are padded to multiples of this, a cache line of floats: at 300 units the forward
product takes 0.27 ms instead of 0.32."""


class SparseInputLinear:
    """A linear layer whose weight is stored by input pixel."""

    def __init__(self, linear: nn.Linear, background: Background) -> None:
        """Same size as `linear`, with all values zero."""
        units, pixels = linear.weight.shape
        padded = -(-units // VECTOR) * VECTOR
        bias: Tensor | None = linear.bias
        # three dimensions, so that its shape identifies it among the parameters
        self.weight = linear.weight.new_zeros(1, pixels, padded).detach()
        self.bias = None if bias is None else torch.zeros_like(bias).detach()
        self._units = units
        self._background = float(background.shades[background.value])

    def as_usual(self, tensor: Tensor) -> Tensor:
        """The view [units, pixels] of a tensor with the shape of `weight`."""
        return tensor[0, :, : self._units].t()

    def out(self, x: SparseBatch | SparseRows) -> Tensor:
        """[N, units]."""
        lines = x if isinstance(x, SparseRows) else x.by_image
        product = lines.times(self.weight[0])[:, : self._units]
        same = product[-1] * self._background
        return product[:-1] + (same if self.bias is None else same.add_(self.bias))

    def leave_gradients(self, g: Tensor, x: SparseBatch) -> None:
        """From the gradient [N, units] with respect to the output, set the parameters' `.grad`."""
        by_bias = torch.sum(g, 0)
        if self.bias is not None:
            self.bias.grad = by_bias
        table = g.new_zeros(len(g) + 1, self.weight.shape[2])
        table[:-1, : self._units] = g
        torch.mul(by_bias, self._background, out=table[-1, : self._units])
        self.weight.grad = x.by_pixel.times(table)[None]

    def back(self, g: Tensor) -> Tensor:
        """Never called: this is always the first layer."""
        raise AssertionError("images have no gradient")


class SparseInputSequential(SequentialByHand):
    """A sequential network with such a first layer, on tensors of its own."""

    def __init__(self, stages: Sequence[Stage], background: Background) -> None:
        """All values are zero until `load`."""
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
        """A view in the state dict's shape, of a parameter or of a tensor with the parameter's
        shape.
        """
        return self.first.as_usual(tensor) if tensor.ndim == 3 else tensor

    @torch.no_grad()
    def load(self, values: Mapping[str, Tensor]) -> None:
        """Copy in a state dict's values."""
        for key, parameter in self.parameters.items():
            self.usual(parameter).copy_(values[key])


def _copies(linear: nn.Linear) -> tuple[Tensor, Tensor | None]:
    bias: Tensor | None = linear.bias
    return linear.weight.detach().clone(), None if bias is None else bias.detach().clone()
