"""FLOPs of the prunable layers, dense and under a mask. 2 FLOPs a multiply-add.

Counted over the products that the prunable weights take part in, in whatever module: a layer
that is called, `F.linear` on its weight, or torch's attention. Checked against torch's
FlopCounterMode by test. Other weights, normalisation, activations and the optimizer do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lth_bench.masks import Layer
from lth_bench.models.operations import record
from lth_bench.models.products import product_of
from lth_bench.models.tracing import to_trace
from lth_bench.system.blame import ends_the_run


@dataclass(frozen=True)
class LayerFlops:
    """FLOPs an example of one layer: forward, gradient by input, gradient by weight."""

    forward: int
    by_input: int
    by_weight: int


class Flops:
    """FLOPs an example of a network's prunable layers."""

    def __init__(self, layers: Mapping[str, LayerFlops]) -> None:
        self.layers = dict(layers)

    @property
    def forward(self) -> int:
        """One forward pass of the dense network."""
        return sum(x.forward for x in self.layers.values())

    @property
    def step(self) -> int:
        """Forward and backward of the dense network."""
        return sum(x.forward + x.by_input + x.by_weight for x in self.layers.values())

    def masked_step(self, density: Mapping[str, float], dense_gradients: bool = False) -> float:
        """Forward and backward if zeros cost nothing; `density` is by layer.

        `dense_gradients`: the gradient by weight is computed for pruned weights too, as RigL
        does at its updates.
        """
        return sum(
            density[name] * (x.forward + x.by_input)
            + (1.0 if dense_gradients else density[name]) * x.by_weight
            for name, x in self.layers.items()
        )


def count_flops(module: nn.Module, layers: Sequence[Layer], input_shape: tuple[int, ...]) -> Flops:
    """FLOPs of `layers` for one example of `input_shape` [C, H, W]; the module is not changed.

    Measured as the cost of a third example beside two, which excludes products of weights alone
    (done once per batch); for a network that cannot take three, half the cost of two. Only
    gradients that are computed count: the first layer needs none for its input, a frozen weight
    none at all.
    """
    twin, two = to_trace(module, input_shape)
    watched = {layer.name: twin.get_parameter(layer.key) for layer in layers}
    sizes = {layer.name: layer.numel for layer in layers}
    few = _counted(twin, two, watched, sizes)
    try:
        more = _counted(twin, torch.cat([two, two[:1]]), watched, sizes)
    except BaseException as error:  # the user's network may raise anything
        if ends_the_run(error):
            raise
        one = {n: tuple(cost / 2 for cost in costs) for n, costs in few.items()}
    else:
        one = {n: tuple(b - a for a, b in zip(few[n], more[n], strict=True)) for n in sizes}
    for name in _cut_off(twin, two, watched):  # no gradient reaches these, nor anything before them
        one[name] = (one[name][0], 0.0, 0.0)
    return Flops({n: LayerFlops(*(int(cost) for cost in costs)) for n, costs in one.items()})


def _counted(
    module: nn.Module, x: Tensor, watched: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> dict[str, tuple[float, float, float]]:
    """Layer → FLOPs of a batch: forward, gradient for the input, gradient for the weight."""
    found = dict.fromkeys(sizes, (0.0, 0.0, 0.0))
    for operation in record(module, x, watched).operations:
        product = product_of(operation)
        if product is None:
            continue
        weight, other = product.a, product.b
        if not weight.weights:
            weight, other = other, weight
        for name in weight.weights:
            # a product of several layers' concatenated weights is divided among them
            part = sizes[name] / sum(sizes[n] for n in weight.weights)
            flops = 2 * product.multiplications * part
            before = found[name]
            found[name] = (
                before[0] + flops,
                before[1] + flops * other.has_gradient,
                before[2] + flops * weight.has_gradient,
            )
    return found


def _cut_off(module: nn.Module, x: Tensor, watched: Mapping[str, Tensor]) -> list[str]:
    """Trainable weights that get no gradient, such as those behind a `detach`."""
    trained = {name: weight for name, weight in watched.items() if weight.requires_grad}
    with torch.enable_grad():
        out = module(x)
        if not out.requires_grad or not trained:
            return list(trained)
        found: Sequence[Tensor | None] = torch.autograd.grad(
            out.sum(), list(trained.values()), allow_unused=True
        )
    return [name for name, gradient in zip(trained, found, strict=True) if gradient is None]
