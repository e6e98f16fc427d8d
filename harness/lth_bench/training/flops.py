"""FLOPs of the prunable layers, dense and under a mask. 2 FLOPs a multiply-add.

Counted from the layers' own shapes, and checked against torch's FlopCounterMode by test. Only
convolutions and linear layers count; normalisation, activations and the optimiser do not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from lth_bench.masks import Layer
from lth_bench.models.tracing import to_trace


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
    """FLOPs of `layers` for one example of `input_shape` [C, H, W]; the module is not changed."""
    twin, examples = to_trace(module, input_shape)
    modules = dict(twin.named_modules())
    found: dict[str, LayerFlops] = {}

    def watch(layer: Layer) -> None:
        def hook(_: nn.Module, inputs: tuple[torch.Tensor, ...], out: torch.Tensor) -> None:
            # [2, out, *positions] or [2, ..., out]; a weight is used once a position
            positions = out.numel() // (out.shape[0] * layer.shape[0])
            flops = 2 * layer.numel * positions
            # the layer that reads the data needs no gradient by its input
            by_input = flops if inputs[0].requires_grad else 0
            before = found.get(layer.name, LayerFlops(0, 0, 0))
            found[layer.name] = LayerFlops(
                before.forward + flops, before.by_input + by_input, before.by_weight + flops
            )

        modules[layer.name].register_forward_hook(hook)

    for layer in layers:
        watch(layer)
    twin(examples)
    zero = LayerFlops(0, 0, 0)
    return Flops({layer.name: found.get(layer.name, zero) for layer in layers})
