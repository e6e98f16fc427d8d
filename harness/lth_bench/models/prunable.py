"""Which layers of a network can be pruned: every convolution and linear layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from lth_bench.errors import UserError
from lth_bench.masks.layer import Kind, Layer
from lth_bench.models.tracing import to_trace

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def prunable_layers(
    module: nn.Module, input_shape: tuple[int, int, int], classes: int
) -> tuple[Layer, ...]:
    """Every convolution's and linear layer's weight, in the order of registration.

    A layer registered under several names appears once, under the first. The `output` layer is
    the last one executed whose outputs are as many as the classes. `module` is not changed.

    Raises UserError where the network cannot take an input of `input_shape` [C, H, W], or does
    not answer with logits [N, classes], or has nothing to prune.
    """
    found = _layers(module)
    if not found:
        raise UserError(f"{_title(module)} has no convolution and no linear layer to prune")
    executed = _executed(module, found, input_shape, classes)
    output = next((n for n in reversed(executed) if found[n].shape[0] == classes), None)

    def kind(name: str, weight: Tensor) -> Kind:
        if name == output:
            return "output"
        return "linear" if weight.ndim == 2 else "conv"

    return tuple(Layer(n, kind(n, w), tuple(w.shape)) for n, w in found.items())


def _layers(module: nn.Module) -> dict[str, Tensor]:
    """Module name → weight. Weights that two layers share count once."""
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, part in module.named_modules():
        if isinstance(part, (*CONVOLUTIONS, nn.Linear)) and id(part.weight) not in seen:
            seen.add(id(part.weight))
            found[name] = part.weight
    return found


def _executed(
    module: nn.Module, found: dict[str, Tensor], input_shape: tuple[int, ...], classes: int
) -> list[str]:
    """The layers' names as a forward pass calls them."""
    twin, examples = to_trace(module, input_shape)
    executed: list[str] = []

    def record(name: str) -> Callable[..., None]:
        return lambda *_: executed.append(name)

    for name in found:
        twin.get_submodule(name).register_forward_hook(record(name))
    try:
        with torch.no_grad():
            logits: Any = twin(examples)
    except Exception as error:  # whatever somebody's network raises
        raise UserError(
            f"{_title(module)} cannot take an input of shape {list(input_shape)}: {error}; choose "
            f"another model, or images of another size"
        ) from error
    if not isinstance(logits, Tensor) or logits.shape != (2, classes):
        got = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(
            f"{_title(module)} must answer two examples with logits of shape [2, {classes}], but "
            f"answers with {got}"
        )
    return executed


def _title(module: nn.Module) -> str:
    return f"the network {type(module).__name__}"
